package detector

import (
	"bytes"
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/foreshock/foreshock"
	"github.com/foreshock/foreshock/internal/synthetic"
	"github.com/foreshock/foreshock/rules"
)

// fleetOf are so many series of mixed kinds over so many samples, as batches.
func fleetOf(n, length int, interval time.Duration) []*foreshock.Batch {
	batches := make([]*foreshock.Batch, length)
	for i := range batches {
		batches[i] = &foreshock.Batch{}
	}
	for i := range n {
		kind := synthetic.Fleet[i%len(synthetic.Fleet)]
		x := series(kind.Name, "instance", fmt.Sprint(i))
		for _, p := range kind.Make(uint64(i), interval, length).Points {
			b := batches[(p.T-synthetic.Start)/interval.Milliseconds()]
			b.Samples = append(b.Samples, foreshock.Sample{Series: x, T: p.T, V: p.V})
		}
	}
	return batches
}

// incidents are the times of alerts of rules that count, those of one burst as one. An
// absence has no score and is no matter of a threshold.
func incidents(found []foreshock.Findings, counts func(a *foreshock.Anomaly) bool) []int64 {
	var onsets []int64
	for _, f := range found {
		for i := range f.Anomalies {
			if a := &f.Anomalies[i]; a.Rule != "" && a.Kind == foreshock.Outlier && a.Phase != foreshock.Ended && counts(a) {
				onsets = append(onsets, a.T)
			}
		}
	}
	slices.Sort(onsets)
	var at []int64
	for _, t := range onsets {
		if len(at) == 0 || t >= at[len(at)-1]+block {
			at = append(at, t)
		}
	}
	return at
}

// realised is how often the scope's alerts came between two days, as a share of a budget
// of so many a day.
func realised(at []int64, from, to int, daily float64) float64 {
	const day = 24 * 3600 * 1000
	n := 0
	for _, t := range at {
		if d := int((t - synthetic.Start) / day); d >= from && d < to {
			n++
		}
	}
	return float64(n) / float64(to-from) / daily
}

// Who asks for twenty pages a day gets twenty, from a thousand series of which some are
// noisy, some heavy-tailed, and a third have their one event in the last three days. Who
// has just begun gets no more, but for what comes before anything is known of scores.
// Other budgets are measured by foreshock eval --synthetic.
func TestTheFleetKeepsToItsBudget(t *testing.T) {
	if testing.Short() {
		t.Skip("a simulation, run without -short: it has one goroutine, and the race detector would take minutes")
	}
	t.Parallel()
	const days, perDay, daily = 12, 288, 20
	o := Options{Config: DefaultConfig(), Rules: everything()}
	o.Rules.Watches[0].Emit = rules.EmitNone
	o.Config.Threshold = 0.01 // it is the budget that decides
	o.Config.AlertBudget = rules.Weekly(7 * daily)
	b := run(t, o)
	for _, batch := range fleetOf(1000, days*perDay, 5*time.Minute) {
		b.batch(batch)
	}
	b.stop()
	at := incidents(b.found, func(*foreshock.Anomaly) bool { return true })
	share, fresh := realised(at, 2, days, daily), realised(at, 0, 2, daily)
	t.Logf("%.2f of the budget, %.2f of it in the first two days, %+v", share, fresh, b.Status().Budgets)
	if share > 1.2 || share < 0.8 {
		t.Errorf("%.2f of the budget", share)
	}
	if fresh > 1.2 {
		t.Errorf("%.2f of the budget in the first two days", fresh)
	}
}

// Counters of errors that hardly ever are all score the same when they do, as high as
// scores go, and so from their third day on. Some of them must be heard, and no more
// than the budget has room for.
func TestWhatIsRareEverywhereKeepsToTheBudget(t *testing.T) {
	if testing.Short() {
		t.Skip("a simulation, run without -short: it has one goroutine, and the race detector would take minutes")
	}
	t.Parallel()
	const days, perDay, daily = 12, 288, 4
	o := Options{Config: DefaultConfig(), Rules: everything()}
	o.Rules.Watches[0].Emit = rules.EmitNone
	o.Config.Threshold = 0.01
	o.Config.AlertBudget = rules.Weekly(7 * daily)
	b := run(t, o)
	batches := make([]foreshock.Batch, days*perDay)
	for i := range 200 {
		x := series("failures", "instance", fmt.Sprint(i))
		r := rand.New(rand.NewPCG(uint64(i), 1))
		for j := range batches {
			v := 0.0
			if r.IntN(10*perDay) == 0 { // 20 a day of the fleet
				v = 1
			}
			t := synthetic.Start + int64(j)*5*minute
			batches[j].Samples = append(batches[j].Samples, foreshock.Sample{Series: x, T: t, V: v})
		}
	}
	for i := range batches {
		b.batch(&batches[i])
	}
	b.stop()
	at := incidents(b.found, func(*foreshock.Anomaly) bool { return true })
	share := realised(at, 2, days, daily)
	t.Logf("%.2f of the budget, %+v", share, b.Status().Budgets)
	if share > 1.6 || share < 0.5 {
		t.Errorf("%.2f of the budget", share)
	}
	if late := realised(at, 6, days, daily); late > 1.4 || late < 0.5 {
		t.Errorf("%.2f of the budget after six days", late)
	}
}

