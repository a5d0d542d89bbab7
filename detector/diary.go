package detector

import (
	"github.com/foreshock/foreshock"
	"github.com/foreshock/foreshock/detector/forest"
)

const (
	// notable is the exported score from which a sample is noted.
	notable = 0.5

	// around is how long, in ms, notes go on after the last notable sample: one a minute
	// once the series is calm.
	around = 10 * minute

	// One note stands for a slot of ten seconds, so that as many as a diary holds span
	// the ten minutes before the newest at any interval: 64 × 10 s ≈ 10 min.
	slot     = int64(10_000)
	maxNotes = 64

	// remembered is how long, in ms of the detector's age, a diary is kept after its last
	// note: who is asked in the afternoon what happened at night can still look.
	remembered = 24 * 60 * minute

	// maxDiaries is how many series may have one: 10 000 × 64 × 112 B, in blocks of 8 KiB,
	// ≈ 82 MB if all are full. Each shard has an equal share.
	maxDiaries = 10_000
)

// note is the whole verdict on one sample, the most telling of its slot.
type note struct {
	t      int64 // ms
	onset  int64 // of the anomaly under way, ms; 0 for none
	x      float64
	band   foreshock.Band
	score  float64 // held
	raw    float64
	theta  float64
	needed float64
	each   forest.Scores
	reason foreshock.Reason

	channel forest.Channel
}

// turn reports whether an anomaly began, got worse or ended with n.
func (n *note) turn() bool {
	return n.reason.Alerts() || n.reason == foreshock.Over || n.reason == foreshock.Accepted
}

// tells reports whether n says more than o, which is of the same slot and came before.
func (n *note) tells(o *note) bool {
	if a, b := n.reason.Alerts(), o.reason.Alerts(); a != b {
		return a
	}
	if a, b := n.turn(), o.turn(); a != b {
		return a
	}
	return n.score >= o.score
}

// diary is what is noted of one series that was anomalous or came near it. Series that
// stay calm have none. A diary stands on one of its shard's shelves.
type diary struct {
	of    *state
	notes []note // oldest first
	hot   int64  // the newest notable sample, ms
	told  bool   // a note is of an alert

	lossy            bool  // notes had to go,
	lostFrom, lostTo int64 // of the times between these, ms

	written    int64 // the detector's age at the newest note, ms
	prev, next *diary
}

// write adds n. Where a slot has a note, the more telling one stays; where the diary is
// full the oldest goes, but those of a turn last.
func (d *diary) write(n *note) {
	if k := len(d.notes) - 1; k >= 0 && d.notes[k].t/slot == n.t/slot {
		if n.tells(&d.notes[k]) {
			d.notes[k] = *n
		}
		return
	}
	if len(d.notes) == maxNotes {
		oldest := 0
		for i := range d.notes {
			if !d.notes[i].turn() {
				oldest = i
				break
			}
		}
		if d.lostTo = d.notes[oldest].t; !d.lossy {
			d.lossy, d.lostFrom = true, d.lostTo
		}
		d.notes = d.notes[:oldest+copy(d.notes[oldest:], d.notes[oldest+1:])]
	}
	d.notes = append(d.notes, *n)
}

// lost reports whether a note of the time t may have had to go.
func (d *diary) lost(t int64) bool { return d.lossy && t >= d.lostFrom && t <= d.lostTo }

// wants reports whether a calm sample at t should be noted: it follows a notable one,
// and nothing was of its minute.
func (d *diary) wants(t int64) bool {
	return t-d.hot <= around && d.notes[len(d.notes)-1].t/minute != t/minute
}

// at is the note that speaks for a sample at t, or nil.
func (d *diary) at(t int64) *note {
	for i := len(d.notes) - 1; i >= 0 && d.notes[i].t/slot >= t/slot; i-- {
		if d.notes[i].t/slot == t/slot {
			return &d.notes[i]
		}
	}
	return nil
}

// shelf is a list of diaries, the one written last at the end.
type shelf struct {
	first, last *diary
	n           int
}

func (s *shelf) put(d *diary) {
	if d.prev, d.next = s.last, nil; s.last != nil {
		s.last.next = d
	} else {
		s.first = d
	}
	s.last = d
	s.n++
}

func (s *shelf) take(d *diary) {
	if d.prev != nil {
		d.prev.next = d.next
	} else {
		s.first = d.next
	}
	if d.next != nil {
		d.next.prev = d.prev
	} else {
		s.last = d.prev
	}
	d.prev, d.next = nil, nil
	s.n--
}
