package eval

import (
	"time"

	"github.com/foreshock/foreshock/internal/synthetic"
)

// synthCase is one pattern and what the detector must make of it.
type synthCase struct {
	name     string
	pattern  synthetic.Pattern
	interval time.Duration
	streams  int
	days     int           // of a stream, one that is learned included
	within   time.Duration // of an event's first sample an alert must begin to have found it

	saw []string // the channels that an event shows in: words of forest.Channel

	// The floors. Zero is reported only.
	most  floor // alerts per series and day, where nothing happens
	least floor // share of the events found
	truth floor // share of those whose alert names one of saw
}

// floor is a gate's value; 0 is none.
type floor float64

func (f floor) orUnknown() figure {
	if f == 0 {
		return unknown
	}
	return figure(f)
}

// suite is what ships as a gate: everything the detector must find, bear or leave
// alone, and how well. A detector that finds more by crying wolf has found nothing:
// what it finds counts at the alerts it raises on white noise, and all of it at one
// threshold. The floors are all here.
var suite = func() []synthCase {
	const minute, hour = time.Minute, time.Hour
	quiet := func(name string, p synthetic.Pattern, streams int, most floor) synthCase {
		return synthCase{name: name, pattern: p, interval: minute, streams: streams, days: 15, most: most}
	}
	event := func(name string, p synthetic.Pattern, streams int, within time.Duration, saw []string, least, truth floor) synthCase {
		return synthCase{name: name, pattern: p, interval: minute, streams: streams, days: 7, within: within, saw: saw, least: least, truth: truth}
	}
	on := func(ground synthetic.Generator, e synthetic.Event) synthetic.Pattern {
		return synthetic.Pattern{Ground: ground, Event: e}
	}
	scraped := func(by synthetic.Scrape, e synthetic.Event) synthetic.Pattern {
		return synthetic.Pattern{Ground: synthetic.Noise, Scrape: by, Event: e}
	}
	exactlyOn := func(ground synthetic.Generator, e synthetic.Event) synthetic.Pattern {
		return synthetic.Pattern{Ground: ground, Exact: true, Event: e}
	}
	counted := func(e synthetic.Event) synthetic.Pattern {
		return synthetic.Pattern{Ground: synthetic.Noise, Counter: true, Event: e}
	}
	var (
		nothing synthetic.Event

		// A burst is a sudden local change: a spike, the edge of a step, noise that grows.
		far   = []string{"value", "magnitude", "shift", "burst"}                                 // one value, or a few
		level = []string{"value", "magnitude", "shift", "burst", "level (fast)", "level (slow)"} // all that follow
		rough = []string{"roughness"}                                                            // a step far beyond the usual ones, too
		loud  = []string{"value", "magnitude", "roughness", "burst"}
		rest  = []string{"season"}
		noise = synthetic.Noise
	)
	// A wave is known after its third day. A line that is flat at an extreme is seen by
	// its level first, now and then.
	vanished := event("vanished daily wave", on(synthetic.Wave, synthetic.Becalmed()), 50, day, rest, 0.90, 0.90)
	vanished.days = 8
	return []synthCase{
		quiet("white noise", on(noise, nothing), 200, 0.06),
		quiet("drift, 1 σ a day", on(synthetic.Drift, nothing), 60, 0.1),
		quiet("heavy tails, t(3)", on(synthetic.HeavyTail, nothing), 60, 0.1),
		quiet("autoregressive, 0.9", on(synthetic.Autoregressive, nothing), 20, 0.1),
		quiet("daily wave", on(synthetic.Wave, nothing), 50, 0.06),
		quiet("sparse counts", exactlyOn(synthetic.Counts, nothing), 20, 0.1),
		quiet("constant", exactlyOn(synthetic.Constant, nothing), 20, 0.001),
		quiet("gaps", scraped(synthetic.Gapped, nothing), 40, 0.1),
		quiet("gaps with staleness markers", scraped(synthetic.Ended, nothing), 40, 0.1),
		quiet("scrape misses", scraped(synthetic.Missed, nothing), 40, 0.1),
		quiet("counter that resets", counted(nothing), 40, 0.1),

		event("spike, 6 σ", on(noise, synthetic.Raised(6, minute)), 600, 2*minute, far, 0.94, 0.9),
		event("shift, 2 σ", on(noise, synthetic.Raised(2, 0)), 200, 2*hour, level, 0.99, 0.9),
		event("shift, 1 σ", on(noise, synthetic.Raised(1, 0)), 50, 2*hour, level, 0, 0),
		event("flat line, 2 h", on(noise, synthetic.Stuck(2*hour)), 60, 2*hour, rough, 0.90, 0.9),
		event("noise three times as loud", on(noise, synthetic.Louder(3, 0)), 60, 2*hour, loud, 0.9, 0.9),
		event("noise a quarter as loud", on(noise, synthetic.Louder(0.25, 0)), 60, 2*hour, rough, 0, 0),
		event("slow leak, 1 σ an hour", on(noise, synthetic.Leaking(1)), 60, 12*hour, level, 0.9, 0.9),
		vanished,
		event("spike, 6 σ, in heavy tails", on(synthetic.HeavyTail, synthetic.Raised(6, 10*minute)), 60, 10*minute, level, 0, 0),
		event("shift, 4 σ, on a daily wave", on(synthetic.Wave, synthetic.Raised(4, 0)), 60, 6*hour, append(rest, level...), 0.9, 0.9),
		event("shift, 4 σ, on a drift", on(synthetic.Drift, synthetic.Raised(4, 0)), 30, 2*hour, level, 0.9, 0.9),
		event("shift, 4 σ, of an autoregression", on(synthetic.Autoregressive, synthetic.Raised(4, 0)), 30, 2*hour, append(rough, level...), 0.9, 0.9),
		event("shift, 4 σ, among gaps", scraped(synthetic.Gapped, synthetic.Raised(4, 0)), 30, 2*hour, level, 0.9, 0.9),
		event("shift, 4 σ, among markers", scraped(synthetic.Ended, synthetic.Raised(4, 0)), 30, 2*hour, level, 0.9, 0.9),
		event("shift, 4 σ, among scrape misses", scraped(synthetic.Missed, synthetic.Raised(4, 0)), 30, 2*hour, level, 0.9, 0.9),
		event("shift, 4 σ, of a counter", counted(synthetic.Raised(4, 0)), 30, 2*hour, level, 0.9, 0.9),
		event("flat line, 2 h, of a counter", counted(synthetic.Stuck(2*hour)), 30, 2*hour, rough, 0.9, 0.9),
		event("burst of counts", exactlyOn(synthetic.Counts, synthetic.Raised(10, 10*minute)), 60, 10*minute, level, 0.9, 0.9),
		event("step off a constant", exactlyOn(synthetic.Constant, synthetic.Raised(1, 0)), 20, hour, far, 0.9, 0.9),
	}
}()
