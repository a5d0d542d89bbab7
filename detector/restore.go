package detector

import (
	"errors"
	"fmt"
	"io"
	"reflect"
	"strings"
	"sync"
	"unsafe"

	"github.com/foreshock/foreshock/internal/image"
	"github.com/foreshock/foreshock/rules"
)

// Pieces are those of one part of a checkpoint, one after the other, then io.EOF.
type Pieces func() ([]byte, error)

// ErrLayout says that a checkpoint was written by a build whose models are made of other
// things. It is as good as none: what was learned is learned anew.
var ErrLayout = errors.New("written by another version of foreshock, whose models differ")

// maxPages bounds what a damaged head has a shard make room for: 2^26 series.
const maxPages = 1 << 18

// Restore takes up what Save wrote, with part opening each part in turn; Run must not
// run yet and nothing have been appended. It returns how many series it knows and, by
// part, why that could not be restored: a shard starts with nothing then, and without
// the fleet's part thresholds and absences do. The rules and the configuration may be
// others than they were: they count from the next sample on, as after a reload.
func (d *Detector) Restore(part func(i int) (Pieces, error)) (series int, lost []error) {
	o := &d.options
	judged := judgedBy(o.Config, o.Rules)
	lost = make([]error, 1+len(d.shards))
	whole, err := d.restoreFleet(judged, part)
	lost[Fleet] = err
	var readers sync.WaitGroup
	same := make([]bool, len(d.shards))
	for i := range d.shards {
		readers.Go(func() {
			s := d.newShard(i, cap(d.shards[i].in))
			var err error
			if same[i], err = s.restore(judged, len(d.shards), part); err != nil {
				lost[1+i] = err
				return
			}
			d.shards[i] = s
		})
	}
	readers.Wait()
	if whole == nil {
		d.recover()
	}
	settings := whole // what was chosen last, and not what would be by now
	if settings == nil {
		settings = d.calibrator.choose()
	}
	for i, s := range d.shards {
		if !same[i] {
			s.version++
		}
		s.settings = settings
		if lost[1+i] != nil || len(s.tally.scopes) != len(settings.thresholds) {
			s.tally.begin(d.calibrator.age, len(settings.thresholds))
		}
		series += s.series.len()
	}
	d.standingMu.Lock()
	d.show(settings)
	d.standingMu.Unlock()
	return series, lost
}

// recover has the detector be as old as the oldest of its shards.
func (d *Detector) recover() {
	for _, s := range d.shards {
		if s.awake > d.clock.awake {
			d.clock = clock{now: s.now, awake: s.awake, flow: s.flow, set: true}
		}
	}
	d.calibrator.age = d.clock.awake / period * period
}

// restoreFleet takes up the part that is no shard's, and returns the settings that were
// in force: nil where others are to be chosen.
func (d *Detector) restoreFleet(judged string, part func(int) (Pieces, error)) (chosen *settings, err error) {
	defer senseless(&err)
	next, err := part(Fleet)
	if err != nil {
		return nil, err
	}
	same := false
	decoder := codec().NewDecoder(d.referred(&same))
	head, err := readHead(decoder, next, Fleet, len(d.shards))
	if err != nil {
		return nil, err
	}
	same = head.judged == judged
	f := common{roll: &roll{}}
	if err := readPiece(decoder, next, &f); err != nil {
		return nil, err
	}
	var of judgement
	if err := readPiece(codec().NewDecoder(d.referred(&same)), next, &of); err != nil {
		return nil, err
	}
	if f.roll == nil || of.calibrator == nil || of.settings == nil || len(of.calibrator.scopes) == 0 {
		return nil, errors.New("a piece of it is missing")
	}
	if !same {
		of.calibrator.setConfig(d.options.Config)
		of.calibrator.setRules(d.options.Rules)
		of.settings = of.calibrator.choose()
	}
	of.settings.peaks = of.calibrator.peaks()
	d.clock, d.roll, d.calibrator = f.clock, *f.roll, of.calibrator
	d.standingMu.Lock()
	defer d.standingMu.Unlock()
	d.standing.batches, d.standing.counts = f.batches, f.counts
	d.standing.leaps, d.standing.now = f.clock.leaps, f.clock.now
	for rule, was := range f.outcomes {
		if at := d.standing.foretold.rules[rule]; at != nil && was != nil {
			*at = *was
		}
	}
	return of.settings, nil
}

// referred is what the numbers in a part of the fleet's refer to.
func (d *Detector) referred(same *bool) func(reflect.Type, uint64) unsafe.Pointer {
	return func(t reflect.Type, n uint64) unsafe.Pointer { return rule(d.options.Rules, *same, t, n) }
}

// Rules that are no more, for what was watched by them until it asks again.
var (
	noWatch    = &rules.Watch{Sensitivity: 1}
	noForecast = &rules.Forecast{}
	noLimit    = &rules.Limit{}
)

