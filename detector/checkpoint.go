package detector

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"reflect"
	"sync"
	"unsafe"

	"github.com/foreshock/foreshock"
	"github.com/foreshock/foreshock/internal/image"
	"github.com/foreshock/foreshock/rules"
)

// Fleet is the part of a checkpoint that is no shard's; shard i's is part 1 + i.
const Fleet = 0

// Checkpoint is where Save puts what a detector knows.
type Checkpoint struct {
	// Cut is called at the moment as of which all is written: the batches whose Append
	// returned before are in it, those that are appended later are not. Nothing is
	// appended while it runs.
	Cut func()
	// Observed is called where Observe is, between the findings of the last batch that is
	// in the checkpoint and those of the first that is not.
	Observed func()
	// Write takes a piece of a part, and owns it. Pieces of one part come in order; several
	// parts are written at once. After an error the part gets no more.
	Write func(part int, piece []byte) error
}

// common is what a detector knows beside its shards, in two pieces.
type (
	common struct {
		clock    clock
		roll     *roll
		batches  int
		counts   counts
		outcomes map[string]*outcome
	}
	judgement struct {
		calibrator *calibrator
		settings   *settings
	}
)

// identified begins every part: what it can be read by, and whose it is.
type identified struct {
	layout string // of the types
	judged string // by these rules and this configuration
	part   int
	shards int
	used   uint32 // slots of the shard
	pages  int
}

// codec knows how all that is kept is written. States and rules are numbered, as they are
// not in what refers to them.
var codec = sync.OnceValue(func() *image.Codec {
	return image.New(
		[]reflect.Type{
			image.Reference[state](), image.Reference[rules.Watch](), image.Reference[rules.Forecast](), image.Reference[rules.Limit](),
		},
		&identified{}, &common{}, &judgement{}, &shard{}, &page{})
})

// page is the states of one page of a registry.
type page struct {
	number int
	states []state
}

// save is one Save under way.
type save struct {
	Checkpoint
	judged     string        // as of the cut
	clock      clock         // and so this
	calibrator *calibrator   // which no shard hands on before all have passed the cut
	judgement  []byte        // the first shard's image of it
	parts      []chan []byte // closed by who writes them, when all is in
}

// Save writes down what the detector knows as of one moment, from which Restore goes on
// as if nothing had happened. Scoring goes on meanwhile: at the cut a shard stops for
// what its series share, a few per cent of the whole, and from then on writes 256 series
// at a time between batches, those first that a batch is about to change. Run must be
// running. One Save at a time.
func (d *Detector) Save(c Checkpoint) error {
	if d.queue.Acquire(context.Background(), batchCost) != nil {
		return foreshock.ErrClosed // never: the background does not end
	}
	sv := &save{Checkpoint: c, calibrator: d.calibrator}
	for range len(d.shards) + 1 {
		sv.parts = append(sv.parts, make(chan []byte, 2))
	}
	errs := make([]error, len(sv.parts))
	var writers sync.WaitGroup
	for i, pieces := range sv.parts {
		queue := newBacklog(pieces)
		writers.Go(func() {
			for piece := range queue {
				if errs[i] == nil {
					errs[i] = c.Write(i, piece)
				}
			}
		})
	}
	j := d.jobs.Get().(*job)
	j.cost, j.save = batchCost, sv
	err := d.pass(j, nil)
	if err != nil {
		for _, p := range sv.parts {
			close(p)
		}
	}
	writers.Wait()
	return errors.Join(append(errs, err)...)
}

// newBacklog hands on what comes from in, and waits for nobody: how much lies in between
// is bounded by the checkpoint.
func newBacklog(in <-chan []byte) <-chan []byte {
	out := make(chan []byte)
	go func() {
		defer close(out)
		var waiting [][]byte
		for in != nil || len(waiting) > 0 {
			var to chan []byte
			var next []byte
			if len(waiting) > 0 {
				to, next = out, waiting[0]
			}
			select {
			case piece, ok := <-in:
				if !ok {
					in = nil
					continue
				}
				waiting = append(waiting, piece)
			case to <- next:
				waiting = waiting[1:]
			}
		}
	}()
	return out
}

// identify is how a part begins.
func (sv *save) identify(part int) identified {
	return identified{layout: codec().Layout(), judged: sv.judged, part: part, shards: len(sv.parts) - 1}
}

