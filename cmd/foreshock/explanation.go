package main

import (
	"cmp"
	"fmt"
	"io"
	"math"
	"strconv"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/prometheus/common/model"

	"github.com/foreshock/foreshock"
	"github.com/foreshock/foreshock/internal/quantity"
	"github.com/foreshock/foreshock/internal/record"
)

// meanings say what it is about a series that a channel watches.
var meanings = map[string]string{
	"value":        "the value itself is far from those it has shown",
	"magnitude":    "its order of magnitude is new",
	"level (fast)": "its level over some 30 samples moved",
	"level (slow)": "its level over some 300 samples moved",
	"shift":        "its level made a step",
	"roughness":    "it changes from sample to sample by more or less than it did",
	"season":       "it is not where it should be at this time of the day and week",
}

// writeExplanation writes x for a person at a terminal.
func writeExplanation(w io.Writer, x *record.Explanation) {
	// The reader reads one answer at a time; a terminal that is gone needs none.
	fmt.Fprintf(w, "%s\n%s\n\n%s\n\n", x.Series.Series, standing(x), verdictOn(x))

	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	line := func(name, text string) { fmt.Fprintf(t, "  %s\t%s\n", name, text) }
	switch {
	case x.Metric.Get(model.MetricNameLabel) == foreshock.GroupName:
		line("judged", clock(x.At, 0))
	case x.Reason != foreshock.NoSample.String():
		line("sample", clock(x.At, 0)+", "+observed(x.Series.Series, &x.Moment))
	}
	if known(x.Score) {
		line("score", scored(&x.Moment))
	}
	if known(x.P) && x.P <= 0.5 { // what every second sample reaches is not rare
		line("rarity", fmt.Sprintf("one sample in %s scores as high", figure(1/float64(x.P))))
	}
	if by := channels(x.Channels); by != "" {
		line("isolated by", by)
		if meaning := meanings[x.Channels[0].Channel]; meaning != "" {
			line("", meaning)
		}
	}
	if len(x.Peaks) > 0 && (len(x.Channels) == 0 || x.Peaks[0] != x.Channels[0]) {
		line("at its worst", channels(x.Peaks))
		if len(x.Channels) == 0 || x.Peaks[0].Channel != x.Channels[0].Channel {
			if meaning := meanings[x.Peaks[0].Channel]; meaning != "" {
				line("", meaning)
			}
		}
	}
	_ = t.Flush()
	writeTogether(w, x)
	writeAround(w, x)
}

// standing says what the series is to the detector.
func standing(x *record.Explanation) string {
	parts := []string{cmp.Or(x.Kind, "series")}
	if x.Ended {
		parts = append(parts, "ended")
	}
	if x.Rule != "" {
		return strings.Join(append(parts, "watched by rule "+strconv.Quote(x.Rule)), ", ")
	}
	return strings.Join(append(parts, "no rule watches it"), ", ")
}

// verdictOn is the answer in one sentence.
func verdictOn(x *record.Explanation) string {
	since := " since " + clock(x.Onset, x.At)
	head := "no alert"
	switch x.Reason {
	case foreshock.Alerting.String():
		head = "alerting" + since
	case foreshock.Unselected.String():
		head = "anomalous" + since + ", nobody is told"
	case foreshock.Spoken.String():
		head = "anomalous" + since
	case foreshock.Over.String(), foreshock.Accepted.String():
		head = "no longer anomalous"
	case foreshock.NoSample.String(), foreshock.Forgotten.String():
		head = "not known"
	default:
		if x.Onset != 0 {
			head = "anomalous" + since
		}
	}
	return head + ": " + x.Because
}

// observed is what the value was and what it should have been.
func observed(series string, m *record.Moment) string {
	if !known(m.Value) {
		return "no value to score"
	}
	if !known(m.Expected) {
		return "value " + quantity.Finely(series, float64(m.Value))
	}
	return fmt.Sprintf("value %s, expected %s", quantity.Finely(series, float64(m.Value)), band(series, m.Band))
}

