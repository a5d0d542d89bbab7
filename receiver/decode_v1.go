package receiver

import (
	"encoding/binary"
	"errors"
	"unicode/utf8"
)

// labelTag is the tag of field 1, of wire type bytes: a label in a version 1.0
// TimeSeries.
const labelTag = 1<<3 | wireBytes

// scattered is where the key of a series ends whose labels do not follow each other.
const scattered = -1

var errScattered = errors.New("labels are too long and not in one place")

// decodeV1 decodes a prometheus.WriteRequest.
func (d *decoder) decodeV1(raw []byte) error {
	r := reader{b: raw}
	for series := 0; r.more(); {
		num, wire, err := r.field()
		if err != nil {
			return err
		}
		switch num {
		case 1:
			if series++; series > d.limits.MaxSeries {
				return errTooManySeries
			}
			var msg []byte
			if msg, err = r.bytes(wire); err == nil {
				err = d.seriesV1(msg)
			}
			if err != nil {
				return wrap(err, series)
			}
		case 3:
			var msg []byte
			if msg, err = r.bytes(wire); err == nil {
				err = d.metadataV1(msg)
			}
		default:
			err = r.skip(wire)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// seriesV1 decodes a TimeSeries. Its key is its label fields as they stand: senders
// write them first, in one run, and alike each time, so that a known series is
// known by hashing bytes and its labels are never parsed.
func (d *decoder) seriesV1(msg []byte) error {
	if err := d.spend(); err != nil {
		return err
	}
	d.begin()
	r := reader{b: msg}
	var key []byte
	expected := d.cache.v1.guess(d.last)
	if expected != nil && d.startsWithLabels(msg, expected) {
		r.i = int(expected.size)
		key = msg[:r.i]
	} else {
		expected = nil
	}
	keyEnd := r.i // in msg; scattered once the key is no part of it any more
	for r.more() {
		at := r.i
		num, wire, err := r.field()
		if err != nil {
			return err
		}
		var field []byte
		switch num {
		case 1:
			if field, err = r.bytes(wire); err != nil {
				return err
			}
			expected = nil
			if msg[at] == labelTag && (len(key) == 0 || keyEnd == at) {
				key, keyEnd = msg[at-len(key):r.i], r.i
				break
			}
			if keyEnd != scattered {
				d.key, keyEnd = append(d.key[:0], key...), scattered
			}
			key, err = d.gather(field)
		case 2:
			if field, err = r.bytes(wire); err == nil {
				err = d.sample(field)
			}
		case 3:
			if field, err = r.bytes(wire); err == nil {
				err = d.exemplarV1(field)
			}
		case 4:
			if field, err = r.bytes(wire); err == nil {
				err = d.histogram(field)
			}
		default:
			err = r.skip(wire)
		}
		if err != nil {
			return err
		}
	}
	collect := func() error { return d.collectV1(key) }
	if expected != nil {
		d.last = expected
		d.tally.known++
		return d.settle(expected.series, expected.refused, collect)
	}
	s, why, err := d.find(&d.cache.v1, d.cache.identity(key), key, collect)
	if err != nil {
		return err
	}
	return d.settle(s, why, collect)
}

// startsWithLabels reports whether the key of n is the whole first run of labels in msg.
func (d *decoder) startsWithLabels(msg []byte, n *known) bool {
	size := int(n.size)
	return len(msg) >= size && (len(msg) == size || msg[size] != labelTag) && d.cache.name(msg[:size]) == n.name
}

// gather appends a label that does not follow its predecessor, or has an unusual
// tag, to the key in d.key, as if it did and had not.
func (d *decoder) gather(label []byte) ([]byte, error) {
	// Such keys are copies, so they may not be as large as the sender likes: labels
	// within the limits and 16 bytes of tags and lengths for each.
	if len(d.key)+len(label) > int(d.limits.MaxLabelsSize)+16*d.limits.MaxLabels {
		return nil, errScattered
	}
	d.key = append(d.key, labelTag)
	d.key = binary.AppendUvarint(d.key, uint64(len(label)))
	d.key = append(d.key, label...)
	return d.key, nil
}

// collectV1 parses the labels of a key.
func (d *decoder) collectV1(key []byte) error {
	d.pairs = d.pairs[:0]
	r := reader{b: key}
	return r.each(func(_ int32, wire int) error {
		msg, err := r.bytes(wire)
		if err != nil {
			return err
		}
		p, err := labelV1(msg)
		if err == nil {
			d.addPair(p.name, p.value)
		}
		return err
	})
}

func labelV1(msg []byte) (p pair, err error) {
	r := reader{b: msg}
	err = r.each(func(num int32, wire int) (err error) {
		switch num {
		case 1:
			p.name, err = r.bytes(wire)
		case 2:
			p.value, err = r.bytes(wire)
		default:
			err = r.skip(wire)
		}
		return err
	})
	return p, err
}

// exemplarV1 checks an exemplar and counts it: exemplars are accepted, not used.
func (d *decoder) exemplarV1(msg []byte) error {
	if err := d.spend(); err != nil {
		return err
	}
	d.series.exemplars++
	r := reader{b: msg}
	return r.each(func(num int32, wire int) (err error) {
		switch num {
		case 1:
			var label []byte
			if label, err = r.bytes(wire); err == nil {
				_, err = labelV1(label)
			}
		case 2:
			_, err = r.double(wire)
		case 3:
			_, err = r.varint(wire)
		default:
			err = r.skip(wire)
		}
		return err
	})
}

// metadataV1 decodes a MetricMetadata. Prometheus sends them in requests of their
// own, once a minute.
func (d *decoder) metadataV1(msg []byte) error {
	if err := d.spend(); err != nil {
		return err
	}
	var family []byte
	var number int32
	r := reader{b: msg}
	err := r.each(func(num int32, wire int) (err error) {
		switch num {
		case 1:
			var v uint64
			v, err = r.varint(wire)
			number = int32(v)
		case 2:
			family, err = r.bytes(wire)
		case 4, 5: // help and unit
			_, err = r.bytes(wire)
		default:
			err = r.skip(wire)
		}
		return err
	})
	if err != nil {
		return err
	}
	t, ok := metricType(number)
	switch {
	case !ok || len(family) == 0:
	case len(family) > d.limits.MaxLabelValue:
		d.tally.refused[oneMetadata][labelValueTooLong]++
	case !utf8.Valid(family):
		d.tally.refused[oneMetadata][badUTF8]++
	default:
		if name, ok := d.family(family); ok {
			d.metadata(name, t)
		}
	}
	return nil
}

// family returns the name of a metric family to keep, having it learned where it is
// not known, unless the request has no room left for learning.
func (d *decoder) family(name []byte) (string, bool) {
	if s, ok := d.cache.families[string(name)]; ok {
		return s, true
	}
	cost := nodeCost + len(name)
	if cost > d.room {
		return "", false
	}
	d.room -= cost
	d.cache.mu.RUnlock()
	defer d.cache.mu.RLock()
	return d.cache.learnFamily(name), true
}
