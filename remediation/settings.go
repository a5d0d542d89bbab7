package remediation

import (
	"context"
	"crypto/sha256"
	"crypto/subtle"
	"errors"
	"fmt"
	"net/http"
	"os"
	"slices"
	"strings"

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
	prepare(p Plan) (deed, error)
}

// deed is one rendered action.
type deed struct {
	// digest is of everything that would be done; approval binds to it.
	digest [sha256.Size]byte
	// do acts, once. It returns what the other side said, at most maxOutput bytes,
	// and nil for success.
	do func(ctx context.Context) (output string, err error)
}

// newSettings reads and resolves what the configuration names, and reports every
// mistake.
func newSettings(c Config, remedies []*rules.Remedy, verifiedClients bool) (*settings, error) {
	if err := c.Validate(); err != nil {
		return nil, err
	}
	s := &settings{config: c, actions: map[string]configured{}, remedies: remedies}
	var errs []error
	token := string(c.WebhookToken)
	if c.WebhookTokenFile != "" {
		b, err := os.ReadFile(c.WebhookTokenFile)
		token = strings.TrimSpace(string(b))
		if err != nil {
			errs = append(errs, fmt.Errorf("remediation.webhook_token_file: %w", err))
		} else if token == "" {
			errs = append(errs, errors.New("remediation.webhook_token_file: must hold a token, got nothing"))
		}
	}
	s.token, s.hasToken = sha256.Sum256([]byte(token)), token != ""

	for i, a := range c.Actions {
		built, err := a.build()
		if err != nil {
			errs = append(errs, fmt.Errorf("remediation.actions[%d]: %w", i, err))
		}
		s.actions[a.Name] = configured{built, a.Targets}
	}
	for _, r := range remedies {
		errs = append(errs, s.checkRemedy(r))
	}
	if c.Mode.acts() && len(c.Actions) > 0 && !s.authenticates(verifiedClients) {
		errs = append(errs, fmt.Errorf("remediation.mode: must not be %s without webhook_token, webhook_token_file or verified client certificates: anybody could act", c.Mode))
	}
	if err := errors.Join(errs...); err != nil {
		return nil, err
	}
	return s, nil
}

func (c ActionConfig) build() (action, error) {
	if c.Exec != nil {
		return newExec(*c.Exec)
	}
	return newWebhook(*c.Webhook)
}

// checkRemedy refuses a rule that could only ever be refused.
func (s *settings) checkRemedy(r *rules.Remedy) error {
	a, ok := s.actions[r.Action]
	switch {
	case !ok:
		return fmt.Errorf("remedy %q: action %q is not among remediation.actions", r.Name, r.Action)
	case len(r.Match) == 0:
		return fmt.Errorf("remedy %q: must match something", r.Name)
	case r.Target == "" && len(a.targets) > 0:
		return fmt.Errorf("remedy %q: must name the label that selects one of the targets of action %q", r.Name, r.Action)
	case r.Target != "" && len(a.targets) == 0:
		return fmt.Errorf("remedy %q: must not name a target label: action %q has no targets", r.Name, r.Action)
	}
	return nil
}

// authenticates reports whether there is a way to prove who asks.
func (s *settings) authenticates(verifiedClients bool) bool { return s.hasToken || verifiedClients }

// authorize returns 200, 401, or 403 where nobody can be let in. Where there is a
// token it is demanded of everybody: a certificate good for sending samples is not
// a permission to act.
func (s *settings) authorize(r *http.Request, verifiedClients bool) int {
	switch {
	case s.hasToken:
		scheme, token, _ := strings.Cut(r.Header.Get("Authorization"), " ")
		sum := sha256.Sum256([]byte(token))
		if strings.EqualFold(scheme, "Bearer") && subtle.ConstantTimeCompare(sum[:], s.token[:]) == 1 {
			return http.StatusOK
		}
		return http.StatusUnauthorized
	case verifiedClients && r.TLS != nil && len(r.TLS.VerifiedChains) > 0:
		return http.StatusOK
	case verifiedClients:
		return http.StatusUnauthorized
	}
	return http.StatusForbidden
}

// remedy returns the rule of that name, or nil.
func (s *settings) remedy(name string) *rules.Remedy {
	i := slices.IndexFunc(s.remedies, func(r *rules.Remedy) bool { return r.Name == name })
	if i < 0 {
		return nil
	}
	return s.remedies[i]
}
