package app

import (
	"context"
	"time"

	"github.com/foreshock/foreshock"
)

// lookEvery is how often keep looks at whether a checkpoint is due before its time.
const lookEvery = 10 * time.Second

// recall takes up the checkpoint that was found. Nothing runs yet that could ask.
func (a *App) recall() {
	defer a.restored.Store(true)
	if a.found == "" {
		return
	}
	a.known = a.keeper.restore(a.found)
	if firing := a.incidents.firing(); len(firing) > 0 {
		a.remediation.Attach(firing)
		a.evidence.Offer(firing) // what was found is not kept
		a.emitter.Offer(foreshock.Report{Findings: foreshock.Findings{Now: a.detector.Status().Now.UnixMilli()}, Incidents: firing})
	}
}

// learn brings what is known up to date: by the log, or by history where no checkpoint
// brought anything back and there is a history to read, which has what the log has. The
// process goes live with the checkpoint at its end, which covers it. If ctx ends before,
// nothing is covered and the next start begins where this one did.
func (a *App) learn(ctx context.Context) {
	if logged := a.keeper.log.Size() > 0; a.known > 0 || logged && !a.warmStart.Needed() {
		a.keeper.replaying.Store(true)
		if err := a.keeper.replay(ctx, a.about.Segment); err != nil {
			if ctx.Err() != nil {
				return
			}
			a.logger.Error("the log was not replayed to its end", "err", err)
		}
		// What was found of their causes is not kept: it is looked for again.
		a.inquest.Heard(a.incidents.firing(), a.detector.Status().Now.UnixMilli())
	} else {
		a.warmStart.Run(ctx)
		if ctx.Err() != nil || !a.warmStart.Needed() {
			a.keeper.logging.Store(ctx.Err() == nil)
			return
		}
	}
	_ = a.keeper.checkpoint() // logged and counted there, and tried again
	a.keeper.logging.Store(true)
}

// keep writes a checkpoint now and then while the process is live, and one when ctx ends
// where that is soon done; else the log has the rest.
func (a *App) keep(ctx context.Context) {
	every := a.opts.CheckpointInterval
	if every == 0 {
		every = defaultCheckpointInterval
	}
	t := time.NewTicker(every)
	defer t.Stop()
	look := time.NewTicker(lookEvery)
	defer look.Stop()
	for {
		select {
		case <-ctx.Done():
			if a.keeper.logging.Load() && a.keeper.took < quick {
				_ = a.keeper.checkpoint() // logged and counted there
			}
			return
		case <-t.C:
			if a.keeper.logging.Load() {
				_ = a.keeper.refresh()
			}
		case <-look.C:
			if a.keeper.logging.Load() && a.keeper.pressed() {
				_ = a.keeper.checkpoint()
			}
		}
	}
}
