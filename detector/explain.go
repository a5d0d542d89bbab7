package detector

import (
	"cmp"
	"context"
	"iter"
	"math"
	"slices"
	"time"

	"github.com/prometheus/prometheus/model/labels"

	"github.com/foreshock/foreshock"
	"github.com/foreshock/foreshock/detector/forest"
)

const (
	// lookback is how old, in ms, the sample may be that stands for a time: Prometheus's
	// five minutes, or where samples are rarer than one a minute what makes a gap.
	lookback = 5 * minute

	// maxExplained bounds the series one Explain speaks of.
	maxExplained = 20
)

// Explain says of the first limit series that all matchers match, by labels, why they
// did or did not alert at the time at, ms, which may be foreshock.Newest. What is known of
// a time before that is what was noted, since the series was anomalous or near it, and
// the samples of the window. Where the metric name asked for is foreshock.GroupName it
// says it of the groups that match. It returns errors as Select does.
func (d *Detector) Explain(ctx context.Context, matchers []*labels.Matcher, at int64, limit int) ([]foreshock.Explanation, error) {
	limit = min(limit, maxExplained)
	var all []foreshock.Explanation
	var err error
	if asksForGroups(matchers) {
		all, err = askAll(ctx, d, func(s *shard, answers chan<- []foreshock.Explanation) query {
			return query{look: func() { answers <- s.explainGroups(matchers, at, limit) }}
		})
	} else {
		all, err = ask(ctx, d, matchers, limit, func(s *shard, st *state) foreshock.Explanation { return s.explain(st, at) })
	}
	if err != nil {
		return nil, err
	}
	slices.SortFunc(all, func(a, b foreshock.Explanation) int { return labels.Compare(a.Series.Labels, b.Series.Labels) })
	return all[:min(limit, len(all))], nil
}

func (s *shard) explain(st *state, at int64) foreshock.Explanation {
	e := foreshock.Explanation{Series: st.series, Kind: st.kind.String(), Ended: st.ended, Asked: at}
	if st.native {
		e.Kind = "histogram"
	}
	if st.watch != nil {
		e.Rule = st.watch.Name
	}
	if at == foreshock.Newest {
		e.Asked = st.last
	}
	e.Moment = s.moment(st, e.Asked)
	if !math.IsNaN(e.Raw) {
		e.P = s.settings.P(st.class(), e.Raw)
	}
	e.Because = s.because(st, &e)
	e.Around = st.around(e.Asked)
	if st.diary == nil || e.Onset == 0 {
		return e
	}
	var peaks forest.Scores
	for i := range st.diary.notes {
		if n := &st.diary.notes[i]; n.onset == e.Onset {
			for c, s := range n.each {
				peaks[c] = max(peaks[c], s)
			}
		}
	}
	e.Peaks = ranked(&peaks, forest.Value)
	return e
}

// moment is what is known of st at the time at, ms: by a note if there is one, else by
// the window.
func (s *shard) moment(st *state, at int64) foreshock.Moment {
	reach := max(lookback, gap*st.interval)
	var n *note
	if st.diary != nil {
		n = st.diary.at(at)
	}
	was, ok := st.sampleAt(at)
	if ok && at-was.T > reach {
		ok = false
	}
	if ok && st.diary != nil {
		n = st.diary.at(was.T)
	}
	switch {
	case n != nil:
		return n.moment()
	case !ok:
		m := unknown(foreshock.NoSample)
		m.T = at
		return m
	case was.T == st.last && st.learned && st.modelTime == was.T+st.shift:
		was.Value, was.Band, was.Score, was.Reason = st.x, st.band, st.score, st.reason
	case st.kind == bucket || math.IsNaN(was.Value) || math.IsInf(was.Value, 0):
		was.Reason = foreshock.NotScored
	case st.warming:
		was.Reason = foreshock.WarmingUp
	case was.T <= s.diaries.forgotten || st.diary != nil && st.diary.lost(was.T):
		was.Reason = foreshock.Forgotten
	default:
		was.Reason = foreshock.NothingNoted
	}
	return was
}

