package receiver

import (
	"encoding/binary"
	"errors"
	"fmt"
	"math"

	"github.com/golang/snappy"
	"github.com/prometheus/common/model"

	"github.com/foreshock/foreshock"
)

// version is a version of the remote-write protocol.
type version uint8

const (
	unknownVersion version = iota
	v1
	v2

	versions // how many there are
)

// String is the version as a sender writes it.
func (v version) String() string { return [versions]string{"unknown", "1.0", "2.0"}[v] }

// What condemns a whole request beside a message that cannot be parsed.
var (
	errDecompress     = errors.New("decompress")
	errTooManySeries  = errors.New("too many series")
	errTooManySamples = errors.New("too many samples")
	errTooManyObjects = errors.New("too many objects")
)

// decoder turns request bodies into batches, one at a time, reusing its room. In
// the steady state, when it was asked for every series before, it allocates
// nothing. A message is walked once, in place; per series it yields a key, which
// the cache knows, and samples, which wait in the batch for the series they get
// when the key is complete: labels may stand anywhere in a message.
type decoder struct {
	cache   *cache
	limits  *Config
	version version
	latest  int64 // a sample beyond is refused, ms

	raw    []byte
	batch  foreshock.Batch
	arena  arena // of the batch's histograms
	tally  tally
	budget int // objects left
	points int // samples and histograms left
	room   int // bytes left for learning

	last     *known
	epoch    uint32 // of the cache, when the request began
	key      []byte // scratch: a key put together from pieces
	pairs    []pair // scratch: the labels of one series
	native   nativeHistogram
	series   pending
	message  []byte   // of version 2.0, in raw
	symbols  []span   // where the symbols lie in message
	names    []uint64 // their hashes
	checks   []uint64 // their second hashes; 0 before they are needed
	followed []byte   // references that follow read and did not keep
	refs     []uint32 // label references of one series
	words    []uint64 // scratch: a key of hashes
}

// span is where a symbol lies in a message.
type span struct{ from, to uint32 }

// pending is what one series message has brought so far.
type pending struct {
	samples, histograms int // where its own begin in the batch
	exemplars           int
	badExemplars        int // written off: their references lead nowhere
	newSamples          int // left out: too far in the future
	newHistograms       int
	badHistograms       int
	histogramError      error // of the first of them
}

// Room beyond these is given back after a request instead of being kept for the
// next: a hostile request must not set the size for good.
const (
	mostKeptBytes   = 4 << 20  // 100 × an ordinary request, decompressed
	mostKeptObjects = 16 << 10 // × 24 B = 384 KiB; 8 × an ordinary request
)

// decode decodes a snappy-compressed body of the decoder's version into d.batch
// and d.tally. Its error condemns the request; what is wrong with single series,
// samples and histograms is in the tally. decodedLen must be snappy.DecodedLen of
// the body.
func (d *decoder) decode(v version, body []byte, decodedLen int, latest int64) error {
	d.version, d.latest = v, latest
	d.budget, d.points, d.room = d.limits.MaxObjects, d.limits.MaxSamples, int(d.limits.MaxLearned)
	d.batch.Samples, d.batch.Histograms, d.batch.Metadata = d.batch.Samples[:0], d.batch.Histograms[:0], d.batch.Metadata[:0]
	d.arena.reset()
	d.tally.reset()
	d.last, d.epoch = nil, d.cache.epoch.Load()
	if cap(d.raw) < decodedLen {
		d.raw = make([]byte, (decodedLen+0xffff)&^0xffff) // multiples of 64 KiB: sizes of requests wobble
	}
	raw, err := snappy.Decode(d.raw[:cap(d.raw)], body)
	if err != nil {
		return fmt.Errorf("%w: %w", errDecompress, err)
	}
	d.cache.mu.RLock()
	defer d.cache.mu.RUnlock()
	if v == v2 {
		return d.decodeV2(raw)
	}
	return d.decodeV1(raw)
}

