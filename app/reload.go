package app

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"time"

	"github.com/foreshock/foreshock/config"
)

// applyConfig reads the configuration anew and puts it to work, all of it or none.
// Nothing learned, open or under way is reset.
func (a *App) applyConfig() (err error) {
	a.metrics.reloads.Inc()
	defer func() {
		if err != nil {
			a.metrics.refused()
			a.logger.Error("configuration not reloaded; the old one stays", "err", err)
		}
	}()
	next, err := config.Load(a.opts.ConfigFile)
	if err != nil {
		return err
	}
	confine(next, a.opts.MemoryLimit)

	// The three that can refuse come first, so that a refusal leaves all as it was.
	commitRemediation, err := a.remediation.Prepare(next.Remediation, next.Rules.Remedies)
	if err != nil {
		return fmt.Errorf("prepare remediation: %w", err)
	}
	commitEmitter, err := a.emitter.Prepare(a.emitterOptions(next))
	if err != nil {
		return fmt.Errorf("prepare the emitter: %w", err)
	}
	commitEvidence, err := a.evidence.Prepare(next.Evidence)
	if err != nil {
		return err
	}
	commitRemediation()
	commitEmitter()
	commitEvidence()
	a.receiver.SetConfig(next.Receiver)
	a.detector.SetConfig(next.Detector)
	a.detector.SetRules(next.Rules)
	a.evaluator.SetExpressions(next.Rules.Expressions())
	a.incidents.apply(next.Incident, next.Rules)
	a.inquest.SetRules(next.Rules)
	a.query.SetConfig(next.Query)

	a.config = next
	a.inUse.Store(next)
	a.metrics.loaded()
	a.tell(next)
	a.logger.Info("configuration reloaded", "file", a.opts.ConfigFile)
	return nil
}

// reloadHandler serves /-/reload as Prometheus does: POST or PUT, only if enabled.
func (a *App) reloadHandler(w http.ResponseWriter, r *http.Request) {
	if !a.opts.EnableLifecycle {
		http.Error(w, "reload by HTTP is off: start with --web.enable-lifecycle, or send SIGHUP", http.StatusForbidden)
		return
	}
	answer := make(chan error, 1)
	if err := a.ask(r.Context(), answer); err != nil {
		http.Error(w, err.Error(), http.StatusServiceUnavailable)
		return
	}
	if err := <-answer; err != nil {
		http.Error(w, fmt.Sprintf("configuration not reloaded; the old one stays:\n%v", err), http.StatusBadRequest)
		return
	}
	fmt.Fprintln(w, "configuration reloaded")
}

// ask hands answer to Run, which reloads one at a time.
func (a *App) ask(ctx context.Context, answer chan error) error {
	select {
	case a.reload <- answer:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	case <-time.After(10 * time.Second):
		return errors.New("busy stopping or with another reload")
	}
}
