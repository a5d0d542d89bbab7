package backtest

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"math/rand/v2"
	"regexp"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/foreshock/foreshock/config"
	"github.com/foreshock/foreshock/internal/history"
	"github.com/foreshock/foreshock/internal/plot"
	"github.com/foreshock/foreshock/remediation"
	"github.com/foreshock/foreshock/rules"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// queues is four hours of two queues' length, 10 or so: a is 90 for ten minutes after the
// third hour, b is 40 for ten minutes half an hour later.
func queues() history.Source {
	var text strings.Builder
	text.WriteString(`time,"queue_length{instance=""a""}","queue_length{instance=""b""}"` + "\n")
	r := rand.New(rand.NewPCG(1, 0))
	for t := time.Duration(0); t < 4*time.Hour; t += time.Minute {
		a, b := 10+r.NormFloat64(), 10+r.NormFloat64()
		if t >= 3*time.Hour && t < 3*time.Hour+10*time.Minute {
			a += 80
		}
		if t >= 3*time.Hour+30*time.Minute && t < 3*time.Hour+40*time.Minute {
			b += 30
		}
		fmt.Fprintf(&text, "%d,%g,%g\n", 1772366400+int(t.Seconds()), a, b)
	}
	return history.NewCSV("queues.csv", int64(text.Len()), func() (io.ReadCloser, error) {
		return io.NopCloser(strings.NewReader(text.String())), nil
	})
}

var always = history.Span{From: 0, To: 1 << 60}

// named is a configuration with these rules.
func named(t *testing.T, name, watch string) Named {
	t.Helper()
	c := config.Default()
	c.Detector.WarmUp = 60
	set, err := rules.ParseFile(name, []byte("groups: [{name: g, rules: ["+watch+"]}]"))
	if err != nil {
		t.Fatal(err)
	}
	c.Rules = set
	return Named{name, c}
}

const (
	long  = `{watch: long, select: queue_length, group: off, labels: {severity: page}, annotations: {summary: "too\n long"}}`
	never = `{watch: never, select: no_such_series}`
	drain = `{remedy: drain, match: '{rule="long"}', action: drain, target: instance}`
)

// treated is c with an action for drain.
func treated(c Named) Named {
	hook := remediation.DefaultWebhookConfig()
	hook.URL = "http://127.0.0.1:1/never-called"
	c.Remediation.Actions = []remediation.ActionConfig{{Name: "drain", Targets: []string{"a"}, Webhook: &hook}}
	return c
}

func TestReport(t *testing.T) {
	c := treated(named(t, "rules.yml", strings.Join([]string{long, never, drain}, ", ")))
	var last Progress
	r, err := Run(t.Context(), Options{
		Source: queues(), Span: always, Config: c, Pictures: true,
		Progress: func(p Progress) {
			if p.Share < last.Share || p.Share > 1 {
				t.Errorf("progress went from %v to %v", last, p)
			}
			last = p
		},
	})
	if err != nil {
		t.Fatal(err)
	}
	if last.Share < 0.99 || last.Samples != 2*480 {
		t.Errorf("progress ended at %+v", last)
	}
	var text bytes.Buffer
	if err := r.Text(&text); err != nil {
		t.Fatal(err)
	}
	want := `3h59m0s from 2026-03-01T12:00:00Z: 480 samples of 2 series. 2 alerts; 2 incidents.

RULE   ALERTS  A WEEK  INCIDENTS  REMEDIES  REFUSED
long   2       –       2          1         1
never  0       –       0          0         0

2026-03-01 15:00:00  for …  {alertname="ForeshockIncident", instance="a", rule="long", severity="page"}
    too long
    remedy drain: would run drain on a
2026-03-01 15:30:00  for …  {alertname="ForeshockIncident", instance="b", rule="long", severity="page"}
    too long
    remedy drain: would not run drain: target "b" is not among those of action drain
`
	// How long an alert takes to end is the detector's and the correlator's matter.
	if got := regexp.MustCompile(`for 1\dm\d+s`).ReplaceAllString(text.String(), "for …"); got != want {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}

	var page bytes.Buffer
	if err := r.Page().HTML(&page); err != nil {
		t.Fatal(err)
	}
	if n := strings.Count(page.String(), "<svg"); n != 4 {
		t.Errorf("%d drawings, want one of each incident, light and dark", n)
	}
	for _, s := range []string{"Backtest of rules.yml", "would run drain on a", `queue_length{instance=&#34;a&#34;}`, "<td>never</td><td>0</td>"} {
		if !strings.Contains(page.String(), s) {
			t.Errorf("the page lacks %s", s)
		}
	}

	var program bytes.Buffer
	if err := r.JSON(&program); err != nil {
		t.Fatal(err)
	}
	var j struct {
		Alerts []struct {
			Incident string
			Remedies []struct{ Target, Refused string }
		}
		Incidents []struct{ ID string }
	}
	if err := json.Unmarshal(program.Bytes(), &j); err != nil {
		t.Fatal(err)
	}
	if len(j.Alerts) != 2 || len(j.Incidents) != 2 || j.Alerts[0].Remedies[0].Target != "a" || j.Alerts[0].Incident == "" || j.Alerts[0].Incident == j.Alerts[1].Incident {
		t.Errorf("in JSON: %+v", j)
	}
}