// trim gives back what a large request has swollen.
func (d *decoder) trim() {
	d.last = nil
	if cap(d.raw) > mostKeptBytes {
		d.raw = nil
	}
	if cap(d.key) > mostKeptBytes {
		d.key = nil
	}
	if cap(d.batch.Samples) > mostKeptObjects || cap(d.batch.Histograms) > mostKeptObjects || cap(d.batch.Metadata) > mostKeptObjects {
		d.batch = foreshock.Batch{}
	}
	if cap(d.symbols) > mostKeptObjects {
		d.symbols, d.names, d.checks = nil, nil, nil
	}
	if d.native.oversized() {
		d.native = nativeHistogram{}
	}
	if d.arena.oversized() {
		d.arena, d.batch.Histograms = arena{}, nil
	}
}

// spend takes one object from the request's budget. What two bytes on the wire can
// claim in memory is bounded by it, not by the size of the message.
func (d *decoder) spend() error {
	d.budget--
	if d.budget < 0 {
		return errTooManyObjects
	}
	return nil
}

// spendPoint takes one sample or histogram from the request's. A point costs more
// further on than here: a score, and what is emitted of it.
func (d *decoder) spendPoint() error {
	d.points--
	if d.points < 0 {
		return errTooManySamples
	}
	return d.spend()
}

func (d *decoder) begin() {
	d.series = pending{samples: len(d.batch.Samples), histograms: len(d.batch.Histograms)}
}

