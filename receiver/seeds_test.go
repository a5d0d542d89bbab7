package receiver

import (
	"math"
	"testing"

	"github.com/prometheus/prometheus/model/histogram"
	"github.com/prometheus/prometheus/model/value"
	"github.com/prometheus/prometheus/prompb"
	writev2 "github.com/prometheus/prometheus/prompb/io/prometheus/write/v2"
)

// nativeHistograms are one of each sort, good and bad.
func nativeHistograms() (ints []*histogram.Histogram, floats []*histogram.FloatHistogram) {
	good := &histogram.Histogram{
		Count: 7, Sum: 3.5, Schema: 1, ZeroThreshold: 0.001, ZeroCount: 1,
		PositiveSpans: []histogram.Span{{Offset: -2, Length: 2}, {Offset: 3, Length: 1}}, PositiveBuckets: []int64{1, 1, -1},
		NegativeSpans: []histogram.Span{{Offset: 0, Length: 1}}, NegativeBuckets: []int64{2},
	}
	change := func(f func(h *histogram.Histogram)) *histogram.Histogram {
		h := good.Copy()
		f(h)
		return h
	}
	ints = []*histogram.Histogram{
		good,
		change(func(h *histogram.Histogram) { h.Count = 8 }),
		change(func(h *histogram.Histogram) { h.Sum = math.NaN(); h.Count = 8 }),
		change(func(h *histogram.Histogram) { h.Sum = math.NaN(); h.Count = 6 }),
		change(func(h *histogram.Histogram) { h.CounterResetHint = histogram.CounterReset }),
		change(func(h *histogram.Histogram) { h.CounterResetHint = histogram.GaugeType }),
		change(func(h *histogram.Histogram) { h.Schema = 20 }),
		change(func(h *histogram.Histogram) { h.Schema = 53 }),
		change(func(h *histogram.Histogram) { h.Schema = -5 }),
		change(func(h *histogram.Histogram) { h.PositiveSpans[1].Offset = -1 }),
		change(func(h *histogram.Histogram) { h.PositiveSpans[1].Length = 2 }),
		change(func(h *histogram.Histogram) { h.NegativeBuckets[0] = -2 }),
		change(func(h *histogram.Histogram) { h.CustomValues = []float64{1, 2} }),
		{Sum: math.Float64frombits(value.StaleNaN)},
		{Count: 3, Sum: 4, Schema: -53, CustomValues: []float64{1, 2}, PositiveSpans: []histogram.Span{{Length: 3}}, PositiveBuckets: []int64{1, 0, 0}},
		{Count: 3, Sum: 4, Schema: -53, CustomValues: []float64{2, 1}, PositiveSpans: []histogram.Span{{Length: 3}}, PositiveBuckets: []int64{1, 0, 0}},
		{Count: 3, Sum: 4, Schema: -53, CustomValues: []float64{1}, PositiveSpans: []histogram.Span{{Length: 3}}, PositiveBuckets: []int64{1, 0, 0}},
		{Count: 3, Sum: 4, Schema: -53, ZeroCount: 1, CustomValues: []float64{1, 2}, PositiveSpans: []histogram.Span{{Length: 3}}, PositiveBuckets: []int64{1, 0, 0}},
	}
	for _, h := range ints {
		floats = append(floats, h.ToFloat(nil))
	}
	return ints, append(floats, &histogram.FloatHistogram{Count: -1})
}

// labelSets are the ways a label set can be right and wrong.
var labelSets = [][]string{
	{"__name__", "up", "instance", "a:9100", "job", "node"},
	{"job", "node", "instance", "a:9100", "__name__", "up"}, // the same, in another order
	{"__name__", "up", "empty", "", "instance", "a:9100", "job", "node"},
	{"__name__", "cpu usage", "ключ", "значение"},
	{"__name__", ""},
	{"job", "node"},
	{},
	{"__name__", "a", "__name__", "b"},
	{"__name__", "a", "x", "1", "x", "1"},
	{"__name__", "a", "", "x"},
	{"__name__", "a", "x", "\xff"},
	{"__name__", "a", "\xff", "x"},
	{"__name__", "foreshock_anomaly_score", "for", "up"},
}

var times = []int64{1_700_000_000_000, 0, -1, math.MinInt64, math.MaxInt64, 1<<50 + 1}

var values = []float64{1.5, 0, math.Inf(-1), math.NaN(), math.Float64frombits(value.StaleNaN), math.Float64frombits(0x7ff0000000000123)}

func requestV1() *prompb.WriteRequest {
	req := &prompb.WriteRequest{}
	for i, ls := range labelSets {
		ts := prompb.TimeSeries{Samples: []prompb.Sample{{Timestamp: times[i%len(times)], Value: values[i%len(values)]}}}
		for j := 0; j < len(ls); j += 2 {
			ts.Labels = append(ts.Labels, prompb.Label{Name: ls[j], Value: ls[j+1]})
		}
		req.Timeseries = append(req.Timeseries, ts)
	}
	ls := req.Timeseries[0].Labels
	req.Timeseries = append(req.Timeseries, prompb.TimeSeries{Labels: ls, Exemplars: []prompb.Exemplar{{Labels: ls[:1], Value: 1, Timestamp: 2}}})
	ints, floats := nativeHistograms()
	ts := prompb.TimeSeries{Labels: ls}
	for _, h := range ints {
		ts.Histograms = append(ts.Histograms, prompb.FromIntHistogram(3, h))
	}
	for _, h := range floats {
		ts.Histograms = append(ts.Histograms, prompb.FromFloatHistogram(math.MaxInt64/2*int64(len(ts.Histograms)%2), h))
	}
	req.Timeseries = append(req.Timeseries, ts)
	for i := range int32(10) {
		req.Metadata = append(req.Metadata, prompb.MetricMetadata{Type: prompb.MetricMetadata_MetricType(i), MetricFamilyName: "family", Help: "h", Unit: "u"})
	}
	return req
}

