package e2e

import (
	"context"
	"encoding/json"
	"math"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/prometheus/model/labels"

	"github.com/foreshock/foreshock"
	"github.com/foreshock/foreshock/console"
	"github.com/foreshock/foreshock/internal/grafana"
	"github.com/foreshock/foreshock/internal/record"
)

// What is as long as anybody can make it: words that may be broken, one that offers no place
// to, and a number.
var (
	prose  = strings.Repeat("the quick brown fox jumps over the lazy dog, ", 20)
	run    = strings.Repeat("supercalifragilisticexpialidocious", 40)
	hugely = -math.MaxFloat64 / 3
)

// endless is a series of which nothing is short.
func endless(n string) *foreshock.Series {
	return foreshock.NewSeries(labels.FromStrings("__name__", "request_duration_seconds_"+run, "instance", run+n, "job", prose[:400]))
}

// ordeal is an incident of which nothing is short.
func ordeal(id string, kind foreshock.Kind, state foreshock.State, now int64) foreshock.Incident {
	band := foreshock.Band{Expected: hugely, Lower: 2 * hugely, Upper: -hugely}
	in := foreshock.Incident{
		ID: id, Kind: kind, State: state, StartsAt: now - 40*86400_000, Updated: now, Severity: run, Alerting: true, Rule: run, Dropped: math.MaxInt32,
		Labels: endless("").Labels,
		Inquest: foreshock.Inquest{
			AsOf: now, Looked: math.MaxInt32, Unlooked: math.MaxInt32,
			Causes:  []foreshock.Cause{{Place: run, Confidence: 1, Evidence: []foreshock.Clue{{Text: prose, Series: endless("").String(), Before: hugely, After: -hugely}, {Text: run}}}, {Place: prose, Confidence: 0.01}},
			Changes: []foreshock.Change{{T: now, What: run, Place: run, Others: math.MaxInt32}, {T: now, What: prose, Place: prose}},
		},
		Evidence: []foreshock.Evidence{
			{Source: run, Query: run, From: now - 1e6, To: now, Total: math.MaxInt64, By: []foreshock.Count{{Name: run, Lines: math.MaxInt64}}, Patterns: []foreshock.Count{{Name: prose, Lines: 1}}},
			{Source: prose, Missing: run},
		},
		Dismissal: &foreshock.Dismissal{At: now, By: run[:128], Reason: run[:1024]},
		Remedies:  []foreshock.Remedy{{Rule: run, Action: "other-" + run, Target: run, At: now, Text: run}},
	}
	for n := range 4 {
		in.Members = append(in.Members, foreshock.Member{
			Series: endless(string(rune('a' + n))), Rule: run, Onset: now - 600_000 + int64(n)*60_000, Peak: -hugely, Value: hugely, Band: band, Channel: run,
			Limit: hugely, Arrival: foreshock.Arrival{ETA: math.MaxInt64, Soonest: 1, Latest: -1},
			Silence: foreshock.Silence{Targets: math.MaxInt32, Series: math.MaxInt32, Siblings: math.MaxInt32},
		})
	}
	if state == foreshock.Resolved {
		in.EndsAt = now
	}
	return in
}

