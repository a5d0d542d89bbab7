package receiver

import (
	"strconv"
)

// tally is what became of one request. Written counts include what is ignored on
// purpose: the sender asks whether its data was refused, not whether it was used.
type tally struct {
	samples, histograms, exemplars int // written

	offeredSamples, offeredHistograms, series int // written or not, of series that could be read

	own     int // samples and histograms of our own output, dropped
	known   int // series that were known
	learned int // series that were not

	refused [kinds][refusals]int
	first   []byte // describes the first thing refused
}

func (t *tally) reset() { *t = tally{first: t.first[:0]} }

// describe notes the first thing that was refused, so that a person can find it.
func (t *tally) describe(ps []pair, detail error) {
	const most = 512 // bytes; with the counts the whole stays below 1 KiB
	t.first = appendReadable(t.first, ps, most)
	if detail != nil {
		t.first = append(t.first, ": "...)
		text := detail.Error()
		t.first = append(t.first, text[:min(len(text), 200)]...)
	}
}

// partial reports whether anything was refused that the sender should hear of.
// Metadata is not: Prometheus itself ignores what it cannot use.
func (t *tally) partial() bool { return len(t.first) > 0 }

// message is what the sender of a partly refused request is told, counts first:
// Prometheus logs the first 1024 bytes, and equal messages once a minute.
func (t *tally) message() string {
	b := []byte("rejected ")
	sep := ""
	for _, p := range [...]struct {
		kind  kind
		of    int
		words string
	}{
		{oneSeries, t.series, " series"},
		{oneSample, t.offeredSamples, " samples"},
		{oneHistogram, t.offeredHistograms, " histograms"},
		{oneExemplar, t.exemplars + t.refused[oneExemplar][badReference], " exemplars"},
	} {
		n := 0
		for _, r := range t.refused[p.kind] {
			n += r
		}
		if n == 0 {
			continue
		}
		b = append(b, sep...)
		b = strconv.AppendInt(b, int64(n), 10)
		b = append(b, " of "...)
		b = strconv.AppendInt(b, int64(p.of), 10)
		b = append(b, p.words...)
		sep = ", "
	}
	sep = ": "
	refusable(func(k kind, r refusal) {
		if n := t.refused[k][r]; n > 0 && k != oneMetadata {
			b = append(b, sep...)
			b = strconv.AppendInt(b, int64(n), 10)
			b = append(b, ' ')
			b = append(b, r.String()...)
			sep = ", "
		}
	})
	b = append(b, "; first: "...)
	b = append(b, t.first...)
	return string(b)
}
