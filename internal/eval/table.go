package eval

import (
	"encoding/json"
	"fmt"
	"io"
	"math"
	"strconv"
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

// MarshalJSON writes null where JSON has no number.
func (f figure) MarshalJSON() ([]byte, error) {
	if math.IsNaN(float64(f)) || math.IsInf(float64(f), 0) {
		return []byte("null"), nil
	}
	return json.Marshal(float64(f))
}

// to writes the figure with so many decimals.
func (f figure) to(decimals int) string {
	if math.IsNaN(float64(f)) {
		return "–"
	}
	return strconv.FormatFloat(float64(f), 'f', decimals, 64)
}

// Table writes the report for people, as Markdown.
func (r *Report) Table(w io.Writer) error {
	t := tabwriter.NewWriter(w, 0, 0, 1, ' ', 0)
	if len(r.Series) > 0 {
		fmt.Fprintln(t, "| set \t| method \t| VUS-PR \t| AUC-PR \t| F1 \t| prec. \t| recall \t| false/d \t| delay \t| tuned F1 \t| at \t| false/d \t| recall @ 1/week \t| ns/sample \t| B/series \t|")
		fmt.Fprintln(t, "|---\t|---\t|---\t|---\t|---\t|---\t|---\t|---\t|---\t|---\t|---\t|---\t|---\t|---\t|---\t|")
	}
	for _, rows := range [][]Row{r.Series, r.Mean} {
		for _, x := range rows {
			fmt.Fprintf(t, "| %s \t| %s \t| %s \t| %s \t| %s \t| %s \t| %s \t| %s \t| %s \t| %s \t| %s \t| %s \t| %s \t| %s \t| %s \t|\n",
				x.Set, x.Method, x.VUSPR.to(3), x.AUCPR.to(3),
				x.Shipped.F1.to(2), x.Shipped.Precision.to(2), x.Shipped.Recall.to(2), x.Shipped.FalseDaily.to(2), x.Shipped.Delay.to(1),
				x.Tuned.F1.to(2), x.Tuned.Threshold.to(2)+" "+x.TunedOn, x.Tuned.FalseDaily.to(2), x.WeekRecall.to(2),
				x.Cost.Nanoseconds.to(0), x.Cost.Bytes.to(0))
		}
	}
	if len(r.Series) > 0 && len(r.NAB) > 0 {
		fmt.Fprintln(t)
	}
	if len(r.NAB) > 0 {
		fmt.Fprintln(t, "| NAB \t| standard \t| low FP \t| low FN \t| best standard \t| at \t| best low FP \t| best low FN \t| ns/sample \t| B/series \t|")
		fmt.Fprintln(t, "|---\t|---\t|---\t|---\t|---\t|---\t|---\t|---\t|---\t|---\t|")
	}
	for _, x := range r.NAB {
		fmt.Fprintf(t, "| %s \t| %s \t| %s \t| %s \t| %s \t| %s \t| %s \t| %s \t| %s \t| %s \t|\n",
			x.Method, x.Shipped[0].to(1), x.Shipped[1].to(1), x.Shipped[2].to(1),
			x.Best[0].to(1), x.At[0].to(2), x.Best[1].to(1), x.Best[2].to(1), x.Cost.Nanoseconds.to(0), x.Cost.Bytes.to(0))
	}
	r.foresight(t)
	tellingTable(t, r.Told)
	if len(r.Told) > 0 && len(r.Synthetic) > 0 {
		fmt.Fprintln(t)
	}
	if err := t.Flush(); err != nil {
		return fmt.Errorf("write report: %w", err)
	}
	if len(r.Synthetic) > 0 {
		if err := syntheticTable(w, r.Synthetic); err != nil {
			return err
		}
	}
	if len(r.Budgets) > 0 {
		fmt.Fprintln(w)
		return budgetTable(w, r.Budgets)
	}
	return nil
}

// foresight writes what was measured of forecasts.
func (r *Report) foresight(w io.Writer) {
	if len(r.Forecasts) == 0 {
		return
	}
	fmt.Fprintln(w)
	fmt.Fprintln(w, "| forecast \t| series \t| MASE 1 h \t| 6 h \t| 24 h \t| whole 1 h \t| 6 h \t| 24 h \t| held 1 h \t| 6 h \t| 24 h \t| ns/sample \t|")
	fmt.Fprintln(w, "|---\t|---\t|---\t|---\t|---\t|---\t|---\t|---\t|---\t|---\t|---\t|---\t|")
	for _, x := range r.Forecasts {
		fmt.Fprintf(w, "| %s \t| %d \t| %s \t| %s \t| %s \t| %s \t| %s \t| %s \t| %s \t| %s \t| %s \t| %s \t|\n", x.Method, x.Series,
			x.MASE[0].to(2), x.MASE[1].to(2), x.MASE[2].to(2), x.Whole[0].to(2), x.Whole[1].to(2), x.Whole[2].to(2),
			x.Coverage[0].to(3), x.Coverage[1].to(3), x.Coverage[2].to(3), x.Nanoseconds.to(0))
	}
	fmt.Fprintln(w)
	fmt.Fprintln(w, "| time to threshold \t| log error \t| wrong sign \t| silent \t| alarms of flat \t|")
	fmt.Fprintln(w, "|---\t|---\t|---\t|---\t|---\t|")
	for _, x := range r.Thresholds {
		fmt.Fprintf(w, "| %s \t| %s \t| %s \t| %s \t| %s \t|\n", x.Method, x.LogError.to(3), x.Wrong.to(3), x.Silent.to(3), x.Alarms.to(3))
	}
}
