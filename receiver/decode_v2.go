package receiver

import (
	"errors"
	"slices"
	"strings"
	"unsafe"

	"github.com/prometheus/common/model"

	"github.com/foreshock/foreshock"
)

var errFirstSymbol = errors.New("first symbol is not empty")

// decodeV2 decodes an io.prometheus.write.v2.Request. Symbols may stand behind the
// series that refer to them, so the top level is walked twice.
func (d *decoder) decodeV2(raw []byte) error {
	if err := d.collectSymbols(raw); err != nil {
		return err
	}
	r := reader{b: raw}
	for series := 0; r.more(); {
		num, wire, err := r.field()
		if err != nil {
			return err
		}
		if num != 5 {
			if err := r.skip(wire); err != nil {
				return err
			}
			continue
		}
		if series++; series > d.limits.MaxSeries {
			return errTooManySeries
		}
		msg, err := r.bytes(wire)
		if err != nil {
			return err
		}
		if err := d.seriesV2(msg); err != nil {
			return wrap(err, series)
		}
	}
	return nil
}

func (d *decoder) collectSymbols(raw []byte) error {
	d.symbols, d.names, d.checks = d.symbols[:0], d.names[:0], d.checks[:0]
	r := reader{b: raw}
	for r.more() {
		num, wire, err := r.field()
		if err != nil {
			return err
		}
		if num != 4 {
			if wire == wireBytes { // a series: there are thousands of them
				_, err = r.bytes(wire)
			} else {
				err = r.skip(wire)
			}
			if err != nil {
				return err
			}
			continue
		}
		s, err := r.bytes(wire)
		if err != nil {
			return err
		}
		if len(d.symbols) == 0 && len(s) > 0 {
			return errFirstSymbol
		}
		if err := d.spend(); err != nil {
			return err
		}
		d.symbols = append(d.symbols, span{uint32(r.i - len(s)), uint32(r.i)})
		d.names = append(d.names, d.cache.name(s))
		d.checks = append(d.checks, 0)
	}
	d.message = raw
	return nil
}

func (d *decoder) symbol(ref uint32) []byte {
	s := d.symbols[ref]
	return d.message[s.from:s.to:s.to]
}

// check is the second hash of a symbol, made when it is needed.
func (d *decoder) check(ref uint32) uint64 {
	if d.checks[ref] == 0 {
		d.checks[ref] = d.cache.check(d.symbol(ref))
	}
	return d.checks[ref]
}

// seriesV2 decodes a TimeSeries. References mean something within a request only, so
// its key is the sequence of the hashes of the symbols it refers to.
func (d *decoder) seriesV2(msg []byte) error {
	if err := d.spend(); err != nil {
		return err
	}
	d.begin()
	d.refs, d.followed = d.refs[:0], nil
	refs := 0 // counted beyond what d.refs keeps
	var meta metadataV2
	r := reader{b: msg}
	expected := d.follow(&r)
	for r.more() {
		num, wire, err := r.field()
		if err != nil {
			return err
		}
		var field []byte
		switch num {
		case 1:
			if expected != nil { // the references go on, so that it is not the expected series
				expected = nil
				err = d.catchUp(&refs)
			}
			if err == nil {
				err = d.readRefs(&r, wire, &refs)
			}
		case 2:
			if field, err = r.bytes(wire); err == nil {
				err = d.sample(field)
			}
		case 3:
			if field, err = r.bytes(wire); err == nil {
				err = d.histogram(field)
			}
		case 4:
			if field, err = r.bytes(wire); err == nil {
				err = d.exemplarV2(field)
			}
		case 5:
			if field, err = r.bytes(wire); err == nil {
				err = meta.decode(field)
			}
		default: // 6 was the created timestamp of early drafts
			err = r.skip(wire)
		}
		if err != nil {
			return err
		}
	}
	s, why, err := d.lookUpV2(expected, refs, &meta)
	if err != nil {
		return err
	}
	if err := d.settle(s, why, d.collectV2); err != nil {
		return err
	}
	// Senders type every series of every request.
	if t, ok := metricType(meta.number); ok && why == accepted && d.last.learns(d.epoch<<3|uint32(meta.number)) {
		d.metadata(family(s.Name(), t), t)
	}
	return nil
}

// readRefs appends label references to d.refs, or past the limit just counts them:
// a series with more labels is refused. It is reader.repeated with the varints of
// one byte taken by hand, for half of what a series costs is spent here.
func (d *decoder) readRefs(r *reader, wire int, refs *int) error {
	end := r.i + 1 // of a single one, wherever it ends
	if wire == wireBytes {
		n, err := r.length()
		if err != nil {
			return err
		}
		end = r.i + n
	} else if wire != wireVarint {
		return errWireType
	}
	return d.appendRefs(r, end, refs)
}

// appendRefs reads references until the message is at end.
func (d *decoder) appendRefs(r *reader, end int, refs *int) error {
	most := 2 * (d.limits.MaxLabels + 1)
	for r.i < end {
		var v uint64
		if r.i < len(r.b) && r.b[r.i] < 0x80 {
			v = uint64(r.b[r.i])
			r.i++
		} else {
			var err error
			if v, err = r.longUvarint(); err != nil {
				return err
			}
		}
		if *refs < most {
			d.refs = append(d.refs, uint32(v))
		}
		*refs++
	}
	return nil
}

