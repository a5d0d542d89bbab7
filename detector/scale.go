package detector

import (
	"math"

	"github.com/foreshock/foreshock"
	"github.com/foreshock/foreshock/detector/forecast"
)

// scale takes in the newest sample of st, at t, looks ahead as far as scaling wants when
// it is time to, and hands out what to scale by: at every sample, since the present value
// is a part of it.
func (s *shard) scale(st *state, t int64) {
	o := st.outlook
	if o.ahead == nil && s.ledger.spares(heldForecasts) {
		s.ledger.take(heldForecasts, aheadBytes)
		o.ahead = new(forecast.Ahead)
	}
	out := foreshock.Scaling{Series: st.series, Rule: o.rule.Name, T: t, Value: st.x, Error: math.NaN()}
	if o.ahead != nil {
		horizon := o.rule.ScaleHorizon.Milliseconds()
		o.ahead.Learn(st.modelTime, st.x, horizon)
		if t >= o.due && o.future != nil {
			o.ahead.Promise(o.future, st.modelTime, st.x, horizon)
		}
		if high, ok := o.ahead.High(); ok {
			if st.watch != nil {
				high = st.watch.DataRange.Clip(high)
			}
			out.Value = max(out.Value, high)
		}
		out.Error = o.ahead.Error()
	}
	o.told = true
	s.out.scalings = append(s.out.scalings, out)
}

// stopScaling forgets what st was scaled by, which ends.
func (s *shard) stopScaling(st *state) {
	o := st.outlook
	if o.ahead != nil {
		s.ledger.take(heldForecasts, -aheadBytes)
		o.ahead = nil
	}
	s.endReporting(st)
}
