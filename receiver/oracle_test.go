package receiver

import (
	"fmt"
	"math"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"

	"github.com/golang/snappy"
	"github.com/prometheus/common/model"
	"github.com/prometheus/prometheus/model/histogram"
	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/prompb"
	writev2 "github.com/prometheus/prometheus/prompb/io/prometheus/write/v2"

	"github.com/foreshock/foreshock"
)

// outcome is what a request came to, comparable whoever decoded it.
type outcome struct {
	Malformed  bool
	Samples    []string
	Histograms []string
	Metadata   []string

	Exemplars                                          int
	BadSeries, BadSamples, BadHistograms, BadExemplars int
}

func (o *outcome) sample(ls labels.Labels, t int64, v float64) {
	o.Samples = append(o.Samples, fmt.Sprintf("%s %d %x", ls, t, math.Float64bits(v)))
}

func (o *outcome) histogram(ls labels.Labels, t int64, h histogram.FloatHistogram) {
	bits := func(xs []float64) (all []uint64) {
		for _, x := range xs {
			all = append(all, math.Float64bits(x))
		}
		return all
	}
	o.Histograms = append(o.Histograms, fmt.Sprintf("%s %d %x %d %d %v %x %v %x %x", ls, t, bits([]float64{h.Count, h.Sum, h.ZeroThreshold, h.ZeroCount}),
		h.CounterResetHint, h.Schema, h.PositiveSpans, bits(h.PositiveBuckets), h.NegativeSpans, bits(h.NegativeBuckets), bits(h.CustomValues)))
}

// ours is what our decoder makes of a message, for an Appender that knows no types.
func ours(d *decoder, v version, raw []byte, latest int64) outcome {
	d.cache.epoch.Add(1)
	return outcomeOf(d, d.decode(v, snappy.Encode(nil, raw), len(raw), latest))
}

// outcomeOf is what the message that d just decoded came to.
func outcomeOf(d *decoder, err error) outcome {
	if err != nil {
		return outcome{Malformed: true}
	}
	var o outcome
	for _, s := range d.batch.Samples {
		o.sample(s.Series.Labels, s.T, s.V)
	}
	for _, h := range d.batch.Histograms {
		o.histogram(h.Series.Labels, h.T, h.Float())
	}
	for _, m := range d.batch.Metadata {
		o.Metadata = append(o.Metadata, m.Family+" "+string(m.Type))
	}
	t := &d.tally
	o.Exemplars = t.exemplars
	for _, n := range t.refused[oneSeries] {
		o.BadSeries += n
	}
	o.BadSamples = t.refused[oneSample][tooNew]
	o.BadHistograms = t.refused[oneHistogram][tooNew] + t.refused[oneHistogram][badHistogram]
	o.BadExemplars = t.refused[oneExemplar][badReference]
	return o
}

// validLabels is Prometheus's judgement of a label set, once empty values are gone.
func validLabels(ls labels.Labels) (labels.Labels, bool) {
	ls = ls.WithoutEmpty()
	_, repeated := ls.HasDuplicateLabelNames()
	return ls, ls.Has(model.MetricNameLabel) && ls.IsValid(model.UTF8Validation) && !repeated
}

// validHistogram is the histogram as Prometheus judges it, but at the schema it was
// sent with. An integer histogram becomes what its own conversion makes of it, but for
// the rounding of counts beyond 2^53, which ours does once and not at every bucket.
func validHistogram(ih *histogram.Histogram, fh *histogram.FloatHistogram) (histogram.FloatHistogram, bool) {
	judged := func(schema int32) int32 {
		if schema > histogram.ExponentialSchemaMax && schema <= histogram.ExponentialSchemaMaxReserved {
			return histogram.ExponentialSchemaMax
		}
		return schema
	}
	if ih != nil {
		schema := ih.Schema
		ih.Schema = judged(schema)
		if ih.Validate() != nil {
			return histogram.FloatHistogram{}, false
		}
		ih.Schema = schema
		h := *ih.ToFloat(nil)
		for _, side := range []struct {
			deltas []int64
			counts []float64
		}{{ih.PositiveBuckets, h.PositiveBuckets}, {ih.NegativeBuckets, h.NegativeBuckets}} {
			count := int64(0)
			for i, d := range side.deltas {
				count += d
				side.counts[i] = float64(count)
			}
		}
		return knownHint(h), true
	}
	schema := fh.Schema
	fh.Schema = judged(schema)
	ok := fh.Validate() == nil
	fh.Schema = schema
	return knownHint(*fh), ok
}

