package detector

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/foreshock/foreshock"
	"github.com/foreshock/foreshock/rules"
)

// town is a stream of scrapes, one a minute, in which things come and go.
type town struct {
	*bench
	minute int64
	live   []*resident
}

type resident struct {
	*foreshock.Series
	value func(minute int64) float64
}

func newTown(t testing.TB, shards int, absence rules.Absence) *town {
	watch := &rules.Watch{Name: "all", Select: rules.Selector{{}}, Sensitivity: 1, Absence: absence}
	return &town{bench: run(t, Options{Shards: shards, Rules: &rules.Set{Watches: []*rules.Watch{watch}}})}
}

// noisy gives every series noise of its own.
func noisy(s *foreshock.Series) func(int64) float64 {
	r := rand.New(rand.NewPCG(s.Fingerprint, 1))
	return func(int64) float64 { return 10 + r.NormFloat64() }
}

func (w *town) add(nameAndLabels ...string) *resident {
	s := series(nameAndLabels...)
	r := &resident{s, noisy(s)}
	w.live = append(w.live, r)
	return r
}

// host is a target of the job node: n metrics, its up and what a scrape adds.
func (w *town) host(instance string, metrics int) {
	at := []string{"instance", instance, "job", "node"}
	for i := range metrics {
		w.add(append([]string{fmt.Sprintf("node_metric_%02d", i)}, at...)...)
	}
	w.add(append([]string{"up"}, at...)...).value = func(int64) float64 { return 1 }
	w.add(append([]string{"scrape_samples_scraped"}, at...)...).value = func(int64) float64 { return float64(metrics) }
}

// pass lets minutes go by.
func (w *town) pass(minutes int) {
	w.t.Helper()
	for range minutes {
		b := &foreshock.Batch{}
		for _, r := range w.live {
			b.Samples = append(b.Samples, foreshock.Sample{Series: r.Series, T: start + w.minute*60_000, V: r.value(w.minute)})
		}
		w.batch(b)
		w.minute++
	}
}

// leave takes from the town what has these labels, with staleness markers or without.
func (w *town) leave(markers bool, nameAndLabels ...string) (left []*resident) {
	w.t.Helper()
	b := &foreshock.Batch{}
	w.live = slices.DeleteFunc(w.live, func(r *resident) bool {
		for i := 0; i < len(nameAndLabels); i += 2 {
			if r.Labels.Get(nameAndLabels[i]) != nameAndLabels[i+1] {
				return false
			}
		}
		left = append(left, r)
		b.Samples = append(b.Samples, foreshock.Sample{Series: r.Series, T: start + w.minute*60_000, V: staleMarker})
		return true
	})
	if len(left) == 0 {
		w.t.Fatalf("nobody has %v", nameAndLabels)
	}
	if markers {
		w.batch(b)
	}
	return left
}

// absences are the steps of all that was missed, by minutes since the start.
func (w *town) absences() (told []string) {
	w.t.Helper()
	w.settle()
	for _, f := range w.found {
		for _, a := range f.Anomalies {
			if a.Kind == foreshock.Absence {
				told = append(told, fmt.Sprintf("%d %s %s since %d %+v", (a.T-start)/60_000, a.Phase, a.Series, (a.Onset-start)/60_000, a.Silence))
			}
		}
	}
	return told
}

func (w *town) want(what string, want ...string) {
	w.t.Helper()
	if got := w.absences(); !slices.Equal(got, want) {
		w.t.Errorf("%s:\n got %q\nwant %q", what, got, want)
	}
}

const (
	hour = 60 // minutes
	day  = 24 * hour
)
