package eval

import (
	"math"
	"slices"
)

const (
	// slack is how many rows before an event or after its end an alert may begin to
	// have found it; alerts closer than that are one.
	slack = 5

	week = 7 // days
)

// above1 is the least score that alerts at the shipped threshold.
var above1 = math.Nextafter(1, 2)

// Events is how well alerts found events. An alert is a run of rows at or above the
// threshold; by its first row it finds an event, or is false.
type Events struct {
	Threshold  figure `json:"threshold"`
	F1         figure `json:"f1"`
	Precision  figure `json:"precision"`   // events found ÷ (events found + false alerts)
	Recall     figure `json:"recall"`      // events found ÷ events
	FalseDaily figure `json:"false_daily"` // false alerts per stream and day
	Delay      figure `json:"delay"`       // mean, from an event's first row to the alert's, in rows
}

// tally counts events and alerts over streams.
type tally struct {
	events, found, wrong int
	delay                int // rows, summed over events found
	days                 float64
}

// count adds what alerts at threshold make of one stream.
func (t *tally) count(s *stream, scores []float64, threshold float64) {
	t.events += len(s.events)
	t.days += s.days()
	alerts := onsets(scores, threshold, s.from)
	for _, e := range s.events {
		i, _ := slices.BinarySearch(alerts, e.first-slack)
		if i < len(alerts) && alerts[i] <= e.last+slack {
			t.found++
			t.delay += alerts[i] - e.first
		}
	}
	next := 0 // event: the first that does not lie before the alert
	for _, row := range alerts {
		for next < len(s.events) && s.events[next].last+slack < row {
			next++
		}
		if next == len(s.events) || row < s.events[next].first-slack {
			t.wrong++
		}
	}
}

// onsets are the first rows of the alerts at threshold that began at row from or later.
func onsets(scores []float64, threshold float64, from int) []int {
	var rows []int
	last := -slack // row of an alert
	for row, score := range scores {
		if !(score >= threshold) {
			continue
		}
		if row-last >= slack && row >= from {
			rows = append(rows, row)
		}
		last = row
	}
	return rows
}

func (t *tally) f1() float64 {
	return 2 * float64(t.found) / float64(t.found+t.wrong+t.events)
}

func (t *tally) recall() float64 { return float64(t.found) / float64(t.events) }

func (t *tally) falseDaily() float64 { return float64(t.wrong) / t.days }

func (t *tally) result(threshold float64) Events {
	return Events{
		Threshold:  figure(threshold),
		F1:         figure(t.f1()),
		Precision:  figure(float64(t.found) / float64(t.found+t.wrong)),
		Recall:     figure(t.recall()),
		FalseDaily: figure(t.falseDaily()),
		Delay:      figure(float64(t.delay) / float64(t.found)),
	}
}

// Alerts may be raised on either of a track's scores.
const (
	onTop = iota
	onMean
)

var signalNames = [2]string{onTop: "highest", onMean: "mean"}

// trial is what one method made of one set, ready to be judged at any threshold.
type trial struct {
	set     string
	streams []*stream
	signals [2][][]float64 // by onTop and onMean, then stream
	vus     float64
	auc     float64
	cost    Cost
}

func newTrial(set string, streams []*stream, tracks []track, cost Cost) *trial {
	t := &trial{set: set, cost: cost}
	var vus, auc []float64
	for i, s := range streams {
		scores := tracks[i].mean[s.from:]
		t.signals[onTop] = append(t.signals[onTop], tracks[i].top)
		t.signals[onMean] = append(t.signals[onMean], tracks[i].mean)
		// The judge needs no values: they make up nearly all of a set.
		t.streams = append(t.streams, &stream{name: s.name, interval: s.interval, times: s.times, from: s.from, events: s.events})
		if len(s.events) == 0 {
			continue
		}
		counted := make([]span, len(s.events))
		for k, e := range s.events {
			counted[k] = span{e.first - s.from, e.last - s.from}
		}
		vus = append(vus, vusPR(scores, counted, vusBuffer))
		auc = append(auc, aucPR(scores, counted))
	}
	t.vus, t.auc = average(vus), average(auc)
	return t
}

