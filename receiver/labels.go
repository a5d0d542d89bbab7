package receiver

import (
	"bytes"
	"encoding/binary"
	"slices"
	"strconv"
	"unicode/utf8"
	"unsafe"

	"github.com/prometheus/common/model"
	"github.com/prometheus/prometheus/model/labels"
)

// pair is one label as it lies in the decoded request.
type pair struct{ name, value []byte }

// measure says whether ps is within the limits. It looks at lengths only, so that
// what is far too much costs nothing to refuse.
func measure(ps []pair, c *Config) refusal {
	if len(ps) > c.MaxLabels {
		return tooManyLabels
	}
	size := 0
	for _, p := range ps {
		if len(p.name) > c.MaxLabelName {
			return labelNameTooLong
		}
		if len(p.value) > c.MaxLabelValue {
			return labelValueTooLong
		}
		size += len(p.name) + len(p.value)
	}
	if size > int(c.MaxLabelsSize) {
		return labelsTooLong
	}
	return accepted
}

// judge sorts ps by name and says whether it may name a series. An empty value
// means that the label is absent: such pairs must be gone already.
func judge(ps []pair, c *Config) refusal {
	if why := measure(ps, c); why != accepted {
		return why
	}
	slices.SortFunc(ps, func(a, b pair) int { return bytes.Compare(a.name, b.name) })
	named := false
	for i, p := range ps {
		switch {
		case len(p.name) == 0:
			return emptyLabelName
		case !utf8.Valid(p.name) || !utf8.Valid(p.value):
			return badUTF8
		case i > 0 && bytes.Equal(p.name, ps[i-1].name):
			return repeatedLabel
		}
		named = named || string(p.name) == model.MetricNameLabel
	}
	if !named {
		return missingName
	}
	return accepted
}

// appendCanonical appends the one key that stands for a label set whatever way a
// sender wrote it: the bytes in which a well-behaved remote write 1.0 sender puts
// it. Its label bytes therefore are its canonical key.
func appendCanonical(dst []byte, ps []pair) []byte {
	for _, p := range ps {
		dst = append(dst, labelTag)
		dst = binary.AppendUvarint(dst, uint64(fieldSize(p.name)+fieldSize(p.value)))
		dst = appendField(dst, 1, p.name)
		dst = appendField(dst, 2, p.value)
	}
	return dst
}

// labelsSize is what ps takes as labels.Labels: a byte of length before each text.
func labelsSize(ps []pair) int {
	n := 0
	for _, p := range ps {
		n += 1 + len(p.name) + 1 + len(p.value)
	}
	return n
}

func fieldSize(b []byte) int {
	n := 2 // tag and the last byte of the length
	for l := len(b); l >= 0x80; l >>= 7 {
		n++
	}
	return n + len(b)
}

func appendField(dst []byte, num byte, b []byte) []byte {
	dst = append(dst, num<<3|wireBytes)
	dst = binary.AppendUvarint(dst, uint64(len(b)))
	return append(dst, b...)
}

// buildLabels copies ps, which must have been judged and accepted.
func buildLabels(b *labels.ScratchBuilder, ps []pair) labels.Labels {
	b.Reset()
	b.SetUnsafeAdd(true)
	for _, p := range ps {
		b.Add(unsafe.String(unsafe.SliceData(p.name), len(p.name)), unsafe.String(unsafe.SliceData(p.value), len(p.value)))
	}
	return b.Labels()
}

// appendReadable appends ps as {name="value", …} for a person: escaped to ASCII,
// each text cut after a while and the whole near most bytes.
func appendReadable(dst []byte, ps []pair, most int) []byte {
	const mostText = 64 // bytes of one name or value
	cut := func(b []byte) []byte { return b[:min(len(b), mostText)] }
	end := len(dst) + most
	dst = append(dst, '{')
	for i, p := range ps {
		if i > 0 {
			dst = append(dst, ", "...)
		}
		if len(dst) > end {
			dst = append(dst, "…"...)
			break
		}
		if model.LegacyValidation.IsValidLabelName(string(cut(p.name))) {
			dst = append(dst, cut(p.name)...)
		} else {
			dst = strconv.AppendQuoteToASCII(dst, string(cut(p.name)))
		}
		dst = append(dst, '=')
		dst = strconv.AppendQuoteToASCII(dst, string(cut(p.value)))
	}
	return append(dst, '}')
}
