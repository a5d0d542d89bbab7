package eval

import (
	"math"
	"math/rand/v2"
	"time"

	"github.com/foreshock/foreshock/detector/trend"
	"github.com/foreshock/foreshock/internal/synthetic"
)

// disks is how many made-up disks are asked when they will be full, or empty.
const disks = 200

// ThresholdRow is how well a method foresees when a limit will be crossed.
type ThresholdRow struct {
	Method string `json:"method"`
	// LogError is the median of |log(foreseen ÷ true)| where anything is foreseen.
	LogError figure `json:"log_error"`
	// Wrong is the share of disks that a method sees cross a limit they move away from,
	// Silent of those that move towards one and no method says so, and Alarms of those
	// that do not move and are said to.
	Wrong  figure `json:"wrong_sign"`
	Silent figure `json:"silent"`
	Alarms figure `json:"alarms_of_flat"`
}

// reacher foresees when a stream will cross a limit.
type reacher interface {
	Learn(at int64, x float64)
	Reach(limit float64, above bool) (eta time.Duration, ok bool)
}

// thresholds measures methods on disks under a daily wave, outliers and clean-ups that
// fill or empty at a steady pace, between six hours and a week before they cross a
// limit, and on the same disks as they would be without moving.
func thresholds(all bool) []ThresholdRow {
	methods := []struct {
		name  string
		start func() reacher
	}{
		{"foreshock", func() reacher { return &trend.Crossing{} }},
		{"line through 240 samples", func() reacher { return &latest{past: newRing(240)} }},
	}
	if !all {
		methods = methods[:1]
	}
	var rows []ThresholdRow
	for _, m := range methods {
		var errs []float64
		silent, wrong, alarms := 0, 0, 0
		for seed := range uint64(disks) {
			r := rand.New(rand.NewPCG(seed, 2))
			left := 0.25 * math.Pow(7/0.25, r.Float64()) // days: six hours to a week
			slope := min(12/left, 20)                    // percent a day, as steep as the wave at its steepest
			if seed%2 == 0 {
				slope = 1 + 9*r.Float64()
			}
			up := seed%4 < 2
			if !up {
				slope = -slope
			}
			heard := int((2.1 + 2*r.Float64()) * 1440) // minutes

			moving, flat := m.start(), m.start()
			for _, p := range synthetic.Disk(slope)(seed, time.Minute, heard).Points {
				moving.Learn(p.T, p.V)
			}
			for _, p := range synthetic.Disk(0)(seed, time.Minute, heard).Points {
				flat.Learn(p.T, p.V)
			}
			if eta, ok := moving.Reach(50+slope*left, up); ok {
				errs = append(errs, math.Abs(math.Log(max(eta.Hours()/24, 0.01)/left)))
			} else {
				silent++
			}
			if eta, ok := moving.Reach(50-slope*left, !up); ok && eta > 0 {
				wrong++
			}
			if eta, ok := flat.Reach(60, true); ok && eta > 0 {
				alarms++
			}
		}
		share := func(n int) figure { return figure(float64(n) / disks) }
		rows = append(rows, ThresholdRow{m.name, figure(middle(errs)), share(wrong), share(silent), share(alarms)})
	}
	return rows
}

// latest is predict_linear: the least-squares line through the latest samples, which
// come once a minute.
type latest struct{ past *ring }

func (l *latest) Learn(_ int64, x float64) { l.past.add(x) }

func (l *latest) Reach(limit float64, above bool) (time.Duration, bool) {
	now, slope := leastSquares(l.past)
	ahead := (limit - now) / slope
	if (slope > 0) != above || ahead < 0 || ahead > 1e6 {
		return 0, false
	}
	return time.Duration(ahead * float64(time.Minute)), true
}
