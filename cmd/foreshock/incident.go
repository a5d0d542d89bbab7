package main

import (
	"bytes"
	"fmt"
	"io"
	"strings"
	"text/tabwriter"
	"time"
	"unicode"

	"github.com/foreshock/foreshock"
	"github.com/foreshock/foreshock/internal/quantity"
	"github.com/foreshock/foreshock/internal/record"
)

// shownMembers of an incident are written for a person; -o json has all.
const shownMembers = 20

// The colours of a terminal: what goes on is red, what is over is dim.
var colours = map[string]string{"firing": "\x1b[31m", "pending": "\x1b[33m", "resolved": "\x1b[2m", "dismissed": "\x1b[2m"}

// stateOf is where an incident stands, in a word.
func stateOf(in *record.Incident) string {
	if in.Dismissed != nil {
		return "dismissed"
	}
	return in.State
}

// writeIncidents writes a table for a person, in colours where a terminal shows it.
func writeIncidents(w io.Writer, list []record.Incident, limit int) error {
	if len(list) == 0 {
		_, err := fmt.Fprintln(w, "no incidents")
		return err
	}
	var table bytes.Buffer
	t := tabwriter.NewWriter(&table, 0, 0, 2, ' ', 0)
	fmt.Fprintln(t, "ID\tSTATE\tBEGAN\tLASTED\tSERIES\tRULE\tWHAT")
	for i := range list {
		in := &list[i]
		what := in.Labels.String()
		if in.Lead != nil {
			what = in.Lead.Series.Series + ": " + memberSays(in.Kind, in.Lead)
		}
		fmt.Fprintf(t, "%s\t%s\t%s\t%s\t%d\t%s\t%s\n", in.ID, stateOf(in), clock(in.StartsAt, 0), lasting(in), in.MemberCount, orDash(in.Rule), printable(what))
	}
	if err := t.Flush(); err != nil {
		return err
	}
	for n, line := range strings.Split(strings.TrimSuffix(table.String(), "\n"), "\n") {
		if n > 0 && isTerminal(w) {
			line = colours[stateOf(&list[n-1])] + line + "\x1b[0m"
		}
		if _, err := fmt.Fprintln(w, line); err != nil {
			return err
		}
	}
	if len(list) == limit {
		_, err := fmt.Fprintf(w, "the newest %d; --limit asks for more\n", limit)
		return err
	}
	return nil
}

// writeIncident writes one incident for a tired person: what, since when, what first.
func writeIncident(w io.Writer, in *record.Incident) error {
	var b bytes.Buffer
	fmt.Fprintf(&b, "incident %s, %s\n", in.ID, stateOf(in))
	if in.Lead != nil {
		fmt.Fprintf(&b, "%s: %s\n", printable(in.Lead.Series.Series), memberSays(in.Kind, in.Lead))
	}
	fmt.Fprintln(&b)
	t := tabwriter.NewWriter(&b, 0, 0, 2, ' ', 0)
	line := func(name, text string) { fmt.Fprintf(t, "  %s\t%s\n", name, printable(text)) }
	lasted := ", and lasted "
	if in.EndsAt == 0 {
		lasted = ", and has lasted "
	}
	line("began", clock(in.StartsAt, 0)+lasted+strings.Trim(lasting(in), "for +"))
	if in.EndsAt != 0 {
		line("ended", clock(in.EndsAt, in.StartsAt))
	}
	line("where", in.Labels.String())
	switch {
	case in.Alerting:
		line("rule", in.Rule)
	default:
		line("told", "nobody: no rule selects its series, or they are too much like what was dismissed")
	}
	for _, m := range in.Remedies {
		what := m.Action
		if m.Target != "" {
			what += " on " + m.Target
		}
		line("remedy", what+": "+m.Text)
	}
	if d := in.Dismissed; d != nil {
		line("dismissed", clock(d.At, in.StartsAt)+" by "+d.By+reasonText(d.Reason))
	}
	if in.Links != nil {
		for _, where := range append(in.Links.Alertmanagers, in.Links.Grafana) {
			if where != "" {
				line("see", where)
			}
		}
	}
	if err := t.Flush(); err != nil {
		return err
	}
	writeCauses(&b, in)
	writeEvidence(&b, in)
	fmt.Fprintf(&b, "\nIn the order in which they began:\n")
	writeMembers(&b, in.Kind, in.Members, in.MemberCount)
	_, err := w.Write(b.Bytes())
	return err
}