// rule is the one with the number among those of r, or one that is no more. same says
// that the number was given among rules like these.
func rule(r *rules.Set, same bool, t reflect.Type, n uint64) unsafe.Pointer {
	switch t {
	case reflect.TypeFor[rules.Watch]():
		if same && n < uint64(len(r.Watches)) {
			return unsafe.Pointer(r.Watches[n])
		}
		return unsafe.Pointer(noWatch)
	case reflect.TypeFor[rules.Forecast]():
		if same && n < uint64(len(r.Forecasts)) {
			return unsafe.Pointer(r.Forecasts[n])
		}
		return unsafe.Pointer(noForecast)
	case reflect.TypeFor[rules.Limit]():
		if same && n < uint64(len(r.Limits)) {
			return unsafe.Pointer(r.Limits[n])
		}
		return unsafe.Pointer(noLimit)
	}
	return nil
}

// restore takes up the shard's part, and reports whether it was judged by the same rules
// and configuration.
func (s *shard) restore(judged string, shards int, part func(int) (Pieces, error)) (same bool, err error) {
	defer senseless(&err)
	next, err := part(1 + s.number)
	if err != nil {
		return false, err
	}
	r := &s.series
	decoder := codec().NewDecoder(func(t reflect.Type, n uint64) unsafe.Pointer {
		if t != reflect.TypeFor[state]() {
			return rule(s.rules, same, t, n)
		}
		if n == 0 || n > uint64(len(r.pages)*pageSize) {
			return nil
		}
		return unsafe.Pointer(r.at(uint32(n)))
	})
	head, err := readHead(decoder, next, 1+s.number, shards)
	if err != nil {
		return false, err
	}
	if head.pages < 0 || head.pages > maxPages || int(head.used) > head.pages*pageSize {
		return false, fmt.Errorf("has room for %d series in %d pages", head.used, head.pages)
	}
	same = head.judged == judged
	for range head.pages {
		r.pages = append(r.pages, make([]state, pageSize))
	}
	if err := readPiece(decoder, next, s); err != nil {
		return false, err
	}
	if r.used != head.used {
		return false, errors.New("its registry has another size")
	}
	read := make([]bool, head.pages)
	for range head.pages {
		if err := s.restorePage(decoder, next, read); err != nil {
			return false, err
		}
	}
	return same, r.rebuild()
}

func (s *shard) restorePage(decoder *image.Decoder, next Pieces, read []bool) error {
	var p page
	if err := readPiece(decoder, next, &p); err != nil {
		return err
	}
	if p.number < 0 || p.number >= len(read) || read[p.number] || len(p.states) != pageSize {
		return fmt.Errorf("page %d of %d states is not one of its own", p.number, len(p.states))
	}
	read[p.number] = true
	copy(s.series.pages[p.number], p.states)
	return nil
}

// rebuild makes the indexes of the registry, which its states tell.
func (r *registry) rebuild() error {
	errBroken := errors.New("its series do not fit together")
	r.index, r.names, r.jobs = make(map[uint64]uint32, r.live), map[string]*namesakes{}, nil
	follows := make([]bool, r.used+1)
	live := 0
	for slot := uint32(1); slot <= r.used; slot++ {
		st := r.at(slot)
		if st.slot != slot || st.next > r.used {
			return errBroken
		}
		follows[st.next] = true
		if st.series == nil {
			continue
		}
		live++
		r.employ(st)
		name := st.series.Name()
		n := r.names[name]
		if n == nil {
			n = &namesakes{}
			r.names[strings.Clone(name)] = n
		}
		if int(st.namesake) >= int(r.used) {
			return errBroken
		}
		for len(n.slots) <= int(st.namesake) {
			n.slots = append(n.slots, 0)
		}
		n.slots[st.namesake] = slot
	}
	for _, n := range r.names {
		for _, slot := range n.slots {
			if slot == 0 {
				return errBroken
			}
		}
	}
	for slot := uint32(1); slot <= r.used; slot++ {
		if st := r.at(slot); st.series != nil && !follows[slot] {
			r.index[st.series.Fingerprint] = slot
		}
	}
	if live != r.live {
		return errBroken
	}
	return nil
}

// senseless makes an error of a panic: what a checksum let through holds values that no
// detector has, such as labels that are none. The part is of no use then, as any other
// that is damaged.
func senseless(err *error) {
	if p := recover(); p != nil {
		*err = fmt.Errorf("holds what makes no sense: %v", p)
	}
}

// readHead reads how a part begins.
func readHead(decoder *image.Decoder, next Pieces, part, shards int) (head identified, err error) {
	if err := readPiece(decoder, next, &head); err != nil {
		return head, err
	}
	switch {
	case head.layout != codec().Layout():
		return head, ErrLayout
	case head.part != part || head.shards != shards:
		return head, fmt.Errorf("is part %d of %d shards, and not part %d of %d", head.part, head.shards, part, shards)
	}
	return head, nil
}

// readPiece reads the next piece of a part.
func readPiece(decoder *image.Decoder, next Pieces, into any) error {
	piece, err := next()
	if errors.Is(err, io.EOF) {
		return errors.New("ends early")
	}
	if err != nil {
		return err
	}
	return decoder.Read(piece, into)
}
