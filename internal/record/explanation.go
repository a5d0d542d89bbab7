package record

import (
	"encoding/json"
	"fmt"
	"math"
	"time"

	"github.com/foreshock/foreshock"
)

// UnmarshalJSON implements json.Unmarshaler: null is NaN.
func (n *Number) UnmarshalJSON(text []byte) error {
	if string(text) == "null" {
		*n = Number(math.NaN())
		return nil
	}
	return json.Unmarshal(text, (*float64)(n))
}

// UnmarshalJSON implements json.Unmarshaler: null is 0.
func (i *Instant) UnmarshalJSON(text []byte) error {
	if *i = 0; string(text) == "null" {
		return nil
	}
	var at time.Time
	if err := json.Unmarshal(text, &at); err != nil {
		return fmt.Errorf("read a time: %w", err)
	}
	*i = Instant(at.UnixMilli())
	return nil
}

// Explanation is why a series did or did not alert at one time.
type Explanation struct {
	Series
	Kind  string  `json:"kind,omitempty"`
	Rule  string  `json:"rule,omitempty"`
	Ended bool    `json:"ended"`
	Asked Instant `json:"asked"` // about this time
	Moment
	Because string `json:"because"` // a sentence
	// Peaks are the highest each channel scored in what is known of the anomaly.
	Peaks []ChannelScore `json:"peaks"`
	// Around is what is known of the ten minutes before and after, oldest first.
	Around []Moment `json:"around"`
	// Incident is the ID of the one the series was part of; Together are the other series
	// that were anomalous then, Unlisted how many more there are.
	Incident string      `json:"incident,omitempty"`
	Together []Companion `json:"together"`
	Unlisted int         `json:"unlisted"`
}

// Moment is all that is known of one sample: null is what is not.
type Moment struct {
	At    Instant `json:"at"`
	Value Number  `json:"value"` // as scored: a rate where the series is a counter
	Band
	Score       Number         `json:"score"`       // as exported: held
	SampleScore Number         `json:"sampleScore"` // raw ÷ threshold: the sample's own
	Raw         Number         `json:"raw"`
	Threshold   Number         `json:"threshold"`
	Needed      Number         `json:"needed"` // the sample score that would have alerted
	P           Number         `json:"p"`      // how rare a raw score this high is
	Channels    []ChannelScore `json:"channels"`
	Reason      string         `json:"reason"`
	Onset       Instant        `json:"onset"` // of the anomaly it is part of
}

// ChannelScore is how far one channel isolates a sample.
type ChannelScore struct {
	Channel string `json:"channel"`
	Score   Number `json:"score"`
}

// Companion is a series that was anomalous at the same time.
type Companion struct {
	Series
	Onset   Instant `json:"onset"`
	EndedAt Instant `json:"endedAt"`
	Peak    Number  `json:"peak"` // highest score
	Channel string  `json:"channel,omitempty"`
}

// NewExplanation returns the record of e with at most maxTogether of its companions.
func NewExplanation(e foreshock.Explanation, maxTogether int) Explanation {
	r := Explanation{
		Series: NewSeries(e.Series), Kind: e.Kind, Rule: e.Rule, Ended: e.Ended,
		Asked: Instant(e.Asked), Moment: newMoment(e.Moment), Because: e.Because,
		Peaks: newChannelScores(e.Peaks), Around: make([]Moment, len(e.Around)),
		Incident: e.Incident, Together: make([]Companion, min(len(e.Together), maxTogether)),
	}
	for i, m := range e.Around {
		r.Around[i] = newMoment(m)
	}
	for i := range r.Together {
		m := &e.Together[i]
		r.Together[i] = Companion{NewSeries(m.Series), Instant(m.Onset), Instant(m.EndedAt), Number(m.Peak), m.Channel}
	}
	r.Unlisted = e.Unlisted + len(e.Together) - len(r.Together)
	return r
}

func newMoment(m foreshock.Moment) Moment {
	return Moment{
		At: Instant(m.T), Value: Number(m.Value), Band: NewBand(m.Band), Score: Number(m.Score),
		SampleScore: Number(m.Raw / m.Threshold), Raw: Number(m.Raw), Threshold: Number(m.Threshold),
		Needed: Number(m.Needed), P: Number(m.P), Channels: newChannelScores(m.Channels),
		Reason: m.Reason.String(), Onset: Instant(m.Onset),
	}
}

func newChannelScores(scores []foreshock.ChannelScore) []ChannelScore {
	r := make([]ChannelScore, len(scores))
	for i, s := range scores {
		r[i] = ChannelScore{s.Channel, Number(s.Score)}
	}
	return r
}
