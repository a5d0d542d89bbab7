package detector

import (
	"cmp"
	"math"
	"slices"
	"strconv"
	"strings"

	prommodel "github.com/prometheus/common/model"
	"github.com/prometheus/prometheus/model/labels"

	"github.com/foreshock/foreshock"
	"github.com/foreshock/foreshock/detector/quantile"
)

const (
	// maxBuckets is how many buckets of one classic histogram are read together: 256 ×
	// 80 B ≈ 20 KiB, and libraries make a dozen. A histogram of more has no quantiles,
	// since those of some of its buckets would be wrong.
	maxBuckets = 256

	// noTime is the time of what has not happened; no sample's is as early.
	noTime = math.MinInt64
)

// pieceKind is what a series is to its family.
type pieceKind uint8

const (
	theBucket pieceKind = iota
	theCount
	theSum
	theNative // all of it in one
)

// piece is one series of a family.
type piece struct {
	family *family
	slot   uint32 // of its state
	role   pieceKind
	away   bool  // ended, or missed too often: the family does not wait for it
	missed uint8 // scrapes in a row

	bound     float64 // of a bucket
	now, base float64 // the newest value, and the one deltas are taken from
	at, since int64   // their times, ms
}

// family is a histogram or a summary: the series X_bucket, X_count and X_sum whose other
// labels are the same, or the native histogram X, and the streams that are made of them.
// Its pieces meet in a scrape, which is one timestamp; they come in any order, in many
// batches. What is native comes at once, and is read by itself.
//
// The first piece of the next scrape ends the one before: what comes later is dropped
// and counted. Deltas are taken between scrapes that brought every bucket, or both
// count and sum, so that what is missing costs the values of its scrape and no more.
type family struct {
	labels labels.Labels // of the family: named X, without le
	hash   uint64
	next   *family // of the same hash

	count, sum *piece
	buckets    []*piece // by bound
	crowded    bool     // there were more buckets than are read together

	native *piece           // read by itself
	base   *quantile.Native // what native deltas are taken from

	t     int64 // of the scrape under way, or of the last, ms
	open  bool  // it is under way
	known int   // pieces that are not away
	here  int   // of them, those that came with the scrape under way

	streams [aspects]*foreshock.Series // nil before their first value
}

// pieceOf says which piece of which family a series of that kind is. ok is false for one
// that is none, such as a bucket without a number for a bound.
func pieceOf(ls labels.Labels, k kind) (family string, r pieceKind, bound float64, ok bool) {
	name := ls.Get(prommodel.MetricNameLabel)
	switch k {
	case bucket:
		family, ok = strings.CutSuffix(name, "_bucket")
		le, err := strconv.ParseFloat(ls.Get(prommodel.BucketLabel), 64)
		return family, theBucket, le, ok && family != "" && err == nil && !math.IsNaN(le)
	case counter:
		if family, ok = strings.CutSuffix(name, "_count"); ok {
			return family, theCount, 0, family != ""
		}
		family, ok = strings.CutSuffix(name, "_sum")
		return family, theSum, 0, ok && family != ""
	}
	return "", 0, 0, false
}

// joinFamily has st take its place in its family, if it has one.
func (s *shard) joinFamily(st *state) {
	ls := st.series.Labels
	if st.native {
		f := s.family(ls)
		f.native = &piece{family: f, slot: st.slot, role: theNative, at: noTime, since: noTime}
		f.base = &quantile.Native{}
		s.ledger.take(heldHistograms, pieceBytes+nativeBytes)
		st.piece = f.native
		return
	}
	name, r, bound, ok := pieceOf(ls, st.kind)
	if !ok {
		return
	}
	b := labels.NewBuilder(ls).Set(prommodel.MetricNameLabel, name)
	if r == theBucket {
		b.Del(prommodel.BucketLabel)
	}
	f := s.family(b.Labels())
	if r == theBucket && len(f.buckets) >= maxBuckets {
		f.crowded = true
		s.out.counts.crowded++
		return
	}
	p := &piece{family: f, slot: st.slot, role: r, bound: bound, at: noTime, since: noTime}
	s.ledger.take(heldHistograms, pieceBytes)
	switch r {
	case theBucket:
		i, _ := slices.BinarySearchFunc(f.buckets, bound, func(p *piece, bound float64) int { return cmp.Compare(p.bound, bound) })
		f.buckets = slices.Insert(f.buckets, i, p)
	case theCount:
		f.count = p
		s.hush(f.sum)
	case theSum:
		f.sum = p
	}
	f.known++
	st.piece = p
}

// family is the one with these labels, which it makes where there is none.
func (s *shard) family(ls labels.Labels) *family {
	hash := ls.Hash()
	for f := s.families[hash]; f != nil; f = f.next {
		if labels.Equal(f.labels, ls) {
			return f
		}
	}
	f := &family{labels: ls, hash: hash, next: s.families[hash], t: noTime}
	s.families[hash] = f
	s.ledger.take(heldHistograms, familyBytes)
	return f
}