func (t *trial) at(signal int, threshold float64) *tally {
	var all tally
	for i, s := range t.streams {
		all.count(s, t.signals[signal][i], threshold)
	}
	return &all
}

// candidates are thresholds worth trying: those that a share of the rows reaches,
// from a half down to a single row in steps of 1 ÷ 10^0.1.
func (t *trial) candidates(signal int) []float64 {
	var all []float64
	for i, s := range t.streams {
		all = append(all, t.signals[signal][i][s.from:]...)
	}
	slices.SortFunc(all, compareDown)
	var thresholds []float64
	for rows := float64(len(all)) / 2; rows >= 1; rows /= math.Pow(10, 0.1) {
		if s := all[int(rows)-1]; s > 0 {
			thresholds = append(thresholds, s)
		}
	}
	return thresholds
}

// judge is a method's row for each set.
func judge(name string, trials []*trial) []Row {
	rows := make([]Row, len(trials))
	for i, t := range trials {
		rows[i] = Row{
			Set: t.set, Method: name, VUSPR: figure(t.vus), AUCPR: figure(t.auc),
			Shipped: t.at(onTop, above1).result(above1), Cost: t.cost,
		}
	}
	best := math.Inf(-1)
	for signal := range signalNames {
		thresholds := []float64{above1}
		for _, t := range trials {
			thresholds = append(thresholds, t.candidates(signal)...)
		}
		slices.Sort(thresholds)
		for _, threshold := range slices.Compact(thresholds) {
			sum := 0.0
			tallies := make([]*tally, len(trials))
			for i, t := range trials {
				c := t.at(signal, threshold)
				tallies[i] = c
				sum += c.f1()
				if c.falseDaily() <= 1.0/week {
					rows[i].WeekRecall = max(rows[i].WeekRecall, figure(c.recall()))
				}
			}
			if sum <= best {
				continue
			}
			best = sum
			for i, c := range tallies {
				rows[i].Tuned, rows[i].TunedOn = c.result(threshold), signalNames[signal]
			}
		}
	}
	return rows
}

// mean is that of a method's rows, each set counting alike.
func mean(rows []Row) Row {
	of := func(pick func(*Row) figure) figure {
		var known []float64
		for i := range rows {
			if v := float64(pick(&rows[i])); !math.IsNaN(v) {
				known = append(known, v)
			}
		}
		return figure(average(known))
	}
	events := func(pick func(*Row) *Events) Events {
		return Events{
			Threshold:  pick(&rows[0]).Threshold, // the same in all
			F1:         of(func(r *Row) figure { return pick(r).F1 }),
			Precision:  of(func(r *Row) figure { return pick(r).Precision }),
			Recall:     of(func(r *Row) figure { return pick(r).Recall }),
			FalseDaily: of(func(r *Row) figure { return pick(r).FalseDaily }),
			Delay:      of(func(r *Row) figure { return pick(r).Delay }),
		}
	}
	return Row{
		Set: "mean", Method: rows[0].Method,
		VUSPR:      of(func(r *Row) figure { return r.VUSPR }),
		AUCPR:      of(func(r *Row) figure { return r.AUCPR }),
		Shipped:    events(func(r *Row) *Events { return &r.Shipped }),
		Tuned:      events(func(r *Row) *Events { return &r.Tuned }),
		TunedOn:    rows[0].TunedOn,
		WeekRecall: of(func(r *Row) figure { return r.WeekRecall }),
		Cost: Cost{
			Nanoseconds: of(func(r *Row) figure { return r.Cost.Nanoseconds }),
			Bytes:       of(func(r *Row) figure { return r.Cost.Bytes }),
		},
	}
}

// average is NaN where there is nothing to average.
func average(of []float64) float64 {
	sum := 0.0
	for _, v := range of {
		sum += v
	}
	return sum / float64(len(of))
}
