package detector

import (
	"math"
	"time"

	"github.com/foreshock/foreshock"
	"github.com/foreshock/foreshock/detector/forecast"
	"github.com/foreshock/foreshock/detector/trend"
	"github.com/foreshock/foreshock/rules"
)

const (
	// foreseeEvery is the least time, in ms, between two forecasts of a series.
	foreseeEvery = int64(time.Minute / time.Millisecond)

	// A breach that was announced ends once calmForecasts in a row, ten minutes of
	// them or more, see no crossing within a quarter more than the horizon: an ETA
	// that hovers around the horizon is one breach, not one a minute.
	calmForecasts = 10
)

// breachChannel is what isolates a breach, among the words of forest.Channel.
const breachChannel = "trend"

// outlook is what a forecast rule makes of one series.
type outlook struct {
	rule     *rules.Forecast
	crossing trend.Crossing
	future   *forecast.Forecaster `image:"own"` // nil until the series has warmed up: 9 KiB that a short life does not need
	ahead    *forecast.Ahead      `image:"own"` // nil where the rule has no scale_horizon
	tally    forecast.Tally       // of future, as far as it was handed out
	due      int64                // sample time of the next forecast, ms
	told     bool                 // a forecast was handed out, and not taken back since

	breach bool  // announced, and not ended since
	onset  int64 // its first forecast, ms
	calm   uint8 // forecasts in a row without it
}

// setForecast puts st under the forecast rule f, which may be nil.
func (s *shard) setForecast(st *state, f *rules.Forecast) {
	o := st.outlook
	if o != nil && (f == nil || f.Name != o.rule.Name) {
		s.settle(st, st.last)
		if o.told {
			s.endReporting(st) // scores too: they go on with the next sample
		}
	}
	switch {
	case o == nil && f == nil:
		st.deprived = false
	case f == nil:
		s.ledger.take(heldForecasts, -o.bytes())
		st.outlook = nil
	case o == nil:
		if st.deprived = !s.ledger.spares(heldForecasts); !st.deprived {
			s.ledger.take(heldForecasts, outlookBytes)
			st.outlook = &outlook{rule: f, due: math.MinInt64}
		}
	default:
		if f.ScaleHorizon != o.rule.ScaleHorizon {
			s.stopScaling(st)
		}
		o.rule = f
		o.tally = forecast.Tally{}
		if o.future != nil {
			o.future.Hold(f.Confidence.Share())
			o.tally = o.future.Tally(f.Horizon.Milliseconds())
		}
	}
}

// forget has o learn the series anew.
func (o *outlook) forget() {
	o.crossing, o.future, o.tally = trend.Crossing{}, nil, forecast.Tally{}
	if o.ahead != nil {
		*o.ahead = forecast.Ahead{}
	}
}

// foresee takes in the newest sample of st, and looks ahead when it is time.
func (s *shard) foresee(st *state, t int64) {
	o := st.outlook
	o.crossing.Learn(st.modelTime, st.x)
	if o.future == nil && !st.warming && s.ledger.spares(heldForecasts) {
		s.ledger.take(heldForecasts, futureBytes)
		o.future = new(forecast.Forecaster)
		o.future.Hold(o.rule.Confidence.Share())
	}
	if o.future != nil {
		o.future.Learn(st.modelTime, st.x)
	}
	if o.rule.ScaleHorizon > 0 {
		s.scale(st, t)
	}
	if t < o.due {
		return
	}
	o.due = t + foreseeEvery

	f := foreshock.Forecast{Series: st.series, Rule: o.rule.Name, T: t, Horizon: o.rule.Horizon, Limit: o.rule.Limit, Arrival: foreshock.Never()}
	f.Band = clip(st.watch, o.expect(st))
	s.foretell(o)
	eta, crossing := o.crossing.Reach(o.rule.Limit, o.rule.Above)
	if crossing {
		f.ETA = eta
		f.Soonest, f.Latest = o.crossing.Between(o.rule.Limit, o.rule.Above, forecast.Relative(o.rule.Confidence.Share()))
	}
	if crossing || f.Band.Known() {
		o.told = true
		s.out.forecasts = append(s.out.forecasts, f)
	}

	switch soon := crossing && eta <= o.rule.Horizon; {
	case soon:
		o.calm = 0
		if !o.breach {
			o.breach, o.onset = true, t
			s.out.counts.breaches++
			s.tellBreach(st, foreshock.Started, t, f.Arrival)
		}
	case o.breach && crossing && eta <= o.rule.Horizon+o.rule.Horizon/4:
		o.calm = 0
	case o.breach:
		if o.calm++; o.calm >= calmForecasts {
			s.settle(st, t)
		}
	}
}

// expect is the band of st at its rule's horizon: the model's while the series is too
// new for a forecast.
func (o *outlook) expect(st *state) (b foreshock.Band) {
	at := st.modelTime + o.rule.Horizon.Milliseconds()
	if o.future == nil || !o.future.Known() {
		b, _ = st.mind.expect(at)
		if wider := forecast.Relative(o.rule.Confidence.Share()); wider != 1 {
			b.Lower, b.Upper = b.Expected-wider*(b.Expected-b.Lower), b.Expected+wider*(b.Upper-b.Expected)
		}
		return b
	}
	b.Expected, b.Lower, b.Upper = o.future.Expect(at)
	return b
}

// foretell hands out which forecasts of o came due since it last did.
func (s *shard) foretell(o *outlook) {
	if o.future == nil {
		return
	}
	now := o.future.Tally(o.rule.Horizon.Milliseconds())
	if now == o.tally {
		return
	}
	due := forecast.Tally{Due: now.Due - o.tally.Due, Held: now.Held - o.tally.Held}
	s.out.came = append(s.out.came, came{o.rule.Name, due})
	o.tally = now
}

// settle ends at t the breach st is announced to be heading for, if any. The next
// forecast may be made at once: t may be on another timeline than the last.
func (s *shard) settle(st *state, t int64) {
	o := st.outlook
	o.due = min(o.due, t+foreseeEvery)
	if !o.breach {
		return
	}
	o.breach, o.calm = false, 0
	s.tellBreach(st, foreshock.Ended, t, foreshock.Never())
}

func (s *shard) tellBreach(st *state, p foreshock.Phase, t int64, arrival foreshock.Arrival) {
	o := st.outlook
	s.out.anomalies = append(s.out.anomalies, foreshock.Anomaly{
		Series:  st.series,
		Kind:    foreshock.Breach,
		Phase:   p,
		Rule:    o.rule.Name,
		Onset:   o.onset,
		T:       t,
		Value:   st.x,
		Score:   st.score,
		Band:    st.band,
		Channel: breachChannel,
		Limit:   o.rule.Limit,
		Arrival: arrival,
	})
}