// leaveFamily takes st out of its family, which is forgotten with its last piece.
func (s *shard) leaveFamily(st *state) {
	p := st.piece
	if p == nil {
		return
	}
	st.piece = nil
	s.ledger.take(heldHistograms, -pieceBytes)
	f := p.family
	f.dismiss(p)
	switch p.role {
	case theBucket:
		f.buckets = slices.DeleteFunc(f.buckets, func(b *piece) bool { return b == p })
	case theCount:
		f.count = nil
	case theSum:
		f.sum = nil
	case theNative:
		f.native, f.base = nil, nil
		s.ledger.take(heldHistograms, -nativeBytes)
	}
	if f.native != nil || f.count != nil || f.sum != nil || len(f.buckets) > 0 {
		return
	}
	s.ledger.take(heldHistograms, -f.bytes())
	first := s.families[f.hash]
	if first == f {
		first = f.next
	} else {
		for prev := first; ; prev = prev.next {
			if prev.next == f {
				prev.next = f.next
				break
			}
		}
	}
	if first == nil {
		delete(s.families, f.hash)
	} else {
		s.families[f.hash] = first
	}
}

// bytes are those of a family without pieces.
func (f *family) bytes() int {
	n := familyBytes
	for _, x := range f.streams {
		if x != nil {
			n += streamBytes
		}
	}
	return n
}

// dismiss has the family not wait for p any more.
func (f *family) dismiss(p *piece) {
	if p.away {
		return
	}
	p.away, p.since = true, noTime
	if p.role == theNative {
		return
	}
	f.known--
	if f.open && p.at == f.t {
		f.here--
	}
}

// listen takes in the value v that the piece p has at t.
func (s *shard) listen(p *piece, t int64, v float64) {
	if p.role == theNative {
		s.hearNative(p)
		return
	}
	f := p.family
	if t > f.t {
		s.turn(f, t)
	}
	p.missed = 0
	if p.away {
		p.away, p.since = false, noTime
		f.known++
		if p.role == theCount {
			s.hush(f.sum)
		}
	}
	switch {
	case t < f.t:
		s.out.counts.piecesLate++
	case !f.open: // new to a scrape that was complete without it
		p.base, p.since = v, t
	default:
		p.now, p.at = v, t
		f.here++
		if f.here == f.known {
			s.sumUp(f)
		}
	}
}

// turn begins the scrape of t, with what came of the one before.
func (s *shard) turn(f *family, t int64) {
	if f.open {
		s.sumUp(f)
	}
	f.t, f.open, f.here = t, true, 0
}

// silence takes in that p ended at t. A count's end is the family's, as is a native
// histogram's, and the last bucket's is the quantiles'.
func (s *shard) silence(p *piece, t int64) {
	f := p.family
	if p.role != theNative && t > f.t {
		s.turn(f, t)
	}
	f.dismiss(p)
	switch p.role {
	case theBucket:
		if !slices.ContainsFunc(f.buckets, func(b *piece) bool { return !b.away }) {
			s.endStream(f, theP50)
			s.endStream(f, theP99)
		}
	case theCount:
		for a := range aspects {
			s.endStream(f, a)
		}
		f.forget()
	case theSum:
		s.endStream(f, theMean)
	case theNative:
		for a := range aspects {
			s.endStream(f, a)
		}
	}
	if f.open && f.here > 0 && f.here == f.known {
		s.sumUp(f)
	}
}

// forget has the family take deltas from what comes next.
func (f *family) forget() {
	for p := range f.pieces {
		p.since = noTime
	}
}

// rewind has the family go on at t, since what p had later was from a time that is not.
func (s *shard) rewind(p *piece, t int64) {
	f := p.family
	switch {
	case p.role == theNative:
		p.at, p.since = noTime, noTime
	case t < f.t:
		f.forget()
		for p := range f.pieces {
			p.at = noTime
		}
		f.t, f.open, f.here = t, true, 0
	}
	for a := range aspects {
		if st := s.streamState(f, a); st != nil && st.last > t {
			s.restart(st, t)
		}
	}
}

// pieces yields all of them but the native one.
func (f *family) pieces(yield func(*piece) bool) {
	for _, p := range [...]*piece{f.count, f.sum} {
		if p != nil && !yield(p) {
			return
		}
	}
	for _, p := range f.buckets {
		if !yield(p) {
			return
		}
	}
}

// replaced reports whether what p counts is told by its family's mean.
func (p *piece) replaced() bool {
	return p != nil && p.role == theSum && p.family.count != nil && !p.family.count.away
}

// hush has the rate of the sum p not scored any more.
func (s *shard) hush(p *piece) {
	if p == nil {
		return
	}
	if st := s.series.at(p.slot); st.learned {
		s.endReporting(st)
		s.relearn(st)
	}
}