// sampleAt is the newest sample of the window that is not after at.
func (st *state) sampleAt(at int64) (m foreshock.Moment, ok bool) {
	m = unknown(foreshock.NothingNoted)
	for t, x := range st.values() {
		if t > at {
			break
		}
		m.T, m.Value, ok = t, x, true
	}
	return m, ok
}

// values are the samples of the window as they were scored, oldest first: a counter's
// as rates, NaN where there was none.
func (st *state) values() iter.Seq2[int64, float64] {
	if st.kind != counter && !st.native {
		return st.window.All()
	}
	return func(yield func(int64, float64) bool) {
		prev, prevT := math.NaN(), int64(0)
		for t, v := range st.window.All() {
			rate := (v - prev) / (float64(t-prevT) / 1000)
			if v < prev {
				rate = math.NaN() // it started again
			}
			prev, prevT = v, t
			if !yield(t, rate) {
				return
			}
		}
	}
}

// around is what is known of the minutes about the time at: the notes, and before them
// the values the window holds, one a minute.
func (st *state) around(at int64) (all []foreshock.Moment) {
	if st.diary == nil {
		return nil
	}
	var noted []foreshock.Moment
	for i := range st.diary.notes {
		if n := &st.diary.notes[i]; n.t-at <= around && at-n.t <= around {
			noted = append(noted, n.moment())
		}
	}
	if noted == nil {
		return nil
	}
	for t, x := range st.values() {
		if t >= noted[0].T {
			break
		}
		if k := len(all); at-t > around || k > 0 && all[k-1].T/minute == t/minute {
			continue
		}
		m := unknown(foreshock.NothingNoted)
		if m.T, m.Value = t, x; st.diary.lost(t) {
			m.Reason = foreshock.Forgotten
		}
		all = append(all, m)
	}
	return append(all, noted...)
}

// unknown is a moment of which nothing is known but the reason for that.
func unknown(r foreshock.Reason) foreshock.Moment {
	nan := math.NaN()
	return foreshock.Moment{Reason: r, Value: nan, Band: foreshock.NoBand(), Score: nan, Raw: nan, Threshold: nan, Needed: nan, P: nan}
}

// moment is n as others read it.
func (n *note) moment() foreshock.Moment {
	m := foreshock.Moment{
		T: n.t, Value: n.x, Band: n.band, Reason: n.reason,
		Score: n.score, Raw: n.raw, Threshold: n.theta, Needed: n.needed,
		P:     math.NaN(), // nobody pools the scores of all series
		Onset: n.onset,
	}
	m.Channels = ranked(&n.each, n.channel)
	return m
}

// ranked are the channels that say something, highest score first, but that the one that
// was named comes before those that scored no more than a tie.
func ranked(each *forest.Scores, named forest.Channel) []foreshock.ChannelScore {
	channels := make([]forest.Channel, 0, len(each))
	score := *each
	score[named] *= forest.Clearly
	for c, s := range each {
		if s > 0 {
			channels = append(channels, forest.Channel(c))
		}
	}
	slices.SortStableFunc(channels, func(a, b forest.Channel) int { return cmp.Compare(score[b], score[a]) })
	scores := make([]foreshock.ChannelScore, len(channels))
	for i, c := range channels {
		scores[i] = foreshock.ChannelScore{Channel: c.String(), Score: float64(each[c])}
	}
	return scores
}

// clockOf writes the time t, ms, as a person would beside the time beside: with its day
// only where that is another.
func clockOf(t, beside int64) string {
	at := foreshock.Time(t)
	if at.Format(time.DateOnly) == foreshock.Time(beside).Format(time.DateOnly) {
		return at.Format("15:04:05 UTC")
	}
	return at.Format("2006-01-02 15:04:05 UTC")
}
