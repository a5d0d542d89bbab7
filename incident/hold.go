package incident

import (
	"cmp"
	"maps"
	"math"
	"slices"
	"time"

	"github.com/prometheus/prometheus/model/labels"

	"github.com/foreshock/foreshock"
)

// waiting is an anomaly that its rule selects once it has lasted for as long as the rule
// asks. Until then it is joined as any other, but is no reason to tell anyone.
type waiting struct {
	anomaly foreshock.Anomaly // as it was told last
	wait    time.Duration     // from its onset
}

// lasted is how long the anomaly has lasted by t beyond what its rule asks, in ms;
// negative where it has not.
func (w *waiting) lasted(t int64) int64 {
	return int64(min(elapsed(w.anomaly.Onset, t), math.MaxInt64)) - w.wait.Milliseconds()
}

// hold returns the rule that selects a now: its own, or none while the anomaly has not
// lasted for as long as that asks. Then mature brings it back, and one that ends sooner is
// as if no rule had selected it.
func (c *Correlator) hold(a *foreshock.Anomaly) (rule string) {
	if len(c.holds) == 0 && len(c.waiting) == 0 {
		return a.Rule
	}
	key := string(c.partKey(a))
	w := c.waiting[key]
	delete(c.waiting, key)
	if a.Phase == foreshock.Ended {
		// At a.T it is over: like an alert of Prometheus's it must have been due before.
		if w != nil && w.lasted(a.T) > 0 {
			w.anomaly.T = a.T
			c.add(w.anomaly, w.anomaly.Rule)
		}
		return a.Rule
	}
	wait := c.holds[a.Rule].For
	if wait == 0 || c.selects(key, a.Onset) {
		return a.Rule
	}
	if len(c.waiting) >= c.config.MaxOpen*c.config.MaxMembers {
		c.refused++
		return ""
	}
	c.waiting[key] = &waiting{anomaly: *a, wait: wait}
	c.matures = min(c.matures, a.Onset+wait.Milliseconds())
	return ""
}

// selects reports whether a rule selects the part with that key, and still does when it
// is anomalous again from onset on: what was over for longer than its alert outlasts it
// has to last anew.
func (c *Correlator) selects(key string, onset int64) bool {
	p := c.parts[key]
	if p == nil || !p.selected {
		return false
	}
	if !p.lasting && onset >= p.keepUntil {
		p.selected = false
	}
	return p.selected
}

// mature brings back with their rule the anomalies that by now have lasted long enough.
// Between two that are due it looks at none.
func (c *Correlator) mature(now int64) {
	if now < c.matures {
		return
	}
	c.matures = math.MaxInt64
	var due []foreshock.Anomaly
	maps.DeleteFunc(c.waiting, func(_ string, w *waiting) bool {
		if w.lasted(now) < 0 {
			c.matures = min(c.matures, w.anomaly.Onset+w.wait.Milliseconds())
			return false
		}
		w.anomaly.Phase, w.anomaly.T = foreshock.Escalated, now
		due = append(due, w.anomaly)
		return true
	})
	slices.SortFunc(due, func(a, b foreshock.Anomaly) int {
		return cmp.Or(cmp.Compare(a.Onset, b.Onset), labels.Compare(a.Series.Labels, b.Series.Labels),
			cmp.Compare(a.Kind, b.Kind), cmp.Compare(a.Rule, b.Rule))
	})
	for _, a := range due {
		c.add(a, a.Rule)
	}
}
