package main

import (
	"context"
	"fmt"
	"slices"

	"github.com/golang/snappy"
	"github.com/prometheus/common/model"
	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/prompb"
	writev2 "github.com/prometheus/prometheus/prompb/io/prometheus/write/v2"
)

// protocol is a version of remote write.
type protocol string

const (
	rw1 protocol = "rw1"
	rw2 protocol = "rw2"
)

// headers are what a sender of the protocol says, in pairs.
func (p protocol) headers() [][2]string {
	contentType, version := "application/x-protobuf", "0.1.0"
	if p == rw2 {
		contentType, version = "application/x-protobuf;proto=io.prometheus.write.v2.Request", "2.0.0"
	}
	return [][2]string{
		{"Content-Type", contentType},
		{"Content-Encoding", "snappy"},
		{"X-Prometheus-Remote-Write-Version", version},
	}
}

// request is one request, ready to be sent.
type request struct {
	body    []byte
	samples int
}

// scrape is the requests of one scrape of all series, in their order.
type scrape []request

// perRequest is how many samples Prometheus puts into a request: its default.
const perRequest = 2000

// encode makes the bodies of n scrapes of the first series of f, from the given time
// on. It uses the generated code with which Prometheus itself sends, and all of it is
// done before anything is measured. Compressed, a sample takes some 20 to 40 bytes.
func encode(ctx context.Context, f *fleet, p protocol, series, n int, from int64) ([]scrape, error) {
	scrapes := make([]scrape, n)
	for first := 0; first < series; first += perRequest {
		last := min(first+perRequest, series)
		var e encoder = &encoderV1{}
		if p == rw2 {
			e = &encoderV2{}
		}
		for k := range n {
			if ctx.Err() != nil {
				return nil, context.Cause(ctx)
			}
			if k == 0 || f.renamed(first, last, k) {
				e.name(f, first, last, k)
			}
			at := from + int64(k)*interval
			for i := first; i < last; i++ {
				e.set(i-first, at, f.value(i, k))
			}
			raw, err := e.marshal()
			if err != nil {
				return nil, fmt.Errorf("encode a request: %w", err)
			}
			scrapes[k] = append(scrapes[k], request{slices.Clone(snappy.Encode(nil, raw)), last - first})
		}
	}
	return scrapes, nil
}

// renamed reports whether a series from first to last has other labels at scrape k
// than at the one before.
func (f *fleet) renamed(first, last, k int) bool {
	_, from := f.at(first)
	_, to := f.at(last - 1)
	for host := from; host <= to; host++ {
		if f.generation(host, k) != f.generation(host, k-1) {
			return true
		}
	}
	return false
}

// encoder makes one request again and again, with other values.
type encoder interface {
	name(f *fleet, first, last, k int)
	set(i int, t int64, v float64)
	marshal() ([]byte, error)
}

type encoderV1 struct {
	req prompb.WriteRequest
	raw []byte
}

func (e *encoderV1) name(f *fleet, first, last, k int) {
	e.req.Timeseries = e.req.Timeseries[:0]
	for i := first; i < last; i++ {
		ts := prompb.TimeSeries{Samples: make([]prompb.Sample, 1)}
		f.labels(i, k).Range(func(l labels.Label) {
			ts.Labels = append(ts.Labels, prompb.Label{Name: l.Name, Value: l.Value})
		})
		e.req.Timeseries = append(e.req.Timeseries, ts)
	}
}

func (e *encoderV1) set(i int, t int64, v float64) {
	e.req.Timeseries[i].Samples[0] = prompb.Sample{Timestamp: t, Value: v}
}

func (e *encoderV1) marshal() ([]byte, error) {
	e.raw = slices.Grow(e.raw[:0], e.req.Size())[:e.req.Size()]
	n, err := e.req.MarshalToSizedBuffer(e.raw)
	return e.raw[len(e.raw)-n:], err
}

type encoderV2 struct {
	req writev2.Request
	raw []byte
}

// typesV2 are the types on the wire; what is not here is unspecified.
var typesV2 = map[model.MetricType]writev2.Metadata_MetricType{
	model.MetricTypeCounter: writev2.Metadata_METRIC_TYPE_COUNTER,
	model.MetricTypeGauge:   writev2.Metadata_METRIC_TYPE_GAUGE,
}

func (e *encoderV2) name(f *fleet, first, last, k int) {
	e.req.Timeseries = e.req.Timeseries[:0]
	symbols := writev2.NewSymbolTable()
	for i := first; i < last; i++ {
		e.req.Timeseries = append(e.req.Timeseries, writev2.TimeSeries{
			LabelsRefs: symbols.SymbolizeLabels(f.labels(i, k), nil),
			Samples:    make([]writev2.Sample, 1),
			Metadata:   writev2.Metadata{Type: typesV2[f.kind(i)]},
		})
	}
	e.req.Symbols = symbols.Symbols()
}

func (e *encoderV2) set(i int, t int64, v float64) {
	e.req.Timeseries[i].Samples[0] = writev2.Sample{Timestamp: t, Value: v}
}

func (e *encoderV2) marshal() (raw []byte, err error) {
	e.raw, err = e.req.OptimizedMarshal(e.raw)
	return e.raw, err
}
