package detector

import (
	"time"

	"github.com/foreshock/foreshock"
	"github.com/foreshock/foreshock/rules"
)

// step has the model judge x, and hands out what is new.
func (s *shard) step(st *state, t int64, x float64) {
	st.modelTime, st.learned = t+st.shift, true
	if !st.member.asked {
		s.join(st)
	}
	s.grading.threshold = s.settings.thresholds[st.scope]
	grading := &s.grading
	if k := st.kin.stage; k >= pioneer && k <= settling {
		grading = s.grow(st)
	}
	s.advance(st, t)
	v := &s.verdict
	st.mind.step(grading, st.watch, st.modelTime, x, v)
	s.setWarming(st, v.warming)
	if v.reason == foreshock.Alerting && st.member.group.speaks() {
		v.reason = foreshock.Spoken
	}
	st.score, st.x, st.band, st.reason = s.withPlace(st, v), x, v.band, v.reason
	if st.kind == derived {
		s.out.counts.derived++
	} else {
		s.out.counts.scored++
	}
	s.weighSeries(st, t, v)
	// What a series says to its group is not for the budget to turn down: the group is.
	v.evidence[isolated] *= s.grading.threshold / s.settings.floor
	if v.changed {
		s.tell(st, t, v)
	}
	s.report(st, t, v, st.score)
	s.gather(st, t, v)
	if hot := v.notable(); hot || st.diary != nil {
		s.note(st, t, v, hot)
	}
	if st.outlook != nil {
		s.foresee(st, t)
	}
	if len(s.bounds) > 0 {
		s.check(st, t)
	}
}

// tell hands out the change v in an anomaly of st.
func (s *shard) tell(st *state, t int64, v *verdict) {
	if v.phase == foreshock.Started {
		s.out.counts.started[v.channel]++
	}
	rule, group := "", (*foreshock.Series)(nil)
	if st.pages() {
		rule = st.watch.Name
	}
	if g := st.member.group; g.speaks() {
		group = g.series
	}
	s.out.anomalies = append(s.out.anomalies, foreshock.Anomaly{
		Series:  st.series,
		Kind:    foreshock.Outlier,
		Phase:   v.phase,
		Rule:    rule,
		Group:   group,
		Onset:   v.onset - st.shift,
		T:       t,
		Value:   st.x,
		Score:   v.score,
		Band:    v.band,
		Channel: v.channel.String(),

		Interval: time.Duration(st.interval) * time.Millisecond,
	})
}

// report hands out the score of a sample.
func (s *shard) report(st *state, t int64, v *verdict, score float64) {
	if s.reports(st.watch, &st.reported, st.series, v) {
		s.out.scores = append(s.out.scores, foreshock.Score{
			Series:  st.series,
			T:       t,
			Value:   st.x,
			Score:   score,
			Band:    v.band,
			Warming: v.warming,
		})
	}
}

// reports says whether the score v of a series under the rule w is handed out: where the
// rule wants every one, else while it is anomalous. It says so once when it will not be
// any more.
func (s *shard) reports(w *rules.Watch, reported *bool, of *foreshock.Series, v *verdict) bool {
	emit := rules.EmitAnomalous
	if w != nil {
		emit = w.Emit
	}
	if emit != rules.EmitAll && (emit == rules.EmitNone || !v.active && v.score <= 1) {
		if *reported {
			*reported = false
			s.out.ended = append(s.out.ended, of)
		}
		return false
	}
	*reported = true
	return true
}

// endReporting says, once, that nothing more is said of st: it is gone, or begins anew.
func (s *shard) endReporting(st *state) {
	told := st.reported
	if o := st.outlook; o != nil {
		told = told || o.told
		o.told = false // where the series lives on, the next forecast begins anew
	}
	if told {
		st.reported = false
		s.out.gone = append(s.out.gone, st.series)
	}
}

// endAnomalies ends at t whatever anomaly and breach st is in, and limits it is beyond.
func (s *shard) endAnomalies(st *state, t int64) {
	if v, ok := st.mind.end(); ok {
		s.tell(st, t, &v)
	}
	if st.outlook != nil {
		s.settle(st, t)
	}
	s.clear(st, t)
}

// setWarming keeps count of the series that warm up.
func (s *shard) setWarming(st *state, warming bool) {
	if st.warming == warming {
		return
	}
	st.warming = warming
	if warming {
		s.warming++
	} else {
		s.warming--
	}
}
