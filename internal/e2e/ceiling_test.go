package e2e

import (
	"fmt"
	"net/http"
	"testing"
	"time"

	"github.com/prometheus/prometheus/prompb"
)

// TestMemoryCeiling: far more new series come than the process may have memory for. It
// stays below its ceiling, refuses and counts what is too much, and goes on to score what
// it knows, sample for sample.
func TestMemoryCeiling(t *testing.T) {
	const limit, flood, perRequest, scrapes = 320 * mib, 300_000, 2000, 20
	s := start(t, "testdata/stack")
	write(t, s, "foreshock.yml", "")
	p := sidecar(t, s, "--memory.limit=320MiB")
	begin := time.Now().Add(-time.Hour).UnixMilli()
	at := func(n int) int64 { return begin + int64(n)*15_000 }
	send := func(job string, from, n int, t0 int64) {
		t.Helper()
		all := make([]prompb.TimeSeries, n)
		for i := range all {
			all[i].Labels = []prompb.Label{
				{Name: "__name__", Value: "load"}, {Name: "instance", Value: fmt.Sprintf("host-%08d.example.com:9100", from+i)}, {Name: "job", Value: job},
			}
			all[i].Samples = []prompb.Sample{{Timestamp: t0, Value: float64((int(t0/1000) + i) % 7)}}
		}
		body := marshal(t, all)
		eventually(t, time.Minute, "a request is taken", func() bool {
			status, err := post(s.URL(9797, "/api/v1/write"), body, nil)
			return err == nil && status == http.StatusNoContent
		})
	}
	for n := range scrapes {
		send("known", 0, 500, at(n))
		for from := flood / scrapes * n; from < flood/scrapes*(n+1); from += perRequest {
			send("flood", from, perRequest, at(n))
		}
	}
	eventually(t, time.Minute, "all that is taken in is dealt with", func() bool {
		return metric(t, s, 9797, "foreshock_detector_queue_samples", nil) == 0
	})
	refused, known := metric(t, s, 9797, "foreshock_detector_samples_refused_total", nil), metric(t, s, 9797, "foreshock_detector_series", nil)
	_, peak := rss(t, p.Pid())
	t.Logf("%.0f series are known, %.0f samples refused; %.1f MiB at most", known, refused, float64(peak)/mib)
	if peak > limit {
		t.Errorf("resident memory reached %d MiB, want at most %d", peak/mib, limit/mib)
	}
	if refused == 0 {
		t.Error("nothing was refused: the ceiling was not met")
	}
	if n := asked(t, s, 9797, fmt.Sprintf(`count_over_time(load{job="known"}[2h] @ %d) == %d`, at(scrapes)/1000, scrapes)); n != 500 {
		t.Errorf("%d of 500 known series have all their samples", n)
	}
}
