package receiver

import (
	"slices"

	"github.com/prometheus/prometheus/model/histogram"

	"github.com/foreshock/foreshock"
)

// nativeHistogram is the room one histogram is decoded into, used again for the
// next. Prometheus's own types judge it, and what outlives the judgement is a float
// histogram in the batch's memory, whatever form it was sent in.
type nativeHistogram struct {
	t         int64
	hint      histogram.CounterResetHint
	sum       float64
	schema    int32
	threshold float64
	float     bool // which arm of the oneof came last: count_float
	count     uint64
	countF    float64
	zero      uint64
	zeroF     float64

	negSpans, posSpans   []histogram.Span
	negDeltas, posDeltas []int64
	negCounts, posCounts []float64
	bounds               []float64

	ints   histogram.Histogram
	floats histogram.FloatHistogram
}

func (h *nativeHistogram) reset() {
	*h = nativeHistogram{
		negSpans: h.negSpans[:0], posSpans: h.posSpans[:0],
		negDeltas: h.negDeltas[:0], posDeltas: h.posDeltas[:0],
		negCounts: h.negCounts[:0], posCounts: h.posCounts[:0],
		bounds: h.bounds[:0],
	}
}

// oversized reports whether the room is worth giving back to the collector.
func (h *nativeHistogram) oversized() bool {
	const most = 16 << 10 // elements; Prometheus's default bucket limit is 160
	return max(cap(h.negSpans), cap(h.posSpans), cap(h.negDeltas), cap(h.posDeltas),
		cap(h.negCounts), cap(h.posCounts), cap(h.bounds)) > most
}

// verdict judges the histogram as Prometheus does on ingestion, and returns its
// count of observations. Schemas 9 to 52 are legal on the wire: Prometheus merges
// their buckets down to schema 8, which whoever reads them may do as well; they are
// judged as they stand.
func (h *nativeHistogram) verdict() (count float64, err error) {
	schema := h.schema
	if histogram.IsExponentialSchemaReserved(schema) && schema > histogram.ExponentialSchemaMax {
		schema = histogram.ExponentialSchemaMax
	}
	var bounds []float64
	if len(h.bounds) > 0 {
		bounds = h.bounds
	}
	if h.float {
		h.floats = histogram.FloatHistogram{
			Schema: schema, ZeroThreshold: h.threshold, ZeroCount: h.zeroF, Count: h.countF, Sum: h.sum,
			PositiveSpans: h.posSpans, PositiveBuckets: h.posCounts,
			NegativeSpans: h.negSpans, NegativeBuckets: h.negCounts,
			CustomValues: bounds,
		}
		return h.countF, h.floats.Validate()
	}
	h.ints = histogram.Histogram{
		Schema: schema, ZeroThreshold: h.threshold, ZeroCount: h.zero, Count: h.count, Sum: h.sum,
		PositiveSpans: h.posSpans, PositiveBuckets: h.posDeltas,
		NegativeSpans: h.negSpans, NegativeBuckets: h.negDeltas,
		CustomValues: bounds,
	}
	return float64(h.count), h.ints.Validate()
}