// budgeted are three scopes: a rule's, a group's of two rules, and what is left.
func budgeted() *rules.Set {
	group := &rules.Scope{Name: "web", Budget: rules.Weekly(7 * 6)}
	own := &rules.Scope{Name: "waits", Budget: rules.Weekly(7 * 3)}
	watch := func(name, metric string, scope *rules.Scope) *rules.Watch {
		return &rules.Watch{Name: name, Select: selecting(metric), Sensitivity: 1, Emit: rules.EmitNone, Scope: scope}
	}
	return &rules.Set{Watches: []*rules.Watch{
		watch("waits", "wait_seconds", own),
		watch("flaky", "flaky", group),
		watch("requests", "requests_total", group),
		watch("load", "load", nil),
		watch("errors", "errors", nil),
	}}
}

// An alert counts against the narrowest scope that has a budget, and against no other.
func TestEveryScopeKeepsToItsOwnBudget(t *testing.T) {
	if testing.Short() {
		t.Skip("a simulation, run without -short: it has one goroutine, and the race detector would take minutes")
	}
	t.Parallel()
	const days, perDay = 12, 288
	o := Options{Config: DefaultConfig(), Rules: budgeted()}
	o.Config.Threshold = 0.01
	o.Config.AlertBudget = rules.Weekly(7 * 12)
	b := run(t, o)
	for _, batch := range fleetOf(400, days*perDay, 5*time.Minute) {
		b.batch(batch)
	}
	b.stop()
	status := b.Status().Budgets
	t.Logf("%+v", status)
	for i, c := range []struct {
		scope string
		daily float64
		rules []string
	}{
		{"fleet", 12, []string{"load", "errors"}},
		{"waits", 3, []string{"waits"}},
		{"web", 6, []string{"flaky", "requests"}},
	} {
		at := incidents(b.found, func(a *foreshock.Anomaly) bool { return slices.Contains(c.rules, a.Rule) })
		if share := realised(at, 2, days, c.daily); share > 1.5 || share < 0.5 {
			t.Errorf("%s: %.2f of its budget", c.scope, share)
		}
		if s := status[i]; s.Scope != c.scope || math.Abs(s.PerWeek-7*c.daily) > 1e-9 || s.Realised <= 0 || s.Threshold <= 0.01 {
			t.Errorf("status %+v, want that of %s", s, c.scope)
		}
	}
}

// Where a place speaks for its series, its alerts are what is budgeted, on the same scale:
// those of its members page nobody. While series learn that their noise has a tail, scores
// fall, and a threshold that goes by the rate of late spends less than it might.
func TestPlacesKeepToTheBudget(t *testing.T) {
	if testing.Short() {
		t.Skip("a simulation, run without -short: it has one goroutine, and the race detector would take minutes")
	}
	for _, c := range []struct {
		name  string
		noise synthetic.Generator
		least float64 // of the budget
	}{
		{"white noise", synthetic.Noise, 0.7},
		{"heavy tails", synthetic.HeavyTail, 0.6},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			placesKeepToTheBudget(t, c.noise, c.least)
		})
	}
}

func placesKeepToTheBudget(t *testing.T, noise synthetic.Generator, least float64) {
	const days, perDay, hosts, each, daily = 12, 288, 60, 4, 8
	o := Options{Config: DefaultConfig(), Rules: everything()}
	o.Rules.Watches[0].Emit = rules.EmitNone
	o.Config.Threshold = 0.01
	o.Config.AlertBudget = rules.Weekly(7 * daily)
	b := run(t, o)
	batches := make([]foreshock.Batch, days*perDay)
	for i := range hosts * each {
		x := series("load", "instance", fmt.Sprint(i/each), "n", fmt.Sprint(i))
		for j, p := range noise(uint64(i), 5*time.Minute, len(batches)).Points {
			batches[j].Samples = append(batches[j].Samples, foreshock.Sample{Series: x, T: p.T, V: p.V})
		}
	}
	for i := range batches {
		b.batch(&batches[i])
	}
	b.stop()
	at := incidents(b.found, func(a *foreshock.Anomaly) bool { return a.Of == each })
	if all := incidents(b.found, func(*foreshock.Anomaly) bool { return true }); len(all) != len(at) {
		t.Errorf("%d alerts, %d of them of places", len(all), len(at))
	}
	if share := realised(at, 2, days, daily); share > 1.3 || share < least {
		t.Errorf("%.2f of the budget, %+v", share, b.Status().Budgets)
	}
}

