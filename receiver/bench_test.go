package receiver

import (
	"context"
	"fmt"
	"math"
	"net/http"
	"testing"

	"github.com/golang/snappy"
	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/prompb"
	writev2 "github.com/prometheus/prometheus/prompb/io/prometheus/write/v2"

	"github.com/foreshock/foreshock"
)

// nodeBatch is a captured request of 2000 node_exporter samples.
func nodeBatch(t testing.TB, v version) (body []byte, decodedLen int) {
	raw := captures(t, v)[fmt.Sprintf("000001.rw%d.sz", v)]
	return snappy.Encode(nil, raw), len(raw)
}

type takesAll struct{}

func (takesAll) Append(context.Context, *foreshock.Batch) error { return nil }

// A series seen before costs no allocation, in either version: what a large fleet
// sends every second must leave nothing behind.
func TestKnownSeriesAllocateNothing(t *testing.T) {
	for _, v := range []version{v1, v2} {
		body, n := nodeBatch(t, v)
		d := newDecoder(DefaultConfig())
		decode := func() {
			if err := d.decode(v, body, n, math.MaxInt64); err != nil || len(d.batch.Samples) != 2000 {
				t.Fatalf("version %s: %d samples, %v", v, len(d.batch.Samples), err)
			}
		}
		decode()
		if allocs := testing.AllocsPerRun(20, decode); allocs != 0 {
			t.Errorf("version %s: %v allocations for a request of 2000 known series, want 0", v, allocs)
		}
	}
}

// BenchmarkServe is the whole handler, without a network.
func BenchmarkServe(b *testing.B) {
	for v, contentType := range map[version]string{v1: typeV1, v2: typeV2} {
		b.Run("version="+v.String(), func(b *testing.B) {
			body, _ := nodeBatch(b, v)
			r := New(Options{Appender: takesAll{}})
			serve := func() {
				if w := send(r, http.MethodPost, contentType, "snappy", body); w.Code != http.StatusNoContent {
					b.Fatal(w.Code, w.Body)
				}
			}
			serve()
			b.ReportAllocs()
			for b.Loop() {
				serve()
			}
			reportPerSample(b)
		})
	}
}

// BenchmarkLearn is decoding a request of 2000 series nobody has seen.
func BenchmarkLearn(b *testing.B) {
	for _, v := range []version{v1, v2} {
		b.Run("version="+v.String(), func(b *testing.B) {
			body, n := nodeBatch(b, v)
			d := newDecoder(DefaultConfig())
			b.ReportAllocs()
			for b.Loop() {
				d.cache.forget()
				d.cache.previous = nil
				if err := d.decode(v, body, n, math.MaxInt64); err != nil {
					b.Fatal(err)
				}
			}
			reportPerSample(b)
		})
	}
}

func reportPerSample(b *testing.B) {
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/2000, "ns/sample")
}

// BenchmarkDecode is decompression, decoding and finding the series, of a request
// of 2000 known series of node_exporter.
func BenchmarkDecode(b *testing.B) {
	for _, v := range []version{v1, v2} {
		b.Run("version="+v.String(), func(b *testing.B) {
			body, n := nodeBatch(b, v)
			d := newDecoder(DefaultConfig())
			if err := d.decode(v, body, n, math.MaxInt64); err != nil { // learns the series
				b.Fatal(err)
			}
			b.ReportAllocs()
			for b.Loop() {
				if err := d.decode(v, body, n, math.MaxInt64); err != nil {
					b.Fatal(err)
				}
			}
			reportPerSample(b)
		})
	}
}

// BenchmarkPrompb is the same with the generated decoders and Prometheus's labels,
// their hash standing for finding the series.
func BenchmarkPrompb(b *testing.B) {
	var sum uint64
	b.Run("version=1.0", func(b *testing.B) {
		body, n := nodeBatch(b, v1)
		buf := make([]byte, n)
		var builder labels.ScratchBuilder
		b.ReportAllocs()
		for b.Loop() {
			raw, err := snappy.Decode(buf, body)
			if err != nil {
				b.Fatal(err)
			}
			var req prompb.WriteRequest
			if err := req.Unmarshal(raw); err != nil {
				b.Fatal(err)
			}
			for _, ts := range req.Timeseries {
				sum += ts.ToLabels(&builder, nil).Hash()
			}
		}
		reportPerSample(b)
	})
	b.Run("version=2.0", func(b *testing.B) {
		body, n := nodeBatch(b, v2)
		buf := make([]byte, n)
		var builder labels.ScratchBuilder
		b.ReportAllocs()
		for b.Loop() {
			raw, err := snappy.Decode(buf, body)
			if err != nil {
				b.Fatal(err)
			}
			var req writev2.Request
			if err := req.Unmarshal(raw); err != nil {
				b.Fatal(err)
			}
			for _, ts := range req.Timeseries {
				ls, err := ts.ToLabels(&builder, req.Symbols)
				if err != nil {
					b.Fatal(err)
				}
				sum += ls.Hash()
			}
		}
		reportPerSample(b)
	})
	_ = sum
}

// BenchmarkDecodeUnpredicted finds every series by its hash: the order of series
// changes with each request.
func BenchmarkDecodeUnpredicted(b *testing.B) {
	for _, v := range []version{v1, v2} {
		b.Run("version="+v.String(), func(b *testing.B) {
			body, n := nodeBatch(b, v)
			d := newDecoder(DefaultConfig())
			b.ReportAllocs()
			for b.Loop() {
				for _, n := range d.cache.v1.nodes {
					n.follower.Store(nil)
				}
				for _, n := range d.cache.v2.nodes {
					n.follower.Store(nil)
				}
				if err := d.decode(v, body, n, math.MaxInt64); err != nil {
					b.Fatal(err)
				}
			}
			reportPerSample(b)
		})
	}
}
