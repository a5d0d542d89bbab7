package detector

import (
	"fmt"
	"math"
	"strconv"
	"time"

	prommodel "github.com/prometheus/common/model"

	"github.com/foreshock/foreshock"
	"github.com/foreshock/foreshock/internal/quantity"
	"github.com/foreshock/foreshock/rules"
)

// because says in a sentence, which may go on from "it does not alert: ", what the
// reason of e says in a word, with the figures that decided.
func (s *shard) because(st *state, e *foreshock.Explanation) string {
	own, needed := quantity.Number(e.Raw/e.Threshold), quantity.Number(e.Needed)
	since := clockOf(e.Onset, e.T)
	switch e.Reason {
	case foreshock.Alerting:
		if e.Onset != e.T {
			return fmt.Sprintf("the anomaly since %s got worse: this sample scores %s, and %s was enough to alert again", since, own, needed)
		}
		return fmt.Sprintf("this sample scores %s, and %s was enough to alert", own, needed)
	case foreshock.Unselected:
		return fmt.Sprintf("this sample scores %s, which is anomalous, but no watch rule selects the series: it is shown and nobody is told; to be told, select it in a rule", own)
	case foreshock.Spoken:
		return fmt.Sprintf("this sample scores %s, which is anomalous", own) + st.spoken(e.T)
	case foreshock.Impossible:
		return fmt.Sprintf("the value is outside the rule's data_range %s", rangeText(st.watch))
	case foreshock.ActiveAlready:
		return fmt.Sprintf("the anomaly is no news; a sample that scores %s would alert again, and this one scores %s%s", needed, own, untold(st, e))
	case foreshock.OutsideBand:
		return fmt.Sprintf("the anomaly lasts, as the value is not back in its band; a sample that scores %s would alert again, and this one scores %s%s", needed, own, untold(st, e))
	case foreshock.WayBack:
		return "the value is back in its band, so the anomaly is about to end; recovering is no news" + untold(st, e)
	case foreshock.Over:
		return fmt.Sprintf("the anomaly since %s ended here", since)
	case foreshock.Accepted:
		return fmt.Sprintf("the anomaly since %s ended here: the level has stayed for an hour, surprises no more, and is the new normal", since)
	case foreshock.Refractory:
		return fmt.Sprintf("this sample scores %s, but within %d samples after an alert only %s or more alerts again", own, refractory, needed)
	case foreshock.Doubted:
		return fmt.Sprintf("this sample scores %s, but the series alerted so often of late that it takes %s", own, needed)
	case foreshock.SmallDeviation:
		return fmt.Sprintf("this sample scores %s, but it is %s and the rule wants %s", own, distance(st, e), wanted(st))
	case foreshock.OtherDirection:
		return fmt.Sprintf("this sample scores %s, but it is %s and the rule watches the other side only", own, distance(st, e))
	case foreshock.NothingExpected:
		return fmt.Sprintf("this sample scores %s, but the rule asks how far it is from what was expected, and nothing is expected yet", own)
	case foreshock.WarmingUp:
		return fmt.Sprintf("the series is warming up: %d of %d samples are learned", min(st.mind.len(), s.grading.warmUp), s.grading.warmUp)
	case foreshock.AfterGap:
		return "it is the first sample after an interruption: whatever happened meanwhile is in it, so it is learned and not judged"
	case foreshock.NotScored:
		return unscored(st, e)
	case foreshock.NothingNoted:
		return fmt.Sprintf("nothing was noted of this sample, so its score was below %s", quantity.Number(notable))
	case foreshock.Forgotten:
		return "nothing is noted of this sample; if something was, it had to make room for later notes"
	case foreshock.NoSample:
		return s.unheard(st, e.Asked)
	}
	if math.IsNaN(e.Raw) {
		return fmt.Sprintf("the series scores %s, and 1 is enough to alert", quantity.Number(e.Score))
	}
	return fmt.Sprintf("this sample scores %s, and %s would alert", own, needed)
}

func rangeText(w *rules.Watch) string {
	if w == nil || w.DataRange == nil {
		return "of then"
	}
	return fmt.Sprintf("[%s, %s]", quantity.Number(w.DataRange.Lower), quantity.Number(w.DataRange.Upper))
}

// untold goes on from what is said of an anomaly of which st itself told nobody.
func untold(st *state, e *foreshock.Explanation) string {
	if e.Rule == "" {
		return "; no watch rule selects the series, so nobody is told"
	}
	return st.spoken(e.T)
}

// unscored is why the sample e speaks of has no score.
func unscored(st *state, e *foreshock.Explanation) string {
	switch {
	case st.kind == bucket:
		return "it is one bucket of a histogram: kept, but not scored, as it says nothing by itself"
	case st.ended && e.T == st.last:
		return "it is a staleness marker: the series ended here"
	case st.kind == counter || st.native:
		return "a counter has no rate at its first sample, after a reset, or where it is not a number"
	}
	return "it is not a finite number"
}

// unheard is why no sample is held from the time at.
func (s *shard) unheard(st *state, at int64) string {
	first := int64(math.MinInt64)
	for t := range st.window.All() {
		first = t
		break
	}
	keep := prommodel.Duration(time.Duration(s.keeps(st)) * time.Millisecond)
	switch {
	case first == math.MinInt64:
		return fmt.Sprintf("no samples are held: the series is silent, and those beyond detector.window (%s) are gone", keep)
	case at < first:
		return fmt.Sprintf("the samples held begin at %s: detector.window (%s) says how many are kept", clockOf(first, at), keep)
	case at > st.last:
		return fmt.Sprintf("the newest sample is from %s", clockOf(st.last, at))
	}
	return "none came: the samples have a gap here"
}

// distance is how far e is from what was expected.
func distance(st *state, e *foreshock.Explanation) string {
	dev, side := e.Value-e.Band.Expected, "above"
	if dev < 0 {
		side = "below"
	}
	text := fmt.Sprintf("%s %s what was expected", quantity.Of(st.series.Name(), math.Abs(dev)), side)
	if e.Band.Expected != 0 {
		text += fmt.Sprintf(" (%s %%)", strconv.FormatFloat(100*math.Abs(dev/e.Band.Expected), 'g', 2, 64))
	}
	return text
}

// wanted is how far off the rule of st wants a value to be.
func wanted(st *state) string {
	w := st.watch
	in := func(v float64) string { return quantity.Of(st.series.Name(), v) }
	switch {
	case w == nil || w.MinDeviation == 0 && w.MinRelative == 0:
		return "more" // it did when that was noted
	case w.MinRelative == 0:
		return in(w.MinDeviation) + " or more (min_deviation)"
	case w.MinDeviation == 0:
		return quantity.Number(100*w.MinRelative) + " % or more (min_relative_deviation)"
	}
	return fmt.Sprintf("%s (min_deviation) and %s %% (min_relative_deviation) or more", in(w.MinDeviation), quantity.Number(100*w.MinRelative))
}
