package remediation

import (
	"time"
)

// Plan is what would be done about one alert: the rule that matched, the action it
// names, the target the alert selected. It is all that an action is told, and the
// fields of a webhook's body template.
type Plan struct {
	Rule   string `json:"rule"`
	Action string `json:"action"`
	// Target is one of the action's configured targets, "" where it has none.
	Target string `json:"target,omitempty"`
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
