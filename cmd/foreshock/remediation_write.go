package main

import (
	"bytes"
	"cmp"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/prometheus/prometheus/model/labels"
)

// writePlans writes a table for a person.
func writePlans(w io.Writer, list []plan) error {
	if len(list) == 0 {
		_, err := fmt.Fprintln(w, "no plans")
		return err
	}
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprintln(t, "ID\tSTATE\tPLANNED\tRULE\tACTION\tTARGET\tWHY")
	for i := range list {
		p := &list[i]
		fmt.Fprintf(t, "%.12s\t%s\t%s\t%s\t%s\t%s\t%s\n", p.ID, p.State, instant(p.CreatedAt), orDash(p.Plan.Rule),
			orDash(p.Plan.Action), orDash(printable(p.Plan.Target)), orDash(printable(p.Reason)))
	}
	return t.Flush()
}

// instant is a time as a person reads it.
func instant(t time.Time) string { return t.UTC().Format("2006-01-02 15:04:05 UTC") }

// writePlan writes one plan whole, and how to approve of it.
func writePlan(w io.Writer, p *plan) error {
	var b bytes.Buffer
	fmt.Fprintf(&b, "plan %s, %s\n\n", p.ID, p.State)
	t := tabwriter.NewWriter(&b, 0, 0, 2, ' ', 0)
	line := func(name, text string) {
		if text != "" {
			fmt.Fprintf(t, "  %s\t%s\n", name, printable(text))
		}
	}
	at := func(name string, when time.Time) {
		if !when.IsZero() {
			line(name, instant(when))
		}
	}
	line("action", p.Plan.Action)
	line("target", p.Plan.Target)
	line("rule", p.Plan.Rule)
	line("alert", labels.FromMap(p.Plan.Labels).String())
	at("firing since", p.Plan.StartsAt)
	at("planned", p.CreatedAt)
	if p.State == "waiting" {
		at("expires to no", p.ExpiresAt)
	}
	at("approved", p.ApprovedAt)
	line("decided by", p.Approver)
	at("started", p.StartedAt)
	at("ended", p.FinishedAt)
	line("why", p.Reason)
	line("outcome", cmp.Or(p.Verdict, p.Outcome))
	line("hash", p.Hash)
	if err := t.Flush(); err != nil {
		return err
	}
	for _, said := range []struct{ who, text string }{{"The dry run", p.Rehearsal}, {"The action", p.Output}} {
		if said.text == "" {
			continue
		}
		fmt.Fprintf(&b, "\n%s said:\n", said.who)
		for line := range strings.Lines(said.text) {
			fmt.Fprintf(&b, "  %s\n", printable(strings.TrimRight(line, "\n")))
		}
	}
	if p.State == "waiting" && len(p.Hash) > shortestHash {
		fmt.Fprintf(&b, "\nTo have it done: foreshock remediation approve %.12s --hash %.12s\n", p.ID, p.Hash)
	}
	_, err := w.Write(b.Bytes())
	return err
}

// writeStanding says whether anything may act.
func writeStanding(w io.Writer, s *remedyStanding) error {
	var b bytes.Buffer
	switch acts := s.Mode == "approve" || s.Mode == "auto"; {
	case s.Paused != "":
		fmt.Fprintf(&b, "mode %s; nothing may act: %s\n", s.Mode, printable(s.Paused))
	case acts:
		fmt.Fprintf(&b, "mode %s; remedies may act\n", s.Mode)
	default:
		fmt.Fprintf(&b, "mode %s; nothing acts in it\n", s.Mode)
	}
	fmt.Fprintf(&b, "%d started within the hour, %d under way\n", s.Acted, s.Running)
	for _, rule := range slices.Sorted(maps.Keys(s.Breakers)) {
		failed := s.Breakers[rule]
		state := "closed"
		if len(failed) > 1 {
			state = "open"
		}
		fmt.Fprintf(&b, "rule %s: %d failed, the circuit breaker is %s: %s\n", printable(rule), len(failed), state, strings.Join(failed, ", "))
	}
	_, err := w.Write(b.Bytes())
	return err
}