func knownHint(h histogram.FloatHistogram) histogram.FloatHistogram {
	if h.CounterResetHint > histogram.GaugeType {
		h.CounterResetHint = histogram.UnknownCounterReset
	}
	return h
}

// prometheusV1 is what Prometheus's types and validation make of a message.
func prometheusV1(raw []byte, latest int64) outcome {
	var o outcome
	var req prompb.WriteRequest
	if err := req.Unmarshal(raw); err != nil {
		return outcome{Malformed: true}
	}
	var b labels.ScratchBuilder
	for _, ts := range req.Timeseries {
		ls, ok := validLabels(ts.ToLabels(&b, nil))
		if !ok {
			o.BadSeries++
			continue
		}
		if foreshock.OwnOutput(ls) {
			o.Exemplars += len(ts.Exemplars)
			continue
		}
		for _, s := range ts.Samples {
			if s.Timestamp > latest {
				o.BadSamples++
				continue
			}
			o.sample(ls, s.Timestamp, s.Value)
		}
		for _, h := range ts.Histograms {
			o.judge(ls, h.Timestamp, latest, h.ToIntHistogram(), h.ToFloatHistogram())
		}
		o.Exemplars += len(ts.Exemplars)
	}
	for _, m := range req.Metadata {
		if n := m.MetricFamilyName; n != "" && m.Type > 0 && m.Type < 8 && model.LabelValue(n).IsValid() {
			o.metadata(n + " " + strings.ToLower(m.Type.String()))
		}
	}
	return o
}

func (o *outcome) metadata(m string) {
	if n := len(o.Metadata); n == 0 || o.Metadata[n-1] != m {
		o.Metadata = append(o.Metadata, m)
	}
}

func (o *outcome) judge(ls labels.Labels, t, latest int64, ih *histogram.Histogram, fh *histogram.FloatHistogram) {
	h, ok := validHistogram(ih, fh)
	if t > latest || !ok {
		o.BadHistograms++
		return
	}
	o.histogram(ls, t, h)
}

// prometheusV2 is the same for version 2.0, where a series is told its type once.
func prometheusV2(raw []byte, latest int64) outcome {
	var o outcome
	var req writev2.Request
	if err := req.Unmarshal(raw); err != nil || len(req.Symbols) > 0 && req.Symbols[0] != "" {
		return outcome{Malformed: true}
	}
	b := labels.NewScratchBuilder(0)
	told := map[string]model.MetricType{}
	for _, ts := range req.Timeseries {
		ls, err := ts.ToLabels(&b, req.Symbols)
		meta, metaErr := ts.ToMetadata(req.Symbols)
		ls, ok := validLabels(ls)
		if err != nil || metaErr != nil || !ok {
			o.BadSeries++
			continue
		}
		own := foreshock.OwnOutput(ls)
		for _, s := range ts.Samples {
			switch {
			case own:
			case s.Timestamp > latest:
				o.BadSamples++
			default:
				o.sample(ls, s.Timestamp, s.Value)
			}
		}
		for _, h := range ts.Histograms {
			if !own {
				o.judge(ls, h.Timestamp, latest, h.ToIntHistogram(), h.ToFloatHistogram())
			}
		}
		for _, e := range ts.Exemplars {
			if _, err := e.ToExemplar(&b, req.Symbols); err == nil {
				o.Exemplars++
			} else if !own {
				o.BadExemplars++
			}
		}
		spelled := ""
		for _, ref := range ts.LabelsRefs {
			spelled += fmt.Sprintf("%q", req.Symbols[ref])
		}
		if meta.Type != model.MetricTypeUnknown && !own && told[spelled] != meta.Type {
			told[spelled] = meta.Type
			o.metadata(family(ls.Get(model.MetricNameLabel), meta.Type) + " " + string(meta.Type))
		}
	}
	return o
}