// follow returns the series that came next last time, if the message that r begins is
// of that series, with r behind its label references; else nil, with r where it was.
// The references are read here, but not kept.
func (d *decoder) follow(r *reader) *known {
	n := d.cache.v2.guess(d.last)
	if n == nil || len(r.b) < 2 || r.b[0] != 1<<3|wireBytes || r.b[1] >= 0x80 || int(r.b[1]) > len(r.b)-2 {
		return nil
	}
	end, key := 2+int(r.b[1]), d.words[:0]
	for refs := r.b[2:end]; len(refs) > 0; {
		ref := uint32(refs[0])
		switch {
		case ref < 0x80:
			refs = refs[1:]
		case len(refs) > 1 && refs[1] < 0x80:
			ref = ref&0x7f | uint32(refs[1])<<7
			refs = refs[2:]
		default:
			return nil
		}
		if ref >= uint32(len(d.names)) || len(key) == cap(key) {
			return nil
		}
		key = key[:len(key)+1]
		key[len(key)-1] = d.names[ref]
	}
	if 8*len(key) != int(n.size) || d.cache.name(wordBytes(key)) != n.name {
		return nil
	}
	d.followed, r.i = r.b[2:end], end
	return n
}

// catchUp reads the references that follow did not copy.
func (d *decoder) catchUp(refs *int) error {
	r := reader{b: d.followed}
	d.followed = nil
	return d.appendRefs(&r, len(r.b), refs)
}

// lookUpV2 returns what the series is known for: expected, where follow found it, or
// else what d.refs names.
func (d *decoder) lookUpV2(expected *known, refs int, meta *metadataV2) (*foreshock.Series, refusal, error) {
	symbols := uint32(len(d.symbols))
	if refs%2 != 0 || meta.help >= symbols || meta.unit >= symbols {
		return nil, badReference, nil
	}
	if expected != nil {
		d.last = expected
		d.tally.known++
		return expected.series, expected.refused, nil
	}
	if len(d.refs) > 0 && slices.Max(d.refs) >= symbols {
		return nil, badReference, nil
	}
	if refs > len(d.refs) {
		return nil, tooManyLabels, nil
	}
	key := d.words[:0]
	for _, ref := range d.refs {
		key = append(key, d.check(ref))
	}
	id := identity{check: d.cache.check(wordBytes(key))}
	key = key[:0]
	for _, ref := range d.refs {
		key = append(key, d.names[ref])
	}
	d.words, id.name = key, d.cache.name(wordBytes(key))
	return d.find(&d.cache.v2, id, wordBytes(key), d.collectV2)
}

// wordBytes are the bytes of words, in this machine's order.
func wordBytes(words []uint64) []byte {
	return unsafe.Slice((*byte)(unsafe.Pointer(unsafe.SliceData(words))), 8*len(words))
}

// collectV2 resolves the labels of d.refs, as far as the references lead somewhere.
func (d *decoder) collectV2() error {
	refs := 0
	_ = d.catchUp(&refs) // follow has read them before without an error
	d.pairs = d.pairs[:0]
	for i := 0; i+1 < len(d.refs); i += 2 {
		if max(d.refs[i], d.refs[i+1]) < uint32(len(d.symbols)) {
			d.addPair(d.symbol(d.refs[i]), d.symbol(d.refs[i+1]))
		}
	}
	return nil
}

// exemplarV2 checks an exemplar and counts it: exemplars are accepted, not used.
func (d *decoder) exemplarV2(msg []byte) error {
	if err := d.spend(); err != nil {
		return err
	}
	refs, inside := 0, true
	r := reader{b: msg}
	err := r.each(func(num int32, wire int) (err error) {
		switch num {
		case 1:
			err = r.repeated(wire, wireVarint, func() error {
				v, err := r.uvarint()
				refs++
				inside = inside && uint32(v) < uint32(len(d.symbols))
				return err
			})
		case 2:
			_, err = r.double(wire)
		case 3:
			_, err = r.varint(wire)
		default:
			err = r.skip(wire)
		}
		return err
	})
	if err != nil {
		return err
	}
	if refs%2 != 0 || !inside {
		d.series.badExemplars++
	} else {
		d.series.exemplars++
	}
	return nil
}

// metadataV2 is the metadata of one series.
type metadataV2 struct {
	number     int32 // of the type
	help, unit uint32
}

func (m *metadataV2) decode(msg []byte) error {
	r := reader{b: msg}
	for r.more() {
		num, wire, err := r.field()
		if err != nil {
			return err
		}
		var v uint64
		switch num {
		case 1:
			v, err = r.varint(wire)
			m.number = int32(v)
		case 3:
			v, err = r.varint(wire)
			m.help = uint32(v)
		case 4:
			v, err = r.varint(wire)
			m.unit = uint32(v)
		default:
			err = r.skip(wire)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// family is the metric family a series belongs to. Version 2.0 types series, not
// families; what a histogram or summary adds to the name of its series goes.
func family(name string, t model.MetricType) string {
	var suffixes []string
	switch t {
	case model.MetricTypeHistogram, model.MetricTypeSummary:
		suffixes = []string{"_bucket", "_count", "_sum"}
	case model.MetricTypeGaugeHistogram:
		suffixes = []string{"_bucket", "_gcount", "_gsum"}
	}
	for _, s := range suffixes {
		if f, ok := strings.CutSuffix(name, s); ok && f != "" {
			return f
		}
	}
	return name
}
