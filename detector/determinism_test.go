package detector

import (
	"bytes"
	"fmt"
	"math"
	"math/rand/v2"
	"runtime"
	"testing"
	"time"

	prommodel "github.com/prometheus/common/model"
	"github.com/prometheus/prometheus/model/labels"

	"github.com/foreshock/foreshock"
	"github.com/foreshock/foreshock/rules"
)

func selecting(name string) rules.Selector {
	return rules.Selector{{labels.MustNewMatcher(labels.MatchEqual, prommodel.MetricNameLabel, name)}}
}

// mixed is a fleet at its worst: gauges, counters that reset, histograms, spikes,
// gaps, series that come, end and fall silent, late, repeated and impossible samples.
func mixed(seed uint64, rounds int) []*foreshock.Batch {
	const fleet = 90
	r := rand.New(rand.NewPCG(seed, 7))
	names := []string{"load", "ticks_total", "disk", "flag", "rpc"}
	fleetSeries := make([]*foreshock.Series, fleet)
	totals := make([]float64, fleet)
	for i := range fleetSeries {
		fleetSeries[i] = series(names[i%len(names)], "instance", fmt.Sprint(i))
	}
	var batches []*foreshock.Batch
	for round := range rounds {
		at := start + int64(round)*60_000
		b := &foreshock.Batch{}
		for i, x := range fleetSeries {
			if i%11 == 0 && round > rounds/2 || r.IntN(50) == 0 {
				continue // fell silent; a missed scrape
			}
			t, v := at+int64(i), r.NormFloat64()
			switch x.Name() {
			case "ticks_total":
				totals[i] += r.Float64() * 100
				if r.IntN(500) == 0 {
					totals[i] = 0
				}
				v = totals[i]
			case "disk":
				v = 40 + float64(round)/10 + v/10
			case "flag":
				v = 1
			}
			switch r.IntN(400) {
			case 0:
				v = staleMarker
			case 1:
				v = math.NaN()
			case 2, 3, 4:
				v += 50
			case 5:
				t -= 90_000
			case 6:
				t = Latest
			case 7:
				t = math.MaxInt64
			}
			if x.Name() == "rpc" {
				b.Histograms = append(b.Histograms, foreshock.Histogram{Series: x, T: t, Count: math.Abs(v) * float64(round), Sum: v})
				continue
			}
			b.Samples = append(b.Samples, foreshock.Sample{Series: x, T: t, V: v})
			if r.IntN(100) == 0 {
				b.Samples = append(b.Samples, foreshock.Sample{Series: x, T: t, V: v})
			}
		}
		if round == 30 {
			b.Metadata = []foreshock.Metadata{{Family: "flag", Type: prommodel.MetricTypeCounter}}
		}
		r.Shuffle(len(b.Samples), func(i, j int) { b.Samples[i], b.Samples[j] = b.Samples[j], b.Samples[i] })
		batches = append(batches, b)
	}
	return batches
}

// encode writes findings down to the last bit.
func encode(w *bytes.Buffer, f foreshock.Findings) {
	bits := math.Float64bits
	band := func(b foreshock.Band) string {
		return fmt.Sprintf("[%x %x %x]", bits(b.Expected), bits(b.Lower), bits(b.Upper))
	}
	fmt.Fprintf(w, "now %d\n", f.Now)
	for _, s := range f.Scores {
		fmt.Fprintf(w, "score %s %d %x %x %s %t\n", s.Series, s.T, bits(s.Value), bits(s.Score), band(s.Band), s.Warming)
	}
	for _, a := range f.Anomalies {
		fmt.Fprintf(w, "%s %s %s %q %d %d %x %x %s %s %v %s %v", a.Kind, a.Phase, a.Series, a.Rule, a.Onset, a.T, bits(a.Value), bits(a.Score), band(a.Band), a.Channel, a.Limit, a.Arrival, a.Silence)
		fmt.Fprintf(w, " %v %d/%d %v %x %s %s\n", a.Group, a.Odd, a.Of, a.Loudest.Series, bits(a.Loudest.Value), band(a.Loudest.Band), a.Shared)
	}
	for _, c := range f.Forecasts {
		fmt.Fprintf(w, "forecast %s %q %d %s %s %v %s\n", c.Series, c.Rule, c.T, c.Horizon, band(c.Band), c.Limit, c.Arrival)
	}
	for _, e := range f.Ended {
		fmt.Fprintf(w, "ended %s\n", e)
	}
	for _, g := range f.Gone {
		fmt.Fprintf(w, "gone %s\n", g)
	}
}

