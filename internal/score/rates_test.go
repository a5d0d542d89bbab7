package score

import (
	"fmt"
	"math"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/foreshock/foreshock/internal/synthetic"
)

const perDay = int(24 * time.Hour / time.Minute)

// A person who tries Foreshock on a file first must see what the live detector
// would find, and as few false alarms: the rates of the detector, once more, with
// a file in front of it and a column for each series.
func TestAFileIsScoredAsWellAsAStream(t *testing.T) {
	const days = 7
	for _, c := range []struct {
		name    string
		event   synthetic.Generator
		columns int
		within  int     // points after the onset that count as found
		least   float64 // share of the series; 0: reported only
		most    float64 // false alarms a series and day, after the first; 0: reported only
	}{
		{"spike of 6 σ", synthetic.Spike(6), 50, 2, 0.94, 0.06},
		{"shift of 2 σ", synthetic.Shift(2), 30, 120, 0.99, 0.06},
		{"flat line", synthetic.Flatline, 10, 120, 0, 0},
		{"missing daily wave", synthetic.MissingWave, 10, perDay, 0, 0},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			streams := make([]synthetic.Stream, c.columns)
			for i := range streams {
				streams[i] = c.event(uint64(i), time.Minute, (days+1)*perDay)
			}
			out, _ := scored(t, asColumns(streams), Options{})

			hits, alarms, quiet := map[int]bool{}, 0, 0
			for _, s := range streams {
				quiet += s.From - perDay
			}
			for line := range strings.Lines(out) {
				fields := strings.Split(line, ",")
				if fields[4] != "1" {
					continue
				}
				ms, err := strconv.ParseInt(fields[0], 10, 64)
				if err != nil {
					t.Fatal(err)
				}
				column, err := strconv.Atoi(fields[1][1:])
				if err != nil {
					t.Fatal(err)
				}
				s := streams[column-1]
				switch i := int((ms - synthetic.Start) / time.Minute.Milliseconds()); {
				case i >= s.From && i < s.From+c.within:
					hits[column] = true
				case i >= perDay && i < s.From:
					alarms++
				}
			}
			share, quietDays := float64(len(hits))/float64(c.columns), float64(quiet)/float64(perDay)
			t.Logf("%.0f %% found, %.3f false alarms a series and day", 100*share, float64(alarms)/quietDays)
			if share < c.least {
				t.Errorf("%.0f %% found, want at least %.0f %%", 100*share, 100*c.least)
			}
			// A few hundred days tell the rate only within two standard errors of a
			// Poisson count; the detector's own test measures it on thousands.
			expected := c.most * quietDays
			if most := expected + 2*math.Sqrt(expected); c.most > 0 && float64(alarms) > most {
				t.Errorf("%d false alarms in %.0f series-days, want at most %.0f", alarms, quietDays, most)
			}
		})
	}
}

// asColumns writes streams of equal times as columns, without a header.
// What is learned anew while a series grows up, as its bars get wider, makes none of it look
// odd: of noise at a usual interval few series in a hundred are anomalous at all in their
// first six hours.
func TestAYoungSeriesIsQuiet(t *testing.T) {
	const columns = 100
	streams := make([]synthetic.Stream, columns)
	for i := range streams {
		streams[i] = synthetic.Noise(uint64(i), 15*time.Second, int(6*time.Hour/(15*time.Second)))
	}
	out, _ := scored(t, asColumns(streams), Options{})
	odd := map[string]bool{}
	for line := range strings.Lines(out) {
		if fields := strings.Split(line, ","); fields[4] == "1" {
			odd[fields[1]] = true
		}
	}
	t.Logf("%d of %d series are anomalous once", len(odd), columns)
	if len(odd) > columns/5 {
		t.Errorf("%d of %d series of noise are anomalous in their first six hours", len(odd), columns)
	}
}

func asColumns(streams []synthetic.Stream) string {
	var b strings.Builder
	for i, p := range streams[0].Points {
		fmt.Fprint(&b, p.T)
		for _, s := range streams {
			b.WriteByte(',')
			b.WriteString(strconv.FormatFloat(s.Points[i].V, 'f', 4, 64))
		}
		b.WriteByte('\n')
	}
	return b.String()
}
