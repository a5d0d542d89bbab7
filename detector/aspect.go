package detector

import (
	"math"

	prommodel "github.com/prometheus/common/model"
	"github.com/prometheus/prometheus/model/labels"

	"github.com/foreshock/foreshock"
)

// aspect is one of the streams made of a histogram. Each is a series like any other:
// it has a state, of the kind derived, its rules, and its share of max_series.
type aspect uint8

const (
	theMean aspect = iota // of the observations since the scrape before
	theP50                // their quantiles
	theP99

	aspects
)

// String is the aspect as it ends the series' name.
func (a aspect) String() string { return [...]string{"mean", "p50", "p99"}[a] }

// aspectQuantiles are what the aspects ask for.
var aspectQuantiles = [aspects]float64{theP50: 0.5, theP99: 0.99}

// aspectValues are what the aspects of a family came to at one scrape; NaN where nothing can
// be said.
type aspectValues [aspects]float64

func noValues() aspectValues { return aspectValues{math.NaN(), math.NaN(), math.NaN()} }

// sumUp ends the scrape under way and hands on what came of it.
func (s *shard) sumUp(f *family) {
	f.open = false
	fell, missing := f.fell(), false
	told := noValues()
	// Where the count stands there is no mean: it is NaN or infinite then.
	if both := f.waitsFor(f.count) && f.waitsFor(f.sum); both && !(f.has(f.count) && f.has(f.sum)) {
		missing = true
	} else {
		if both && !fell && f.count.since == f.sum.since && f.count.since != noTime {
			told[theMean] = (f.sum.now - f.sum.base) / (f.count.now - f.count.base)
		}
		f.commit(f.count, f.sum)
	}
	switch whole, same := f.whole(); {
	case !whole:
		missing = true
	case !same || fell:
		f.commit(f.buckets...)
	default:
		s.buckets.Reset()
		for _, p := range f.buckets {
			if !p.away {
				s.buckets.Add(p.bound, p.now-p.base)
			}
		}
		for a := theP50; a < aspects; a++ {
			told[a] = s.buckets.Quantile(aspectQuantiles[a])
		}
		f.commit(f.buckets...)
	}
	if fell {
		f.forgetOlder()
	}
	if missing {
		s.out.counts.incomplete++
	}
	f.noteMissing()
	if !f.waitsFor(f.native) {
		s.hand(f, f.t, &told)
	}
}

// waitsFor reports whether there is a p, and a scrape is not whole without it.
func (f *family) waitsFor(p *piece) bool { return p != nil && !p.away }

// has reports whether p came with the scrape.
func (f *family) has(p *piece) bool { return f.waitsFor(p) && p.at == f.t }

// commit has deltas taken from what came with this scrape.
func (f *family) commit(pieces ...*piece) {
	for _, p := range pieces {
		if f.has(p) {
			p.base, p.since = p.now, p.at
		}
	}
}

// fell reports whether the histogram was started anew: its counts only grow, and so
// does its sum unless it takes in negative values.
func (f *family) fell() bool {
	negative := len(f.buckets) > 0 && f.buckets[0].bound < 0
	for p := range f.pieces {
		if f.has(p) && p.since != noTime && p.now < p.base && !(p.role == theSum && negative) {
			return true
		}
	}
	return false
}

// forgetOlder drops the values from before a reset: no delta is to be taken from them.
func (f *family) forgetOlder() {
	for p := range f.pieces {
		if p.since < f.t {
			p.since = noTime
		}
	}
}

// whole reports whether the scrape brought every bucket, and whether all their deltas
// are of the same time.
func (f *family) whole() (whole, same bool) {
	since, n := int64(noTime), 0
	same = !f.crowded
	for _, p := range f.buckets {
		if p.away {
			continue
		}
		if p.at != f.t {
			return false, false
		}
		if n++; n == 1 {
			since = p.since
		}
		same = same && p.since == since
	}
	return true, same && since != noTime
}

// noteMissing gives up waiting for what missed as many scrapes as make a gap.
func (f *family) noteMissing() {
	for p := range f.pieces {
		if p.away || p.at == f.t {
			continue
		}
		if p.missed++; p.missed >= gap {
			f.dismiss(p)
		}
	}
	if p := f.native; f.waitsFor(p) && p.at < f.t {
		if p.missed++; p.missed >= gap {
			f.dismiss(p)
		}
	}
}

// hand brings what was told of f at t to the streams.
func (s *shard) hand(f *family, t int64, told *aspectValues) {
	for a, x := range told {
		if math.IsNaN(x) || math.IsInf(x, 0) {
			if st := s.streamState(f, aspect(a)); st != nil {
				st.seen = s.awake // it lives as long as its family is heard, however quiet
			}
			continue
		}
		st := s.openStream(f, aspect(a))
		if st == nil {
			s.out.counts.derivedRefused++
			continue
		}
		st.seen = s.awake
		if st.version != s.version {
			s.resolve(st)
		}
		if st.heard && t <= st.last {
			s.out.counts.piecesLate++ // the family was forgotten meanwhile, its stream was not
			continue
		}
		s.observe(st, &foreshock.Sample{Series: st.series, T: t, V: x})
	}
}

// streamState is the state of the aspect a of f, or nil.
func (s *shard) streamState(f *family, a aspect) *state {
	x := f.streams[a]
	if x == nil {
		return nil
	}
	if st := s.series.find(x); st != nil && st.kind == derived {
		return st
	}
	return nil
}

// openStream is the same, and makes the state where there is none. It is nil where
// there is no room, or a series of that name and labels is sent by someone.
func (s *shard) openStream(f *family, a aspect) *state {
	x := &f.streams[a]
	if *x == nil {
		name := f.labels.Get(prommodel.MetricNameLabel) + "_" + a.String()
		s.ledger.take(heldHistograms, streamBytes)
		*x = foreshock.NewSeries(labels.NewBuilder(f.labels).Set(prommodel.MetricNameLabel, name).Labels())
	}
	st := s.series.find(*x)
	if st == nil {
		if st = s.lookup(*x, false); st != nil {
			st.kind, st.role = derived, outlived // it is heard as long as its family is
		}
		return st
	}
	if st.kind != derived {
		return nil
	}
	return st
}

// endStream ends the aspect a of f, as a staleness marker would.
func (s *shard) endStream(f *family, a aspect) {
	if st := s.streamState(f, a); st != nil && !st.ended {
		s.end(st)
	}
}

// disown gives st, made of a histogram, to the series of that name that is sent.
func (s *shard) disown(st *state, native bool) {
	s.endReporting(st)
	s.relearn(st)
	s.empty(st)
	st.role = roleOf(st.series.Labels)
	st.native, st.kind, st.version = native, gauge, 0 // resolve and readAs know more
	st.heard, st.ended, st.interval = false, false, 0
}
