package scenario

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
	} {
		_, values, err := parseSeries(`m{a="b c"} `+tc.samples, 15*time.Minute, 100)
		if err != nil {
			t.Errorf("%s: %v", tc.samples, err)
		} else if got := spell(values); got != tc.want {
			t.Errorf("%s means %s, want %s", tc.samples, got, tc.want)
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
	_, values, err := parseSeries("m 10~2x9999", time.Minute, maxSamples)
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
	_, values, err := parseSeries("m_total 0+1~3x999", time.Minute, maxSamples)
	if err != nil {
		t.Fatal(err)
	}
	if !slices.IsSortedFunc(values, func(a, b parser.SequenceValue) int { return int(math.Copysign(1, a.Value-b.Value)) }) {
		t.Error("the counter went back")
	}
}

func TestNoiseBelongsToTheSeries(t *testing.T) {
	draw := func(series string) string {
		_, values, err := parseSeries(series+" 0~1x3", time.Minute, maxSamples)
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

func TestParseSaysWhatIsWrong(t *testing.T) {
	for _, tc := range []struct{ text, want string }{
		{"load 0s", `story:1: interval must be a positive duration, got "0s"`},
		{"load soon", `story:1: interval must be a positive duration, got "soon"`},
		{"load", "story:1: no such command: load"},
		{"# why\n\nalarms\n", "story:3: no such command: alarms"},
		{"  m 1 2", "story:1: indented, but below no command: m 1 2"},
		{"load 1m\n  m 1\n\n  m 1~x3", "story:4: samples 1~x3: must be written value^swing/period~noise+step~noisexcount"},
		{"load 1m\n  m 1^2/0sx3", `story:2: samples 1^2/0sx3: period must be a positive duration, got "0s"`},
		{"load 1m\n  m 1x99999999", "story:2: samples 1x99999999: a scenario has at most 10000000"},
		{"load 1m\n  m 1~1x99999999999999999999", "story:2: samples 1~1x99999999999999999999: a scenario has at most 10000000"},
		{"load 1m\n  m 1 two", "story:2: samples 1 two: "},
		{"load 1m\n  m{a=} 1", "story:2: series m{a=}: "},
		{"config\n  detector: {treshold: 2}", `story:2:14: detector.treshold: unknown key, did you mean "threshold"`},
		{"config\n  incident: {max_open: 0}", "story:1: incident.max_open: must be from 1"},
		{"rules\n  groups:\n    - name: g\n      rules:\n        - watch: w\n", "story:5:"},
		{"scores {", "story:1: scores: "},
		{"scores m 1h..later", "story:1: scores: 1h..later: "},
		{"incidents of today", "story:1: incidents: takes nothing but FROM..TO, got of today"},
	} {
		_, err := Parse("story", tc.text)
		if err == nil || !strings.HasPrefix(err.Error(), tc.want) {
			t.Errorf("%q: got %v, want %s…", tc.text, err, tc.want)
		}
	}
}

// FuzzParse: a text is understood or refused, and what is understood can be told and
// told again with the same words.
func FuzzParse(f *testing.F) {
	f.Add("# why\nload 1m\n  m{a=\"b\"} 1~.1x20 9 stale _x3 {{sum:1 count:2}}\nanomalies\nincidents\n----\nfiring\n\nscores m 1m..5m\n")
	f.Add("config\n  detector: {warm_up: 3}\nload 30s\n  m 1^2/1h~1+2~1x5\n")
	f.Fuzz(func(t *testing.T, text string) {
		story, err := Parse("story", text)
		if err != nil || len(story.samples) > 1000 {
			return
		}
		told, err := story.Retell(t.Context(), 1)
		if err != nil {
			t.Fatal(err)
		}
		story, err = Parse("story", told)
		if err != nil {
			t.Fatalf("cannot read what was told: %v\n%s", err, told)
		}
		if again, err := story.Retell(t.Context(), 1); err != nil || again != told {
			t.Errorf("told:\n%s\nand again (%v):\n%s", told, err, again)
		}
	})
}
