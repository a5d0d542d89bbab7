// Package cause ranks what may have caused an incident: of the places whose series were
// looked at, which one changed by itself, and which only suffer from another.
//
// Three things speak for a place. Its own series changed when the incident began, more
// than they ever do: see surprise.go. What it changed in is not explained by what it
// depends on, nor by it being asked for more. And the symptoms of others lie upstream of
// it, so that it can explain them: see blame.go. A change somebody made there speaks for
// it too. What comes out is an order with reasons; how often that order was right, where
// the truth is known, is the confidence.
//
// Everything here is pure: no clock, no randomness, no I/O. The same question has the
// same answer.
package cause

import (
	"cmp"
	"slices"
	"time"
)

// Bounds of one question. What is beyond them is not looked at: the caller chooses.
const (
	MaxCandidates = 256
	MaxSeries     = 64   // of one candidate
	MaxEdges      = 4096 // 256 places × 16
	Told          = 5    // causes in an answer
)

// Question is what is asked about one incident.
type Question struct {
	Onset       int64         // when it is assumed to have begun, ms
	Uncertainty time.Duration // how early or late that may be; DefaultUncertainty where 0
	Until       int64         // up to when samples count, ms
	Candidates  []Candidate
	// Edges say who depends on whom: a caller on what it calls, a pod on its node, a job
	// on its instances.
	Edges []Edge
}

// DefaultUncertainty is how far an assumed onset may be from the true one: two scrapes of
// a minute, the slowest usual interval.
const DefaultUncertainty = 2 * time.Minute

// Candidate is a place that may be the cause: a service, a pod, an instance, a node.
type Candidate struct {
	Place string
	// Host says that the place is a machine, whose node_ metrics are its own; those of
	// another place are about where it runs.
	Host    bool
	Series  []Series
	Changes []Change
}

// Series is what is known of one series: values as people read them, so a rate where it
// is a counter, by time in ms, oldest first. NaN is no value.
type Series struct {
	Name   string // of the metric
	Title  string // how it is told to people; Name where ""
	Aspect Aspect // what it is about; AspectOf(Name) where Unknown
	T      []int64
	V      []float64
}

// Edge says that From depends on To, both by their index among the candidates.
type Edge struct{ From, To int }

// Change is something somebody did to a place, or that happened to it at one moment.
type Change struct {
	What string // "deployed v2", "restarted"
	T    int64  // ms
}

// Cause is a place that may be it.
type Cause struct {
	Place      string
	Score      float64 // to compare those of one answer by
	Share      float64 // of the scores of all candidates
	Confidence float64 // how often one that looked like this was it, 0–1, never 0 or 1
	Evidence   []Evidence
}

// Evidence is one reason, in words and in numbers.
type Evidence struct {
	Text          string
	Series        string  // its Title; "" where none
	Before, After float64 // median before; worst typical after. NaN where none
	Weight        float64 // its share in Score
}

// Rank answers with at most Told causes, the likeliest first. A place nothing speaks for
// is not among them.
func Rank(q Question) []Cause {
	if q.Uncertainty <= 0 {
		q.Uncertainty = DefaultUncertainty
	}
	q.Candidates = q.Candidates[:min(len(q.Candidates), MaxCandidates)]
	q.Edges = q.Edges[:min(len(q.Edges), MaxEdges)]
	places := make([]place, len(q.Candidates))
	for i := range q.Candidates {
		places[i] = q.look(&q.Candidates[i])
	}
	g := newGraph(len(places), q.Edges)
	total := g.weigh(&q, places)
	order := make([]int, 0, len(places))
	for i := range places {
		if places[i].score > leastScore {
			order = append(order, i)
		}
	}
	slices.SortFunc(order, func(a, b int) int {
		return cmp.Or(
			cmp.Compare(places[b].score, places[a].score),
			cmp.Compare(places[b].seen, places[a].seen),
			cmp.Compare(q.Candidates[a].Place, q.Candidates[b].Place),
		)
	})
	if len(order) > Told {
		order = order[:Told]
	}
	causes := make([]Cause, 0, len(order))
	for rank, i := range order {
		causes = append(causes, Cause{
			Place:      q.Candidates[i].Place,
			Score:      places[i].score,
			Share:      places[i].score / total,
			Confidence: confidence(rank, places[i].score/total),
			Evidence:   g.evidence(&q, places, i),
		})
	}
	return causes
}

// leastScore is below what nothing speaks for a place.
const leastScore = 1e-6

// place is what was found out about one candidate.
type place struct {
	candidate *Candidate
	finds     [aspects]find
	symptoms  // as far as they are those of a victim, or of a culprit
	reasons   []reason
	score     float64
	seen      float64 // share of all symptoms that lie at it or upstream of it
}

// find is how an aspect of a place changed.
type find struct {
	up, down float64 // surprise, nats beyond what the place's past has
	known    bool    // there is a series of it with enough of a past
	most     told    // the series that says most in either direction
	least    told
}

// told is one series' word.
type told struct {
	series        string
	surprise      float64
	before, after float64
	at            int64 // the first sample that was surprising, ms
	interval      int64 // between samples, ms
}

// symptoms of one place, in nats, as far as they are worth a word.
type symptoms struct {
	slow, failing, calls, starved, asked, silent float64
	loaded, burnt                                float64 // of a machine, and by what it carries
}

func (s *symptoms) worst() float64 {
	return max(s.slow, s.calls, s.failing, s.silent, s.loaded)
}
