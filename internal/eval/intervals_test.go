package eval

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"text/tabwriter"
	"time"

	"github.com/foreshock/foreshock/internal/synthetic"
)

// scrapes are the intervals that people scrape at.
var scrapes = [...]time.Duration{time.Second, 15 * time.Second, time.Minute, 5 * time.Minute}

// sameAt is one pattern and the verdict on it, whatever the interval.
type sameAt struct {
	name    string
	pattern synthetic.Pattern
	days    int
	within  time.Duration
	want    string // see verdict
}

// diverging are the patterns of which another verdict is given at these intervals. An
// interval that is right again is to be taken off here.
var diverging = map[string][]time.Duration{}

// oneSight groups the channels that are two views of one thing: the value and its
// magnitude, which are the same about 100, and the levels over different times.
var oneSight = map[string]string{
	"value": "value", "magnitude": "value",
	"shift": "level", "level (fast)": "level", "level (slow)": "level",
	"roughness": "roughness", "season": "season", "burst": "burst",
}

// verdict is what the detector says of a pattern: "quiet" where nothing happens and
// there is no more than one alert in four series-days, "noisy" where there is; of an
// event what most alerts saw, or "missed" where one stream in three or more had none.
func (s *sameAt) verdict(t *testing.T, interval time.Duration) string {
	c := synthCase{name: s.name, pattern: s.pattern, interval: interval, streams: 3, days: s.days, within: s.within}
	alerts, days, found := 0, 0.0, 0
	sights := map[string]int{}
	for seed := range uint64(c.streams) {
		h, err := c.listen(t.Context(), seed)
		if err != nil {
			t.Fatal(err)
		}
		alerts += h.alerts
		days += h.quiet.Hours() / 24
		if h.found {
			found++
			sights[oneSight[h.channel]]++
		}
	}
	switch {
	case float64(alerts) > days/4:
		return fmt.Sprintf("noisy: %.1f/d", float64(alerts)/days)
	case s.within == 0:
		return "quiet"
	case found < c.streams:
		return "missed"
	}
	return mostly(sights)
}

// Somebody who scrapes more often must not be told another story. What happens, happens
// in time: for so many minutes, not for so many samples.
func TestTheSameAtEveryInterval(t *testing.T) {
	if testing.Short() {
		t.Skip("a simulation, run without -short: it has one goroutine, and the race detector would take minutes")
	}
	t.Parallel()
	const minute, hour, day = time.Minute, time.Hour, 24 * time.Hour
	var (
		spike    = synthetic.Raised(12, 10*minute)
		shift    = synthetic.Raised(8, 0)
		flat     = synthetic.Stuck(2 * hour)
		leak     = synthetic.Leaking(1)
		noise    = synthetic.Pattern{Ground: synthetic.Noise}
		counter  = synthetic.Pattern{Ground: synthetic.Noise, Counter: true}
		gaps     = synthetic.Pattern{Ground: synthetic.Noise, Scrape: synthetic.Gapped}
		markers  = synthetic.Pattern{Ground: synthetic.Noise, Scrape: synthetic.Ended}
		misses   = synthetic.Pattern{Ground: synthetic.Noise, Scrape: synthetic.Missed}
		constant = synthetic.Pattern{Ground: synthetic.Constant, Exact: true}
		wave     = synthetic.Pattern{Ground: synthetic.Wave}
	)
	with := func(p synthetic.Pattern, e synthetic.Event) synthetic.Pattern {
		p.Event = e
		return p
	}

	var table strings.Builder
	w := tabwriter.NewWriter(&table, 0, 0, 2, ' ', 0)
	fmt.Fprintln(w, "pattern\twant\t1 s\t15 s\t60 s\t5 min")
	for _, c := range []sameAt{
		{"constant", constant, 4, 0, "quiet"},
		{"constant, step", with(constant, synthetic.Raised(1, 0)), 4, hour, "value"},
		{"constant, spike", with(constant, synthetic.Raised(1, 10*minute)), 4, 10 * minute, "value"},
		{"noise", noise, 4, 0, "quiet"},
		{"noise, spike", with(noise, spike), 4, 10 * minute, "value"},
		{"noise, shift", with(noise, shift), 4, 2 * hour, "value"},
		{"noise, small shift", with(noise, synthetic.Raised(2, 0)), 4, 2 * hour, "level"},
		{"noise, flat line", with(noise, flat), 4, 2 * hour, "roughness"},
		{"noise, leak", with(noise, leak), 4, 12 * hour, "level"},
		{"counter that resets", counter, 4, 0, "quiet"},
		{"counter that resets, spike", with(counter, spike), 4, 10 * minute, "value"},
		{"counter that resets, shift", with(counter, shift), 4, 2 * hour, "value"},
		{"counter that resets, flat line", with(counter, flat), 4, 2 * hour, "roughness"},
		{"gaps", gaps, 4, 0, "quiet"},
		{"gaps, shift", with(gaps, shift), 4, 2 * hour, "value"},
		{"staleness markers", markers, 4, 0, "quiet"},
		{"staleness markers, shift", with(markers, shift), 4, 2 * hour, "value"},
		{"scrape misses", misses, 4, 0, "quiet"},
		{"scrape misses, shift", with(misses, shift), 4, 2 * hour, "value"},
		{"daily wave", wave, 6, 0, "quiet"},
		{"daily wave, vanished", with(wave, synthetic.Becalmed()), 8, day, "season"},
	} {
		fmt.Fprintf(w, "%s\t%s", c.name, c.want)
		for _, interval := range scrapes {
			got := c.verdict(t, interval)
			fmt.Fprintf(w, "\t%s", got)
			switch known := slices.Contains(diverging[c.name], interval); {
			case got != c.want && !known:
				t.Errorf("%s every %v: %s, want %s", c.name, interval, got, c.want)
			case got == c.want && known:
				t.Logf("%s every %v is right: take it off the list of diverging", c.name, interval)
			}
		}
		fmt.Fprintln(w)
	}
	w.Flush()
	t.Logf("\n%s", &table)
}
