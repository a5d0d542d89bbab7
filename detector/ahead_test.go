package detector

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/foreshock/foreshock"
)

// One series runs ahead of a hundred others, however it is sent, and however far and often.
// Samples may be as old as they like, as those of a backlog are, so nobody knows by the wall
// clock that it is wrong. What is found of the others, and what their windows hold, is to the
// last digit what it is without it.
func TestWhoRunsAheadMovesNobody(t *testing.T) {
	const rounds, every = 600, int64(15_000)
	wild := series("wild", "instance", "wild")
	at := func(ts ...int64) (b foreshock.Batch) {
		for _, t := range ts {
			b.Samples = append(b.Samples, foreshock.Sample{Series: wild, T: t, V: float64(t % 7)})
		}
		return b
	}
	spread := func(now, by int64, n int) (ts []int64) {
		for i := range int64(n) {
			ts = append(ts, now+(i+1)*by)
		}
		return ts
	}
	var last int64
	for _, c := range []struct {
		name  string
		among bool // in the requests of the others
		says  func(now int64) [][]int64
	}{
		{"an hour", false, func(now int64) [][]int64 { return [][]int64{{now - every + leap}} }},
		{"an hour, among others", true, func(now int64) [][]int64 { return [][]int64{{now - every + leap}} }},
		{"ten minutes", false, func(now int64) [][]int64 { return [][]int64{{now + 10*minute}} }},
		{"an hour a sample", false, func(now int64) (all [][]int64) {
			for range 30 {
				last = max(last, now-every) + leap
				all = append(all, []int64{last})
			}
			return all
		}},
		{"a second a sample", false, func(now int64) (all [][]int64) {
			for _, t := range spread(now+leap/2, 1000, 15) {
				all = append(all, []int64{t})
			}
			return all
		}},
		{"a day in a request", false, func(now int64) [][]int64 { return [][]int64{spread(now, 60_000, 1440)} }},
		{"a day among others", true, func(now int64) [][]int64 { return [][]int64{spread(now, 60_000, 1440)} }},
		{"back and forth", false, func(now int64) [][]int64 {
			return [][]int64{{now + leap}, {now - leap}, {now + 2*leap}, {Latest}, {now}, {now + 1}, {Earliest}, {now + leap/2}}
		}},
	} {
		t.Run(c.name, func(t *testing.T) {
			told := func(wildly bool) string {
				last = 0
				r := rand.New(rand.NewPCG(9, 9))
				xs := make([]*foreshock.Series, 100)
				for i := range xs {
					xs[i] = series("load", "instance", fmt.Sprint(i/5), "n", fmt.Sprint(i))
				}
				b := run(t, Options{Rules: everything(), Shards: 2})
				for n := range rounds {
					now := start + int64(n)*every
					batch := &foreshock.Batch{}
					for i, x := range xs {
						v := r.NormFloat64()
						switch {
						case n > 400 && i < 30:
							v += 9 // something happens
						case i == 99 && n%40 != 0, i == 98 && n > 450:
							continue // one is slow, one falls silent
						}
						batch.Samples = append(batch.Samples, foreshock.Sample{Series: x, T: now, V: v})
					}
					if wildly && n > 0 {
						for _, ts := range c.says(now) {
							extra := at(ts...)
							if c.among {
								batch.Samples = append(batch.Samples, extra.Samples...)
							} else {
								b.batch(&extra)
							}
						}
					}
					b.batch(batch)
				}
				views := b.views("load")
				b.stop()
				var out bytes.Buffer
				anomalies := 0
				for _, f := range b.found {
					f = without(f, wild)
					if len(f.Scores)+len(f.Anomalies)+len(f.Forecasts) > 0 {
						encode(&out, f)
					}
					anomalies += len(f.Anomalies)
				}
				if anomalies == 0 {
					t.Fatal("nothing was found")
				}
				for _, v := range views {
					fmt.Fprintln(&out, v.Series, v.Last, v.Samples)
				}
				return out.String()
			}
			if alone, among := told(false), told(true); alone != among {
				t.Errorf("others are known otherwise: %s", firstDifference(alone, among))
			}
		})
	}
}

// without is f but for what is about x alone.
func without(f foreshock.Findings, x *foreshock.Series) foreshock.Findings {
	kept := f
	kept.Scores, kept.Anomalies, kept.Forecasts = nil, nil, nil
	for _, s := range f.Scores {
		if !s.Series.Equal(x) {
			kept.Scores = append(kept.Scores, s)
		}
	}
	for _, a := range f.Anomalies {
		if !a.Series.Equal(x) {
			kept.Anomalies = append(kept.Anomalies, a)
		}
	}
	for _, p := range f.Forecasts {
		if !p.Series.Equal(x) {
			kept.Forecasts = append(kept.Forecasts, p)
		}
	}
	return kept
}

// firstDifference is the first line in which two texts differ, of both.
func firstDifference(want, got string) string {
	for rest := range strings.SplitSeq(got, "\n") {
		var line string
		line, want, _ = strings.Cut(want, "\n")
		if line != rest {
			return fmt.Sprintf("%.400s\nwant %.400s", rest, line)
		}
	}
	return "there is more of them"
}
