package e2e

import (
	"bytes"
	"crypto/rand"
	"encoding/binary"
	"fmt"
	mathrand "math/rand/v2"
	"net/http"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/golang/snappy"
	"github.com/prometheus/prometheus/prompb"

	"github.com/foreshock/foreshock/internal/stack"
	"github.com/foreshock/foreshock/receiver"
)

const (
	mib = 1 << 20

	// ceiling is how far one request may raise the process's resident memory, and
	// amplified is how far one may where rules make eight series of each of its own.
	ceiling   = 64 * mib
	amplified = 256 * mib
)

// TestWorstRequests sends the real process what hurts others most: as much as the default
// limits let in, and more. None may raise resident memory by more than 64 MiB, none may be answered by anything but 4xx (or 204 where it is legal), and the good
// request after it succeeds within two seconds.
func TestWorstRequests(t *testing.T) {
	v2 := http.Header{"Content-Type": {"application/x-protobuf;proto=io.prometheus.write.v2.Request"}}
	series := func(inner []byte) []byte { return field(1, inner) }
	// Of two bytes each, within the limit after decompression, and beyond.
	within, beyond := int(receiver.DefaultConfig().MaxDecoded)/2-mib/8, 15*mib

	for _, c := range []struct {
		name   string
		body   []byte
		header http.Header
		legal  bool
	}{
		{name: "empty exemplars without end, in one series", body: snappy.Encode(nil, series(bytes.Repeat([]byte{0x1a, 0}, within)))},
		{name: "empty histograms without end, in one series", body: snappy.Encode(nil, series(bytes.Repeat([]byte{0x22, 0}, within)))},
		{name: "empty samples without end, in one series", body: snappy.Encode(nil, series(bytes.Repeat([]byte{0x12, 0}, within)))},
		{name: "empty labels without end, in one series", body: snappy.Encode(nil, series(bytes.Repeat([]byte{0x0a, 0}, within)))},
		{name: "empty series without end", body: snappy.Encode(nil, bytes.Repeat([]byte{0x0a, 0}, within))},
		{name: "empty metadata without end", body: snappy.Encode(nil, bytes.Repeat([]byte{0x1a, 0}, within))},
		{name: "more than may be, in one series", body: snappy.Encode(nil, series(bytes.Repeat([]byte{0x22, 0}, beyond)))},
		{name: "a label value of 11 MiB", body: marshal(t, oneSeries("__name__", strings.Repeat("x", 11*mib)))},
		{name: "a label value of 11 MiB that is not UTF-8", body: marshal(t, oneSeries("__name__", strings.Repeat("\xff", 11*mib)))},
		{name: "every series new", body: marshal(t, manySeries(300_000))},
		{name: "a length that lies", body: snappy.Encode(nil, []byte{0x0a, 0xff, 0xff, 0xff, 0x7f})},
		{name: "a varint without end", body: snappy.Encode(nil, bytes.Repeat([]byte{0xff}, mib))},
		{name: "groups nested a million deep", body: snappy.Encode(nil, bytes.Repeat([]byte{0x7b}, mib))},
		{name: "not snappy", body: bytes.Repeat([]byte("not snappy "), mib)},
		{name: "a decoded size of 4 GiB, announced", body: append(binary.AppendUvarint(nil, 1<<32-1), make([]byte, mib)...)},
		{name: "a body at the limit", body: make([]byte, int(receiver.DefaultConfig().MaxBody))},
		{name: "a body beyond the limit", body: make([]byte, 33*mib)},
		{name: "RW2: empty symbols without end", body: snappy.Encode(nil, bytes.Repeat([]byte{0x22, 0}, within)), header: v2},
		{name: "RW2: empty series without end", body: snappy.Encode(nil, bytes.Repeat([]byte{0x2a, 0}, within)), header: v2},
		{name: "RW2: references out of range", body: snappy.Encode(nil, field(5, field(1, bytes.Repeat([]byte{0x7f}, 2000)))), header: v2},
		{name: "labels that would write to a terminal", body: marshal(t, oneSeries("job", strings.Repeat("\x1b[31m\n\xff", 300)))},
		{name: "RW1 announced as RW2", body: marshal(t, manySeries(10)), header: v2, legal: true},
	} {
		t.Run(c.name, func(t *testing.T) {
			s := start(t, "testdata/stack")
			p := sidecar(t, s, "--log.level=debug")
			url := s.URL(9797, "/api/v1/write")
			good := func() {
				t.Helper()
				begun := time.Now()
				status, err := post(url, loadRequest(0, time.Now().UnixMilli(), 1), nil)
				if err != nil || status != http.StatusNoContent {
					t.Errorf("the good request: status %d, %v", status, err)
				}
				if took := time.Since(begun); took > 2*time.Second {
					t.Errorf("the good request took %s", took)
				}
			}
			good()
			before, logged := calm(t, p), len(p.Log())
			status, err := post(url, c.body, c.header)
			_, peak := rss(t, p.Pid())
			t.Logf("%.1f MiB on the wire: status %d, memory at most %+.1f MiB", float64(len(c.body))/mib, status, float64(peak-before)/mib)
			if err != nil {
				t.Error(err)
			}
			if status/100 != 4 && !(c.legal && status == http.StatusNoContent) {
				t.Errorf("status %d, want 4xx", status)
			}
			if peak-before > ceiling {
				t.Errorf("resident memory rose by %d MiB, want at most %d", (peak-before)/mib, ceiling/mib)
			}
			if said := p.Log()[logged:]; len(said) > 4<<10 || strings.ContainsRune(said, 0x1b) {
				t.Errorf("%d bytes of log:\n%q", len(said), said)
			}
			good()
		})
	}
}

