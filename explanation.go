package foreshock

import "math"

// Reason is why a sample did or did not alert.
type Reason uint8

// The reasons. One of the four after the first is given where an anomaly started or escalated,
// and nowhere else; the last four are those of times of which less is known.
const (
	BelowThreshold  Reason = iota // ordinary enough
	Alerting                      // it started or escalated an anomaly of a series that a rule selects
	Unselected                    // it did, but no rule selects the series: nobody is told
	Spoken                        // it did, and its place speaks for it: one alert for all of its series
	Impossible                    // it did, since its rule says that there is no such value
	ActiveAlready                 // the anomaly was told of before, and this is not much worse
	OutsideBand                   // the anomaly lasts because the value is not back
	WayBack                       // the value is back in its band: recovering surprises nobody
	Over                          // the anomaly ended here
	Accepted                      // the anomaly ended here, as the level that stayed became the new normal
	Refractory                    // too soon after an alert for anything but much worse
	Doubted                       // the series alerted so often of late that it takes more
	SmallDeviation                // closer to what was expected than its rule asks
	OtherDirection                // on the side of what was expected that its rule does not watch
	NothingExpected               // its rule asks how far off it is, and nothing is expected yet
	WarmingUp                     // too few samples were learned
	AfterGap                      // the first after an interruption: whatever happened meanwhile is in it
	NotScored                     // the sample is not one that can be scored
	NothingNoted                  // no record, since the score stayed below one half
	Forgotten                     // no record, be it that none was made or that it had to go
	NoSample                      // none is held from that time
)

// String is the reason as people read it.
func (r Reason) String() string {
	return name(r, "below threshold", "alerting", "no rule", "place speaks", "out of range", "active already", "outside band", "way back",
		"over", "accepted", "refractory", "doubted", "small deviation", "other direction", "no band", "warming up",
		"after gap", "not scored", "nothing noted", "forgotten", "no sample")
}

// Alerts reports whether an anomaly started or escalated.
func (r Reason) Alerts() bool { return r >= Alerting && r <= Impossible }

// Recorded reports whether the sample was scored and all of that is known.
func (r Reason) Recorded() bool { return r < NotScored }

// ChannelScore is how far one projection of the stream isolates a sample: from 0,
// seen before, to 1, unheard of.
type ChannelScore struct {
	Channel string
	Score   float64
}

// Moment is all the detector had to say of one sample.
type Moment struct {
	T      int64 // ms
	Value  float64
	Band   Band
	Reason Reason

	// Score is the exported score, which is held; Raw what the sample by itself scored,
	// between 0 and 1; Threshold the raw score at which this series is anomalous, its
	// rule's sensitivity in it; and Needed the multiple of it that would have alerted at
	// this sample. All but Score are NaN where only that is known, as it is of the newest
	// sample of a calm series.
	Score, Raw, Threshold, Needed float64

	// P is how rare a raw score this high is among those of all series: NaN where that
	// is not known.
	P float64

	// Channels are those that isolated it, highest score first; none where it is not
	// isolated, or no longer known.
	Channels []ChannelScore

	Onset int64 // of the anomaly it is part of, ms; 0 where it is part of none
}

// Newest asks for the explanation of the newest sample, whenever that was.
const Newest = math.MaxInt64

// Explanation is why a series did or did not alert at one time.
type Explanation struct {
	Series *Series
	Kind   string // how its samples are read: gauge, counter, …
	Rule   string // the watch rule that selects it now; "" when none does
	Ended  bool   // a staleness marker is its last word

	Asked int64 // ms: the time that was asked about
	// Moment is the newest sample at that time.
	Moment
	// Because says in a sentence what Reason says in a word.
	Because string
	// Peaks are the highest each channel scored in what is known of the anomaly, highest
	// first: a shift is an odd value before it is a shift. None without an anomaly.
	Peaks []ChannelScore
	// Around is what is known of the ten minutes before and after, oldest first; empty
	// where nothing was noted in them.
	Around []Moment

	// Incident is the ID of the incident that the series was part of at that time; ""
	// where it was part of none. Together are the other series that were anomalous then:
	// of the incident or, without one, of the same instance. Unlisted counts those beyond
	// the bound of an incident.
	Incident string
	Together []Member
	Unlisted int
}
