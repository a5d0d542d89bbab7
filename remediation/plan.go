package remediation

import (
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"slices"
	"time"

	"github.com/prometheus/common/model"

	"github.com/foreshock/foreshock/rules"
)

// plan is what would be done about one alert: the rule that matched, the action it
// names, the target the alert selected. It is all that an action is told, and the
// fields of a webhook's body template.
type plan struct {
	Rule   string `json:"rule"`
	Action string `json:"action"`
	// Target is one of the action's configured targets, "" where it has none.
	Target string `json:"target,omitempty"`
	// Value is how many an action that scales is to scale to, "" for others.
	Value string `json:"value,omitempty"`
	// Status is the alert's, "firing".
	Status string `json:"status"`
	// Labels are the alert's, to the last byte as somebody else wrote them.
	Labels map[string]string `json:"labels"`
	// Fingerprint is Alertmanager's hash of Labels, 16 hexadecimal digits.
	Fingerprint string `json:"fingerprint"`
	// StartsAt is when the alert began to fire, in UTC. With the fields above it
	// is the alert's episode.
	StartsAt time.Time `json:"startsAt"`
}

// identity is what stays the same from one episode of an alert to the next.
type identity [sha256.Size]byte

// MarshalText is the identity as 64 hexadecimal digits, for the ledger.
func (i identity) MarshalText() ([]byte, error) { return hex.AppendEncode(nil, i[:]), nil }

// UnmarshalText reads what MarshalText wrote.
func (i *identity) UnmarshalText(text []byte) error {
	if len(text) != hex.EncodedLen(len(i)) {
		return fmt.Errorf("identity of %d digits", len(text))
	}
	_, err := hex.Decode(i[:], text)
	return err
}

func (p plan) identity() identity {
	return digest(p.Rule, p.Action, p.Target, p.Fingerprint)
}

// id names the episode, in 32 hexadecimal digits.
func (p plan) id() string {
	sum := digest(p.Rule, p.Action, p.Target, p.Fingerprint, p.StartsAt.Format(time.RFC3339Nano))
	return hex.EncodeToString(sum[:16])
}

// digest hashes fields so that no two lists of them look alike.
func digest(fields ...string) [sha256.Size]byte {
	var b []byte
	for _, f := range fields {
		b = binary.AppendUvarint(b, uint64(len(f)))
		b = append(b, f...)
	}
	return sha256.Sum256(b)
}

// refusal is a reason not to act. Its class is a metric's label, one of the
// constants below.
type refusal struct{ class, text string }

func (r *refusal) Error() string { return r.text }

const (
	refusedMode           = "mode"           // the mode does not let it act
	refusedAuthentication = "authentication" // who delivered the alert, or asks, is not trusted
	refusedStale          = "stale"          // the episode is over, or the plan waited too long for its turn
	refusedBlind          = "blind"          // no samples come: nobody would see what it does
	refusedForecast       = "forecast"       // what is foreseen is not known, or not to be believed
	refusedTarget         = "target"         // the alert selects no configured target
	refusedRender         = "render"         // the action cannot be made of this plan
	refusedChanged        = "changed"        // the configuration would now do something else
	refusedProtected      = "protected"      // the target is ourselves, or protected
	refusedOwner          = "owner"          // somebody else looks after the target
	refusedLedger         = "ledger"         // the ledger does not know, or cannot be written
	refusedOnce           = "once"           // the alert was decided about again since
	refusedCooldown       = "cooldown"       // the target was just acted on
	refusedCeiling        = "ceiling"        // the rule, or all together, acted often enough
	refusedBlast          = "blast_radius"   // too many of the action's targets were acted on
	refusedBreaker        = "breaker"        // the rule failed too often
	refusedQueue          = "queue"          // too much waits already
	refusedConcurrency    = "concurrency"    // as many run as may; it waits for its turn
	refusedWindow         = "window"         // no remedy may act at this hour
	refusedPaused         = "paused"         // a person paused all remedies
)

var refusals = []string{
	refusedMode, refusedAuthentication, refusedStale, refusedBlind, refusedForecast, refusedTarget, refusedRender, refusedChanged,
	refusedProtected, refusedOwner, refusedLedger, refusedOnce, refusedCooldown, refusedCeiling, refusedBlast,
	refusedBreaker, refusedQueue, refusedConcurrency, refusedWindow, refusedPaused,
}

// plan works out what the remedy would do about the alert, with that value if it scales. Where that is nothing
// it returns a *refusal, and the plan as far as it got.
func (s *settings) plan(r *rules.Remedy, labels map[string]string, startsAt time.Time, value string) (plan, deed, error) {
	p := plan{
		Rule:        r.Name,
		Action:      r.Action,
		Status:      string(model.AlertFiring),
		Labels:      labels,
		Fingerprint: fingerprint(labels),
		StartsAt:    startsAt.UTC(),
		Value:       value,
	}
	a := s.actions[r.Action]
	if r.Target != "" {
		target := labels[r.Target]
		if target == "" {
			return p, deed{}, &refusal{refusedTarget, fmt.Sprintf("the alert has no label %s to select a target", r.Target)}
		}
		if !slices.Contains(a.targets, target) {
			return p, deed{}, &refusal{refusedTarget, fmt.Sprintf("target %.100q is not among those of action %s", target, r.Action)}
		}
		p.Target = target
	}
	d, err := a.prepare(p)
	if err != nil {
		return p, deed{}, &refusal{refusedRender, fmt.Sprintf("prepare %s: %v", r.Action, err)}
	}
	return p, d, nil
}

// hash is of the plan and of all that would be done: what a person approves.
func (p plan) hash(d deed) string {
	b, err := json.Marshal(p)
	if err != nil {
		panic(err) // a plan is strings and a time whose year was checked
	}
	sum := digest(string(b), string(d.digest[:]))
	return hex.EncodeToString(sum[:])
}

// fingerprint is Alertmanager's own, computed here so that an episode cannot be
// told apart from itself by a sender's mistake.
func fingerprint(labels map[string]string) string {
	set := make(model.LabelSet, len(labels))
	for name, value := range labels {
		set[model.LabelName(name)] = model.LabelValue(value)
	}
	return set.Fingerprint().String()
}
