package detector

import (
	"testing"
	"time"

	"github.com/foreshock/foreshock/internal/synthetic"
)

// A band that says 95 % and holds 80 % is worth less than none, whatever the noise.
func TestBandHoldsItsShare(t *testing.T) {
	t.Parallel()
	const streams, days = 10, 10
	for _, c := range []struct {
		name  string
		noise synthetic.Generator
		known int  // days the model needs to know the stream
		ahead bool // whether the forecasts are to hold their share as well
	}{
		{"white noise", synthetic.Noise, 1, true},
		{"white noise with gaps", synthetic.Gaps, 1, true},
		{"autoregressive, 0.9", synthetic.Autoregressive, 1, false},
		{"heavy tails, t(3)", synthetic.HeavyTail, 1, true},
		{"drift of 1 σ a day", synthetic.Drift, 1, true},
		{"daily wave of 10 σ", synthetic.Wave, 4, true},
		{"after a shift of 20 σ", synthetic.Shift(20), 1, false},
	} {
		held, of := 0, 0
		ahead := []time.Duration{time.Hour, 4 * time.Hour, 24 * time.Hour}
		foreseen, ofForeseen := make([]int, len(ahead)), 0
		for seed := range uint64(streams) {
			m := moving()
			points := c.noise(seed, time.Minute, days*perDay).Points
			for i, p := range points {
				v := stepped(&m, &ordinaryGrading, ungated, p.T, p.V)
				if i < c.known*perDay {
					continue
				}
				of++
				if v.band.Contains(p.V) {
					held++
				}
				if i%60 == 0 && i+perDay < len(points) {
					ofForeseen++
					for k, h := range ahead {
						if b, _ := m.expect(p.T + h.Milliseconds()); b.Contains(points[i+int(h/time.Minute)].V) {
							foreseen[k]++
						}
					}
				}
			}
		}
		share := float64(held) / float64(of)
		t.Logf("%-24s %.1f %%; 1 h, 4 h, 24 h ahead %.1f, %.1f, %.1f %%", c.name, 100*share,
			100*float64(foreseen[0])/float64(ofForeseen), 100*float64(foreseen[1])/float64(ofForeseen), 100*float64(foreseen[2])/float64(ofForeseen))
		if share < 0.93 || share > 0.97 {
			t.Errorf("%s: the band holds %.1f %% of the values, want 93 to 97 %%", c.name, 100*share)
		}
		for k, n := range foreseen {
			if share := float64(n) / float64(ofForeseen); c.ahead && (share < 0.93 || share > 0.97) {
				t.Errorf("%s: the band %v ahead holds %.1f %% of the values, want 93 to 97 %%", c.name, ahead[k], 100*share)
			}
		}
	}
}