// sample decodes one sample message of the series under way.
func (d *decoder) sample(msg []byte) error {
	if err := d.spendPoint(); err != nil {
		return err
	}
	var s foreshock.Sample
	r := reader{b: msg}
	// Value and timestamp in this order are what all but every sample holds: then
	// the loop below runs for nothing.
	const valueTag, timestampTag, lead = 1<<3 | wireFixed64, 2<<3 | wireVarint, 10
	if len(msg) > lead && msg[0] == valueTag && msg[lead-1] == timestampTag {
		s.V = math.Float64frombits(binary.LittleEndian.Uint64(msg[1:]))
		r.i = lead
		t, err := r.uvarint()
		if err != nil {
			return err
		}
		s.T = int64(t)
	}
	for r.more() {
		num, wire, err := r.field()
		if err != nil {
			return err
		}
		switch num {
		case 1:
			s.V, err = r.double(wire)
		case 2:
			var t uint64
			t, err = r.varint(wire)
			s.T = int64(t)
		case 3: // start timestamp, of version 2.0
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
	if s.T > d.latest {
		d.series.newSamples++
		return nil
	}
	d.batch.Samples = append(d.batch.Samples, s)
	return nil
}

// histogram decodes and judges one histogram message of the series under way.
func (d *decoder) histogram(msg []byte) error {
	if err := d.spendPoint(); err != nil {
		return err
	}
	if err := d.decodeHistogram(msg); err != nil {
		return err
	}
	if d.native.t > d.latest {
		d.series.newHistograms++
		return nil
	}
	count, err := d.native.verdict()
	if err != nil {
		d.series.badHistograms++
		if d.series.histogramError == nil {
			d.series.histogramError = err
		}
		return nil
	}
	d.batch.Histograms = append(d.batch.Histograms, d.native.into(&d.arena, count))
	return nil
}

// find returns what key stands for, having it learned where it is not known.
// collect must put the labels into d.pairs; it is called for an unknown key only.
// It is in d.last then, unless the request has no room left for learning it.
func (d *decoder) find(t *table, id identity, key []byte, collect func() error) (*foreshock.Series, refusal, error) {
	if n := t.find(d.last, id); n != nil {
		d.last = n
		d.tally.known++
		return n.series, n.refused, nil
	}
	d.last = nil
	if err := collect(); err != nil {
		return nil, accepted, err
	}
	cost := learningCost(len(key), d.pairsSize())
	if cost > d.room { // before judging, which costs time where learning costs memory
		if why := measure(d.pairs, d.limits); why != accepted {
			return nil, why, nil
		}
		return nil, tooMuchNew, nil
	}
	why := judge(d.pairs, d.limits)
	if why != accepted { // remembered too, to make its repetition cheap
		cost = nodeCost
	}
	d.room -= cost
	d.cache.mu.RUnlock()
	n, isNew := d.cache.learn(t, id, key, d.pairs, why)
	d.cache.mu.RLock()
	d.last = n
	if isNew {
		d.tally.learned++
	} else {
		d.tally.known++
	}
	return n.series, n.refused, nil
}

// pairsSize is the size of the canonical key of d.pairs, at most.
func (d *decoder) pairsSize() int {
	const overhead = 12 // bytes of tags and lengths a label, for lengths below 2 MiB
	n := 0
	for _, p := range d.pairs {
		n += len(p.name) + len(p.value) + overhead
	}
	return n
}

// settle gives what a series message brought to the series it names, or drops it.
// collect is as for find.
func (d *decoder) settle(to *foreshock.Series, why refusal, collect func() error) error {
	s, t := &d.series, &d.tally
	samples, histograms := d.batch.Samples[s.samples:], d.batch.Histograms[s.histograms:]
	t.series++
	t.offeredSamples += len(samples) + s.newSamples
	t.offeredHistograms += len(histograms) + s.newHistograms + s.badHistograms
	if why != accepted {
		d.batch.Samples = d.batch.Samples[:s.samples]
		d.batch.Histograms = d.batch.Histograms[:s.histograms]
	}
	switch why {
	case accepted:
		for i := range samples {
			samples[i].Series = to
		}
		for i := range histograms {
			histograms[i].Series = to
		}
	case ownOutput:
		t.own += len(samples) + len(histograms)
	default:
		return d.refuse(oneSeries, why, 1, nil, collect)
	}
	t.samples += len(samples)
	t.histograms += len(histograms)
	t.exemplars += s.exemplars
	if s.newSamples+s.newHistograms+s.badHistograms+s.badExemplars == 0 {
		return nil
	}
	return errors.Join(
		d.refuse(oneSample, tooNew, s.newSamples, nil, collect),
		d.refuse(oneHistogram, tooNew, s.newHistograms, nil, collect),
		d.refuse(oneHistogram, badHistogram, s.badHistograms, s.histogramError, collect),
		d.refuse(oneExemplar, badReference, s.badExemplars, nil, collect),
	)
}

// refuse counts n refused things, and describes the first of the request.
func (d *decoder) refuse(k kind, why refusal, n int, detail error, collect func() error) error {
	if n == 0 {
		return nil
	}
	d.tally.refused[k][why] += n
	if len(d.tally.first) > 0 {
		return nil
	}
	if err := collect(); err != nil {
		return err
	}
	d.tally.describe(d.pairs, detail)
	return nil
}

// metadata notes a family's type, once where a request repeats it series by series.
func (d *decoder) metadata(family string, t model.MetricType) {
	m := foreshock.Metadata{Family: family, Type: t}
	if n := len(d.batch.Metadata); n > 0 && d.batch.Metadata[n-1] == m {
		return
	}
	d.batch.Metadata = append(d.batch.Metadata, m)
}

// metricTypes are the types by their number on the wire, the same in both versions.
// 0, and what a later version may add, says nothing.
var metricTypes = [...]model.MetricType{
	1: model.MetricTypeCounter,
	2: model.MetricTypeGauge,
	3: model.MetricTypeHistogram,
	4: model.MetricTypeGaugeHistogram,
	5: model.MetricTypeSummary,
	6: model.MetricTypeInfo,
	7: model.MetricTypeStateset,
}

func metricType(n int32) (t model.MetricType, ok bool) {
	if n <= 0 || int(n) >= len(metricTypes) {
		return "", false
	}
	return metricTypes[n], true
}

// wrap says in which series of the request an error was met.
func wrap(err error, series int) error {
	if errors.Is(err, errTooManyObjects) || errors.Is(err, errTooManySamples) {
		return err
	}
	return fmt.Errorf("series %d: %w", series, err)
}

// addPair appends to d.pairs unless the value is empty, which means the label is
// absent. One more than the limit is enough to know.
func (d *decoder) addPair(name, value []byte) {
	if len(value) > 0 && len(d.pairs) <= d.limits.MaxLabels {
		d.pairs = append(d.pairs, pair{name, value})
	}
}
