package plot

import (
	"math"
	"strconv"
	"time"

	gonum "gonum.org/v1/plot"
)

// timeTicks marks instants a person would name: whole seconds, quarters of an
// hour, midnights, first days of months. At most eight, so that labels never meet.
type timeTicks struct{}

const mostTimeTicks = 8

var (
	clockSteps = []time.Duration{
		time.Millisecond, 2 * time.Millisecond, 5 * time.Millisecond,
		10 * time.Millisecond, 20 * time.Millisecond, 50 * time.Millisecond,
		100 * time.Millisecond, 200 * time.Millisecond, 500 * time.Millisecond,
		time.Second, 2 * time.Second, 5 * time.Second, 10 * time.Second, 15 * time.Second, 30 * time.Second,
		time.Minute, 2 * time.Minute, 5 * time.Minute, 10 * time.Minute, 15 * time.Minute, 30 * time.Minute,
		time.Hour, 2 * time.Hour, 3 * time.Hour, 6 * time.Hour, 12 * time.Hour,
		day, 2 * day, 7 * day, 14 * day,
	}
	monthSteps = []int{1, 2, 3, 6, 12, 24, 60, 120}
)

const day = 24 * time.Hour

// Ticks implements gonum's Ticker over milliseconds.
func (timeTicks) Ticks(low, high float64) []gonum.Tick {
	for _, step := range clockSteps {
		if ms := float64(step.Milliseconds()); (high-low)/ms <= mostTimeTicks {
			return clockTicks(low, high, step)
		}
	}
	start, end := instant(low), instant(high)
	months := (end.Year()-start.Year())*12 + int(end.Month()-start.Month())
	for _, step := range monthSteps {
		if months/step < mostTimeTicks {
			return monthTicks(start, end, step)
		}
	}
	step := 120
	for months/step >= mostTimeTicks {
		step *= 10
	}
	return monthTicks(start, end, step)
}

// instant is the time at so many milliseconds, within the 146 million years around
// 1970 that half an int64 counts.
func instant(ms float64) time.Time {
	return time.UnixMilli(int64(min(max(ms, -1<<62), 1<<62))).UTC()
}

func clockTicks(low, high float64, step time.Duration) []gonum.Tick {
	layout := "15:04"
	switch {
	case step < time.Second:
		layout = "15:04:05.000"
	case step < time.Minute:
		layout = "15:04:05"
	case step >= day:
		layout = "2 Jan"
	}
	below := "2 Jan 2006"
	if step >= day {
		below = "2006"
	}
	var (
		ticks []gonum.Tick
		told  string
		ms    = float64(step.Milliseconds())
	)
	for at := math.Ceil(low/ms) * ms; at <= high; at += ms {
		ticks = append(ticks, labelled(instant(at), layout, below, &told))
	}
	return ticks
}

func monthTicks(start, end time.Time, step int) []gonum.Tick {
	layout, below := "Jan", "2006"
	if step >= 12 {
		layout, below = "2006", ""
	}
	var (
		ticks []gonum.Tick
		told  string
	)
	first := start.Year()*12 + int(start.Month()) - 1
	for m := first - first%step; ; m += step {
		at := time.Date(0, time.Month(m+1), 1, 0, 0, 0, 0, time.UTC)
		if at.After(end) {
			return ticks
		}
		if !at.Before(start) {
			ticks = append(ticks, labelled(at, layout, below, &told))
		}
	}
}

// labelled says on a second line what the first leaves out, where it changes: the
// date beneath hours, the year beneath dates.
func labelled(at time.Time, layout, below string, told *string) gonum.Tick {
	second := " " // not empty, so that every label is two lines high
	if rest := at.Format(below); rest != *told {
		*told, second = rest, rest
	}
	return gonum.Tick{Value: float64(at.UnixMilli()), Label: at.Format(layout) + "\n" + second}
}

// valueTicks marks multiples of 1, 2 or 5 × 10ⁿ, at most most of them.
type valueTicks struct{ most int }

// Ticks implements gonum's Ticker.
func (v valueTicks) Ticks(low, high float64) []gonum.Tick {
	step := niceStep((high - low) / float64(v.most))
	write := number(max(math.Abs(low), math.Abs(high)), step)
	var ticks []gonum.Tick
	// Multiples rather than sums: 0.1 added three times is not 0.3.
	// The ends are met within a billionth of a step, as 3 × 0.1 has to meet 0.3.
	first, last := math.Ceil(low/step-1e-9), math.Floor(high/step+1e-9)
	for n := first; n <= last && len(ticks) <= v.most; n++ {
		at := n*step + 0 // +0 turns −0 into 0
		ticks = append(ticks, gonum.Tick{Value: min(max(at, low), high), Label: write(at)})
	}
	return ticks
}

// niceStep is the least of 1, 2 and 5 × 10ⁿ that is at least x.
func niceStep(x float64) float64 {
	magnitude := math.Pow(10, math.Floor(math.Log10(x)))
	for _, m := range []float64{1, 2, 5} {
		if m*magnitude >= x*(1-1e-9) {
			return m * magnitude
		}
	}
	return 10 * magnitude
}

// number returns how to write values up to largest that differ by step: with the
// digits needed to tell neighbours apart, and k, M, G, T from ten thousand on.
func number(largest, step float64) func(float64) string {
	if largest >= 1e16 || largest < 1e-4 {
		digits := math.Floor(math.Log10(largest)) - math.Floor(math.Log10(step)+1e-9)
		return func(v float64) string { return strconv.FormatFloat(v, 'e', int(min(digits, 15)), 64) }
	}
	scale, prefix := 1.0, ""
	for _, s := range []struct {
		scale  float64
		prefix string
	}{{1e3, "k"}, {1e6, "M"}, {1e9, "G"}, {1e12, "T"}} {
		// A thousandth of the unit is the finest step worth it.
		if largest >= 10*s.scale && step >= s.scale/1000 {
			scale, prefix = s.scale, s.prefix
		}
	}
	decimals := max(0, int(math.Ceil(-math.Log10(step/scale)-1e-9)))
	return func(v float64) string { return strconv.FormatFloat(v/scale, 'f', decimals, 64) + prefix }
}