// scored is how the score came about.
func scored(m *record.Moment) string {
	text := exported(m.Score)
	if !known(m.Raw) {
		return text + " (1 is anomalous)"
	}
	// A held score is higher than the sample's own, one that was kept from counting lower.
	if own := float64(m.SampleScore); math.Abs(own-float64(m.Score)) > 0.005*own {
		text += fmt.Sprintf("; the sample by itself %s", figure(own))
	}
	return fmt.Sprintf("%s = raw %s ÷ threshold %s (1 is anomalous)", text, figure(float64(m.Raw)), figure(float64(m.Threshold)))
}

// channels are those that count: at least a third as much as the first.
func channels(all []record.ChannelScore) string {
	var named []string
	for _, c := range all {
		if c.Score >= all[0].Score/3 {
			named = append(named, fmt.Sprintf("%s %s", c.Channel, figure(float64(c.Score))))
		}
	}
	return strings.Join(named, ", ")
}

// writeTogether lists what moved with the series.
func writeTogether(w io.Writer, x *record.Explanation) {
	if len(x.Together) == 0 {
		if x.Incident != "" {
			fmt.Fprintf(w, "\nIt was alone in incident %s.\n", x.Incident)
		}
		return
	}
	where := "On the same instance, within five minutes:"
	if x.Incident != "" {
		where = fmt.Sprintf("It moved with these, in incident %s:", x.Incident)
	}
	fmt.Fprintf(w, "\n%s\n", where)
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	for _, c := range x.Together {
		fmt.Fprintf(t, "  %s\t%s\tpeak %s\t%s\n", clock(c.Onset, x.At), c.Channel, figure(float64(c.Peak)), c.Series.Series)
	}
	_ = t.Flush()
	if x.Unlisted > 0 {
		fmt.Fprintf(w, "  and %d more\n", x.Unlisted)
	}
}

// writeAround tells the minutes around, a record a line, with a mark at the one explained.
func writeAround(w io.Writer, x *record.Explanation) {
	if len(x.Around) == 0 {
		return
	}
	fmt.Fprintf(w, "\nTen minutes before and after:\n")
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprintf(t, "  time\tvalue\texpected\tscore\tfirst channel\tverdict\n")
	for i := range x.Around {
		m, mark, by := &x.Around[i], " ", "–"
		if m.At == x.At {
			mark = ">"
		}
		if len(m.Channels) > 0 {
			by = m.Channels[0].Channel
		}
		value, verdict := "–", m.Reason
		if known(m.Value) {
			value = quantity.Finely(x.Series.Series, float64(m.Value))
		}
		if verdict == foreshock.NothingNoted.String() {
			verdict = "" // the usual before an anomaly
		}
		fmt.Fprintf(t, "%s %s\t%s\t%s\t%s\t%s\t%s\n", mark, foreshock.Time(int64(m.At)).Format("15:04:05"),
			value, band(x.Series.Series, m.Band), exported(m.Score), by, verdict)
	}
	_ = t.Flush()
}

func band(series string, b record.Band) string {
	if !known(b.Expected) {
		return "–"
	}
	return quantity.Finely(series, float64(b.Lower)) + " to " + quantity.Finely(series, float64(b.Upper))
}

// exported writes an exported score; one just below 1 does not look like 1, and one that
// was too low to be noted is what that takes.
func exported(n record.Number) string {
	text := figure(float64(n))
	switch {
	case !known(n):
		return "<0.5"
	case n < 1 && text == "1":
		return "<1"
	}
	return text
}

func known(n record.Number) bool { return !math.IsNaN(float64(n)) }

// clock writes a time; without its day where that is the day of beside.
func clock(at, beside record.Instant) string {
	t := foreshock.Time(int64(at))
	if beside != 0 && t.Format(time.DateOnly) == foreshock.Time(int64(beside)).Format(time.DateOnly) {
		return t.Format("15:04:05 UTC")
	}
	return t.Format("2006-01-02 15:04:05 UTC")
}

// figure writes a number that has no unit, as a score.
func figure(v float64) string { return quantity.Finely("", v) }
