// Package rca measures how well the cause of an incident is found: on labelled sets, as
// docs/causes.md describes their folders, and on a made-up shop of twelve services whose
// faults are seeded, beside what one would do without knowing who depends on whom.
package rca

import (
	"context"
	"fmt"
	"time"

	"github.com/foreshock/foreshock/incident/cause"
)

// Options say what is measured.
type Options struct {
	Dir  string // with folders of sets; "" for the shop alone
	Sets []string
	// Streams has each set played as a stream, too, with nobody to say when something broke:
	// some minutes.
	Streams bool
	// Progress is told what is being measured; nil is nobody.
	Progress func(what string)
}

// incident is one with a known cause.
type incident struct {
	id, fault string
	truth     string // the place
	question  cause.Question
	began     int64              // ms: when something changed, unnoticed before the onset
	touched   map[[2]string]bool // series of the shop that it changes, as place and metric

	quietUntil, quietFrom int64 // ms: before and from when on nothing is wrong, as labelled; 0: nobody says
}

// set is a collection of incidents.
type set struct {
	name      string
	incidents []incident
}

// Row is how well one method did on one set.
type Row struct {
	Set    string  `json:"set"`
	Method string  `json:"method"`
	Late   float64 `json:"assumed_onset_late_seconds"`
	Faults int     `json:"faults"`
	// AC is the share of faults whose true place is among the first 1 to 5.
	AC  [cause.Told]float64 `json:"ac"`
	Avg float64             `json:"avg5"`
}

// Report is all that was measured.
type Report struct {
	Rows []Row `json:"rows"`
	// Faults of the shop, by kind, as this ranking did.
	Kinds []Row `json:"kinds,omitempty"`
	// Confidence is what was said of first causes beside how often they were it.
	Confidence []Bin    `json:"confidence"`
	Brier      float64  `json:"brier"`
	Streams    []Stream `json:"streams,omitempty"`
	cases      []told
}

// Bin is how often causes of about one confidence were it.
type Bin struct {
	From   float64 `json:"from"`
	To     float64 `json:"to"`
	Causes int     `json:"causes"`
	Said   float64 `json:"said"`
	Were   float64 `json:"were"`
}

// told is one cause of an answer, and whether it was it.
type told struct {
	confidence float64
	was        bool
}

// lateness is by how much an onset may be assumed late, as by who sees the front first.
const lateness = time.Minute

// Run measures.
func Run(ctx context.Context, o Options) (*Report, error) {
	if o.Progress == nil {
		o.Progress = func(string) {}
	}
	var sets []set
	if o.Dir != "" {
		found, err := load(o.Dir, o.Sets)
		if err != nil {
			return nil, err
		}
		sets = found
	}
	sets = append(sets, shop())
	r := &Report{}
	for i := range sets {
		s := &sets[i]
		for _, late := range [...]time.Duration{0, lateness} {
			for _, m := range methods() {
				if err := ctx.Err(); err != nil {
					return nil, fmt.Errorf("measure %s: %w", s.name, err)
				}
				o.Progress(fmt.Sprintf("%s: %s, %s late", s.name, m.name, late))
				r.Rows = append(r.Rows, r.measure(s, m, late))
			}
		}
	}
	r.reliability()
	for i := range sets {
		if !o.Streams || sets[i].name == shopName {
			continue
		}
		o.Progress(sets[i].name + ": as a stream")
		s, err := sets[i].stream(ctx)
		if err != nil {
			return nil, fmt.Errorf("play %s: %w", sets[i].name, err)
		}
		r.Streams = append(r.Streams, s)
	}
	if o.Streams {
		shops, err := shopStreams(ctx, faults(), seeds, calmDays, lastingly(), o.Progress)
		if err != nil {
			return nil, fmt.Errorf("play the shop: %w", err)
		}
		r.Streams = append(r.Streams, shops...)
	}
	return r, nil
}

// measure has one method answer all incidents of a set.
func (r *Report) measure(s *set, m method, late time.Duration) Row {
	row := Row{Set: s.name, Method: m.name, Late: late.Seconds()}
	kinds := map[string]*Row{}
	var order []string
	for i := range s.incidents {
		in := &s.incidents[i]
		q := in.question
		q.Onset += late.Milliseconds()
		var hit [cause.Told]float64
		if m.name == ours {
			hit = r.ask(in, q, late == 0)
		} else {
			hit = m.hits(in, q)
		}
		row.add(hit)
		if m.name != ours || late != 0 || s.name != shopName {
			continue
		}
		if kinds[in.fault] == nil {
			kinds[in.fault] = &Row{Set: s.name, Method: in.fault}
			order = append(order, in.fault)
		}
		kinds[in.fault].add(hit)
	}
	row.finish()
	for _, k := range order {
		kinds[k].finish()
		r.Kinds = append(r.Kinds, *kinds[k])
	}
	return row
}

// ask ranks, and keeps what was said with which confidence.
func (r *Report) ask(in *incident, q cause.Question, keep bool) (hit [cause.Told]float64) {
	for rank, c := range cause.Rank(q) {
		if c.Place == in.truth {
			hits(&hit, rank)
		}
		if keep {
			r.cases = append(r.cases, told{confidence: c.Confidence, was: c.Place == in.truth})
		}
	}
	return hit
}

// hits notes that the true place has the rank, from 0.
func hits(hit *[cause.Told]float64, rank int) {
	for k := rank; k < cause.Told; k++ {
		hit[k] = 1
	}
}

func (r *Row) add(hit [cause.Told]float64) {
	r.Faults++
	for k, h := range hit {
		r.AC[k] += h
	}
}

func (r *Row) finish() {
	for k := range r.AC {
		r.AC[k] /= float64(max(r.Faults, 1))
		r.Avg += r.AC[k] / cause.Told
	}
}

// reliability compares what was said with what was.
func (r *Report) reliability() {
	edges := [...]float64{0, .1, .25, .5, .75, 1}
	for b := range len(edges) - 1 {
		bin := Bin{From: edges[b], To: edges[b+1]}
		for _, c := range r.cases {
			if c.confidence < bin.From || c.confidence >= bin.To {
				continue
			}
			bin.Causes++
			bin.Said += c.confidence
			if c.was {
				bin.Were++
			}
		}
		if bin.Causes > 0 {
			bin.Said /= float64(bin.Causes)
			bin.Were /= float64(bin.Causes)
		}
		r.Confidence = append(r.Confidence, bin)
	}
	for _, c := range r.cases {
		was := 0.
		if c.was {
			was = 1
		}
		r.Brier += (c.confidence - was) * (c.confidence - was) / float64(len(r.cases))
	}
}
