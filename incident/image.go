package incident

import (
	"errors"
	"fmt"
	"sync"

	"github.com/foreshock/foreshock/internal/image"
)

// memory is what a Correlator knows beside what it was told to do.
type memory struct {
	layout, joined string // of the types; by what anomalies were joined
	correlator     *Correlator
}

var codec = sync.OnceValue(func() *image.Codec { return image.New(nil, &head{}, &memory{}) })

// head is read first: what follows can be read if the layout is the same.
type head struct{ layout string }

// Image is what c knows, for Restore: everything that is open, what is to be told by the
// next Tick, and the latest that is over.
func (c *Correlator) Image() []byte {
	layout := codec().Layout()
	b := codec().NewEncoder(nil).Append(nil, &head{layout})
	return codec().NewEncoder(nil).Append(b, &memory{layout, c.joins(), c})
}

// joins is by what c joins anomalies.
func (c *Correlator) joins() string { return fmt.Sprintf("%q %v", c.sets, c.pairs) }

// Restore takes up what Image gave: incidents keep their IDs, their beginnings and who is
// in them. The configuration and the rules stay c's; where they join by something else
// than they did, what comes is joined by that. After an error c knows nothing.
func (c *Correlator) Restore(b []byte) error {
	var h head
	layout := codec().Layout()
	size := len(codec().NewEncoder(nil).Append(nil, &head{layout}))
	if len(b) < size {
		return errors.New("restore incidents: the image ends early")
	}
	if err := codec().NewDecoder(nil).Read(b[:size], &h); err != nil || h.layout != layout {
		return errors.New("restore incidents: written by another version of foreshock")
	}
	var m memory
	if err := codec().NewDecoder(nil).Read(b[size:], &m); err != nil {
		return fmt.Errorf("restore incidents: %w", err)
	}
	if m.correlator == nil {
		return errors.New("restore incidents: the image is empty")
	}
	n := m.correlator
	n.config, n.rules, n.holds, n.sets, n.pairs, n.linked = c.config, c.rules, c.holds, c.sets, c.pairs, c.linked
	n.precedents, n.tallies, n.taught = c.precedents, c.tallies, c.taught // dismissals have a journal of their own
	*c = *n
	if m.joined != c.joins() {
		c.reindex()
	}
	c.forget()
	c.recollect(c.now)
	return nil
}
