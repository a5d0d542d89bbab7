package ruletest

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/prometheus/common/model"
	"github.com/prometheus/prometheus/model/labels"
)

// wanted is one expectation.
type wanted struct {
	at, ends    span
	facts       []*labels.Matcher
	labels      []*labels.Matcher
	annotations []*labels.Matcher
}

// String is the expectation as a person would read it beside an event.
func (w *wanted) String() string {
	text := "at any time"
	if w.at != (span{}) {
		text = "at " + w.at.String()
	}
	if w.ends != (span{}) {
		text += ", ended " + w.ends.String()
	}
	for _, m := range w.facts {
		text += fmt.Sprintf(", %s %s", m.Name, wish(m))
	}
	if len(w.labels) > 0 {
		text += " " + selector(w.labels)
	}
	if len(w.annotations) > 0 {
		text += " annotations " + selector(w.annotations)
	}
	return text
}

// selector writes matchers as PromQL has them.
func selector(ms []*labels.Matcher) string {
	var name string
	var texts []string
	for _, m := range ms {
		if m.Name == model.MetricNameLabel && m.Type == labels.MatchEqual {
			name = m.Value
			continue
		}
		texts = append(texts, m.String())
	}
	if name != "" && len(texts) == 0 {
		return name
	}
	return name + "{" + strings.Join(texts, ", ") + "}"
}

// wish is what m wants.
func wish(m *labels.Matcher) string {
	if m.Type == labels.MatchEqual {
		return m.Value
	}
	return m.Type.String() + m.Value
}

// unlike says in what e is not what is wanted; nothing where it is.
func (w *wanted) unlike(e *event) (why []string) {
	if !w.at.contains(e.at) {
		why = append(why, fmt.Sprintf("at: want %s, got %s", w.at, spell(e.at)))
	}
	switch {
	case w.ends.never && e.over:
		why = append(why, "ends: want never, got "+spell(e.ended))
	case !w.ends.never && w.ends != (span{}) && !e.over:
		why = append(why, fmt.Sprintf("ends: want %s, got never", w.ends))
	case e.over && !w.ends.contains(e.ended):
		why = append(why, fmt.Sprintf("ends: want %s, got %s", w.ends, spell(e.ended)))
	}
	for _, side := range []struct {
		wanted []*labels.Matcher
		got    labels.Labels
	}{{w.facts, e.facts}, {w.labels, e.labels}, {w.annotations, e.annotations}} {
		for _, m := range side.wanted {
			if got := side.got.Get(m.Name); !m.Matches(got) {
				why = append(why, fmt.Sprintf("%s: want %s, got %q", m.Name, quoteWish(m), got))
			}
		}
	}
	return why
}

func quoteWish(m *labels.Matcher) string {
	if m.Type == labels.MatchEqual {
		return fmt.Sprintf("%q", m.Value)
	}
	return fmt.Sprintf("%s%q", m.Type, m.Value)
}

// compare adds what differs between the expectations of a kind and what happened. Each
// event meets at most one expectation, and as many are met as can be.
func (r *Result) compare(kind string, want []wanted, got []*event) {
	by := pair(want, got)
	var missed []int // of want
	met := map[int]bool{}
	for i, j := range by {
		if j < 0 {
			missed = append(missed, i)
			continue
		}
		met[j] = true
	}
	for j, e := range got {
		if met[j] {
			r.Met[kind] = append(r.Met[kind], e.String())
		}
	}
	for _, i := range missed {
		w := &want[i]
		d := Difference{Of: kind, Want: w.String()}
		if j, why := nearest(w, got, met); j >= 0 {
			met[j] = true
			d.Got, d.Why = got[j].String(), why
		}
		r.Differences = append(r.Differences, d)
	}
	for j, e := range got {
		if !met[j] {
			r.Differences = append(r.Differences, Difference{Of: kind, Got: e.String()})
		}
	}
}

// pair returns for each expectation the event that meets it, or -1: the largest
// matching, by augmenting paths.
func pair(want []wanted, got []*event) []int {
	meets := make([][]int, len(want))
	for i := range want {
		for j, e := range got {
			if len(want[i].unlike(e)) == 0 {
				meets[i] = append(meets[i], j)
			}
		}
	}
	owner := map[int]int{} // of an event: the expectation
	var place func(i int, tried map[int]bool) bool
	place = func(i int, tried map[int]bool) bool {
		for _, j := range meets[i] {
			if tried[j] {
				continue
			}
			tried[j] = true
			if o, taken := owner[j]; !taken || place(o, tried) {
				owner[j] = i
				return true
			}
		}
		return false
	}
	by := make([]int, len(want))
	for i := range want {
		place(i, map[int]bool{})
		by[i] = -1
	}
	for j, i := range owner {
		by[i] = j
	}
	return by
}

// nearest is the event not met that is least unlike w, and in what; -1 where none has
// anything in common with it.
func nearest(w *wanted, got []*event, met map[int]bool) (best int, why []string) {
	type candidate struct {
		j   int
		why []string
	}
	var all []candidate
	for j, e := range got {
		if unlike := w.unlike(e); !met[j] && len(unlike) < w.wishes() {
			all = append(all, candidate{j, unlike})
		}
	}
	if len(all) == 0 {
		return -1, nil
	}
	c := slices.MinFunc(all, func(a, b candidate) int { return cmp.Compare(len(a.why), len(b.why)) })
	return c.j, c.why
}

// wishes is in how much an event can be unlike w.
func (w *wanted) wishes() int {
	n := len(w.facts) + len(w.labels) + len(w.annotations)
	for _, s := range []span{w.at, w.ends} {
		if s != (span{}) {
			n++
		}
	}
	return n
}

// span is a stretch of time, bounds included. Its zero value is any time.
type span struct {
	from, to       time.Duration
	hasFrom, hasTo bool
	never          bool // of an end
}

func (s span) contains(d time.Duration) bool {
	return (!s.hasFrom || d >= s.from) && (!s.hasTo || d <= s.to)
}

func (s span) String() string {
	if s.never {
		return "never"
	}
	var from, to string
	if s.hasFrom {
		from = spell(s.from)
	}
	if s.hasTo {
		to = spell(s.to)
	}
	if from == to {
		return from
	}
	return from + ".." + to
}
