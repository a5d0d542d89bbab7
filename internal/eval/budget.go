package eval

import (
	"context"
	"fmt"
	"io"
	"math"
	"strconv"
	"text/tabwriter"
	"time"

	"github.com/prometheus/common/model"
	"github.com/prometheus/prometheus/model/labels"

	"github.com/foreshock/foreshock"
	"github.com/foreshock/foreshock/detector"
	"github.com/foreshock/foreshock/internal/synthetic"
	"github.com/foreshock/foreshock/rules"
)

// BudgetRow is how a fleet kept to a budget of so many alerts a day.
type BudgetRow struct {
	Daily    float64 `json:"budget_per_day"`
	Realised figure  `json:"realised_by_budgeted"` // of the days after the fresh ones
	Least    figure  `json:"least"`                // the gate
	Most     figure  `json:"most"`
	Fresh    figure  `json:"fresh_by_budgeted"` // of the first days, in which all is new
	Absences figure  `json:"absence_daily"`     // of the later days; these take nothing of the budget
}

// Holds says what of the row misses its gate, or nothing.
func (r *BudgetRow) Holds() error {
	if r.Realised < r.Least || r.Realised > r.Most {
		return fmt.Errorf("a budget of %v a day: %.2f of it realised, want %v to %v", r.Daily, r.Realised, r.Least, r.Most)
	}
	return nil
}

// The fleet whose budget is measured: a thousand series of every synthetic kind, a sample
// in five minutes each, for ten days after two. A third have an event on the last three.
const (
	fleetSeries = 1000
	fleetStep   = 5 * time.Minute
	freshDays   = 2
	budgetDays  = 10
)

// budgets are those measured, by the day. The gate is a third off, but no less than what
// chance does to so few alerts: twice the square root of their number.
var budgets = []float64{2, 20}

func gate(daily float64) float64 { return max(0.3, 2/math.Sqrt(daily*budgetDays)) }

func runBudgets(ctx context.Context, progress func(what string)) ([]BudgetRow, error) {
	batches := fleet(fleetSeries, freshDays+budgetDays)
	var rows []BudgetRow
	for _, daily := range budgets {
		progress(fmt.Sprintf("synthetic: a budget of %v a day", daily))
		h, err := page(ctx, batches, daily)
		if err != nil {
			return nil, fmt.Errorf("evaluate a budget of %v a day: %w", daily, err)
		}
		off := figure(gate(daily))
		rows = append(rows, BudgetRow{
			Daily:    daily,
			Realised: figure(float64(h.later) / budgetDays / daily), Least: 1 - off, Most: 1 + off,
			Fresh:    figure(float64(h.fresh) / freshDays / daily),
			Absences: figure(float64(h.absences) / budgetDays),
		})
	}
	return rows, nil
}

// fleet are the batches of so many series, of all kinds, over so many days.
func fleet(series, days int) []foreshock.Batch {
	batches := make([]foreshock.Batch, days*int(day/fleetStep))
	for i := range series {
		kind := synthetic.Fleet[i%len(synthetic.Fleet)]
		of := foreshock.NewSeries(labels.FromStrings(model.MetricNameLabel, kind.Name, model.InstanceLabel, strconv.Itoa(i)))
		for _, p := range kind.Make(uint64(i), fleetStep, len(batches)).Points {
			b := &batches[(p.T-synthetic.Start)/fleetStep.Milliseconds()]
			b.Samples = append(b.Samples, foreshock.Sample{Series: of, T: p.T, V: p.V})
		}
	}
	return batches
}

// pages are the alerts that one who is on call hears of a fleet. Those within five minutes
// of the first are one, as the budget counts them.
type pages struct {
	fresh, later int
	absences     int   // of the later days
	until        int64 // ms: alerts before are of the one before
}

// hear takes in a, which is not before the one before.
func (p *pages) hear(a *foreshock.Anomaly) {
	begun := a.T >= synthetic.Start+freshDays*day.Milliseconds()
	switch {
	case a.Phase == foreshock.Ended:
	case a.Kind == foreshock.Absence:
		if begun {
			p.absences++
		}
	case a.T < p.until:
	default:
		p.until = a.T + rules.BurstLength.Milliseconds()
		if begun {
			p.later++
		} else {
			p.fresh++
		}
	}
}

// page sends the batches through a detector whose budget alone decides.
func page(ctx context.Context, batches []foreshock.Batch, daily float64) (pages, error) {
	config := detector.DefaultConfig()
	config.QueueTimeout = model.Duration(math.MaxInt64)
	config.Threshold = 0.01
	config.AlertBudget = rules.Weekly(7 * daily)
	all := everything(rules.GroupPlace)
	all.Watches[0].Emit, all.Watches[0].Absence = rules.EmitNone, rules.AbsenceAuto
	var heard pages
	d := detector.New(detector.Options{
		Config: config,
		Rules:  all,
		Observe: func(f foreshock.Findings) {
			for i := range f.Anomalies {
				heard.hear(&f.Anomalies[i])
			}
		},
	})
	finished := make(chan struct{})
	go func() {
		defer close(finished)
		d.Run()
	}()
	var err error
	for i := range batches {
		if err = d.Append(ctx, &batches[i]); err != nil {
			err = fmt.Errorf("append samples: %w", err)
			break
		}
	}
	d.Close()
	<-finished
	return heard, err
}

// budgetTable writes the rows for people, as Markdown.
func budgetTable(w io.Writer, rows []BudgetRow) error {
	t := tabwriter.NewWriter(w, 0, 0, 1, ' ', 0)
	fmt.Fprintln(t, "| budget a day \t| realised ÷ budgeted \t| at least \t| at most \t| first two days \t| absences/d beside it \t|")
	fmt.Fprintln(t, "|---\t|---\t|---\t|---\t|---\t|---\t|")
	for _, r := range rows {
		fmt.Fprintf(t, "| %v \t| %s \t| %s \t| %s \t| %s \t| %s \t|\n",
			r.Daily, r.Realised.to(2), r.Least.to(2), r.Most.to(2), r.Fresh.to(2), r.Absences.to(1))
	}
	if err := t.Flush(); err != nil {
		return fmt.Errorf("write report: %w", err)
	}
	return nil
}
