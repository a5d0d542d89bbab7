package backtest

import (
	"fmt"
	"io"
	"math"
	"strconv"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/foreshock/foreshock"
)

// maxLines is how many alerts of a list the text shows; JSON and the page have all.
const maxLines = 100

var ruleHeader = []string{"rule", "alerts", "a week", "incidents", "remedies", "refused"}

func (r *Report) ruleRows() [][]string {
	var rows [][]string
	for _, one := range r.Rules {
		rows = append(rows, []string{
			one.Name, strconv.Itoa(one.Alerts), weekly(one.PerWeek),
			strconv.Itoa(one.Incidents), strconv.Itoa(one.Remedies), strconv.Itoa(one.Refused),
		})
	}
	return rows
}

func weekly(v float64) string {
	if math.IsNaN(v) {
		return "–"
	}
	return strconv.FormatFloat(v, 'f', 1, 64)
}

// summary is the report in a sentence or two.
func (r *Report) summary() string {
	if r.Samples == 0 {
		return "There are no samples in that time."
	}
	untold := 0
	for _, in := range r.Incidents {
		if !in.Alerting {
			untold++
		}
	}
	text := fmt.Sprintf("%s from %s: %s of %s. %s",
		r.Length().Round(time.Second), foreshock.Time(r.From).Format(time.RFC3339),
		count(r.Samples, "sample"), counted(r.Series, "series", "series"), count(len(r.Alerts), "alert"))
	if rate := perWeek(len(r.Alerts), r.Length()); !math.IsNaN(rate) {
		text += ", " + weekly(rate) + " a week"
	}
	text += "; " + count(len(r.Incidents), "incident")
	if untold > 0 {
		text += fmt.Sprintf(", %d of which nobody would have been told of", untold)
	}
	text += "."
	for _, loss := range []struct {
		n    int
		what string
	}{
		{r.Skipped, "series or requests could not be read or were Foreshock's own"},
		{r.Dropped, "more incidents or alerts than are kept"},
		{r.FailedTemplates, "alerts had annotations whose template failed"},
		{r.Undrawn, "points found no room in the pictures: choose a shorter time"},
	} {
		if loss.n > 0 {
			text += fmt.Sprintf(" %d %s.", loss.n, loss.what)
		}
	}
	return text
}

func count(n int, what string) string { return counted(n, what, what+"s") }

func counted(n int, one, many string) string {
	if n == 1 {
		return "1 " + one
	}
	return fmt.Sprintf("%d %s", n, many)
}

// Text writes the report for a person.
func (r *Report) Text(w io.Writer) error {
	var b strings.Builder
	fmt.Fprintln(&b, r.summary())
	if len(r.Rules) > 0 {
		fmt.Fprintln(&b)
		t := tabwriter.NewWriter(&b, 0, 8, 2, ' ', 0)
		fmt.Fprintln(t, strings.ToUpper(strings.Join(ruleHeader, "\t")))
		for _, row := range r.ruleRows() {
			fmt.Fprintln(t, strings.Join(row, "\t"))
		}
		t.Flush() // into a strings.Builder, which takes everything
	}
	if c := r.Comparison; c != nil {
		fmt.Fprintf(&b, "\n%s\n", c.counts(r.Config))
		list(&b, "- ", c.OnlyHere)
		list(&b, "+ ", c.OnlyThere)
	} else if len(r.Alerts) > 0 {
		fmt.Fprintln(&b)
		list(&b, "", r.Alerts)
	}
	_, err := io.WriteString(w, b.String())
	return err
}

// counts says how many alerts are whose.
func (c *Comparison) counts(here string) string {
	return fmt.Sprintf("Alerts: %d in both, %d only with %s (-), %d only with %s (+).",
		len(c.Both), len(c.OnlyHere), here, len(c.OnlyThere), c.Other.Config)
}

func list(b *strings.Builder, mark string, alerts []Alert) {
	for _, a := range alerts[:min(len(alerts), maxLines)] {
		fmt.Fprintf(b, "%s%s  %s  %s\n", mark, clock(a.StartsAt), lasted(a.StartsAt, a.EndsAt), a.Labels)
		for _, line := range a.lines() {
			fmt.Fprintf(b, "    %s\n", line)
		}
	}
	if more := len(alerts) - maxLines; more > 0 {
		fmt.Fprintf(b, "%sand %d more; -o json has all\n", mark, more)
	}
}
