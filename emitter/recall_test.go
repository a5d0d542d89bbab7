package emitter

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"
	"github.com/prometheus/prometheus/model/labels"

	"github.com/foreshock/foreshock"
)

func matchName(name string) []*labels.Matcher {
	return []*labels.Matcher{labels.MustNewMatcher(labels.MatchEqual, "__name__", name)}
}

// What was emitted can be read again, for as long as it is kept.
func TestEmittedIsRecalled(t *testing.T) {
	e, stop := start(t, Options{Recall: time.Minute, Now: clockAt(700)})
	x := series("__name__", "load", "host", "a")
	for second := int64(0); second <= 600; second += 15 {
		e.Offer(scored(second, 1+float64(second)/1000, x))
	}
	if err := stop(10 * time.Second); err != nil {
		t.Fatal(err)
	}
	got, err := e.Read(t.Context(), matchName("foreshock_anomaly_score"), 0, t0+700_000, 1000)
	if err != nil || len(got) != 1 {
		t.Fatalf("read %v, %v; want one series", got, err)
	}
	if ls := got[0].Series.Labels.String(); ls != `{__name__="foreshock_anomaly_score", for="load", host="a"}` {
		t.Errorf("it is %s", ls)
	}
	// The staleness marker that ends it comes last.
	if n := len(got[0].T); n < 5 || n > 10 || got[0].T[n-2] != t0+600_000 || got[0].V[n-2] != 1.6 {
		t.Errorf("its samples are %v at %v, want the last minute or two", got[0].V, got[0].T)
	}
	if metrics, err := e.Metrics(t.Context(), 0, t0+700_000); err != nil || !slices.Contains(metrics, "foreshock_anomaly_score") {
		t.Errorf("metrics %v, %v", metrics, err)
	}
	if metrics, err := e.Metrics(t.Context(), 0, 1); err != nil || len(metrics) > 0 {
		t.Errorf("metrics of a time before all: %v, %v", metrics, err)
	}
	names, err := e.Names(t.Context(), matchName("foreshock_anomaly_score"), 0, t0+700_000, 1000)
	if err != nil || len(names) != 1 || names[0].T != nil {
		t.Errorf("its name is %v, %v", names, err)
	}
	for _, c := range []struct {
		name     string
		from, to int64
		most     int
		want     string
	}{
		{"foreshock_anomaly_score", 0, t0, 1000, "0 series, <nil>"},
		{"foreshock_anomaly_score", t0 + 700_000, t0 + 800_000, 1000, "0 series, <nil>"},
		{"load", 0, t0 + 700_000, 1000, "0 series, <nil>"},
		{"foreshock_anomaly_score", 0, t0 + 700_000, 5, "0 series, too many samples at once, a series counting as six; ask for fewer series or a shorter time"},
	} {
		found, err := e.Read(t.Context(), matchName(c.name), c.from, c.to, c.most)
		if got := fmt.Sprintf("%d series, %v", len(found), err); got != c.want {
			t.Errorf("%+v: %s", c, got)
		}
	}
}

// Series of which nothing is emitted any more are forgotten, and beyond the bound new
// ones are counted.
func TestRecallIsBounded(t *testing.T) {
	r := newRecall(newMetrics(prometheus.NewRegistry()))
	r.setKeep(60_000)
	one := func(i int, t int64) (foreshock.Report, []sample) {
		return foreshock.Report{Findings: foreshock.Findings{Now: t}},
			[]sample{{labels: labels.FromStrings("__name__", "x", "i", fmt.Sprint(i)), t: t}}
	}
	for i := range maxRecalled + 10 {
		r.deliver(one(i, 1000))
	}
	if r.count != maxRecalled {
		t.Errorf("%d series are kept", r.count)
	}
	if n := testutil.ToFloat64(r.metrics.unrecalled); n != 10 {
		t.Errorf("%v samples were not", n)
	}
	r.deliver(one(0, 100_000))
	if r.count != 1 || len(r.series) != 1 {
		t.Errorf("%d series are kept of which one was heard of late", r.count)
	}
}

// One sample from the far future, which the stream does not believe, moves no clock: what
// is old goes, and it goes too.
func TestRecallForgetsBesideAFarSample(t *testing.T) {
	r := newRecall(nil) // nothing is counted while there is room
	r.setKeep(60_000)
	at := func(second int64, host string) sample {
		return sample{labels: labels.FromStrings("__name__", "s", "host", host), t: t0 + 1000*second, v: 1}
	}
	tell := func(second int64, all ...sample) {
		r.deliver(foreshock.Report{Findings: foreshock.Findings{Now: t0 + 1000*second}}, all)
	}
	tell(0, at(0, "old"), at(1e9, "far"))
	for second := int64(15); second <= 300; second += 15 {
		tell(second, at(second, "new"))
	}
	if r.count != 1 {
		t.Errorf("%d series are kept, want the new one alone", r.count)
	}
}