// wordy answers what the console asks with what is as long as it can be.
func wordy(events *console.Events) http.Handler {
	now := time.Now().UnixMilli()
	all := []foreshock.Incident{
		ordeal("000000000001", foreshock.Outlier, foreshock.Firing, now), ordeal("000000000002", foreshock.Breach, foreshock.Pending, now),
		ordeal("000000000003", foreshock.Absence, foreshock.Firing, now), ordeal("000000000004", foreshock.Crossing, foreshock.Resolved, now),
	}
	forecast := foreshock.Forecast{Series: endless("a"), Rule: run, T: now, Horizon: math.MaxInt64, Band: foreshock.Band{Expected: hugely, Lower: 2 * hugely, Upper: -hugely}, Limit: hugely, Arrival: foreshock.Arrival{ETA: 1e18, Soonest: 1, Latest: math.MaxInt64}}
	cost := console.Expression{Rule: run, EverySeconds: -hugely, LastSeconds: -hugely, Evaluations: math.MaxUint64, Error: run}
	rule := console.Rule{Name: run, Kind: "watch", Of: run, Wants: run, Series: math.MaxInt32, Sensitivity: -hugely, BudgetPerWeek: -hugely, PerWeek: -hugely, Fired: math.MaxUint64, Dismissed: math.MaxUint64, LastFired: record.Instant(now), Cost: &cost}
	mux := http.NewServeMux()
	say := func(path string, data any) {
		text, err := json.Marshal(map[string]any{"status": "success", "data": data})
		mux.HandleFunc(path, func(w http.ResponseWriter, _ *http.Request) {
			if err != nil {
				http.Error(w, err.Error(), http.StatusInternalServerError)
				return
			}
			_, _ = w.Write(text)
		})
	}
	plan := map[string]any{"rule": run, "action": run, "target": run, "value": run, "labels": map[string]string{"instance": run, run: prose}}
	entry := func(id, state string) map[string]any {
		return map[string]any{
			"id": id, "incident": "000000000001", "state": state, "kind": run, "plan": plan, "hash": strings.Repeat("0123456789abcdef", 4), "approver": run, "reason": run, "verdict": prose, "rehearsal": run + "\n" + prose, "output": run,
			"createdAt": time.Now(), "startedAt": time.Now(), "expiresAt": time.Now().Add(1e6 * time.Hour),
		}
	}
	say("/api/v1/remediations", []any{entry("1", "waiting"), entry("2", "succeeded"), entry("3", "failed")})
	say("/api/v1/remediations/standing", map[string]any{"mode": "approve", "paused": run, "breakers": map[string]any{run: []string{run, run}}, "acted": math.MaxInt32, "running": math.MaxInt32})
	say("/api/v1/query", map[string]any{"result": []any{map[string]any{"metric": map[string]string{"for": run, "instance": run}, "value": []any{1, "7e99"}}}})
	say("/api/v1/query_range", map[string]any{"result": []any{
		map[string]any{"metric": map[string]string{"instance": run}, "values": []any{[]any{float64(now) / 1000, "7e99"}}},
		map[string]any{"metric": map[string]string{"instance": prose}, "values": []any{[]any{float64(now) / 1000, "1"}}},
	}})
	say("/api/v1/label/__name__/values", []string{run, prose})
	say("/api/v1/labels", []string{run})
	mux.Handle("/", console.New(console.Options{
		Status: func() console.Status {
			const most = math.MaxInt64 / 2
			return console.Status{
				Series: most, Warming: most / 3, MaxSeries: most, WindowBytes: most, MemoryBytes: most, MemoryLimit: most, Batches: most, Samples: most, Scored: most, Late: most, Refused: most / 2, Evicted: most, Skipped: most,
				Blind: true, BlindSince: 1, BlindWhy: run, Now: record.Instant(now),
				Budgets: []console.Budget{{Scope: run, PerWeek: -hugely, Realised: -hugely, Threshold: -hugely}}, Expressions: []console.Expression{cost},
			}
		},
		Incidents: func() []foreshock.Incident { return all },
		Series: func(_ context.Context, matchers []*labels.Matcher, _ int) ([]console.Series, error) {
			found := []console.Series{}
			for _, x := range []*foreshock.Series{endless("a"), endless("b")} {
				if len(matchers) > 1 && x.Labels.Get("instance") != endless("a").Labels.Get("instance") {
					continue
				}
				s := console.Series{Series: x, Kind: "counter", Rule: run, Ended: true, Inherited: x, Last: foreshock.Score{T: now, Value: hugely, Score: -hugely, Band: forecast.Band}}
				s.Season = &console.Season{Strong: true, Centre: record.Number(hugely), Day: make([]record.Number, 96), Week: make([]record.Number, 168)}
				for n := range 168 {
					s.Season.Week[n], s.Season.Day[n%96] = record.Number(1e4*math.Sin(float64(n)/9)), record.Number(3e5*math.Sin(float64(n)/20))
				}
				for n := range 50 {
					s.Samples = append(s.Samples, foreshock.Sample{T: now - int64(50-n)*60_000, V: 1e9 + float64(n)})
				}
				found = append(found, s)
			}
			return found, nil
		},
		Curve: func(_ context.Context, _ *foreshock.Series, _ []int64, from, to int64) ([]foreshock.Moment, error) {
			var went []foreshock.Moment
			for n := range 50 { // of one huge level, so that two marks of its axis differ in the last digits alone
				v := 123456789 + float64(n%7)
				went = append(went, foreshock.Moment{T: from + (to-from)*int64(n)/50, Value: v, Score: float64(n % 3), Band: foreshock.Band{Expected: v, Lower: v - 1, Upper: v + 1}})
			}
			return went, nil
		},
		Explain: func(context.Context, []*labels.Matcher, int64, int) ([]foreshock.Explanation, error) {
			return []foreshock.Explanation{{
				Series: endless("a"), Kind: run, Rule: run, Asked: now, Because: prose, Incident: "000000000001", Together: all[0].Members, Unlisted: math.MaxInt32,
				Moment: foreshock.Moment{T: now, Value: hugely, Score: -hugely, Band: forecast.Band}, Peaks: []foreshock.ChannelScore{{Channel: run, Score: -hugely}},
			}}, nil
		},
		Recent:    func(_ context.Context, l []foreshock.Incident) [][]float64 { return make([][]float64, len(l)) },
		Forecasts: func() []foreshock.Forecast { return []foreshock.Forecast{forecast, forecast} },
		Rules:     func(context.Context) ([]console.Rule, error) { return []console.Rule{rule, rule}, nil },
		Near: func(context.Context, string) ([]console.Noted, bool, error) {
			return []console.Noted{{Series: endless("a"), T: now, Ratio: -hugely}}, true, nil
		},
		About: func() (console.About, error) {
			return console.About{Version: run, Revision: run, Go: run, StartedAt: 1, Config: "key: " + run + "\n" + prose, WindowSeconds: 1e9}, nil
		},
		Often: func(string) console.Often {
			return console.Often{Budget: run, Rules: math.MaxInt32, Weeks: 3, PerWeek: func(float64) float64 { return hugely }}
		},
		Elsewhere: func() console.Elsewhere {
			return console.Elsewhere{Alertmanagers: []string{"http://" + run}, Grafana: grafana.At("http://" + run)}
		},
		Events: events,
	}))
	return mux
}

