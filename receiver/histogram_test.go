package receiver

import (
	"math"
	"reflect"
	"testing"

	"github.com/golang/snappy"
	"github.com/prometheus/prometheus/model/histogram"
	"github.com/prometheus/prometheus/prompb"
	writev2 "github.com/prometheus/prometheus/prompb/io/prometheus/write/v2"

	"github.com/foreshock/foreshock"
)

// histogramBody is a request of n native histograms of one series each, integer and
// float by turns.
func histogramBody(t testing.TB, v version, n int) (body []byte, decodedLen int) {
	ints, floats := nativeHistograms()
	var raw []byte
	var err error
	switch v {
	case v1:
		var req prompb.WriteRequest
		for i := range n {
			ts := prompb.TimeSeries{Labels: []prompb.Label{{Name: "__name__", Value: "rpc"}, {Name: "i", Value: string(rune('a' + i))}}}
			if i%2 == 0 {
				ts.Histograms = append(ts.Histograms, prompb.FromIntHistogram(int64(i), ints[0]))
			} else {
				ts.Histograms = append(ts.Histograms, prompb.FromFloatHistogram(int64(i), floats[0]))
			}
			req.Timeseries = append(req.Timeseries, ts)
		}
		raw, err = req.Marshal()
	case v2:
		st := writev2.NewSymbolTable()
		var req writev2.Request
		for i := range n {
			ts := writev2.TimeSeries{LabelsRefs: symbolize(&st, "__name__", "rpc", "i", string(rune('a'+i)))}
			if i%2 == 0 {
				ts.Histograms = append(ts.Histograms, writev2.FromIntHistogram(0, int64(i), ints[0]))
			} else {
				ts.Histograms = append(ts.Histograms, writev2.FromFloatHistogram(0, int64(i), floats[0]))
			}
			req.Timeseries = append(req.Timeseries, ts)
		}
		req.Symbols = st.Symbols()
		raw, err = req.Marshal()
	}
	if err != nil {
		t.Fatal(err)
	}
	return snappy.Encode(nil, raw), len(raw)
}

// A native histogram arrives whole, whatever form it was sent in, and apart from the
// others of its batch.
func TestHistogramsArriveWhole(t *testing.T) {
	ints, _ := nativeHistograms()
	for _, v := range []version{v1, v2} {
		body, n := histogramBody(t, v, 20)
		d := newDecoder(DefaultConfig())
		for range 2 {
			if err := d.decode(v, body, n, math.MaxInt64); err != nil {
				t.Fatal(err)
			}
			if len(d.batch.Histograms) != 20 {
				t.Fatalf("version %s: %d histograms, want 20", v, len(d.batch.Histograms))
			}
			for i, h := range d.batch.Histograms {
				want := foreshock.NewHistogram(h.Series, int64(i), ints[0].ToFloat(nil))
				want.CustomValues = h.CustomValues // none, and not nil
				if !reflect.DeepEqual(h, want) || len(h.CustomValues) > 0 {
					t.Errorf("version %s: histogram %d is %+v, want %+v", v, i, h, want)
				}
			}
			// Whoever appends to what he was given must not write into another's.
			for _, h := range d.batch.Histograms {
				_ = append(h.PositiveBuckets, -1)
				_ = append(h.PositiveSpans, histogram.Span{Offset: -1})
			}
		}
	}
}

// What is larger than a request should be is given back.
func TestArenaIsGivenBack(t *testing.T) {
	d := newDecoder(DefaultConfig())
	d.arena.values = make([]float64, 0, 4*mostKeptObjects+1)
	d.batch.Histograms = make([]foreshock.Histogram, 0, 1)
	d.trim()
	if cap(d.arena.values) > 0 || cap(d.batch.Histograms) > 0 {
		t.Error("the decoder keeps what a giant swelled, or what points into it")
	}
}

// Histograms of known series cost no allocation either.
func TestKnownHistogramsAllocateNothing(t *testing.T) {
	for _, v := range []version{v1, v2} {
		body, n := histogramBody(t, v, 50)
		d := newDecoder(DefaultConfig())
		decode := func() {
			if err := d.decode(v, body, n, math.MaxInt64); err != nil || len(d.batch.Histograms) != 50 {
				t.Fatalf("version %s: %d histograms, %v", v, len(d.batch.Histograms), err)
			}
		}
		decode()
		if allocs := testing.AllocsPerRun(20, decode); allocs != 0 {
			t.Errorf("version %s: %v allocations for 50 known histograms, want 0", v, allocs)
		}
	}
}
