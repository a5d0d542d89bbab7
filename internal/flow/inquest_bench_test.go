package flow

import (
	"fmt"
	"testing"
	"time"

	"github.com/prometheus/prometheus/model/labels"

	"github.com/foreshock/foreshock"
	"github.com/foreshock/foreshock/detector"
	"github.com/foreshock/foreshock/internal/inquest"
	"github.com/foreshock/foreshock/rules"
)

// fleet is a detector that knows hosts of so many series each, an hour of them at one a
// minute, and the series of the first metric.
func fleet(tb testing.TB, hosts, each int) (d *detector.Detector, loads []*foreshock.Series, now int64) {
	tb.Helper()
	c := detector.DefaultConfig()
	c.WarmUp = 1000 // what is to be measured is not the scoring
	d = detector.New(detector.Options{Config: c, Shards: 2, Observe: func(foreshock.Findings) {}})
	finished := make(chan struct{})
	go func() { defer close(finished); d.Run() }()
	tb.Cleanup(func() { d.Close(); <-finished })
	aspects := []string{"cpu_seconds_total", "memory_bytes", "disk_io_seconds_total", "network_bytes_total", "request_duration_seconds", "errors_total", "widgets", "requests_total"}
	b := &foreshock.Batch{}
	for h := range hosts {
		for k := range each {
			s := foreshock.NewSeries(labels.FromStrings("__name__", fmt.Sprintf("app%d_%s", k/len(aspects), aspects[k%len(aspects)]),
				"instance", fmt.Sprintf("host-%04d:9100", h), "job", "node"))
			if k == 0 {
				loads = append(loads, s)
			}
			b.Samples = append(b.Samples, foreshock.Sample{Series: s})
		}
	}
	now = start.UnixMilli()
	for range 60 {
		now += time.Minute.Milliseconds()
		for i := range b.Samples {
			b.Samples[i].T, b.Samples[i].V = now, float64(now/60_000*int64(i%17))
		}
		for err := error(foreshock.ErrOverloaded); err != nil; {
			if err = d.Append(tb.Context(), &foreshock.Batch{Samples: append([]foreshock.Sample(nil), b.Samples...)}); err != nil && err != foreshock.ErrOverloaded {
				tb.Fatal(err)
			}
		}
	}
	for d.Status().Samples < 60*hosts*each {
		time.Sleep(10 * time.Millisecond)
	}
	return d, loads, now
}

// widespread is an incident of all the series.
func widespread(members []*foreshock.Series, now int64) foreshock.Incident {
	in := foreshock.Incident{ID: "1f", State: foreshock.Firing, Alerting: true, StartsAt: now - 5*60_000}
	for _, s := range members {
		in.Members = append(in.Members, foreshock.Member{Series: s, Onset: in.StartsAt})
	}
	return in
}

// paired is a correlate rule whose pairs take in everything.
const paired = `groups: [{name: g, rules: [{correlate: all, pairs: [{from: '{job="node"}', to: '{instance=~"host-000.*"}'}]}]}]`

// One question about an incident of 1 000 hosts among 100 000 series, with a correlate rule
// over all of them. How long scoring may wait for a part of it is detector's BenchmarkRead.
func BenchmarkInquest(b *testing.B) {
	d, loads, now := fleet(b, 1000, 100)
	set, err := rules.ParseFile("test", []byte(paired))
	if err != nil {
		b.Fatal(err)
	}
	var found foreshock.Inquest
	q := inquest.New(d, nil, nil)
	q.SetRules(set)
	for b.Loop() {
		if found, err = q.Hold(b.Context(), widespread(loads, now), now); err != nil {
			b.Fatal(err)
		}
	}
	b.ReportMetric(float64(found.Looked), "looked")
	b.ReportMetric(float64(found.Unlooked), "unlooked")
}
