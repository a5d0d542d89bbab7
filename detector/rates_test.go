package detector

import (
	"fmt"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"text/tabwriter"
	"time"

	"github.com/foreshock/foreshock"
	"github.com/foreshock/foreshock/internal/synthetic"
	"github.com/foreshock/foreshock/rules"
)

// A day of minutes is learned before anything counts, here and in the study.
const (
	perDay = int(24 * time.Hour / time.Minute)
	aDay   = perDay
)

var ordinaryGrading = grading{threshold: defaultThreshold, warmUp: 100}

// ungated lets every deviation alert: what is measured here is the score.
var ungated = &rules.Watch{}

// alerts calls told for each alert the stream raises after its first day, with the
// index of its point, until told returns false.
func alerts(s synthetic.Stream, told func(i int, v verdict) bool) {
	var m model
	for i, p := range s.Points {
		v := m.step(&ordinaryGrading, ungated, p.T, p.V)
		if i >= aDay && v.changed && v.phase != foreshock.Ended && !told(i, v) {
			return
		}
	}
}

// falseAlarms is how many alerts a day the streams of a generator raise that has
// nothing wrong with it: started and escalated ones both.
func falseAlarms(g synthetic.Generator, streams, days int) float64 {
	n := summed(streams, func(seed uint64) (n int64) {
		alerts(g(seed, time.Minute, (days+1)*perDay), func(int, verdict) bool { n++; return true })
		return n
	})
	return n / float64(streams*days)
}

// found is the share of streams whose event raises an alert within so many points of
// its onset.
func found(g synthetic.Generator, streams, days, within int) float64 {
	return summed(streams, func(seed uint64) (n int64) {
		s := g(seed, time.Minute, days*perDay)
		s.Points = s.Points[:min(s.From+within, len(s.Points))]
		alerts(s, func(i int, v verdict) bool {
			if i < s.From {
				return true
			}
			n++
			return false
		})
		return n
	}) / float64(streams)
}

// summed adds up what count says of each of the seeds below n, on all processors.
func summed(n int, count func(seed uint64) int64) float64 {
	var workers sync.WaitGroup
	var next atomic.Uint64
	var sum atomic.Int64
	for range runtime.GOMAXPROCS(0) {
		workers.Go(func() {
			for seed := next.Add(1) - 1; seed < uint64(n); seed = next.Add(1) - 1 {
				sum.Add(count(seed))
			}
		})
	}
	workers.Wait()
	return float64(sum.Load())
}

// A detector that finds more by crying wolf has found nothing: what it finds counts
// only at no more than 0.06 alerts per series and day of white noise.
func TestRates(t *testing.T) {
	t.Parallel()
	const streams = 200
	quiet := []struct {
		name    string
		noise   synthetic.Generator
		streams int
		most    float64 // alerts per series and day; 0: reported only
	}{
		{"white noise", synthetic.Noise, streams, 0.06},
		{"white noise with gaps", synthetic.Gaps, 10, 0},
		{"autoregressive, 0.9", synthetic.Autoregressive, 10, 0},
		{"heavy tails, t(3)", synthetic.HeavyTail, 10, 0},
		{"drift of 1 σ a day", synthetic.Drift, 60, 0.1},
		{"daily wave of 10 σ", synthetic.Wave, 50, 0.06},
		{"sparse counts", synthetic.Counts, 10, 0},
	}
	events := []struct {
		name    string
		event   synthetic.Generator
		streams int
		days    int
		within  int     // points
		least   float64 // share found; 0: reported only
	}{
		{"spike of 6 σ", synthetic.Spike(6), 600, 7, 2, 0.94},
		{"shift of 2 σ", synthetic.Shift(2), streams, 7, 120, 0.99},
		{"shift of 1 σ", synthetic.Shift(1), 50, 7, 120, 0},
		{"flat line", synthetic.Flatline, 50, 7, 120, 0.90},
		{"missing daily wave", synthetic.MissingWave, 50, 8, perDay, 0.90},
	}
	var table strings.Builder
	w := tabwriter.NewWriter(&table, 0, 0, 2, ' ', 0)
	for _, c := range quiet {
		rate := falseAlarms(c.noise, c.streams, 14)
		fmt.Fprintf(w, "%s\t%.3f alerts per series-day\n", c.name, rate)
		if c.most > 0 && rate > c.most {
			t.Errorf("%s: %.3f alerts per series-day, want at most %.2f", c.name, rate, c.most)
		}
	}
	for _, c := range events {
		share := found(c.event, c.streams, c.days, c.within)
		fmt.Fprintf(w, "%s\t%.1f %% found\n", c.name, 100*share)
		if share < c.least {
			t.Errorf("%s: %.1f %% found, want at least %.0f %%", c.name, 100*share, 100*c.least)
		}
	}
	w.Flush()
	t.Logf("threshold %v\n%s", defaultThreshold, &table)
}
