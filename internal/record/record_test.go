package record

import (
	"encoding/json"
	"math"
	"testing"
	"time"

	"github.com/prometheus/prometheus/model/labels"

	"github.com/foreshock/foreshock"
)

const noon = int64(1772366400000) // 2026-03-01T12:00:00Z

var (
	disk = foreshock.NewSeries(labels.FromStrings("__name__", "disk", "instance", "a"))
	load = foreshock.NewSeries(labels.FromStrings("__name__", "load", "instance", "a"))
)

// The form is a contract with whoever reads it: a change here breaks their scripts.
func TestForms(t *testing.T) {
	for _, c := range []struct {
		name string
		form any
		want string
	}{
		{"a breach", NewAnomaly(foreshock.Anomaly{
			Series: disk, Kind: foreshock.Breach, Phase: foreshock.Started, Rule: "disk", Onset: noon, T: noon + 1,
			Value: math.Inf(1), Score: 1.5, Band: foreshock.NoBand(), Channel: "level", Limit: 10, Arrival: foreshock.Arrival{ETA: time.Hour, Soonest: 50 * time.Minute, Latest: 2 * time.Hour},
		}), `{"series":"disk{instance=\"a\"}","metric":{"__name__":"disk","instance":"a"},"kind":"breach","phase":"started","rule":"disk","onset":"2026-03-01T12:00:00.000Z","value":null,"score":1.5,"channel":"level","expected":null,"lower":null,"upper":null,"limit":10,"etaSeconds":3600,"soonestSeconds":3000,"latestSeconds":7200}`},
		{"a forecast that foresees no crossing", NewForecast(foreshock.Forecast{
			Series: disk, Horizon: 24 * time.Hour, Band: foreshock.Band{Expected: 10, Lower: 5, Upper: 15}, Arrival: foreshock.Never(),
		}), `{"series":"disk{instance=\"a\"}","metric":{"__name__":"disk","instance":"a"},"horizonSeconds":86400,"expected":10,"lower":5,"upper":15,"limit":0,"etaSeconds":null,"soonestSeconds":null,"latestSeconds":null}`},
		{"an incident that speaks of its second member and shows one of four", NewIncident(foreshock.Incident{
			ID: "1f", State: foreshock.Firing, StartsAt: noon, Updated: noon + 1500, Labels: labels.FromStrings("instance", "a"), Alerting: true, Rule: "load", Dropped: 2,
			Members: []foreshock.Member{
				{Series: disk, Onset: noon, EndedAt: noon + 1000, Peak: 1.5, Value: 1, Band: foreshock.NoBand()},
				{Series: load, Rule: "load", Onset: noon + 1, Peak: 3, Value: 7, Band: foreshock.Band{Expected: 1, Lower: 0, Upper: 2}},
			},
		}, 1), `{"id":"1f","kind":"outlier","state":"firing","startsAt":"2026-03-01T12:00:00.000Z","endsAt":null,"updatedAt":"2026-03-01T12:00:01.500Z","labels":{"instance":"a"},"alerting":true,"rule":"load",` +
			`"lead":{"series":"load{instance=\"a\"}","metric":{"__name__":"load","instance":"a"},"rule":"load","onset":"2026-03-01T12:00:00.001Z","endedAt":null,"peak":3,"value":7,"expected":1,"lower":0,"upper":2},` +
			`"members":[{"series":"disk{instance=\"a\"}","metric":{"__name__":"disk","instance":"a"},"onset":"2026-03-01T12:00:00.000Z","endedAt":"2026-03-01T12:00:01.000Z","peak":1.5,"value":1,"expected":null,"lower":null,"upper":null}],"memberCount":4}`},
		{"an incident of which one log says something", NewIncident(foreshock.Incident{Evidence: []foreshock.Evidence{
			{Source: "loki", Query: "{a=\"b\"}", From: noon, To: noon + 1, Total: 3, By: []foreshock.Count{{Name: "cart", Lines: 3}}, Patterns: []foreshock.Count{{Name: "order <N>", Lines: 2}}},
			{Source: "splunk", Missing: "connection refused"},
		}}, 1), `{"id":"","kind":"outlier","state":"pending","startsAt":null,"endsAt":null,"updatedAt":null,"labels":{},"alerting":false,"lead":null,"members":[],"memberCount":0,` +
			`"evidence":[{"source":"loki","query":"{a=\"b\"}","from":"2026-03-01T12:00:00.000Z","to":"2026-03-01T12:00:00.001Z","lines":3,"by":[{"name":"cart","lines":3}],"patterns":[{"name":"order \u003cN\u003e","lines":2}]},` +
			`{"source":"splunk","notAvailable":"connection refused","from":null,"to":null,"lines":0}]}`},
		{"nothing", NewIncident(foreshock.Incident{}, 1), `{"id":"","kind":"outlier","state":"pending","startsAt":null,"endsAt":null,"updatedAt":null,"labels":{},"alerting":false,"lead":null,"members":[],"memberCount":0}`},
	} {
		got, err := json.Marshal(c.form)
		if err != nil || string(got) != c.want {
			t.Errorf("%s: %v\n got %s\nwant %s", c.name, err, got, c.want)
		}
	}
}

func TestATimeFromBeyondTheCalendarIsWritten(t *testing.T) {
	for _, ms := range []int64{math.MinInt64, math.MaxInt64} {
		if b, err := json.Marshal(Instant(ms)); err != nil || !json.Valid(b) {
			t.Errorf("%d is written %s: %v", ms, b, err)
		}
	}
}

// What an inquest found is there once one was held, be it nothing.
func TestInquest(t *testing.T) {
	if r := NewIncident(foreshock.Incident{}, 1); r.Inquest != nil {
		t.Errorf("nobody asked, and %+v was found", r.Inquest)
	}
	nan := math.NaN()
	r := NewIncident(foreshock.Incident{Inquest: foreshock.Inquest{AsOf: 1000, Looked: 3}}, 1)
	b, err := json.Marshal(r.Inquest)
	if want := `{"causesAsOf":"1970-01-01T00:00:01.000Z","placesLooked":3,"placesUnlooked":0,"causes":[],"changes":[]}`; err != nil || string(b) != want {
		t.Errorf("got %s, %v; want %s", b, err, want)
	}
	r = NewIncident(foreshock.Incident{Inquest: foreshock.Inquest{
		AsOf: 1000, Looked: 3, Unlooked: 2,
		Causes: []foreshock.Cause{{Place: "database", Confidence: .5, Evidence: []foreshock.Clue{
			{Text: "CPU 4× usual", Series: "cpu", Before: 1, After: 4}, {Text: "most of its series fell silent", Before: nan, After: nan},
		}}},
		Changes: []foreshock.Change{{T: 500, What: "it was scaled from 3 to 5", Place: "ads", Others: 4}},
	}}, 1)
	b, err = json.Marshal(r.Inquest)
	if want := `{"causesAsOf":"1970-01-01T00:00:01.000Z","placesLooked":3,"placesUnlooked":2,` +
		`"causes":[{"place":"database","confidence":0.5,"evidence":[{"text":"CPU 4× usual","series":"cpu","before":1,"after":4},{"text":"most of its series fell silent","before":null,"after":null}]}],` +
		`"changes":[{"at":"1970-01-01T00:00:00.500Z","what":"it was scaled from 3 to 5","place":"ads","others":4}]}`; err != nil || string(b) != want {
		t.Errorf("got %s, %v; want %s", b, err, want)
	}
}
