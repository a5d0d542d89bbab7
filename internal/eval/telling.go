package eval

import (
	"fmt"
	"io"

	"github.com/foreshock/foreshock"
)

// TellingRow is what it is like to listen to the detector on one set: how far its band
// can be trusted, how often it speaks up, and for how long it says nothing yet.
type TellingRow struct {
	Set string `json:"set"`
	// Coverage is the share of the samples within the band that was expected of them,
	// which is to be 95 %, where nothing is labelled and no anomaly under way.
	Coverage figure `json:"coverage"`
	// AlertsWeekly is how many alerts were raised per stream and week: of all its
	// series, true and false, started and escalated.
	AlertsWeekly figure `json:"alerts_weekly"`
	// Warming is the share of all samples, those before a stream is judged too, that
	// were learned but not scored yet.
	Warming figure `json:"warming"`
}

// telling counts what the detector said of one series, or of several.
type telling struct {
	scored, warming int // samples, in all
	banded, held    int // samples with a band, and within it, of those that count for coverage
	alerts          int // from the stream's first judged row on
}

func (t *telling) add(o *telling) {
	t.scored += o.scored
	t.warming += o.warming
	t.banded += o.banded
	t.held += o.held
	t.alerts += o.alerts
}

// note counts s, which is of row next.
func (e *ear) note(s foreshock.Score) {
	e.told.scored++
	if s.Warming {
		e.told.warming++
		return
	}
	events := e.of.events
	for e.event < len(events) && events[e.event].last < e.next {
		e.event++
	}
	labelled := e.event < len(events) && e.next >= events[e.event].first
	// While an anomaly lasts its score is 1 or more.
	if e.next < e.of.from || labelled || s.Score >= 1 || !s.Band.Known() {
		return
	}
	e.told.banded++
	if s.Band.Contains(s.Value) {
		e.told.held++
	}
}

func tellingRow(set string, streams []*stream, tracks []track) TellingRow {
	var all telling
	weeks := 0.0
	for i, s := range streams {
		all.add(&tracks[i].told)
		weeks += s.days() / week
	}
	return TellingRow{
		Set:          set,
		Coverage:     figure(float64(all.held) / float64(all.banded)),
		AlertsWeekly: figure(float64(all.alerts) / weeks),
		Warming:      figure(float64(all.warming) / float64(all.scored)),
	}
}

// tellingTable writes the rows for people, as Markdown, after an empty line.
func tellingTable(w io.Writer, rows []TellingRow) {
	if len(rows) == 0 {
		return
	}
	fmt.Fprintln(w)
	fmt.Fprintln(w, "| told \t| band holds % \t| alerts/week \t| warming % \t|")
	fmt.Fprintln(w, "|---\t|---\t|---\t|---\t|")
	for _, r := range rows {
		fmt.Fprintf(w, "| %s \t| %s \t| %s \t| %s \t|\n", r.Set, (100 * r.Coverage).to(1), r.AlertsWeekly.to(2), (100 * r.Warming).to(2))
	}
}