// saveFleet writes the part that is no shard's, after all shards passed the cut at j.
func (d *Detector) saveFleet(j *job) {
	sv := j.save
	e := codec().NewEncoder(number(nil))
	head := sv.identify(Fleet)
	d.standingMu.Lock()
	f := common{sv.clock, &d.roll, d.standing.batches, d.standing.counts, d.standing.foretold.rules}
	pieces := [][]byte{e.Append(nil, &head), e.Append(nil, &f), sv.judgement}
	d.standingMu.Unlock()
	for _, piece := range pieces {
		sv.parts[Fleet] <- piece
	}
	sv.Observed() // before Save can return
	close(sv.parts[Fleet])
}

// judgedBy tells rules and configurations apart that judge differently.
func judgedBy(c Config, r *rules.Set) string {
	h := sha256.New()
	fmt.Fprintf(h, "%v %v %v %v\n", c.Threshold, c.AlertBudget, c.WarmUp, c.Window)
	for _, w := range r.Watches {
		of := *w
		of.Scope, of.DataRange = nil, nil // addresses
		fmt.Fprintf(h, "%+v %+v %+v\n", of, w.Scope, w.DataRange)
	}
	for _, f := range r.Forecasts {
		fmt.Fprintf(h, "%+v\n", *f)
	}
	for _, l := range r.Limits {
		fmt.Fprintf(h, "%+v\n", *l)
	}
	return hex.EncodeToString(h.Sum(nil)[:8])
}

// removed is the number of a rule that is no more, until its series asked again.
const removed = 1 << 32

// numbering gives the rules of r their numbers: their places.
func numbering(r *rules.Set) map[unsafe.Pointer]uint64 {
	n := map[unsafe.Pointer]uint64{}
	for i, w := range r.Watches {
		n[unsafe.Pointer(w)] = uint64(i)
	}
	for i, f := range r.Forecasts {
		n[unsafe.Pointer(f)] = uint64(i)
	}
	for i, l := range r.Limits {
		n[unsafe.Pointer(l)] = uint64(i)
	}
	return n
}

// number is what an image has for a pointer to a state or to one of the rules.
func number(known map[unsafe.Pointer]uint64) func(reflect.Type, unsafe.Pointer) uint64 {
	return func(t reflect.Type, p unsafe.Pointer) uint64 {
		if t == reflect.TypeFor[state]() {
			return uint64((*state)(p).slot)
		}
		if n, ok := known[p]; ok {
			return n
		}
		return removed
	}
}

// saving is what a shard has still to write of a save.
type saving struct {
	to      chan<- []byte
	encoder *image.Encoder
	pages   [][]state // as of the cut
	written []bool
	next    int // none before it is left
	size    int // of the largest page so far, bytes
}

// save begins to write the shard down: all that its series share at once, their states
// later.
func (s *shard) save(sv *save) {
	known := numbering(s.rules)
	if s.number == 0 {
		sv.judgement = codec().NewEncoder(number(known)).Append(nil, &judgement{sv.calibrator, s.settings})
	}
	head := sv.identify(1 + s.number)
	head.used, head.pages = s.series.used, len(s.series.pages)
	e := codec().NewEncoder(number(known))
	to := sv.parts[head.part]
	to <- e.Append(nil, &head)
	s.saving = &saving{to: to, encoder: e, pages: s.series.pages[:len(s.series.pages):len(s.series.pages)], written: make([]bool, len(s.series.pages))}
	to <- e.Append(nil, s)
	s.series.saving = s.saving
}

// page writes page i down unless that was done: the states are as they were at the cut,
// but for those that are new.
func (v *saving) page(i int) {
	if i >= len(v.written) || v.written[i] {
		return
	}
	v.written[i] = true
	piece := v.encoder.Append(make([]byte, 0, v.size+v.size/8), &page{i, v.pages[i]})
	v.size = max(v.size, len(piece))
	v.to <- piece
}

// saveNext writes one page more, and ends the saving after the last one.
func (s *shard) saveNext() {
	v := s.saving
	for v.next < len(v.written) && v.written[v.next] {
		v.next++
	}
	if v.next < len(v.written) {
		v.page(v.next)
		return
	}
	close(v.to)
	s.saving, s.series.saving = nil, nil
}

// saveRest writes down all that is left.
func (s *shard) saveRest() {
	for s.saving != nil {
		s.saveNext()
	}
}
