package detector

import (
	"github.com/prometheus/prometheus/model/histogram"

	"github.com/foreshock/foreshock"
	"github.com/foreshock/foreshock/detector/quantile"
)

// A native histogram is a family in one series: what it observed between two scrapes
// makes the same streams as a classic one's. Where both are sent under one name, as a
// scrape of both does, the native one speaks: its buckets are finer.

// takeNative brings one histogram to its series, which is scored by its count.
func (s *shard) takeNative(h *foreshock.Histogram) {
	x := foreshock.Sample{Series: h.Series, T: h.T, V: h.Count}
	if h.Stale() {
		x.V = h.Sum // the marker
	}
	s.histogram = h
	s.take(&x, true)
	s.histogram = nil
}

// readAs says how the count of the histogram at hand is to be read: a gauge histogram's
// goes up and down.
func (s *shard) readAs(st *state) {
	want := counter
	if s.histogram.Hint == histogram.GaugeType {
		want = gauge
	}
	if st.kind != want {
		s.relearn(st)
		st.kind = want
	}
}

// hearNative takes in the histogram at hand, which p's series has.
func (s *shard) hearNative(p *piece) {
	f, h := p.family, s.histogram
	p.away, p.missed, p.at = false, 0, h.T
	float := h.Float()
	if !s.current.Load(&float) {
		s.out.counts.incomplete++
	}
	told := noValues()
	if h.Hint == histogram.GaugeType {
		told = aspectsOf(&s.current)
		p.since = noTime
	} else {
		if p.since != noTime && h.Hint != histogram.CounterReset && s.between.Since(f.base, &s.current) {
			told = aspectsOf(&s.between)
		}
		f.base.Copy(&s.current)
		p.since = h.T
	}
	s.hand(f, h.T, &told)
}

func aspectsOf(n *quantile.Native) aspectValues {
	told := noValues()
	told[theMean] = n.Mean()
	for a := theP50; a < aspects; a++ {
		told[a] = n.Quantile(aspectQuantiles[a])
	}
	return told
}