// TestTheSameHistoryGivesTheSameReport, byte for byte, pictures and all.
func TestTheSameHistoryGivesTheSameReport(t *testing.T) {
	var reports [2]bytes.Buffer
	for i := range reports {
		r, err := Run(t.Context(), Options{Source: queues(), Span: always, Config: named(t, "rules.yml", long), Pictures: true, Figure: true})
		if err != nil {
			t.Fatal(err)
		}
		for _, write := range []func(io.Writer) error{r.Text, r.JSON, r.Page().HTML, func(w io.Writer) error { return r.Figure.SVG(w, plot.Light) }} {
			if err := write(&reports[i]); err != nil {
				t.Fatal(err)
			}
		}
	}
	if !bytes.Equal(reports[0].Bytes(), reports[1].Bytes()) {
		t.Error("two reports on one history differ")
	}
}

// TestCompare: a rule that only wants a large deviation loses the smaller of two alerts,
// and the other stays the same although its labels change.
func TestCompare(t *testing.T) {
	shy := named(t, "shy.yml", strings.Replace(strings.Replace(long, "page", "info", 1), "group: off", "group: off, min_deviation: 50", 1))
	other := named(t, "rules.yml", long)
	r, err := Run(t.Context(), Options{Source: queues(), Span: always, Config: other, Compare: &shy})
	if err != nil {
		t.Fatal(err)
	}
	c := r.Comparison
	if len(c.Both) != 1 || len(c.OnlyHere) != 1 || len(c.OnlyThere) != 0 {
		t.Fatalf("%d in both, %d and %d in one", len(c.Both), len(c.OnlyHere), len(c.OnlyThere))
	}
	if got := c.OnlyHere[0].Labels.Get("instance") + c.Both[0].Here.Labels.Get("severity") + c.Both[0].There.Labels.Get("severity"); got != "bpageinfo" {
		t.Error(got)
	}
	var text bytes.Buffer
	if err := r.Text(&text); err != nil {
		t.Fatal(err)
	}
	if want := "\nAlerts: 1 in both, 1 only with rules.yml (-), 0 only with shy.yml (+).\n- 2026-03-01 15:30:00  "; !strings.Contains(text.String(), want) {
		t.Errorf("got\n%s\nwant in it %s", &text, want)
	}
}

// TestNobodyWroteRules: then every series is watched by itself, and ten minutes are enough
// to say something.
func TestNobodyWroteRules(t *testing.T) {
	c := Named{"no rules", config.Default()}
	c.Rules = Everything()
	from := int64(1772366400+3*3600-15*60) * 1000
	r, err := Run(t.Context(), Options{
		Source: queues(), Span: history.Span{From: from, To: from + (time.Hour / 2).Milliseconds()},
		Config: c, Newborn: true, Figure: true,
	})
	if err != nil {
		t.Fatal(err)
	}
	if len(r.Alerts) != 1 || len(r.Figure.Panels) != 2 || len(r.Figure.Panels[0].Points) != 31 {
		t.Errorf("alerts %v, %d panels", r.Alerts, len(r.Figure.Panels))
	}
	if want := "Backtest, no rules: 1 Mar 2026 14:45 to 1 Mar 2026 15:15 UTC"; r.Figure.Title != want {
		t.Errorf("it is called %s, want %s", r.Figure.Title, want)
	}
	p := r.Figure.Panels[0]
	if len(p.Anomalies) == 0 {
		t.Fatal("nothing is anomalous")
	}
	for _, a := range p.Anomalies { // as its table says, so it looks
		worst := 0.0
		for _, q := range p.Points {
			if q.T >= a.Start && (a.End == 0 || q.T <= a.End) {
				worst = max(worst, q.Score)
			}
		}
		if a.Score != worst {
			t.Errorf("an anomaly of score %g is drawn up to %g", a.Score, worst)
		}
	}
}

func TestAWeekIsToldByADayAtLeast(t *testing.T) {
	if got := weekly(perWeek(3, 36*time.Hour)) + " " + weekly(perWeek(3, 23*time.Hour)); got != "14.0 –" {
		t.Error(got)
	}
}

func TestNothingThere(t *testing.T) {
	r, err := Run(t.Context(), Options{Source: queues(), Span: history.Span{From: 0, To: 1}, Config: named(t, "rules.yml", long), Pictures: true, Figure: true})
	if err != nil {
		t.Fatal(err)
	}
	var text bytes.Buffer
	if err := r.Text(&text); err != nil || !strings.HasPrefix(text.String(), "There are no samples in that time.") {
		t.Errorf("%v\n%s", err, &text)
	}
	if err := r.JSON(&text); err != nil {
		t.Error(err)
	}
	if err := r.Page().HTML(io.Discard); err != nil {
		t.Error(err)
	}
}

func TestRunStops(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	n := 0
	_, err := Run(ctx, Options{Source: queues(), Span: always, Config: named(t, "rules.yml", long), Progress: func(Progress) {
		if n++; n == 10 {
			cancel()
		}
	}})
	if err == nil || n > 11 {
		t.Errorf("error %v after %d batches", err, n)
	}
}