// The same batches must give the same findings, byte for byte, whatever the number of
// shards and processors: replays, backtests and two of a kind depend on it.
func TestFindingsDependOnTheBatchesAlone(t *testing.T) {
	batches := mixed(1, 900)
	disk := &rules.Forecast{Name: "disk full", Select: selecting("disk"), Horizon: 4 * time.Hour, Limit: 130, Above: true}
	first := &rules.Set{
		Watches:   []*rules.Watch{{Name: "load", Select: selecting("load"), Sensitivity: 1, Emit: rules.EmitAll}},
		Forecasts: []*rules.Forecast{disk},
		Limits:    []*rules.Limit{{Name: "low", Select: selecting("disk"), Bound: 110, Above: true}, {Name: "high", Select: selecting("disk"), Bound: 120, Above: true}},
	}
	second := &rules.Set{
		Watches: []*rules.Watch{
			{Name: "flag", Select: selecting("flag"), Sensitivity: 2, Emit: rules.EmitNone},
			{Name: "load and ticks", Select: append(selecting("load"), selecting("ticks_total")...), Sensitivity: 1.5},
		},
		Forecasts: []*rules.Forecast{disk},
	}
	cfg := DefaultConfig()
	cfg.IdleAfter = prommodel.Duration(2 * time.Hour)

	var want bytes.Buffer
	seen := map[string]int{}
	for _, procs := range []int{1, 2} {
		for _, shards := range []int{1, 2, 7} {
			defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(procs))
			b := run(t, Options{Config: cfg, Rules: first, Shards: shards})
			for i, batch := range batches {
				switch i {
				case 600:
					b.SetRules(second)
				case 700:
					c := cfg
					c.Threshold *= 0.9
					b.SetConfig(c)
				}
				b.batch(batch)
			}
			b.stop()
			for _, s := range b.shards {
				checkLedger(t, s)
			}
			var got bytes.Buffer
			for _, f := range b.found {
				encode(&got, f)
			}
			if len(b.found) != len(batches) {
				t.Fatalf("%d findings of %d batches", len(b.found), len(batches))
			}
			if want.Len() == 0 {
				want = got
				for _, f := range b.found {
					seen["scores"] += len(f.Scores)
					seen["anomalies"] += len(f.Anomalies)
					for _, a := range f.Anomalies {
						switch a.Kind {
						case foreshock.Absence:
							seen["absences"]++
						case foreshock.Crossing:
							seen["crossings"]++
						}
					}
					seen["forecasts"] += len(f.Forecasts)
					seen["ended"] += len(f.Ended)
					seen["gone"] += len(f.Gone)
				}
				seen["evicted"] = b.Status().Evicted
				seen["late"] = b.Status().Late
				continue
			}
			if !bytes.Equal(got.Bytes(), want.Bytes()) {
				t.Errorf("%d processors, %d shards: other findings (%d bytes, %d with one of each)", procs, shards, got.Len(), want.Len())
			}
		}
	}
	t.Log(seen)
	for _, what := range []string{"scores", "anomalies", "absences", "crossings", "forecasts", "ended", "evicted", "late"} {
		if seen[what] == 0 {
			t.Errorf("the stream brought about no %s: it proves nothing of them", what)
		}
	}
}

// Observers are told by sample time, and by labels within it.
func TestFindingsAreSorted(t *testing.T) {
	b := run(t, Options{Rules: everything(), Shards: 3})
	for _, batch := range mixed(2, 50) {
		b.batch(batch)
	}
	b.stop()
	for _, f := range b.found {
		for i := 1; i < len(f.Scores); i++ {
			p, q := f.Scores[i-1], f.Scores[i]
			if p.T > q.T || p.T == q.T && labels.Compare(p.Series.Labels, q.Series.Labels) > 0 {
				t.Fatalf("%s at %d before %s at %d", p.Series, p.T, q.Series, q.T)
			}
		}
	}
}