// decodeHistogram decodes one histogram message into d.native. Both versions of the
// protocol share it; field 17, the start timestamp, is version 2.0's alone.
func (d *decoder) decodeHistogram(msg []byte) error {
	h := &d.native
	h.reset()
	r := reader{b: msg}
	for r.more() {
		num, wire, err := r.field()
		if err != nil {
			return err
		}
		var v uint64
		switch num {
		case 1:
			h.count, err = r.varint(wire)
			h.float = false
		case 2:
			h.countF, err = r.double(wire)
			h.float = true
		case 3:
			h.sum, err = r.double(wire)
		case 4:
			v, err = r.varint(wire)
			h.schema = int32(zigzag(uint64(uint32(v))))
		case 5:
			h.threshold, err = r.double(wire)
		case 6: // the later arm of a oneof clears the earlier
			h.zero, err = r.varint(wire)
			h.zeroF = 0
		case 7:
			h.zeroF, err = r.double(wire)
			h.zero = 0
		case 8:
			h.negSpans, err = d.span(&r, wire, h.negSpans)
		case 9:
			h.negDeltas, err = d.deltas(&r, wire, h.negDeltas)
		case 10:
			h.negCounts, err = d.doubles(&r, wire, h.negCounts)
		case 11:
			h.posSpans, err = d.span(&r, wire, h.posSpans)
		case 12:
			h.posDeltas, err = d.deltas(&r, wire, h.posDeltas)
		case 13:
			h.posCounts, err = d.doubles(&r, wire, h.posCounts)
		case 14:
			v, err = r.varint(wire)
			h.hint = resetHint(v)
		case 15:
			v, err = r.varint(wire)
			h.t = int64(v)
		case 16:
			h.bounds, err = d.doubles(&r, wire, h.bounds)
		case 17:
			if d.version == v2 && wire != wireVarint {
				return errWireType
			}
			err = r.skip(wire)
		default:
			err = r.skip(wire)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// resetHint is the hint of that number on the wire, cut to a byte as Prometheus does;
// one that a later version may add says nothing.
func resetHint(v uint64) histogram.CounterResetHint {
	if hint := histogram.CounterResetHint(v); hint <= histogram.GaugeType {
		return hint
	}
	return histogram.UnknownCounterReset
}

// arena is where the slices of a batch's histograms lie, one behind the other. It is
// used again with the batch. Where it grows, what was handed out stays where it is.
type arena struct {
	spans  []histogram.Span
	values []float64
}

func (a *arena) reset() { a.spans, a.values = a.spans[:0], a.values[:0] }

// oversized reports whether the room is worth giving back to the collector.
func (a *arena) oversized() bool { return max(cap(a.spans), cap(a.values)) > 4*mostKeptObjects }

func (a *arena) keepSpans(s []histogram.Span) []histogram.Span {
	from := len(a.spans)
	a.spans = append(a.spans, s...)
	return slices.Clip(a.spans[from:])
}

func (a *arena) keep(v []float64) []float64 {
	from := len(a.values)
	a.values = append(a.values, v...)
	return slices.Clip(a.values[from:])
}

// absolute keeps the counts that deltas, of one bucket to the next, come to.
func (a *arena) absolute(deltas []int64) []float64 {
	from, count := len(a.values), int64(0)
	for _, d := range deltas {
		count += d
		a.values = append(a.values, float64(count))
	}
	return slices.Clip(a.values[from:])
}

// into makes a histogram of the batch of h, which must be valid.
func (h *nativeHistogram) into(a *arena, count float64) foreshock.Histogram {
	to := foreshock.Histogram{
		T: h.t, Count: count, Sum: h.sum,
		Hint: h.hint, Schema: h.schema, ZeroThreshold: h.threshold,
		PositiveSpans: a.keepSpans(h.posSpans), NegativeSpans: a.keepSpans(h.negSpans),
		CustomValues: a.keep(h.bounds),
	}
	if h.float {
		to.ZeroCount = h.zeroF
		to.PositiveBuckets, to.NegativeBuckets = a.keep(h.posCounts), a.keep(h.negCounts)
	} else {
		to.ZeroCount = float64(h.zero)
		to.PositiveBuckets, to.NegativeBuckets = a.absolute(h.posDeltas), a.absolute(h.negDeltas)
	}
	return to
}

func (d *decoder) span(r *reader, wire int, to []histogram.Span) ([]histogram.Span, error) {
	msg, err := r.bytes(wire)
	if err != nil {
		return to, err
	}
	if err := d.spend(); err != nil {
		return to, err
	}
	var s histogram.Span
	m := reader{b: msg}
	err = m.each(func(num int32, wire int) (err error) {
		var v uint64
		switch num {
		case 1:
			v, err = m.varint(wire)
			s.Offset = int32(zigzag(uint64(uint32(v))))
		case 2:
			v, err = m.varint(wire)
			s.Length = uint32(v)
		default:
			err = m.skip(wire)
		}
		return err
	})
	if err != nil {
		return to, err
	}
	return append(to, s), nil
}

func (d *decoder) deltas(r *reader, wire int, to []int64) ([]int64, error) {
	err := r.repeated(wire, wireVarint, func() error {
		v, err := r.uvarint()
		if err != nil {
			return err
		}
		to = append(to, zigzag(v))
		return d.spend()
	})
	return to, err
}

func (d *decoder) doubles(r *reader, wire int, to []float64) ([]float64, error) {
	err := r.repeated(wire, wireFixed64, func() error {
		v, err := r.double(wireFixed64)
		if err != nil {
			return err
		}
		to = append(to, v)
		return d.spend()
	})
	return to, err
}
