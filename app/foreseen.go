package app

import (
	"sync"

	"github.com/foreshock/foreshock"
)

// mostForeseen bounds what is kept of each kind: × ~200 B ≈ 2 MB. Beyond it nothing more is
// shown or scaled by; what alerts is an incident all the same.
const mostForeseen = 10_000

// forgetEvery is how often what nobody has said again is looked for, ms.
const forgetEvery = 60_000

// foreseen is the latest that each rule foresees of each series. It is safe for concurrent
// use, and ready as it is.
type foreseen[T any] struct {
	mu        sync.Mutex
	latest    map[foresight]foretold[T]
	forgotten int64 // when it was last gone through, ms
}

// foresight is one rule's of one series.
type foresight struct {
	rule, series string
}

type foretold[T any] struct {
	what T
	at   int64 // ms
}

// foresee takes in what the detector says of the time to come.
func (a *App) foresee(f *foreshock.Findings) {
	for _, x := range f.Forecasts {
		a.outlooks.keep(x.Rule, x.Series, x.T, x)
	}
	for _, x := range f.Scalings {
		a.demands.keep(x.Rule, x.Series, x.T, x)
	}
	a.outlooks.forget(f.Now, f.Gone)
	a.demands.forget(f.Now, f.Gone)
}

func (f *foreseen[T]) keep(rule string, s *foreshock.Series, at int64, what T) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.latest == nil {
		f.latest = map[foresight]foretold[T]{}
	}
	key := foresight{rule, s.String()}
	if _, known := f.latest[key]; known || len(f.latest) < mostForeseen {
		f.latest[key] = foretold[T]{what, at}
	}
}

// forget drops what is of series that are gone, and what was not said again for an hour:
// a forecast is made every minute.
func (f *foreseen[T]) forget(now int64, gone []*foreshock.Series) {
	f.mu.Lock()
	defer f.mu.Unlock()
	lately := max(now, f.forgotten)-min(now, f.forgotten) < forgetEvery // clocks are set back, too
	if len(f.latest) == 0 || len(gone) == 0 && lately {
		return
	}
	f.forgotten = now
	ended := map[string]bool{}
	for _, s := range gone {
		ended[s.String()] = true
	}
	for key, x := range f.latest {
		if ended[key.series] || now-x.at > soonAccepted {
			delete(f.latest, key)
		}
	}
}

// of is the rule's word on the series, which is written with its labels.
func (f *foreseen[T]) of(rule, series string) (what T, known bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	x, known := f.latest[foresight{rule, series}]
	return x.what, known
}

// list returns all in no order.
func (f *foreseen[T]) list() []T {
	f.mu.Lock()
	defer f.mu.Unlock()
	all := make([]T, 0, len(f.latest))
	for _, x := range f.latest {
		all = append(all, x.what)
	}
	return all
}