// TestWorstLegalRequests has the real process take the dearest requests that its
// default limits allow, with rules that emit a score of every sample and foresee every
// series, and a downstream that is not there, so that everything emitted is kept. What
// the request becomes is part of its price: memory is watched until all of it was
// scored and emitted.
//
// Without such rules a request is worth what it holds.
func TestWorstLegalRequests(t *testing.T) {
	const rules = `
groups:
  - name: all
    rules:
      - {watch: all, select: '{__name__=~".+"}', emit: all}
      - {forecast: every, select: '{__name__=~".+"}', horizon: 4h, limit: '> 1e9'}
      - {remedy: calm_it, match: '{rule="all"}', action: calm}
`
	limits := receiver.DefaultConfig()
	// From many series to many samples of one: which is dearest is a matter of what
	// each room keeps for a series, for a byte of its labels and for a sample.
	for _, c := range []struct {
		series  int
		emitted bool
	}{
		{limits.MaxSeries, true},
		{10_000, true},
		{5_000, true},
		{2_500, true},
		{1, true},
		{limits.MaxSeries, false},
		{5_000, false},
		{1, false},
	} {
		samples := limits.MaxSamples / c.series
		// A series may cost its share of what may be learned: three copies of its labels
		// and some 250 bytes.
		label := min(max((int(limits.MaxLearned)/c.series-250)/3-60, 0), limits.MaxLabelValue)
		t.Run(fmt.Sprintf("%d series, emitted %t", c.series, c.emitted), func(t *testing.T) {
			s := start(t, "testdata/stack")
			most := int64(ceiling)
			if c.emitted {
				most = amplified
				write(t, s, "rules.yml", rules)
			} else {
				write(t, s, "foreshock.yml", "")
			}
			p := sidecar(t, s)
			body := dearest(t, c.series, samples, label, int(limits.MaxDecoded))
			n := float64(c.series * samples)
			before := calm(t, p)

			if status, err := post(s.URL(9797, "/api/v1/write"), body, nil); err != nil || status != http.StatusNoContent {
				t.Fatalf("status %d, %v", status, err)
			}
			eventually(t, 30*time.Second, "every sample scored", func() bool {
				return metric(t, s, 9797, "foreshock_detector_samples_total", nil) == n
			})
			emitted := 0.0
			if c.emitted {
				eventually(t, 30*time.Second, "every score emitted", func() bool {
					already := emitted
					emitted = metric(t, s, 9797, "foreshock_emitter_samples_total", nil)
					return emitted > 0 && emitted == already
				})
			}
			_, peak := rss(t, p.Pid())
			t.Logf("%.1f MiB on the wire, %d × %d samples: %.0f emitted, memory at most %+.1f MiB",
				float64(len(body))/mib, c.series, samples, emitted, float64(peak-before)/mib)
			if peak-before > most {
				t.Errorf("resident memory rose by %d MiB, want at most %d", (peak-before)/mib, most/mib)
			}
		})
	}
}