// TestConsoleOfLongWords: whatever others wrote, each page stays within the window, and no
// text lies on another, on a phone as on a desk.
func TestConsoleOfLongWords(t *testing.T) {
	events := console.NewEvents(nil)
	server := httptest.NewServer(wordy(events))
	t.Cleanup(server.Close)
	t.Cleanup(events.Close)
	b := newBrowser(t, server.URL)
	series := url.QueryEscape(endless("a").String())
	for page, charts := range map[string]int{
		"#/now": 0, "#/incident/000000000001": 8, "#/incident/000000000002": 8, "#/incident/000000000003": 8, "#/incident/000000000004": 8, "#/incident/" + run: 0,
		"#/series": 0, "#/series?match=" + url.QueryEscape("{job=~\".+\"}"): 0, "#/series?match=" + series: 4,
		"#/map": 0, "#/map?by=instance&at=" + run: 0, "#/rules?rule=" + run: 0, "#/remediation": 0, "#/status": 0,
	} {
		b.look(1280, "light")
		b.visit(page)
		b.until(15*time.Second, "what "+page+" is about", `!document.querySelector('main').innerText.includes('Looking') && document.querySelector('main').innerText.length > 60`)
		for _, width := range []int64{1280, 390, 320} {
			b.look(width, "dark")
			if got := evaluated[int](b, `document.querySelectorAll('.plot canvas').length`); got != charts {
				t.Errorf("%.40s at %d px: %d charts, want %d", page, width, got, charts)
			}
			if wrong := b.orderly(); len(wrong) > 0 {
				t.Errorf("%.40s at %d px:\n%s", page, width, strings.Join(wrong, "\n"))
			}
		}
	}
}
