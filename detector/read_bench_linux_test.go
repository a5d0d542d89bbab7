package detector

import (
	"fmt"
	"runtime"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/prometheus/prometheus/model/labels"
	"golang.org/x/sys/unix"

	"github.com/foreshock/foreshock"
)

// What an inquest reads among 100 000 series: the dearest matchers it has, 48 hosts by a
// regular expression and 160 metrics. A batch waits for one stretch at most: what that takes
// of the processor, as what else the machine does meanwhile says nothing about it.
func BenchmarkRead(b *testing.B) {
	d := run(b, Options{Shards: 1})
	const hosts, each = 1000, 100
	var hour [60]*foreshock.Batch
	for i := range hour {
		hour[i] = &foreshock.Batch{}
	}
	for h := range hosts {
		for k := range each {
			x := series(fmt.Sprintf("app%d_cpu_seconds_total", k), "instance", fmt.Sprintf("host-%04d:9100", h), "job", "node")
			for i := range hour {
				hour[i].Samples = append(hour[i].Samples, foreshock.Sample{Series: x, T: start + int64(i)*60_000, V: float64(i % 7)})
			}
		}
	}
	for _, batch := range hour {
		d.batch(batch)
	}
	d.settle()
	d.stop()
	var places, names []string
	for h := range 48 {
		places = append(places, fmt.Sprintf("host-%04d:9100", h*20))
	}
	for k := range each {
		names = append(names, fmt.Sprintf("app%d_cpu_seconds_total", k))
	}
	at := labels.MustNewMatcher(labels.MatchRegexp, "instance", "(?:"+strings.Join(places, "|")+")(?::[0-9]+)?")
	which := labels.MustNewMatcher(labels.MatchRegexp, "__name__", strings.Join(names, "|"))
	for _, c := range []struct {
		name     string
		matchers []*labels.Matcher
		copy     func(*state, int64, int64) (foreshock.Excerpt, bool)
	}{
		{"titles", []*labels.Matcher{at}, (*state).title},
		{"samples", []*labels.Matcher{at, which}, (*state).excerpt},
		{"all titles", []*labels.Matcher{labels.MustNewMatcher(labels.MatchEqual, "job", "node")}, (*state).title},
		{"pairs", []*labels.Matcher{labels.MustNewMatcher(labels.MatchNotEqual, "client", "")}, (*state).title},
	} {
		b.Run(c.name, func(b *testing.B) {
			runtime.LockOSThread()
			defer runtime.UnlockOSThread()
			var all, longest time.Duration
			stretches := 0
			for b.Loop() {
				var left atomic.Int64
				left.Store(1e9)
				q := &reading{ctx: b.Context(), matchers: c.matchers, to: start + 1e9, copy: c.copy, left: &left, answer: func([][]foreshock.Excerpt) {}}
				for over := false; !over; stretches++ {
					began := worked(b)
					over = q.stretch(&d.shards[0].series)
					took := worked(b) - began
					all, longest = all+took, max(longest, took)
				}
			}
			b.ReportMetric(float64(all.Microseconds())/float64(stretches), "µs/stretch")
			b.ReportMetric(float64(longest.Microseconds()), "µs/longest")
		})
	}
}

// worked is what the thread has used of a processor.
func worked(b *testing.B) time.Duration {
	var t unix.Timespec
	if err := unix.ClockGettime(unix.CLOCK_THREAD_CPUTIME_ID, &t); err != nil {
		b.Fatal(err)
	}
	return time.Duration(t.Nano())
}