func requestV2() *writev2.Request {
	req := &writev2.Request{}
	st := writev2.NewSymbolTable()
	refs := func(ls []string) []uint32 {
		var r []uint32
		for _, s := range ls {
			r = append(r, st.Symbolize(s))
		}
		return r
	}
	for i, ls := range labelSets {
		req.Timeseries = append(req.Timeseries, writev2.TimeSeries{
			LabelsRefs: refs(ls),
			Samples:    []writev2.Sample{{Timestamp: times[i%len(times)], Value: values[i%len(values)], StartTimestamp: 5}},
			Metadata:   writev2.Metadata{Type: writev2.Metadata_MetricType(i % 9), HelpRef: st.Symbolize("help"), UnitRef: 0},
		})
	}
	up := refs(labelSets[0])
	ints, floats := nativeHistograms()
	ts := writev2.TimeSeries{LabelsRefs: up}
	for _, h := range ints {
		ts.Histograms = append(ts.Histograms, writev2.FromIntHistogram(1, 3, h))
	}
	for _, h := range floats {
		ts.Histograms = append(ts.Histograms, writev2.FromFloatHistogram(1, math.MaxInt64/2*int64(len(ts.Histograms)%2), h))
	}
	sample := []writev2.Sample{{Timestamp: 1, Value: 2}}
	req.Timeseries = append(req.Timeseries, ts,
		writev2.TimeSeries{LabelsRefs: up, Exemplars: []writev2.Exemplar{
			{LabelsRefs: up[:2], Value: 1, Timestamp: 2}, {LabelsRefs: up[:1]}, {LabelsRefs: []uint32{1, 999}},
		}},
		writev2.TimeSeries{LabelsRefs: up, Metadata: writev2.Metadata{Type: writev2.Metadata_METRIC_TYPE_COUNTER}},
		writev2.TimeSeries{LabelsRefs: up[:3], Samples: sample},
		writev2.TimeSeries{LabelsRefs: []uint32{1, 999}, Samples: sample},
		writev2.TimeSeries{LabelsRefs: up, Samples: sample, Metadata: writev2.Metadata{HelpRef: 999}},
		writev2.TimeSeries{LabelsRefs: up, Samples: sample, Metadata: writev2.Metadata{UnitRef: 999}},
	)
	req.Symbols = st.Symbols()
	return req
}

// oddBytes are fields put before, between and behind those of a good message.
var oddBytes = [][]byte{
	{0x0a},                               // truncated
	{0x0a, 0x00},                         // an empty series, or a reserved field
	{0x2a, 0x00},                         // an empty series in version 2.0
	{0x22, 0x00},                         // an empty symbol, or an unknown field
	{0x22, 0x01, 'x'},                    // a first symbol that is not empty
	{0x1a, 0x00},                         // empty metadata
	{0x8a, 0x00, 0x00},                   // a tag that is not minimal
	{0x00},                               // field 0
	{0x0c},                               // a group that ends
	{0x13, 0x1b, 0x1c, 0x14},             // a group in a group
	{0x13, 0x13, 0x13},                   // groups that never end
	{0x17},                               // no such wire type
	{0x08, 0x01},                         // a series of the wrong wire type
	{0x0a, 0xff, 0xff, 0xff, 0xff, 0x0f}, // a length of 4 GiB
	{0x0a, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x01},       // a length of -1
	{0x10, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x7f},       // a varint with excess bits
	{0x10, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x00}, // an overlong varint
	{0x7d, 1, 2, 3, 4},
	{0x79, 1, 2, 3, 4, 5, 6, 7, 8},
	{0x7d, 1},
	// Labels after samples, in pieces, and with a tag that is not minimal.
	{0x0a, 0x24, 0x12, 0x02, 0x10, 0x01, 0x0a, 0x0d, 0x0a, 0x08, '_', '_', 'n', 'a', 'm', 'e', '_', '_', 0x12, 0x01, 'a', 0x12, 0x02, 0x10, 0x02, 0x8a, 0x00, 0x06, 0x0a, 0x01, 'x', 0x12, 0x01, 'y', 0x12, 0x02, 0x10, 0x03},
	// References that are not packed, and a packed run that overruns its length.
	{0x2a, 0x04, 0x08, 0x00, 0x08, 0x00},
	{0x2a, 0x05, 0x0a, 0x01, 0x80, 0x00, 0x00},
	// Created timestamp of early drafts.
	{0x2a, 0x02, 0x30, 0x05},
}

func seedsV1(t testing.TB) [][]byte {
	raw, err := requestV1().Marshal()
	if err != nil {
		t.Fatal(err)
	}
	return seeds(raw)
}

func seedsV2(t testing.TB) [][]byte {
	raw, err := requestV2().Marshal()
	if err != nil {
		t.Fatal(err)
	}
	return seeds(raw)
}

func seeds(raw []byte) [][]byte {
	all := [][]byte{nil, raw, append(raw[:len(raw):len(raw)], raw...)}
	for _, odd := range oddBytes {
		all = append(all, odd, append(raw[:len(raw):len(raw)], odd...), append(odd[:len(odd):len(odd)], raw...))
	}
	// Truncated and flipped everywhere near the start, and here and there beyond.
	for i := 0; i < len(raw); i += 1 + i/8 {
		flipped := append([]byte(nil), raw...)
		flipped[i] ^= 1 << (i % 8)
		all = append(all, raw[:i], flipped)
	}
	return all
}
