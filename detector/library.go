package detector

// library is the diaries of one shard, as many as it has room for. Who has only come
// near an anomaly makes room before who was told of.
type library struct {
	room       int `image:"-"`
	near, told shelf

	// forgotten is the newest time, in ms, of which some diary of the shard may lack a
	// note, but for those that were lost to the length of one.
	forgotten int64
}

func (l *library) len() int { return l.near.n + l.told.n }

func (l *library) shelf(d *diary) *shelf {
	if d.told {
		return &l.told
	}
	return &l.near
}

// notable reports whether a sample is worth a note: anomalous or not far from it, be
// it that something kept its score from counting.
func (v *verdict) notable() bool {
	return v.score >= notable || v.active || v.changed || v.raw >= notable*v.threshold && !v.warming
}

// note writes down v, the verdict on the sample of st at t, if it is hot, that is
// notable, or follows one that was.
func (s *shard) note(st *state, t int64, v *verdict, hot bool) {
	d := st.diary
	switch {
	case d == nil:
		if d = s.open(st); d == nil {
			s.diaries.forgotten = max(s.diaries.forgotten, t)
			s.out.counts.unexplained[unexplainedFull]++
			return
		}
	case !hot && !d.wants(t):
		return
	}
	n := note{
		t: t, x: st.x, channel: v.channel, band: v.band, score: v.score, reason: v.reason,
		raw: v.raw, theta: v.threshold, needed: v.needed, each: v.each,
	}
	if v.active || v.changed {
		n.onset = st.mind.onset() - st.shift
	}
	s.diaries.shelf(d).take(d)
	if hot {
		d.hot = t
	}
	d.told = d.told || v.reason.Alerts()
	d.written = s.awake
	before := cap(d.notes)
	d.write(&n)
	if now := cap(d.notes); now != before {
		s.ledger.take(heldDiaries, noteBytes(now)-noteBytes(before))
	}
	s.diaries.shelf(d).put(d)
}

// open gives st an empty diary. Where there is no room, the one goes that was written
// least lately, unless its series is not calm yet: then none is given, and nil returned.
func (s *shard) open(st *state) *diary {
	l := &s.diaries
	if l.len() >= l.room {
		oldest := l.near.first
		if oldest == nil || s.awake-oldest.written <= around {
			oldest = l.told.first
		}
		if oldest == nil || s.awake-oldest.written <= around {
			return nil
		}
		s.out.counts.unexplained[unexplainedRoom]++
		s.discard(s.series.at(oldest.of.slot))
	}
	if !s.ledger.spares(heldDiaries) {
		return nil
	}
	st.diary = &diary{of: st}
	s.ledger.take(heldDiaries, st.diary.bytes())
	l.near.put(st.diary)
	return st.diary
}

// discard throws away the diary of st, if it has one.
func (s *shard) discard(st *state) {
	d := st.diary
	if d == nil {
		return
	}
	st.diary = nil
	s.ledger.take(heldDiaries, -d.bytes())
	s.diaries.shelf(d).take(d)
	for i := range d.notes {
		s.diaries.forgotten = max(s.diaries.forgotten, d.notes[i].t)
	}
}

// clearShelves throws away the diaries that are old.
func (s *shard) clearShelves() {
	l := &s.diaries
	for _, shelf := range []*shelf{&l.near, &l.told} {
		for d := shelf.first; d != nil && s.awake-d.written > remembered; d = shelf.first {
			s.discard(s.series.at(d.of.slot))
		}
	}
}

// unexplainedReason is why a sample or a series has no record.
type unexplainedReason uint8

const (
	unexplainedFull unexplainedReason = iota // every diary was in use
	unexplainedRoom                          // another series needed its diary

	unexplaineds
)

// String is the reason as the metric's label has it.
func (u unexplainedReason) String() string { return [...]string{"full", "room"}[u] }
