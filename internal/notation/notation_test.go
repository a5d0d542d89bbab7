package notation

import (
	"fmt"
	"math"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/prometheus/model/value"
	"github.com/prometheus/prometheus/promql/parser"
)

func TestNotation(t *testing.T) {
	for _, tc := range []struct{ samples, want string }{
		{"1 2.5 -3e2", "1 2.5 -300"},
		{"1x2", "1 1 1"},
		{"0+10x3", "0 10 20 30"},
		{"10-2x2 7", "10 8 6 7"},
		{"1 _ 2 _x2 3", "1 _ 2 _ _ 3"},
		{"1 stale", "1 stale"},
		{"NaN Inf -Inf", "NaN +Inf -Inf"},
		{"{{schema:0 sum:5 count:3 buckets:[1 2]}}x1", "3/5 3/5"},
		{"5~0x2", "5 5 5"},
		{"1~0+2x2", "1 3 5"},
		{"1~0-2x2", "1 -1 -3"},
		{"0+5~0x2 9", "0 5 10 9"},
		{"10^4/1hx4", "10 14 10 6 10"},
		{"7 10^4/1hx1", "7 14 10"}, // a wave goes on where it would be by then
		{"-1e-1~0x0", "-0.1"},
		{".5~0x0", "0.5"},
		{"0+4^4/1hx4", "0 8 12 12 16"}, // its growth swings, and never turns
		{"1x45m 2x15m", "1 1 1 2"},     // so long, not so often again
		{"0+10x30m ..+1x30m ..x15m", "0 10 11 12 12"},
		{"5~0+2x1 ..+3~0x1", "5 7 10 13"},
		{"1 _ ..+1x1", "1 _ 2 3"},
		{"{{schema:0 sum:5 count:3 buckets:[1 2]}}x30m 1", "3/5 3/5 1"},
	} {
		values, err := read(`m{a="b c"}`, tc.samples, Options{Interval: 15 * time.Minute, Limit: 100})
		if err != nil {
			t.Errorf("%s: %v", tc.samples, err)
		} else if got := spell(values); got != tc.want {
			t.Errorf("%s means %s, want %s", tc.samples, got, tc.want)
		}
	}
}

// read is what follows series in a story.
func read(series, samples string, o Options) ([]parser.SequenceValue, error) {
	s, err := Series(series)
	if err != nil {
		return nil, err
	}
	return Samples(s, samples, o)
}

// TestLead: the first term begins earlier, and a star lasts to the end.
func TestLead(t *testing.T) {
	for _, tc := range []struct{ samples, want string }{
		{"5", "5 5 5"},
		{"0+10x1 7", "0 10 20 30 7"},
		{"10^4/1hx45m", "10 14 10 6 10"},
		{"0+1x30m ..+5x*", "0 1 2 3 8 13 18"},
		{"3x*", "3 3 3 3 3 3 3"},
		{"1~0x*", "1 1 1 1 1 1 1"},
		{"_x30m 4x*", "_ _ _ _ 4 4 4"},
		{"1x10h 2x*", ""}, // beyond the end already
	} {
		values, err := read("m", tc.samples, Options{Interval: 15 * time.Minute, Lead: 2, Length: 5, Limit: 10})
		if err != nil && tc.want != "" {
			t.Errorf("%s: %v", tc.samples, err)
		} else if got := spell(values); got != tc.want {
			t.Errorf("%s means %s, want %s", tc.samples, got, tc.want)
		}
	}
	if n, err := Counted("5 1x2 _x3 0+1~1x30m 7x*", 15*time.Minute); n != 9 || err != nil {
		t.Errorf("counted %d (%v), want 9", n, err)
	}
}

// TestMistakes: each is told with the word that has it.
func TestMistakes(t *testing.T) {
	for _, tc := range []struct{ samples, want string }{
		{"1~x3", "samples 1~x3: must be written value^swing/period~noise+step^swing/period~noisexcount"},
		{"1 1~2", "samples 1~2: must be written"},
		{"1^2/0sx3", `samples 1^2/0sx3: period must be a positive duration, got "0s"`},
		{"0+1^2/20000yx3", `samples 0+1^2/20000yx3: period must be a positive duration, got "20000y"`},
		{"1x99999999", "samples 1x99999999: more than 1000 in all"},
		{"1x9y", "samples 1x9y: more than 1000 in all"},
		{"1~1x99999999999999999999", "samples 1~1x99999999999999999999: more than 1000 in all"},
		{"1x30s", "samples 1x30s: lasts less than the interval, 1m"},
		{"1x5n", "samples 1x5n: "},
		{"1x* 2", "samples 1x*: only the last may end in x*"},
		{"1x*", "samples 1x*: how long is not known"},
		{"..", "samples ..: must be written"},
		{"1 two", "samples two: "},
		{"{{schema:0", "samples {{schema:0: "},
	} {
		_, err := read("m", tc.samples, Options{Interval: time.Minute, Limit: 1000})
		if err == nil || !strings.HasPrefix(err.Error(), tc.want) {
			t.Errorf("%q: got %v, want %s…", tc.samples, err, tc.want)
		}
	}
}

func spell(values []parser.SequenceValue) string {
	var words []string
	for _, v := range values {
		switch {
		case v.Omitted:
			words = append(words, "_")
		case v.Histogram != nil:
			words = append(words, fmt.Sprintf("%g/%g", v.Histogram.Count, v.Histogram.Sum))
		case value.IsStaleNaN(v.Value):
			words = append(words, "stale")
		default:
			words = append(words, fmt.Sprintf("%.6g", v.Value))
		}
	}
	return strings.Join(words, " ")
}

func TestNoiseIsAsLoudAsWritten(t *testing.T) {
	values, err := read("m", "10~2x9999", Options{Interval: time.Minute, Limit: 10_000})
	if err != nil {
		t.Fatal(err)
	}
	var sum, squares float64
	for _, v := range values {
		sum += v.Value
		squares += (v.Value - 10) * (v.Value - 10)
	}
	// The mean of 10 000 is off by .02, their deviation by .014; five times that is never.
	if mean := sum / 10_000; math.Abs(mean-10) > .1 {
		t.Errorf("mean %g, want 10", mean)
	}
	if sd := math.Sqrt(squares / 10_000); math.Abs(sd-2) > .07 {
		t.Errorf("standard deviation %g, want 2", sd)
	}
}

func TestNoisyCounterNeverGoesBack(t *testing.T) {
	values, err := read("m_total", "0+1^2/1h~3x499 ..+1x499", Options{Interval: time.Minute, Limit: 1000})
	if err != nil {
		t.Fatal(err)
	}
	if !slices.IsSortedFunc(values, func(a, b parser.SequenceValue) int { return int(math.Copysign(1, a.Value-b.Value)) }) {
		t.Error("the counter went back")
	}
}

func TestNoiseBelongsToTheSeries(t *testing.T) {
	draw := func(series string) string {
		values, err := read(series, "0~1x3", Options{Interval: time.Minute, Limit: 4})
		if err != nil {
			t.Fatal(err)
		}
		return spell(values)
	}
	if draw(`m{a="1",b="2"}`) != draw(`m{b="2", a="1"}`) {
		t.Error("one series, two noises")
	}
	if draw(`m{a="1"}`) == draw(`m{a="2"}`) {
		t.Error("two series, one noise")
	}
}
