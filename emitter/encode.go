package emitter

import (
	"fmt"

	"github.com/golang/snappy"
	remoteapi "github.com/prometheus/client_golang/exp/api/remote"
	"github.com/prometheus/prometheus/prompb"
	writev2 "github.com/prometheus/prometheus/prompb/io/prometheus/write/v2"
)

// encode makes the body of a remote-write request: one sample a time series, in the
// order given, as Prometheus does.
func encode(message remoteapi.WriteMessageType, samples []sample) ([]byte, error) {
	var (
		raw []byte
		err error
	)
	if message == remoteapi.WriteV2MessageType {
		raw, err = requestV2(samples).OptimizedMarshal(nil)
	} else {
		raw, err = requestV1(samples).Marshal()
	}
	if err != nil {
		return nil, fmt.Errorf("encode %s: %w", message, err)
	}
	return snappy.Encode(nil, raw), nil
}

func requestV1(samples []sample) *prompb.WriteRequest {
	req := &prompb.WriteRequest{Timeseries: make([]prompb.TimeSeries, len(samples))}
	values := make([]prompb.Sample, len(samples))
	for i, s := range samples {
		values[i] = prompb.Sample{Timestamp: s.t, Value: s.v}
		req.Timeseries[i] = prompb.TimeSeries{
			Labels:  prompb.FromLabels(s.labels, nil),
			Samples: values[i : i+1 : i+1],
		}
	}
	return req
}

func requestV2(samples []sample) *writev2.Request {
	symbols := writev2.NewSymbolTable()
	req := &writev2.Request{Timeseries: make([]writev2.TimeSeries, len(samples))}
	values := make([]writev2.Sample, len(samples))
	for i, s := range samples {
		values[i] = writev2.Sample{Timestamp: s.t, Value: s.v}
		req.Timeseries[i] = writev2.TimeSeries{
			LabelsRefs: symbols.SymbolizeLabels(s.labels, nil),
			Samples:    values[i : i+1 : i+1],
			Metadata: writev2.Metadata{
				Type:    writev2.Metadata_METRIC_TYPE_GAUGE,
				HelpRef: symbols.Symbolize(familyHelp[s.family]),
			},
		}
	}
	req.Symbols = symbols.Symbols()
	return req
}

// encodeMetadata makes the body of the request that tells a receiver of remote
// write 1.0 what the emitted metrics are; 2.0 says it with every series.
func encodeMetadata(names Names) ([]byte, error) {
	req := &prompb.WriteRequest{}
	for f, name := range familyNames[names] {
		if name == "" {
			continue // not of this vocabulary
		}
		if names == VMAnomalyNames && family(f) >= forecastFamily && family(f) <= forecastUpperFamily {
			continue // the horizon is part of those names
		}
		req.Metadata = append(req.Metadata, prompb.MetricMetadata{
			Type:             prompb.MetricMetadata_GAUGE,
			MetricFamilyName: name,
			Help:             familyHelp[f],
		})
	}
	raw, err := req.Marshal()
	if err != nil {
		return nil, fmt.Errorf("encode metadata: %w", err)
	}
	return snappy.Encode(nil, raw), nil
}