// dearest is a request of as many bytes as decoded and on the wire may have, of so
// many series with so many samples each, a minute apart. What the series leave is
// taken by a field nobody knows and snappy cannot shorten.
func dearest(t *testing.T, series, samples, label, size int) []byte {
	t.Helper()
	r := mathrand.New(mathrand.NewPCG(1, 1))
	begin := time.Now().Add(-time.Duration(samples) * time.Minute).UnixMilli()
	all := make([]prompb.TimeSeries, series)
	for i := range all {
		all[i].Labels = []prompb.Label{{Name: "__name__", Value: fmt.Sprintf("series_%07d", i)}}
		if label > 0 {
			all[i].Labels = append(all[i].Labels, prompb.Label{Name: "long", Value: letters(r, label)})
		}
		for k := range samples {
			all[i].Samples = append(all[i].Samples, prompb.Sample{Timestamp: begin + int64(k)*60_000, Value: r.NormFloat64()})
		}
	}
	raw, err := (&prompb.WriteRequest{Timeseries: all}).Marshal()
	if err != nil {
		t.Fatal(err)
	}
	// Random bytes grow a little in snappy: both sizes must stay within the limit.
	filling := make([]byte, size-len(raw)-size/1000)
	if _, err := rand.Read(filling); err != nil {
		t.Fatal(err)
	}
	return snappy.Encode(nil, append(raw, field(15, filling)...))
}

// letters are n random ones, which snappy cannot shorten.
func letters(r *mathrand.Rand, n int) string {
	text := make([]byte, n)
	for i := range text {
		text[i] = byte('a' + r.IntN(26))
	}
	return string(text)
}

// calm is the resident memory of the process before anything happens to it; from here
// on its peak is counted anew.
func calm(t *testing.T, p *stack.Process) int64 {
	t.Helper()
	before, _ := rss(t, p.Pid())
	// 5 resets the peak: see proc(5), clear_refs.
	if err := os.WriteFile(fmt.Sprintf("/proc/%d/clear_refs", p.Pid()), []byte("5"), 0); err != nil {
		t.Fatal(err)
	}
	return before
}

func oneSeries(name, value string) []prompb.TimeSeries {
	return []prompb.TimeSeries{{
		Labels:  []prompb.Label{{Name: name, Value: value}},
		Samples: []prompb.Sample{{Timestamp: time.Now().UnixMilli(), Value: 1}},
	}}
}

func manySeries(n int) (all []prompb.TimeSeries) {
	for i := range n {
		all = append(all, oneSeries("__name__", fmt.Sprintf("series_%07d", i))...)
	}
	return all
}

func marshal(t *testing.T, series []prompb.TimeSeries) []byte {
	t.Helper()
	raw, err := (&prompb.WriteRequest{Timeseries: series}).Marshal()
	if err != nil {
		t.Fatal(err)
	}
	return snappy.Encode(nil, raw)
}

// field is a length-delimited protobuf field.
func field(number int, inner []byte) []byte {
	return append(binary.AppendUvarint([]byte{byte(number<<3 | 2)}, uint64(len(inner))), inner...)
}
