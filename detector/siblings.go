package detector

import (
	"github.com/cespare/xxhash/v2"
	"github.com/prometheus/prometheus/model/labels"

	"github.com/foreshock/foreshock"
)

// stage is how far a pod's series has come towards knowing what its siblings know,
// which are the series of the same metric and labels of its workload's other pods.
type stage uint8

const (
	unplaced stage = iota // nobody looked yet
	alone                 // it is no pod's, or not scored: it has no siblings
	pioneer               // no sibling could teach it: it learns by itself
	starting              // its pod starts: what it does is not taken for how it is
	settling              // its pod runs: its own level is taken
	teaching              // it can teach the pods to come
)

// kinship is where a series stands among its siblings.
type kinship struct {
	key        uint64 // of its siblings
	next, prev uint32 // the ring of those that teach; 0 outside of it
	version    uint32 // of the owners, when it was placed
	stage      stage
	sick       bool // it ended while anomalous

	from  *foreshock.Series // the sibling it inherited from, or nil
	since int64             // when it inherited, by its model's time, ms
}

// siblings finds those that can teach. It holds, for every group of siblings, a ring
// of slots: those that began to teach last come first, those that ended come last. It
// is as large as the series of pods are many.
type siblings struct {
	first map[uint64]uint32

	scratch []byte
}

// key is the hash of what ls has in common with the series of the other pods of workload.
func (sb *siblings) key(ls labels.Labels, workload string) uint64 {
	sb.scratch = sb.scratch[:0]
	commonOf(ls, workload, func(l labels.Label) { sb.scratch = foreshock.AppendLabel(sb.scratch, l) })
	return xxhash.Sum64(sb.scratch)
}

// join has st teach, before or after all others.
func (sb *siblings) join(r *registry, st *state, last bool) {
	if sb.first == nil {
		sb.first = map[uint64]uint32{}
	}
	k := &st.kin
	head, ok := sb.first[k.key]
	if !ok {
		k.next, k.prev = st.slot, st.slot
		sb.first[k.key] = st.slot
		return
	}
	k.next, k.prev = head, r.at(head).kin.prev
	r.at(k.prev).kin.next, r.at(k.next).kin.prev = st.slot, st.slot
	if !last {
		sb.first[k.key] = st.slot
	}
}

// leave has st teach no more.
func (sb *siblings) leave(r *registry, st *state) {
	k := &st.kin
	switch {
	case k.next == 0:
		return
	case k.next == st.slot:
		delete(sb.first, k.key)
	default:
		r.at(k.prev).kin.next, r.at(k.next).kin.prev = k.next, k.prev
		if sb.first[k.key] == st.slot {
			sb.first[k.key] = k.next
		}
	}
	k.next, k.prev = 0, 0
}

// place finds st's siblings.
func (s *shard) place(st *state) {
	k := &st.kin
	ls := st.series.Labels
	if st.kind == bucket || !ls.Has(foreshock.PodLabel) {
		k.stage = alone
		return
	}
	k.key, k.version = s.siblings.key(ls, s.owners.workload(ls)), s.owners.version
	k.stage = pioneer
	if _, taught := s.siblings.first[k.key]; taught {
		k.stage = starting
	}
}

// shared is ls without the labels that only its pod has, and with the workload for the
// pod: what the series of one workload's pods have in common.
func shared(ls labels.Labels, workload string) labels.Labels {
	b := labels.NewScratchBuilder(ls.Len())
	commonOf(ls, workload, func(l labels.Label) { b.Add(l.Name, l.Value) })
	return b.Labels()
}

// commonOf yields the labels of shared.
func commonOf(ls labels.Labels, workload string, yield func(labels.Label)) {
	podOnly := foreshock.PodOnly(ls)
	ls.Range(func(l labels.Label) {
		switch {
		case l.Name == foreshock.PodLabel:
			yield(labels.Label{Name: l.Name, Value: workload})
		case !podOnly(l):
			yield(l)
		}
	})
}

// areSiblings reports whether two series of one workload are siblings indeed. That they
// share a key may be chance, or malice.
func areSiblings(a, b *foreshock.Series) bool {
	return labels.Equal(shared(a.Labels, ""), shared(b.Labels, ""))
}

// orphan has st forget its siblings, and look for them anew.
func (s *shard) orphan(st *state) {
	s.siblings.leave(&s.series, st)
	st.kin = kinship{}
}

// retire has st, which ended, teach only where no other can.
func (s *shard) retire(st *state) {
	st.kin.sick = st.mind.anomalous()
	if st.kin.next != 0 {
		s.siblings.leave(&s.series, st)
		s.siblings.join(&s.series, st, true)
	}
}
