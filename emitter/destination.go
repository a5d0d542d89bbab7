package emitter

import (
	"context"
	"log/slog"
	"net/http"
	"time"

	"github.com/foreshock/foreshock"
)

// retireTimeout is how long a destination that a reload took away may go on to
// deliver what it has.
const retireTimeout = 10 * time.Second

// logEvery is how often a downstream that fails is logged: it fails often.
const logEvery = time.Minute

// destination is somewhere reports go. deliver never waits; the samples are the
// caller's again afterwards. run goes on until close was called and all was
// delivered, or until ctx ends, and counts what it leaves.
type destination interface {
	deliver(r foreshock.Report, samples []sample)
	close()
	run(ctx context.Context)
	// place is what two destinations must not write at once, for fear of disorder.
	place() string
}

// destinationOptions are what every destination needs.
type destinationOptions struct {
	now       func() time.Time
	transport http.RoundTripper // nil is the network
	metrics   *metrics
	logger    *slog.Logger
}

// running is a destination's run.
type running struct {
	place string
	stop  context.CancelFunc
	done  chan struct{} // closed when it has returned
}

func (r *running) ended() bool {
	select {
	case <-r.done:
		return true
	default:
		return false
	}
}

// start runs d, once those that are leaving its place have left. The caller holds mu.
func (e *Emitter) start(d destination) {
	ctx, stop := context.WithCancel(e.life)
	r := &running{place: d.place(), stop: stop, done: make(chan struct{})}
	e.running[d] = r
	var before []*running
	for _, l := range e.leaving {
		if l.place == r.place {
			before = append(before, l)
		}
	}
	e.background.Go(func() {
		defer close(r.done)
		defer stop()
		for _, l := range before {
			select {
			case <-l.done:
			case <-ctx.Done():
			}
		}
		d.run(ctx)
	})
}

// retire lets a destination that is no longer configured deliver what it has. The
// caller holds mu.
func (e *Emitter) retire(d destination) {
	d.close()
	if r := e.running[d]; r != nil {
		time.AfterFunc(retireTimeout, r.stop)
		delete(e.running, d)
		e.leaving = append(e.leaving, r)
	}
}
