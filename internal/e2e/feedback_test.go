package e2e

import (
	"fmt"
	"net/http"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/golang/snappy"
	"github.com/prometheus/prometheus/prompb"

	"github.com/foreshock/foreshock/internal/stack"
)

// TestOwnOutputIsNotModelled: all that Foreshock writes comes back to it, under either
// names. It is recognised, to the last sample, and no series of it is modelled.
func TestOwnOutputIsNotModelled(t *testing.T) {
	for _, names := range []string{"foreshock", "vmanomaly"} {
		t.Run(names, func(t *testing.T) {
			s := start(t, "testdata/stack")
			write(t, s, "rules.yml", `groups: [{name: all, rules: [{watch: load, select: load, emit: all}, {forecast: full, select: load, limit: '> 1000', horizon: 1h}]}]`)
			write(t, s, "foreshock.yml", s.Local(fmt.Sprintf(`rule_files: [rules.yml]
detector: {warm_up: 30}
emitter: {names: %s}
remote_write: [{url: "http://localhost:9797/api/v1/write", queue_config: {batch_send_deadline: 200ms}}]
`, names)))
			sidecar(t, s)
			restartFrom = time.Now().Add(-550 * 15 * time.Second).UnixMilli()
			for n := range 540 {
				send(t, s, n)
			}
			eventually(t, 20*time.Second, "all that was sent to come back", func() bool {
				return metric(t, s, 9797, "foreshock_emitter_samples_pending", nil) == 0 &&
					metric(t, s, 9797, "foreshock_detector_queue_samples", nil) == 0
			})
			back := metric(t, s, 9797, "foreshock_receiver_own_output_dropped_total", nil)
			sent := metric(t, s, 9797, "foreshock_emitter_samples_sent_total", nil)
			if back < 20*500 || back != sent {
				t.Errorf("%v samples were recognised of %v that were sent", back, sent)
			}
			if series := metric(t, s, 9797, "foreshock_detector_series", nil); series != 20 {
				t.Errorf("%v series are modelled, want the 20 that were sent", series)
			}
		})
	}
}

// samples are those of windows: one whose clock is ahead has others' forgotten sooner.
var samples = regexp.MustCompile(`,"samples":\[.*?\]\]`)

// TestNoTimestampMovesAnother: whatever the times of one sender's samples are, others' are
// scored and told as if it were not there, and its own series live on. What is refused says
// why.
func TestNoTimestampMovesAnother(t *testing.T) {
	const hour = int64(time.Hour / time.Millisecond)
	restartFrom = time.Now().Add(-24 * time.Hour).Truncate(time.Minute).UnixMilli()
	run := func(hostile bool) string {
		s := start(t, "testdata/stack")
		write(t, s, "rules.yml", restartRules)
		write(t, s, "foreshock.yml", "rule_files: [rules.yml]\n")
		p := sidecar(t, s)
		for n := range 560 {
			send(t, s, n)
			now := restartFrom + int64(n)*15_000
			if hostile && n%20 == 10 {
				for i, at := range []int64{-1 << 63, 1<<63 - 1, 0, -1, now + hour, now - hour, now + 2*hour, now + 1, now - 1, time.Now().UnixMilli() + hour, now} {
					status, err := post(s.URL(9797, "/api/v1/write"), oneSample("hostile", at, float64(i)), nil)
					if err != nil || status/100 == 5 {
						t.Fatalf("a sample at %d: %d, %v", at, status, err)
					}
				}
			}
		}
		eventually(t, 10*time.Second, "all scored", func() bool {
			return metric(t, s, 9797, "foreshock_detector_queue_samples", nil) == 0
		})
		if hostile {
			for n := range int64(3) { // in a row they show that what was ahead was wrong
				at := restartFrom + (560+n)*15_000
				if status, err := post(s.URL(9797, "/api/v1/write"), oneSample("hostile", at, 77), nil); err != nil || status != http.StatusNoContent {
					t.Errorf("a good sample of a hostile series: %d, %v", status, err)
				}
			}
			eventually(t, 10*time.Second, "a hostile series to live on", func() bool {
				body := must[[]byte](t)(stack.Fetch(t.Context(), s.URL(9797, fmt.Sprintf("/api/v1/query?query=hostile&time=%d", restartFrom/1000+562*15))))
				return strings.Contains(string(body), `"77"]`)
			})
			if refused := metric(t, s, 9797, "foreshock_receiver_refused_total", map[string]string{"reason": "too_new"}); refused == 0 {
				t.Error("nothing was refused for its time")
			}
		}
		said, _, _ := strings.Cut(causes.ReplaceAllString(known(t, s), ""), "/api/v1/query_range")
		said = samples.ReplaceAllString(said, "")
		p.Stop(15 * time.Second)
		return said
	}
	alone, among := run(false), run(true)
	if alone != among {
		t.Errorf("beside one whose clock is wild, others are known as\n%s\nwant\n%s", difference(among, alone), difference(alone, among))
	}
}

// oneSample is a request of one.
func oneSample(name string, at int64, v float64) []byte {
	w := prompb.WriteRequest{Timeseries: []prompb.TimeSeries{{
		Labels:  []prompb.Label{{Name: "__name__", Value: name}, {Name: "job", Value: name}},
		Samples: []prompb.Sample{{Timestamp: at, Value: v}},
	}}}
	raw, err := w.Marshal()
	if err != nil {
		panic(err)
	}
	return snappy.Encode(nil, raw)
}
