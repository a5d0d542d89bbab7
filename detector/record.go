package detector

import "time"

const (
	// reliable is how long what is of one kind must have been there, all together, for
	// each time that one of it left by itself, for the next to be missed: a week.
	reliable = int64(7 * 24 * time.Hour / time.Millisecond)

	// reliableFor is after how long a record counts for half, in ms of the detector's flow.
	reliableFor = reliable
)

// record says how often things of one kind, the series of one metric or the targets of
// one job, come and go: how long they were there, and how many left by themselves. Its
// arithmetic is whole, so that it is the same on every machine.
type record struct {
	live int   // that are there
	at   int64 // flow up to which there is counted
	time int64 // that they were there, ms in all
	left int   // by themselves
}

// advance counts up to the age now. Old times count for less.
func (r *record) advance(now int64) {
	for end := r.at - r.at%reliableFor + reliableFor; end <= now; end += reliableFor {
		r.time += int64(r.live) * (end - r.at)
		r.at = end
		r.time, r.left = r.time/2, r.left/2
		if r.live == 0 && r.time == 0 && r.left == 0 {
			break // and so it stays
		}
	}
	r.time += int64(r.live) * (now - r.at)
	r.at = now
}

// count has n more be there from now on.
func (r *record) count(n int, now int64) {
	r.advance(now)
	r.live += n
}

// stays reports whether one of the kind would not leave by itself, as far as is known:
// so many more departures than there were would still be less than one in a week.
func (r *record) stays(more int, now int64) bool {
	r.advance(now)
	return int64(r.left+more)*reliable <= r.time
}
