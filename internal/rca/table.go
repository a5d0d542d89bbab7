package rca

import (
	"encoding/json"
	"fmt"
	"io"
	"text/tabwriter"
)

// JSON writes the report as one object.
func (r *Report) JSON(w io.Writer) error {
	e := json.NewEncoder(w)
	e.SetIndent("", "  ")
	if err := e.Encode(r); err != nil {
		return fmt.Errorf("write report: %w", err)
	}
	return nil
}

// Table writes the report for people, as Markdown.
func (r *Report) Table(w io.Writer) error {
	t := tabwriter.NewWriter(w, 0, 0, 1, ' ', 0)
	fmt.Fprintln(t, "| set \t| faults \t| onset \t| method \t| AC@1 \t| AC@3 \t| AC@5 \t| Avg@5 \t|")
	fmt.Fprintln(t, "|---\t|---\t|---\t|---\t|---\t|---\t|---\t|---\t|")
	for _, x := range r.Rows {
		onset := "true"
		if x.Late > 0 {
			onset = fmt.Sprintf("%g s late", x.Late)
		}
		fmt.Fprintf(t, "| %s \t| %d \t| %s \t| %s \t| %.2f \t| %.2f \t| %.2f \t| %.2f \t|\n",
			x.Set, x.Faults, onset, x.Method, x.AC[0], x.AC[2], x.AC[4], x.Avg)
	}
	fmt.Fprintln(t)
	fmt.Fprintln(t, "| fault of the shop \t| faults \t| AC@1 \t| AC@3 \t| AC@5 \t|")
	fmt.Fprintln(t, "|---\t|---\t|---\t|---\t|---\t|")
	for _, x := range r.Kinds {
		fmt.Fprintf(t, "| %s \t| %d \t| %.2f \t| %.2f \t| %.2f \t|\n", x.Method, x.Faults, x.AC[0], x.AC[2], x.AC[4])
	}
	fmt.Fprintln(t)
	fmt.Fprintln(t, "| confidence \t| causes \t| said \t| were it \t|")
	fmt.Fprintln(t, "|---\t|---\t|---\t|---\t|")
	for _, b := range r.Confidence {
		fmt.Fprintf(t, "| %.2f–%.2f \t| %d \t| %.2f \t| %.2f \t|\n", b.From, b.To, b.Causes, b.Said, b.Were)
	}
	fmt.Fprintf(t, "\nBrier score of all causes told: %.3f\n", r.Brier)
	if r.Streams != nil {
		fmt.Fprintln(t, "\n| as a stream \t| faults \t| an incident \t| one only \t| true cause first \t| among three \t| members right \t| of all \t| quiet hours \t| false an hour \t|")
		fmt.Fprintln(t, "|---\t|---\t|---\t|---\t|---\t|---\t|---\t|---\t|---\t|---\t|")
	}
	for _, x := range r.Streams {
		of := func(known bool, share float64) string {
			if !known {
				return "–"
			}
			return fmt.Sprintf("%.2f", share)
		}
		faults := x.Faults > 0
		fmt.Fprintf(t, "| %s \t| %d \t| %s \t| %s \t| %s \t| %s \t| %s \t| %s \t| %.0f \t| %.3f \t|\n",
			x.Set, x.Faults, of(faults, x.Found), of(faults, x.One), of(faults, x.First), of(faults, x.Three),
			of(x.Recall > 0, x.Precision), of(x.Recall > 0, x.Recall), x.Quiet, x.False)
	}
	if err := t.Flush(); err != nil {
		return fmt.Errorf("write report: %w", err)
	}
	return nil
}
