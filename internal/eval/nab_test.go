package eval

import (
	"math"
	"testing"
)

// A file of 100 rows with one window of ten, 40 to 49; the first 15 do not count.
func nabFile(alerts map[int]float64) (*stream, []float64) {
	s := &stream{times: make([]int64, 100), from: 15, events: []span{{40, 49}}}
	scores := make([]float64, 100)
	for row, score := range alerts {
		scores[row] = score
	}
	return s, scores
}

// The figures are worked out from the published equations: a detection at y widths
// from the end of a window is worth σ(y) = 2/(1+e^5y) − 1, within a window relative to
// σ(−1) = 0.986614; with one window the normalised score is 100·(sum+1)/2, and for
// reward low FN 100·(sum+2)/3.
func TestNABScoresByThePublishedRule(t *testing.T) {
	for _, c := range []struct {
		name                     string
		alerts                   map[int]float64
		standard, lowFP, lowFN   float64
		bestStandard, bestLowFN  float64
		bestThreshold, threshold float64
	}{
		{name: "nothing said", standard: 0, lowFP: 0, lowFN: 0, bestThreshold: math.Inf(1)},
		{
			name: "the first row of the window", alerts: map[int]float64{40: 2},
			standard: 100, lowFP: 100, lowFN: 100, bestStandard: 100, bestLowFN: 100, bestThreshold: 2,
		},
		{
			// y = −1/10: σ = 0.244919, worth 0.248242
			name: "the last row", alerts: map[int]float64{49: 2},
			standard: 62.4121, lowFP: 62.4121, lowFN: 74.9414, bestStandard: 62.4121, bestLowFN: 74.9414, bestThreshold: 2,
		},
		{
			name: "the last row adds nothing to the first", alerts: map[int]float64{40: 2, 49: 3},
			standard: 100, lowFP: 100, lowFN: 100, bestStandard: 100, bestLowFN: 100, bestThreshold: 2,
		},
		{
			name: "before any window", alerts: map[int]float64{20: 2},
			standard: -5.5, lowFP: -11, lowFN: -0.11 * 100 / 3, bestThreshold: math.Inf(1),
		},
		{
			// y = 1/9: σ = −0.270855
			name: "just after the window", alerts: map[int]float64{50: 2},
			standard: -1.489703, lowFP: -2.979405, lowFN: -0.993135, bestThreshold: math.Inf(1),
		},
		{
			name: "long after", alerts: map[int]float64{99: 2},
			standard: -5.5, lowFP: -11, lowFN: -0.11 * 100 / 3, bestThreshold: math.Inf(1),
		},
		{
			name: "in the probationary period", alerts: map[int]float64{14: 2},
			bestThreshold: math.Inf(1),
		},
		{
			name: "a threshold of 3 leaves the false one out", alerts: map[int]float64{20: 2, 40: 3},
			standard: 94.5, lowFP: 89, lowFN: 100 - 0.11*100/3, bestStandard: 100, bestLowFN: 100, bestThreshold: 3,
		},
	} {
		t.Run(c.name, func(t *testing.T) {
			s, scores := nabFile(c.alerts)
			found := detections(s, scores, 0)
			for i, want := range []float64{c.standard, c.lowFP, c.lowFN} {
				if got := profiles[i].score(found, 1, above1); math.Abs(got-want) > 1e-4 {
					t.Errorf("profile %d: %f, want %f", i, got, want)
				}
			}
			best, at := profiles[0].best(found, 1)
			if math.Abs(best-c.bestStandard) > 1e-4 || at != c.bestThreshold {
				t.Errorf("best %f at %f, want %f at %f", best, at, c.bestStandard, c.bestThreshold)
			}
			if best, _ := profiles[2].best(found, 1); math.Abs(best-c.bestLowFN) > 1e-4 {
				t.Errorf("best for low FN %f, want %f", best, c.bestLowFN)
			}
		})
	}
}

func TestWindowsOfAllFilesShareOneThreshold(t *testing.T) {
	a, first := nabFile(map[int]float64{40: 5, 60: 4})
	b, second := nabFile(map[int]float64{40: 3})
	found := append(detections(a, first, 0), detections(b, second, 1)...)
	// At 5: one of two windows. At 3: both, and a false one at y = 11/9, worth −0.995574.
	best, at := profiles[0].best(found, 2)
	if want := 100 * (2 - 0.11*0.995574 + 2) / 4; math.Abs(best-want) > 1e-3 || at != 3 {
		t.Errorf("best %f at %f, want %f at 3", best, at, want)
	}
}

func TestNewsIsWhatExceedsAllOfTheRowsBefore(t *testing.T) {
	scores := make([]float64, 300)
	for row, s := range map[int]float64{0: 2, 50: 1, 60: 3, 160: 3, 161: 1, 262: 3} {
		scores[row] = s
	}
	got := news(scores)
	for row, s := range got {
		want := 0.0
		switch row {
		case 0:
			want = 2
		case 60, 262: // 160 is within 100 rows of an equal one
			want = 3
		}
		if s != want {
			t.Errorf("row %d: %v, want %v", row, s, want)
		}
	}
}
