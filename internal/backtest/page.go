package backtest

import (
	"fmt"
	"slices"
	"strings"
	"time"
	"unicode"

	"github.com/foreshock/foreshock"
	"github.com/foreshock/foreshock/internal/history"
	"github.com/foreshock/foreshock/internal/plot"
	"github.com/foreshock/foreshock/internal/quantity"
)

// A page draws so many incidents, those with alerts first, and so many series of each. The
// others are in tables.
const (
	maxDrawn   = 200
	maxPanels  = 6
	maxMembers = 50
)

// drawn are the incidents that the page draws, by their start.
func (r *Report) drawn() []*foreshock.Incident {
	var chosen []*foreshock.Incident
	for _, alerting := range []bool{true, false} {
		for i := range r.Incidents {
			if r.Incidents[i].Alerting == alerting && len(chosen) < maxDrawn {
				chosen = append(chosen, &r.Incidents[i])
			}
		}
	}
	slices.SortStableFunc(chosen, func(a, b *foreshock.Incident) int { return int(min(max(a.StartsAt-b.StartsAt, -1), 1)) })
	return chosen
}

// shown are the members whose series are drawn: the lead, then those that say most.
func shown(in *foreshock.Incident) []foreshock.Member {
	lead := in.Lead()
	if lead == nil {
		return nil
	}
	rest := slices.Clone(in.Members)
	slices.SortStableFunc(rest, func(a, b foreshock.Member) int {
		switch {
		case a.Series == lead.Series:
			return -1
		case b.Series == lead.Series:
			return 1
		case a.Peak > b.Peak:
			return -1
		case a.Peak < b.Peak:
			return 1
		}
		return 0
	})
	return rest[:min(len(rest), maxPanels)]
}

// stretches are what has to be drawn, by the labels of the series.
func (r *Report) stretches() map[string][]history.Span {
	wanted := map[string][]history.Span{}
	for _, in := range r.drawn() {
		for _, m := range shown(in) {
			key := string(m.Series.Labels.Bytes(nil))
			wanted[key] = append(wanted[key], around(in))
		}
	}
	return wanted
}

// Page is the report with every incident drawn, which Options.Pictures must have asked for.
func (r *Report) Page() plot.Page {
	p := plot.Page{
		Title: "Backtest of " + r.Config,
		Lead:  []string{r.summary()},
		Table: plot.Table{Header: ruleHeader, Rows: r.ruleRows()},
	}
	if c := r.Comparison; c != nil {
		p.Sections = append(p.Sections, c.section(r.Config))
	}
	drawn := r.drawn()
	for _, in := range drawn {
		p.Sections = append(p.Sections, r.section(in))
	}
	if more := len(r.Incidents) - len(drawn); more > 0 {
		p.Sections = append(p.Sections, plot.Section{Text: []string{fmt.Sprintf("and %d more incidents, most of which nobody would have been told of.", more)}})
	}
	return p
}

// section is one incident.
func (r *Report) section(in *foreshock.Incident) plot.Section {
	s := plot.Section{
		Title: fmt.Sprintf("%s, %s: %s", clock(in.StartsAt), lasted(in.StartsAt, in.EndsAt), in.Labels),
		Table: plot.Table{Header: []string{"series", "rule", "onset", "ended", "peak score", "value", "expected", "given away by"}},
	}
	if !in.Alerting {
		s.Text = append(s.Text, "No rule selected any of its series: nobody would have been told.")
	}
	for _, a := range r.Alerts {
		if a.Incident == in.ID {
			s.Text = append(s.Text, a.lines()...)
		}
	}
	for _, m := range in.Members[:min(len(in.Members), maxMembers)] {
		ended := "–"
		if m.EndedAt != 0 {
			ended = clock(m.EndedAt)
		}
		s.Table.Rows = append(s.Table.Rows, []string{
			title(m.Series), m.Rule, clock(m.Onset), ended, quantity.Number(m.Peak), quantity.Of(m.Series.Name(), m.Value), band(m.Series, m.Band), m.Channel,
		})
	}
	if more := len(in.Members) + in.Dropped - len(s.Table.Rows); more > 0 {
		s.Text = append(s.Text, fmt.Sprintf("%d series took part; the table has the first %d.", len(in.Members)+in.Dropped, len(s.Table.Rows)))
	}
	if r.canvas != nil {
		for _, m := range shown(in) {
			if panel, ok := r.canvas.within(m.Series, around(in)); ok {
				s.Panels = append(s.Panels, panel)
			}
		}
	}
	return s
}

// section is what differs.
func (c *Comparison) section(here string) plot.Section {
	s := plot.Section{
		Title: fmt.Sprintf("Compared with %s", c.Other.Config),
		Text:  []string{c.counts(here)},
		Table: plot.Table{Header: []string{"", "began", "lasted", "rule", "labels"}},
	}
	add := func(mark string, alerts []Alert) {
		for _, a := range alerts[:min(len(alerts), maxDrawn)] {
			s.Table.Rows = append(s.Table.Rows, []string{mark, clock(a.StartsAt), lasted(a.StartsAt, a.EndsAt), a.Rule, a.Labels.String()})
		}
	}
	add("only "+here, c.OnlyHere)
	add("only "+c.Other.Config, c.OnlyThere)
	return s
}

func clock(ms int64) string { return foreshock.Time(ms).Format("2006-01-02 15:04:05") }

// lasted says how long, in whole seconds.
func lasted(from, to int64) string {
	if to == 0 {
		return "not over"
	}
	return "for " + (time.Duration(to-from) * time.Millisecond).Round(time.Second).String()
}

func band(s *foreshock.Series, b foreshock.Band) string {
	if !b.Known() {
		return "–"
	}
	return quantity.Of(s.Name(), b.Lower) + " … " + quantity.Of(s.Name(), b.Upper)
}

// lines tell of an alert and what would have been done.
func (a *Alert) lines() []string {
	var all []string
	if a.Summary != "" {
		all = append(all, a.Summary)
	}
	for _, r := range a.Remedies {
		did := r.Action
		if r.Target != "" {
			did += " on " + r.Target
		}
		if did == "" {
			did = "nothing"
		}
		if r.Refused != "" {
			all = append(all, fmt.Sprintf("remedy %s: would not run %s: %s", r.Rule, did, r.Refused))
		} else {
			all = append(all, fmt.Sprintf("remedy %s: would run %s", r.Rule, did))
		}
	}
	for i, line := range all {
		all[i] = printable(strings.Join(strings.Fields(line), " ")) // templates may hold lines
	}
	return all
}

// printable is text without what a terminal takes for an order: annotations hold labels,
// and whoever sends samples may write anything into those.
func printable(text string) string {
	return strings.Map(func(r rune) rune {
		if unicode.IsPrint(r) {
			return r
		}
		return unicode.ReplacementChar
	}, text)
}