// writeTimeline writes the order of onsets.
func writeTimeline(w io.Writer, l *record.Timeline) error {
	var b bytes.Buffer
	fmt.Fprintf(&b, "incident %s, from %s to %s\n", l.ID, clock(l.From, 0), clock(l.To, l.From))
	members := make([]record.Member, len(l.Series))
	for i := range l.Series {
		members[i] = l.Series[i].Member
	}
	writeMembers(&b, "", members, len(members)+l.Unlisted)
	_, err := w.Write(b.Bytes())
	return err
}

// writeMembers lists members of an incident of that kind, each with how long after the
// first it began.
func writeMembers(b *bytes.Buffer, kind string, members []record.Member, count int) {
	t := tabwriter.NewWriter(b, 0, 0, 2, ' ', 0)
	shown := members[:min(len(members), shownMembers)]
	for i := range shown {
		m := &shown[i]
		after := ""
		if i > 0 {
			after = "+" + time.Duration(int64(m.Onset-shown[0].Onset)*int64(time.Millisecond)).Round(time.Second).String()
		}
		fmt.Fprintf(t, "  %s\t%s\t%s\t%s\n", clock(m.Onset, shown[0].Onset), after, printable(m.Series.Series), memberSays(kind, m))
	}
	t.Flush() // into memory
	if more := count - len(shown); more > 0 {
		fmt.Fprintf(b, "  and %d more; -o json has those that are kept\n", more)
	}
}

// memberSays is what is odd about a member of an incident of that kind.
func memberSays(kind string, m *record.Member) string {
	var said string
	in := func(n record.Number) string { return quantity.Finely(m.Series.Series, float64(n)) }
	switch {
	case kind == foreshock.Absence.String() && m.Silence != nil:
		said = "is not heard any more"
		if n := m.SilentSeries; n > 1 {
			said += fmt.Sprintf(", as %d more of its target", n-1)
		}
	case m.Crossing != nil:
		side := "below"
		if m.Above {
			side = "above"
		}
		said = fmt.Sprintf("%s, %s its limit %s", in(m.Value), side, in(m.Bound))
	case m.Breach != nil:
		said = fmt.Sprintf("%s, reaches %s", in(m.Value), in(m.Limit))
		if known(m.ETASeconds) {
			said += " in " + time.Duration(float64(m.ETASeconds)*float64(time.Second)).Round(time.Minute).String()
		}
	case m.Company != nil:
		said = fmt.Sprintf("%d of %d series are odd, most of all %s at %s", m.Company.Odd, m.Company.Of, printable(m.Company.Loudest.Series.Series), quantity.Finely(m.Company.Loudest.Series.Series, float64(m.Company.Loudest.Value)))
	case known(m.Expected):
		said = fmt.Sprintf("%s, expected %s", in(m.Value), band(m.Series.Series, m.Band))
	default:
		said = in(m.Value)
	}
	if m.Channel != "" && m.Crossing == nil && m.Breach == nil {
		said += fmt.Sprintf(" (score %s, %s)", figure(float64(m.Peak)), m.Channel)
	}
	if m.EndedAt != 0 {
		said += ", ended " + clock(m.EndedAt, m.Onset)
	}
	return said
}

// lasting is for how long an incident has lasted on the samples' clock.
func lasting(in *record.Incident) string {
	until, still := in.EndsAt, ""
	if until == 0 {
		until, still = in.UpdatedAt, "+"
	}
	return "for " + time.Duration(int64(until-in.StartsAt)*int64(time.Millisecond)).Round(time.Second).String() + still
}

func reasonText(reason string) string {
	if reason == "" {
		return ""
	}
	return ": " + reason
}

func orDash(text string) string {
	if text == "" {
		return "–"
	}
	return text
}

// printable is text without what a terminal takes for an order: whoever sends samples, or
// dismisses an incident, may write anything.
func printable(text string) string {
	return strings.Map(func(r rune) rune {
		if unicode.IsPrint(r) {
			return r
		}
		return unicode.ReplacementChar
	}, text)
}