// A series that no rule selects pages nobody, so it takes nothing of the budget.
func TestUnwatchedSeriesTakeNoBudget(t *testing.T) {
	o := Options{Config: DefaultConfig(), Rules: budgeted()}
	o.Config.AlertBudget = rules.Weekly(2)
	b := run(t, o)
	for i := range 800 {
		v := float64(i % 7)
		if i%200 == 199 {
			v = 1000 * float64(i)
		}
		b.append(foreshock.Sample{Series: series("unwatched"), T: start + int64(i)*minute, V: v})
	}
	b.stop()
	started := 0
	for _, f := range b.found {
		started += len(f.Anomalies)
	}
	if fleet := b.Status().Budgets[0]; started == 0 || fleet.Realised != 0 || fleet.Threshold != o.Config.Threshold {
		t.Errorf("%d changes of anomalies of an unwatched series, budget %+v", started, fleet)
	}
}

// A budget is no quota: without one, and with one that is never reached, the threshold
// is the one configured.
func TestTheThresholdIsNeverBelowTheOneConfigured(t *testing.T) {
	for _, budget := range []rules.Budget{{}, rules.Weekly(2000)} {
		o := Options{Config: DefaultConfig(), Rules: everything()}
		o.Config.AlertBudget = budget
		b := run(t, o)
		for _, batch := range fleetOf(24, 2*288, 5*time.Minute) {
			b.batch(batch)
		}
		b.settle()
		if got := b.Status().Budgets; len(got) != 1 || got[0].Threshold != o.Config.Threshold || got[0].PerWeek != budget.PerWeek() {
			t.Errorf("with %q: %+v, want the threshold at %g", budget, got, o.Config.Threshold)
		}
		b.stop()
	}
}

// A reload must not forget what it took weeks to learn.
func TestAReloadKeepsTheBudgets(t *testing.T) {
	o := Options{Config: DefaultConfig(), Rules: budgeted()}
	o.Config.Threshold = 0.02
	o.Config.AlertBudget = rules.Weekly(7 * 12)
	reg := prometheus.NewRegistry()
	o.Registerer = reg
	b := run(t, o)
	for _, batch := range fleetOf(120, 3*288, 5*time.Minute) {
		b.batch(batch)
	}
	b.SetConfig(o.Config) // ends the period under way
	b.settle()
	before := b.Status().Budgets
	for _, is := range before { // the count of peaks is of what was told, most of it by lower thresholds
		o, known := b.Often(is.Scope)
		if now := o.PerWeek(1); !known || !(now > is.Realised/5 && now < is.Realised*2) {
			t.Errorf("%s: %.1f alerts a week by its peaks, %.1f told", is.Scope, now, is.Realised)
		}
		if !(o.PerWeek(100) > o.PerWeek(1) && o.PerWeek(1) > o.PerWeek(0.01)) || o.Weeks() <= 0 || o.Weeks() > 1 {
			t.Errorf("%s: %.1f, %.1f and %.1f alerts a week in %.1f weeks", is.Scope, o.PerWeek(0.01), o.PerWeek(1), o.PerWeek(100), o.Weeks())
		}
	}
	if _, known := b.Often("gone"); known {
		t.Error("knows what is not there")
	}

	same := budgeted() // as a file read again is: other pointers, the same names
	same.Watches[0].Scope.Budget = rules.Weekly(1000)
	b.SetRules(same)
	b.SetConfig(o.Config)
	b.settle()
	after := b.Status().Budgets
	for _, i := range []int{0, 2} {
		if before[i] != after[i] || before[i].Realised == 0 || before[i].Threshold == o.Config.Threshold {
			t.Errorf("%+v before, %+v after", before[i], after[i])
		}
	}
	if before[1].Realised != after[1].Realised || after[1].PerWeek != 1000 || after[1].Threshold >= before[1].Threshold {
		t.Errorf("%+v before, %+v after its budget was raised", before[1], after[1])
	}

	same.Watches = same.Watches[1:]
	b.SetRules(same)
	b.settle()
	if got := b.Status().Budgets; len(got) != 2 || got[1].Scope != "web" || got[1] != before[2] {
		t.Errorf("%+v, want fleet and web as they were", got)
	}
	var text bytes.Buffer
	families, err := reg.Gather()
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range families {
		fmt.Fprintln(&text, f)
	}
	for name, want := range map[string]int{
		"foreshock_detector_alert_budget_per_week": 1, "foreshock_detector_alerts_realised_per_week": 1, "foreshock_detector_threshold": 1,
	} {
		if n := strings.Count(text.String(), name); n != want {
			t.Errorf("%d families %s, want %d", n, name, want)
		}
	}
	if strings.Contains(text.String(), "waits") || !strings.Contains(text.String(), `"web"`) {
		t.Errorf("metrics of scopes that are no more, or none of those that are:\n%s", &text)
	}
}