// unlimited is a decoder that no small message meets the limits of.
func unlimited() *decoder {
	c := DefaultConfig()
	c.MaxLabels, c.MaxLabelName, c.MaxLabelValue, c.MaxLabelsSize = 1<<20, 1<<20, 1<<20, 1<<24
	return newDecoder(c)
}

func newDecoder(c Config) *decoder {
	d := &decoder{cache: newCache(), limits: &c}
	d.cache.limit(c)
	return d
}

// captures returns the decompressed captured requests of a version, by file name.
func captures(t testing.TB, v version) map[string][]byte {
	t.Helper()
	files, err := filepath.Glob(fmt.Sprintf("testdata/captures/*.rw%d.sz", v))
	if err != nil || len(files) == 0 {
		t.Fatalf("no captures of version %s: %v", v, err)
	}
	raws := map[string][]byte{}
	for _, f := range files {
		body, err := os.ReadFile(f)
		if err != nil {
			t.Fatal(err)
		}
		raw, err := snappy.Decode(nil, body)
		if err != nil {
			t.Fatal(err)
		}
		raws[filepath.Base(f)] = raw
	}
	return raws
}

// What a real Prometheus sent decodes to what prompb says it holds, the first time,
// when every series is new, and the second, when none is.
func TestCapturesDecodeAsPrompb(t *testing.T) {
	for v, oracle := range map[version]func([]byte, int64) outcome{v1: prometheusV1, v2: prometheusV2} {
		d := newDecoder(DefaultConfig())
		for name, raw := range captures(t, v) {
			want := oracle(raw, math.MaxInt64)
			if len(want.Samples)+len(want.Metadata) == 0 || want.BadSeries > 0 {
				t.Fatalf("%s: the oracle finds %d samples, %d metadata, %d bad series", name, len(want.Samples), len(want.Metadata), want.BadSeries)
			}
			for _, pass := range []string{"first", "second"} {
				if got := ours(d, v, raw, math.MaxInt64); !reflect.DeepEqual(got, want) {
					t.Errorf("%s, %s pass: decodes differently from prompb", name, pass)
				}
			}
			if len(want.Samples) > 0 && d.tally.learned > 0 {
				t.Errorf("%s: %d series new in the second pass", name, d.tally.learned)
			}
		}
	}
}

// compare holds a decoder against its oracle, with its cache cold and warm, and once
// more with a cache that forgot and fetches back.
func compare(t *testing.T, v version, oracle func([]byte, int64) outcome, raw []byte) {
	const latest = 1 << 50 // ms
	want := oracle(raw, latest)
	d := unlimited()
	body, before := snappy.Encode(nil, raw), allocated()
	err := d.decode(v, body, len(raw), latest)
	if used := allocated() - before; used > uint64(d.limits.MaxLearned)+8<<20 {
		t.Errorf("%d bytes of message allocated %d MiB", len(raw), used>>20)
	}
	if got := outcomeOf(d, err); !reflect.DeepEqual(got, want) {
		t.Fatalf("cold cache: got %+v, want %+v", got, want)
	}
	if got := ours(d, v, raw, latest); !reflect.DeepEqual(got, want) {
		t.Fatalf("warm cache: got %+v, want %+v", got, want)
	}
	d.cache.forget()
	if got := ours(d, v, raw, latest); !reflect.DeepEqual(got, want) {
		t.Fatalf("next generation: got %+v, want %+v", got, want)
	}
}

const mostFuzzed = 16 << 10 // bytes; enough for every construct, little enough for prompb's appetite

func FuzzV1(f *testing.F) {
	for _, s := range seedsV1(f) {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, raw []byte) {
		if len(raw) <= mostFuzzed {
			compare(t, v1, prometheusV1, raw)
		}
	})
}

func FuzzV2(f *testing.F) {
	for _, s := range seedsV2(f) {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, raw []byte) {
		if len(raw) <= mostFuzzed {
			compare(t, v2, prometheusV2, raw)
		}
	})
}
