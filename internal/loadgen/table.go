package main

import (
	"encoding/json"
	"fmt"
	"io"
	"math"
	"strconv"
	"strings"
	"text/tabwriter"
)

// write prints the results in the form asked for: text, markdown or json.
func write(w io.Writer, form string, results []result) error {
	switch form {
	case "json":
		e := json.NewEncoder(w)
		e.SetIndent("", "  ")
		return e.Encode(results)
	case "markdown":
		return writeMarkdown(w, results)
	default:
		return writeText(w, results)
	}
}

func writeText(w io.Writer, results []result) error {
	tw := tabwriter.NewWriter(w, 0, 0, 2, ' ', tabwriter.AlignRight)
	for i := range results {
		res := &results[i]
		fmt.Fprintf(tw, "%s\n", &res.Row)
		if res.Failed != "" {
			fmt.Fprintf(tw, "  FAILED: %s\n\n", res.Failed)
			continue
		}
		for _, line := range append([][]string{append([]string{""}, titles()...)}, res.lines()...) {
			fmt.Fprintf(tw, "%s\t\n", strings.Join(line, "\t"))
		}
		fmt.Fprintln(tw)
	}
	return tw.Flush()
}

func writeMarkdown(w io.Writer, results []result) error {
	var b strings.Builder
	fmt.Fprintf(&b, "| load | | %s |\n|---|---|%s\n", strings.Join(titles(), " | "), strings.Repeat("--:|", len(columns)))
	for i := range results {
		res := &results[i]
		if res.Failed != "" {
			fmt.Fprintf(&b, "| %s | FAILED: %s |\n", &res.Row, res.Failed)
			continue
		}
		load := res.Row.String()
		for _, line := range res.lines() {
			fmt.Fprintf(&b, "| %s | %s |\n", load, strings.Join(line, " | "))
			load = ""
		}
	}
	_, err := io.WriteString(w, b.String())
	return err
}

func titles() []string {
	t := make([]string, len(columns))
	for i, c := range columns {
		t[i] = c.title
	}
	return t
}

// lines are a result's: the programs, and one to the other.
func (res *result) lines() [][]string {
	var lines [][]string
	for _, p := range both {
		figures, measured := res.Medians[p]
		if !measured {
			continue
		}
		line := []string{p.title()}
		for _, c := range columns {
			line = append(line, c.write(figures[c.name]))
		}
		lines = append(lines, line)
	}
	if len(res.Ratio) == 0 {
		return lines
	}
	line := []string{"Foreshock ÷ Prometheus"}
	for _, c := range columns {
		if r, ok := res.Ratio[c.name]; ok {
			line = append(line, digits(r))
		} else {
			line = append(line, "–")
		}
	}
	return append(lines, line)
}

// grouped is a whole number in groups of three digits, rounded to three that count.
func grouped(v float64) string {
	if v != 0 {
		unit := math.Pow(10, max(0, math.Floor(math.Log10(math.Abs(v)))-2))
		v = math.Round(v/unit) * unit
	}
	s := strconv.FormatFloat(math.Abs(v), 'f', 0, 64)
	for i := len(s) - 3; i > 0; i -= 3 {
		s = s[:i] + " " + s[i:]
	}
	if v < 0 {
		s = "−" + s
	}
	return s
}

// digits is a number with two digits that count, or more before the point.
func digits(v float64) string {
	switch a := math.Abs(v); {
	case a >= 1000:
		return grouped(v)
	case a >= 10:
		return strconv.FormatFloat(v, 'f', 0, 64)
	case a >= 1:
		return strconv.FormatFloat(v, 'f', 1, 64)
	case a >= 0.1:
		return strconv.FormatFloat(v, 'f', 2, 64)
	default:
		return strconv.FormatFloat(v, 'g', 2, 64)
	}
}

// short is a round number as people say it: 10k, 1M.
func short(n int) string {
	switch {
	case n >= 1_000_000 && n%100_000 == 0:
		return strconv.FormatFloat(float64(n)/1e6, 'f', -1, 64) + "M"
	case n >= 1000 && n%100 == 0:
		return strconv.FormatFloat(float64(n)/1e3, 'f', -1, 64) + "k"
	default:
		return strconv.Itoa(n)
	}
}

func plural(n int, noun string) string {
	if n == 1 {
		return "1 " + noun
	}
	return fmt.Sprintf("%d %ss", n, noun)
}

func size(scrapes []scrape) string {
	n := 0
	for _, s := range scrapes {
		for _, r := range s {
			n += len(r.body)
		}
	}
	return fmt.Sprintf("%.1f MB compressed, %.1f B a sample", float64(n)/1e6, float64(n)/float64(samples(scrapes)))
}
