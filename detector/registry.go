package detector

import (
	"strings"

	"github.com/foreshock/foreshock"
)

const (
	// pageSize is how many series the registry makes room for at a time. Pages never
	// move, so that growing copies nothing: 256 × ~1 KiB = 256 KiB.
	pageSize = 256

	// scanLimit is how many series a batch may look at for one to evict when the
	// shard is full: a batch of a hundred thousand new series costs no more than
	// this on top of being refused.
	scanLimit = 4096
)

// registry finds the state of a series. A series carries the number of its slot in
// Home; where that is missing or wrong the fingerprint leads to a chain of slots.
// Either way the labels decide, so that two series with one fingerprint never share.
//
// Its zero value is empty. Slots are numbered from 1, as 0 is no slot.
type registry struct {
	pages [][]state             `image:"-"`
	index map[uint64]uint32     `image:"-"` // fingerprint → first slot of its chain
	names map[string]*namesakes `image:"-"`
	jobs  map[string]int        `image:"-"` // series of each
	free  uint32                // first slot of the free chain
	used  uint32                // slots ever used
	live  int

	hand   uint32  // where the search for an idle series goes on
	saving *saving `image:"-"` // has to see a state before it changes; nil where none is under way

	left int `image:"-"` // slots the batch at hand may still look at
}

func (r *registry) len() int { return r.live }

// namesakes are the slots of the series of one metric, in no order: what is read is
// usually asked for by its name.
type namesakes struct{ slots []uint32 }

// join gives st its place among those of its name.
func (r *registry) join(st *state) {
	name := st.series.Name()
	n := r.names[name]
	if n == nil {
		if r.names == nil {
			r.names = map[string]*namesakes{}
		}
		n = &namesakes{}
		r.names[strings.Clone(name)] = n // of its own, or the first series' labels would stay
	}
	st.namesake = uint32(len(n.slots))
	n.slots = append(n.slots, st.slot)
	r.employ(st)
}

// employ counts st among those of its job.
func (r *registry) employ(st *state) {
	job := jobOf(st.series)
	if _, ok := r.jobs[job]; !ok {
		if r.jobs == nil {
			r.jobs = map[string]int{}
		}
		job = strings.Clone(job)
	}
	r.jobs[job]++
}

// jobOf is the job of x, "" where it has none.
func jobOf(x *foreshock.Series) string { return x.Labels.Get("job") }

// leave takes st from those of its name. The last of them takes its place.
func (r *registry) leave(st *state) {
	job := jobOf(st.series)
	if r.jobs[job]--; r.jobs[job] == 0 {
		delete(r.jobs, job)
	}
	name := st.series.Name()
	n := r.names[name]
	end := len(n.slots) - 1
	if end == 0 {
		delete(r.names, name)
		return
	}
	last := r.at(n.slots[end])
	n.slots[st.namesake], last.namesake = last.slot, st.namesake
	n.slots = n.slots[:end]
}

// newBatch renews what one batch may spend on finding room.
func (r *registry) newBatch() { r.left = scanLimit }

// at is the state in slot, which must have been used. Whoever may change a state got it
// here in the same batch, so this is where one is written down that is still to be saved
// as it was.
func (r *registry) at(slot uint32) *state {
	i := slot - 1
	if r.saving != nil {
		r.saving.page(int(i / pageSize))
	}
	return &r.pages[i/pageSize][i%pageSize]
}

// find is the state of x, or nil.
func (r *registry) find(x *foreshock.Series) *state {
	if x.Home != 0 && x.Home <= r.used {
		st := r.at(x.Home)
		if st.series == x {
			return st
		}
		if st.series != nil && st.series.Equal(x) {
			st.series = x
			return st
		}
	}
	for slot := r.index[x.Fingerprint]; slot != 0; {
		st := r.at(slot)
		if st.series.Equal(x) {
			x.Home, st.series = slot, x
			return st
		}
		slot = st.next
	}
	return nil
}

// add gives x, which must be unknown, a state.
func (r *registry) add(x *foreshock.Series) *state {
	if r.index == nil {
		r.index = map[uint64]uint32{}
	}
	slot := r.free
	if slot != 0 {
		r.free = r.at(slot).next
	} else {
		if int(r.used) == len(r.pages)*pageSize {
			r.pages = append(r.pages, make([]state, pageSize))
		}
		r.used++
		slot = r.used
	}
	st := r.at(slot)
	*st = state{series: x, slot: slot, next: r.index[x.Fingerprint]}
	r.index[x.Fingerprint] = slot
	r.join(st)
	x.Home = slot
	r.live++
	return st
}

// remove forgets st.
func (r *registry) remove(st *state) {
	fp := st.series.Fingerprint
	if link := r.index[fp]; link != st.slot {
		prev := r.at(link)
		for prev.next != st.slot {
			prev = r.at(prev.next)
		}
		prev.next = st.next
	} else if st.next != 0 {
		r.index[fp] = st.next
	} else {
		delete(r.index, fp)
	}
	r.leave(st)
	slot := st.slot
	*st = state{slot: slot, next: r.free}
	r.free = slot
	r.live--
}

// idle looks for a series that nobody would miss, as far as the batch may still
// look: one that ended, or one unheard at the age awake for longer than spare ms.
func (r *registry) idle(awake, spare int64) *state {
	for ; r.left > 0 && r.used > 0; r.left-- {
		r.hand = r.hand%r.used + 1
		if st := r.at(r.hand); st.series != nil && (st.ended || awake-st.seen > spare) {
			return st
		}
	}
	return nil
}
