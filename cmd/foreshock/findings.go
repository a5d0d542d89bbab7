package main

import (
	"bytes"
	"cmp"
	"fmt"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/foreshock/foreshock"
	"github.com/foreshock/foreshock/internal/record"
)

// writeCauses says where an incident likely comes from, why that is thought, and what was
// done shortly before; or why nothing is known of that.
func writeCauses(b *bytes.Buffer, in *record.Incident) {
	if in.Inquest == nil {
		fmt.Fprintf(b, "\nLikely causes: %s\n", whyNoCauses(in))
		return
	}
	looked := fmt.Sprintf("%s looked at, as of %s", places(in.PlacesLooked), clock(in.AsOf, in.StartsAt))
	if in.PlacesUnlooked > 0 {
		looked += fmt.Sprintf("; %d more were near", in.PlacesUnlooked)
	}
	if len(in.Causes) == 0 {
		fmt.Fprintf(b, "\nLikely causes: none stands out (%s)\n", looked)
	} else {
		fmt.Fprintf(b, "\nLikely causes (a guess; %s):\n", looked)
	}
	for n, c := range in.Causes {
		fmt.Fprintf(b, "  %d. %s, %s\n", n+1, printable(c.Place), foreshock.Cause{Confidence: float64(c.Confidence)}.Likelihood())
		for _, e := range c.Evidence {
			fmt.Fprintf(b, "       %s\n", printable(foreshock.Clue{Series: e.Series, Text: e.Text}.String()))
		}
	}
	if len(in.Changes) == 0 {
		return
	}
	fmt.Fprintf(b, "\nWhat was done there:\n")
	t := tabwriter.NewWriter(b, 0, 0, 2, ' ', 0)
	for _, c := range in.Changes {
		change := foreshock.Change{Place: c.Place, What: c.What, Others: c.Others}
		fmt.Fprintf(t, "  %s\t%s\t%s\n", clock(c.At, in.StartsAt), beside(c.At, in.StartsAt), printable(change.String()))
	}
	t.Flush() // into memory
}

// whyNoCauses is why nobody has said where an incident comes from.
func whyNoCauses(in *record.Incident) string {
	switch {
	case in.Kind == foreshock.Breach.String():
		return "not looked for, since what is foreseen has none yet"
	case in.State == foreshock.Pending.String():
		return "looked for once it fires"
	case !in.Alerting:
		return "not looked for, since nobody is told of it"
	case in.State == foreshock.Resolved.String():
		return "none was found before it was over"
	}
	return "being looked for; ask again in some seconds"
}

// writeEvidence says what logs say, of each source or why it says nothing.
func writeEvidence(b *bytes.Buffer, in *record.Incident) {
	if len(in.Evidence) == 0 {
		if in.Alerting && in.State != foreshock.Pending.String() {
			fmt.Fprintf(b, "\nWhat logs say: no source was asked (evidence.sources in the configuration)\n")
		}
		return
	}
	fmt.Fprintf(b, "\nWhat logs say:\n")
	for _, e := range in.Evidence {
		if e.NotAvailable != "" {
			fmt.Fprintf(b, "  %s: not available: %s\n", printable(e.Source), printable(e.NotAvailable))
			continue
		}
		fmt.Fprintf(b, "  %s: %s from %s to %s for %s\n", printable(e.Source), lines(e.Lines),
			strings.TrimSuffix(clock(e.From, in.StartsAt), " UTC"), clock(e.To, cmp.Or(e.From, in.StartsAt)), printable(e.Query))
		t := tabwriter.NewWriter(b, 0, 0, 2, ' ', tabwriter.AlignRight)
		for _, counts := range [...][]record.Lines{e.By, e.Patterns} {
			for _, c := range counts {
				fmt.Fprintf(t, "\t%d\t  %s\n", c.Lines, printable(c.Name))
			}
		}
		t.Flush() // into memory
	}
}

func places(n int) string {
	if n == 1 {
		return "one place"
	}
	return fmt.Sprintf("%d places", n)
}

func lines(n int64) string {
	if n == 1 {
		return "one line"
	}
	return fmt.Sprintf("%d lines", n)
}

// beside is when something was, seen from the beginning of an incident.
func beside(at, began record.Instant) string {
	switch d := (time.Duration(int64(at-began)) * time.Millisecond).Round(time.Second); {
	case d < 0:
		return (-d).String() + " before"
	case d > 0:
		return "+" + d.String()
	}
	return "then"
}
