package remediation

import (
	"maps"
	"slices"
	"time"
)

const (
	// memory is how long the ledger remembers what was decided about an alert. An
	// episode that began before it forgot is refused for ever after, so forgetting
	// never leads to a second execution, whatever the clock does.
	memory = 30 * 24 * time.Hour

	// forgetInterval is how often it forgets, beside every start.
	forgetInterval = 24 * time.Hour

	// pageSeen is how many alerts one page may remember: 10 000 × (64 digits + a
	// time, quoted) ≈ 1.1 MB, below journal.MaxRecord.
	pageSeen = 10_000
)

// forget rewrites the ledger without what is older than memory, if there is any. Of
// what is younger it keeps whole what the API lists, and of the rest that it was
// decided about. After an error nothing is forgotten.
func (l *ledger) forget(now time.Time) error {
	horizon := now.Add(-memory)
	seen := maps.Clone(l.seen)
	maps.DeleteFunc(seen, func(_ identity, until time.Time) bool { return !until.After(horizon) })
	forgotten := len(l.seen) - len(seen)
	if forgotten == 0 {
		return nil
	}
	entries := slices.DeleteFunc(slices.Clone(l.entries), func(e entry) bool {
		return e.State.settled() && !e.until().After(horizon)
	})
	continues := l.link.text()
	next := page{DamagedAt: l.damagedAt, ForgottenTo: horizon, Launches: l.launches.list, Orders: l.orders(), Continues: &continues}
	records, head, err := l.encodePages(next, seen, entries)
	if err != nil {
		return err
	}
	// The new chain names the head it continues, which must not be an older one.
	if err := l.head.Sync(); err != nil {
		return err
	}
	if err := l.log.Rewrite(records); err != nil {
		return err
	}
	l.link, l.again = head, false
	l.writeHead()
	l.metrics.forgotten.Add(float64(forgotten))
	l.seen, l.entries = seen, entries
	l.apply(page{ForgottenTo: horizon})
	return nil
}

// orders are those that hold, as they would have to be given anew.
func (l *ledger) orders() (hold []order) {
	if l.heard.Verb == verbResume {
		hold = append(hold, l.heard)
	} else if l.resumed {
		hold = append(hold, order{Verb: verbResume, By: "an order that was forgotten"})
	}
	if l.paused != nil {
		hold = append(hold, *l.paused)
	}
	return hold
}

// encodePages splits what the ledger remembers into records that fit the journal, and
// returns the head of their chain. What the circuit breakers count comes last, since the
// entries would add to it.
func (l *ledger) encodePages(first page, seen map[identity]time.Time, entries []entry) (records [][]byte, head link, err error) {
	pages := []page{first}
	for keys := range slices.Chunk(slices.Collect(maps.Keys(seen)), pageSeen) {
		some := make(map[identity]time.Time, len(keys))
		for _, key := range keys {
			some[key] = seen[key]
		}
		pages = append(pages, page{Seen: some})
	}
	for some := range slices.Chunk(entries, pageEntries) {
		pages = append(pages, page{Entries: some})
	}
	pages = append(pages, page{Failures: l.failures})
	records = make([][]byte, len(pages))
	for i, p := range pages {
		if records[i], head, err = head.seal(p); err != nil {
			return nil, link{}, err
		}
	}
	return records, head, nil
}
