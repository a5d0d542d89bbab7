package e2e

import (
	"fmt"
	"math/rand/v2"
	"net/http"
	"testing"
	"time"

	"github.com/prometheus/prometheus/prompb"
)

// TestMemoryIsWhatItSays: who plans by what Foreshock exports of its memory, times the
// room that the garbage collector takes, is not surprised by the process.
func TestMemoryIsWhatItSays(t *testing.T) {
	const (
		series, rounds, perRequest = 30_000, 60, 2000

		// The collector runs when garbage is half of what is alive: see collectSooner.
		// Buffers and batches on their way take some more, however many series there are.
		headroom = 1.5
		buffers  = 48 * mib

		// What starting took and no longer needs is used again, and grows nothing.
		startup = 16 * mib
	)
	s := start(t, "testdata/stack")
	write(t, s, "foreshock.yml", "presets: [node]\n")
	p := sidecar(t, s)
	before, _ := rss(t, p.Pid())

	r := rand.New(rand.NewPCG(1, 1))
	begin := time.Now().Add(-rounds * 15 * time.Second).UnixMilli()
	for n := range int64(rounds) {
		for from := 0; from < series; from += perRequest {
			var all []prompb.TimeSeries
			for i := from; i < from+perRequest; i++ {
				v := 1.0
				if i%3 == 0 { // two in three rest, as on a host
					v = r.NormFloat64()
				}
				all = append(all, prompb.TimeSeries{
					Labels: []prompb.Label{
						{Name: "__name__", Value: fmt.Sprintf("metric_%d", i%500)}, {Name: "instance", Value: fmt.Sprintf("host-%d:9100", i/500)}, {Name: "job", Value: "node"},
					},
					Samples: []prompb.Sample{{Timestamp: begin + n*15_000, Value: v}},
				})
			}
			body := marshal(t, all)
			eventually(t, 10*time.Second, "a request is taken", func() bool {
				status, err := post(s.URL(9797, "/api/v1/write"), body, nil)
				return err == nil && status == http.StatusNoContent
			})
		}
	}
	eventually(t, 10*time.Second, "all is scored", func() bool {
		return metric(t, s, 9797, "foreshock_detector_samples_scored_total", nil) == series*rounds &&
			metric(t, s, 9797, "foreshock_detector_queue_samples", nil) == 0
	})
	detector, receiver := metric(t, s, 9797, "foreshock_detector_memory_bytes", nil), metric(t, s, 9797, "foreshock_receiver_cache_bytes", nil)
	now, peak := rss(t, p.Pid())
	grown, said := float64(now-before), detector+receiver
	t.Logf("%d series: %.0f B each in the detector, %.0f in the receiver; resident memory grew by %.0f each, %.2f times that; %.1f MiB at most",
		series, detector/series, receiver/series, grown/series, grown/said, float64(peak)/mib)
	if grown < 0.85*said-startup || grown > headroom*said+buffers {
		t.Errorf("resident memory grew by %.1f MiB, where %.1f are said to be held", grown/mib, said/mib)
	}
}
