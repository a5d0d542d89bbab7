package remediation

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/foreshock/foreshock/internal/yamlstrict"
	"github.com/foreshock/foreshock/rules"
)

// settings are a Config and its rules made ready for use. They are never changed,
// only replaced.
type settings struct {
	config   Config
	token    [sha256.Size]byte // of the token, so that comparing takes no hint from its length
	hasToken bool
	actions  map[string]configured
	remedies []*rules.Remedy
}

// configured is an action and what it may be pointed at.
type configured struct {
	action
	targets []string
}

// action is one way of acting on the world.
type action interface {
	// prepare renders exactly what would be done for the plan and does none of it.
	prepare(p plan) (deed, error)
}

// deed is one rendered action. What it cannot do is nil.
type deed struct {
	// digest is of everything that would be done; approval binds to it.
	digest [sha256.Size]byte
	// idempotent says that doing it twice is doing it once.
	idempotent bool
	// check asks the world, immediately before acting, whether the target may be
	// touched at all: its owner, its generation. Its no is a *refusal.
	check func(ctx context.Context) error
	// rehearse is the dry run: it changes nothing and says what do would do.
	rehearse func(ctx context.Context) (output string, err error)
	// do acts, once. It returns what the other side said, at most maxOutput bytes,
	// and nil for success.
	do func(ctx context.Context) (output string, err error)
	// undo takes back what do did in the same process.
	undo func(ctx context.Context) (output string, err error)
}

// Check reports every mistake that keeps New from starting with c and the remedies,
// the ledger aside. It reads the files they name; those of c must be absolute. A
// remedy's mistakes are a yamlstrict.Mistake each, the others begin with their path.
func Check(c Config, remedies []*rules.Remedy) error {
	_, err := newSettings(c, remedies)
	return err
}

// newSettings reads and resolves what the configuration names, and reports every
// mistake.
func newSettings(c Config, remedies []*rules.Remedy) (*settings, error) {
	if err := c.Validate(); err != nil {
		return nil, err
	}
	s := &settings{config: c, actions: map[string]configured{}, remedies: remedies}
	var errs []error
	token := string(c.WebhookToken)
	if c.WebhookTokenFile != "" {
		var err error
		if token, err = readSecret(c.WebhookTokenFile); err != nil {
			errs = append(errs, fmt.Errorf("remediation.webhook_token_file: %w", err))
		}
	}
	s.token, s.hasToken = sha256.Sum256([]byte(token)), token != ""

	for i, a := range c.Actions {
		k := a.kinds()[0]
		built, err := k.kind.build()
		if err != nil {
			errs = append(errs, fmt.Errorf("remediation.actions[%d].%s.%w", i, k.name, err))
		}
		s.actions[a.Name] = configured{built, a.Targets}
	}
	for _, r := range remedies {
		errs = append(errs, s.checkRemedy(r))
	}
	if err := errors.Join(errs...); err != nil {
		return nil, err
	}
	return s, nil
}

// readSecret reads a file that holds nothing else, white space around it ignored.
func readSecret(file string) (string, error) {
	b, err := yamlstrict.Read(file)
	if err != nil {
		return "", fmt.Errorf("read %s: %w", file, err)
	}
	secret := strings.TrimSpace(string(b))
	if secret == "" {
		return "", fmt.Errorf("read %s: empty", file)
	}
	return secret, nil
}

// checkRemedy refuses a rule that could only ever be refused.
func (s *settings) checkRemedy(r *rules.Remedy) error {
	a, ok := s.actions[r.Action]
	switch {
	case !ok:
		return r.Mistake("action", "%q is not among remediation.actions%s", r.Action,
			yamlstrict.Suggest(r.Action, slices.Sorted(maps.Keys(s.actions))))
	case len(r.Match) == 0:
		return r.Mistake("match", "must match something")
	case r.Target == "" && len(a.targets) > 0:
		return r.Mistake("target", "must name the label that selects one of the targets of action %q", r.Action)
	case r.Target != "" && len(a.targets) == 0:
		return r.Mistake("target", "must not be set: action %q has no targets", r.Action)
	}
	return nil
}

// remedy returns the rule of that name, or nil.
func (s *settings) remedy(name string) *rules.Remedy {
	i := slices.IndexFunc(s.remedies, func(r *rules.Remedy) bool { return r.Name == name })
	if i < 0 {
		return nil
	}
	return s.remedies[i]
}
