package app

import (
	"slices"
	"sync"

	"github.com/foreshock/foreshock"
)

// mostOutlooks bounds the crossings that are foreseen: × ~200 B ≈ 2 MB. Beyond it further
// ones are not shown; those that alert are incidents all the same.
const mostOutlooks = 10_000

// outlooks are the latest forecasts of the series that are foreseen to cross their limits.
// It is safe for concurrent use.
type outlooks struct {
	mu     sync.Mutex
	latest map[demanded]foreshock.Forecast
}

// observe takes in what f says.
func (o *outlooks) observe(f *foreshock.Findings) {
	if len(f.Forecasts) == 0 && len(f.Gone) == 0 {
		return
	}
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.latest == nil {
		o.latest = map[demanded]foreshock.Forecast{}
	}
	for _, x := range f.Forecasts {
		key := demanded{x.Rule, x.Series.String()}
		if _, known := o.latest[key]; known || len(o.latest) < mostOutlooks {
			o.latest[key] = x
		}
	}
	if len(o.latest) == 0 {
		return
	}
	gone := map[string]bool{}
	for _, x := range f.Gone {
		gone[x.String()] = true
	}
	for key, x := range o.latest {
		// A forecast is made every minute: one of an hour ago is nobody's any more.
		if gone[key.series] || f.Now-x.T > soonAccepted {
			delete(o.latest, key)
		}
	}
}

// list returns them in no order.
func (o *outlooks) list() []foreshock.Forecast {
	o.mu.Lock()
	defer o.mu.Unlock()
	all := make([]foreshock.Forecast, 0, len(o.latest))
	for _, x := range o.latest {
		all = append(all, x)
	}
	return slices.Clip(all)
}
