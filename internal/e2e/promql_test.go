package e2e

import (
	"encoding/json"
	"fmt"
	"maps"
	"math"
	"math/rand/v2"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/prometheus/model/value"
	"github.com/prometheus/prometheus/prompb"

	"github.com/foreshock/foreshock/internal/stack"
)

// expressions are asked of both: selectors and matchers, every kind of function over time,
// aggregation, joins, subqueries, offsets and @, histograms, sorting, sets, staleness.
var expressions = []string{
	`node_load1`,
	`node_load1{instance="host-1"}`,
	`node_load1{instance!="host-1"}`,
	`node_load1{instance=~"host-[12]"}`,
	`node_load1{instance!~"host-[12]"}`,
	`{__name__=~"node_.*",instance="host-2"}`,
	`{job="node"}`,
	`node_load1{rack=""}`,
	`none_such`,
	`node_load1[1m]`,
	`rate(node_cpu_seconds_total{mode="user"}[1m])`,
	`rate(node_cpu_seconds_total[5m])`,
	`irate(node_cpu_seconds_total[5m])`,
	`increase(node_cpu_seconds_total[10m])`,
	`resets(node_cpu_seconds_total[30m])`,
	`changes(node_boot_time_seconds[30m])`,
	`delta(node_load1[5m])`,
	`idelta(node_load1[5m])`,
	`deriv(node_load1[10m])`,
	`predict_linear(node_filesystem_avail_bytes[10m], 3600)`,
	`avg_over_time(node_load1[5m])`,
	`min_over_time(node_load1[5m])`,
	`max_over_time(node_load1[5m])`,
	`sum_over_time(node_load1[5m])`,
	`count_over_time(node_load1[5m])`,
	`stddev_over_time(node_load1[5m])`,
	`stdvar_over_time(node_load1[5m])`,
	`quantile_over_time(0.9, node_load1[5m])`,
	`last_over_time(node_load1[10m])`,
	`present_over_time(node_load1[10m])`,
	`absent(node_load1{instance="host-9"})`,
	`absent_over_time(node_load1{instance="host-3"}[2m])`,
	`sum(node_load1)`,
	`sum by (instance) (rate(node_cpu_seconds_total[2m]))`,
	`sum without (cpu, mode) (rate(node_cpu_seconds_total[2m]))`,
	`avg by (mode) (rate(node_cpu_seconds_total[2m]))`,
	`min(node_load1)`,
	`max by (job) (node_load1)`,
	`count by (__name__) ({job="node"})`,
	`count_values("load", round(node_load1))`,
	`stddev(node_load1)`,
	`group by (job) (node_load1)`,
	`quantile(0.5, node_load1)`,
	`topk(2, node_load1)`,
	`bottomk(1, node_load1)`,
	`sort_desc(node_load1)`,
	`1 - avg by (instance) (rate(node_cpu_seconds_total{mode="idle"}[1m]))`,
	`node_filesystem_avail_bytes / node_filesystem_size_bytes`,
	`node_filesystem_avail_bytes / on (instance) group_left (job) node_load1`,
	`node_load1 > 1`,
	`node_load1 > bool 1`,
	`node_load1 and on (instance) up == 1`,
	`node_load1 or node_boot_time_seconds`,
	`node_load1 unless on (instance) (up == 0)`,
	`histogram_quantile(0.9, sum by (le) (rate(http_request_duration_seconds_bucket[5m])))`,
	`histogram_quantile(0.5, rate(http_request_duration_seconds_bucket[5m]))`,
	`rate(http_request_duration_seconds_sum[5m]) / rate(http_request_duration_seconds_count[5m])`,
	`max_over_time(rate(node_cpu_seconds_total{mode="user"}[1m])[10m:1m])`,
	`avg_over_time(sum(node_load1)[5m:])`,
	`node_load1 offset 5m`,
	`rate(node_cpu_seconds_total[2m] offset 3m)`,
	`node_load1 offset -1m`,
	`node_load1 @ end()`,
	`rate(node_cpu_seconds_total[2m] @ start())`,
	`label_replace(node_load1, "host", "$1", "instance", "host-(.*)")`,
	`label_join(node_load1, "id", "/", "job", "instance")`,
	`clamp(node_load1, 0.5, 1.5)`,
	`abs(node_load1 - 1)`,
	`ln(node_filesystem_avail_bytes)`,
	`round(node_load1, 0.1)`,
	`timestamp(node_load1)`,
	`time() - node_boot_time_seconds`,
	`hour(timestamp(node_load1))`,
	`vector(1)`,
	`scalar(sum(node_load1)) * 2`,
	`node_load1 * NaN`,
	`-node_load1 % 2 ^ 2`,
}

// fleet is what both are sent: an hour and more of three hosts every 15 s. host-2 restarts
// after a while and its counters with it; host-3 ends, with staleness markers, and comes
// back; scrapes are missing here and there.
func fleet(from time.Time, scrapes int) (requests [][]prompb.TimeSeries) {
	r := rand.New(rand.NewPCG(5, 5))
	counters := map[string]float64{}
	for n := range scrapes {
		var all []prompb.TimeSeries
		t := from.Add(time.Duration(n) * 15 * time.Second).UnixMilli()
		for _, host := range []string{"host-1", "host-2", "host-3"} {
			gone := host == "host-3" && n >= scrapes/2 && n < scrapes*3/4
			ended := host == "host-3" && n == scrapes/2
			if gone && !ended || r.IntN(40) == 0 && !ended {
				continue
			}
			say := func(v float64, name string, lbls ...string) {
				if ended {
					v = math.Float64frombits(value.StaleNaN)
				}
				ls := []prompb.Label{{Name: "__name__", Value: name}, {Name: "instance", Value: host}, {Name: "job", Value: "node"}}
				for i := 0; i < len(lbls); i += 2 {
					ls = append(ls, prompb.Label{Name: lbls[i], Value: lbls[i+1]})
				}
				slices.SortFunc(ls, func(a, b prompb.Label) int { return strings.Compare(a.Name, b.Name) })
				all = append(all, prompb.TimeSeries{Labels: ls, Samples: []prompb.Sample{{Timestamp: t, Value: v}}})
			}
			count := func(by float64, name string, lbls ...string) {
				key := fmt.Sprint(host, name, lbls)
				if host == "host-2" && n == scrapes/3 {
					counters[key] = 0
				}
				counters[key] += by
				say(counters[key], name, lbls...)
			}
			say(1+r.NormFloat64()/3, "node_load1")
			say(float64(from.Unix()), "node_boot_time_seconds")
			say(1e10-float64(n)*1e6*r.Float64(), "node_filesystem_avail_bytes", "mountpoint", "/")
			say(4e10, "node_filesystem_size_bytes", "mountpoint", "/")
			for _, cpu := range []string{"0", "1"} {
				for _, mode := range []string{"idle", "user", "system"} {
					count(15*r.Float64(), "node_cpu_seconds_total", "cpu", cpu, "mode", mode)
				}
			}
			total := 0.
			for _, le := range []string{"0.1", "0.5", "1", "+Inf"} {
				total += float64(r.IntN(20))
				count(total, "http_request_duration_seconds_bucket", "le", le)
			}
			count(total, "http_request_duration_seconds_count")
			count(total/3, "http_request_duration_seconds_sum")
			up := 1.
			if host == "host-1" && n%50 == 0 {
				up = 0
			}
			say(up, "up")
		}
		requests = append(requests, all)
	}
	return requests
}

// TestPromQLIsPrometheuss: the same samples and the same question have the same answer
// here as from the real Prometheus, through the same API.
func TestPromQLIsPrometheuss(t *testing.T) {
	const scrapes = 280 // 70 minutes
	s := start(t, "testdata/stack")
	write(t, s, "prometheus.yml", "")
	write(t, s, "rules.yml", fmt.Sprintf("groups: [{name: g, interval: 15s, rules: [{watch: busy, expr: %q}]}]", recorded))
	write(t, s, "foreshock.yml", "detector: {window: 2h}\nrule_files: [rules.yml]\n")
	must[*stack.Process](t)(s.Prometheus(t.Context()))
	sidecar(t, s)

	end := time.Now().Truncate(time.Second)
	from := end.Add(-(scrapes - 1) * 15 * time.Second)
	sent := 0.
	for _, request := range fleet(from, scrapes) {
		body := marshal(t, request)
		sent += float64(len(request))
		for _, port := range []int{9090, 9797} {
			if status, err := post(s.URL(port, "/api/v1/write"), body, nil); err != nil || status != http.StatusNoContent {
				t.Fatalf("port %d: %d %v", port, status, err)
			}
		}
	}
	eventually(t, 10*time.Second, "all is in the windows", func() bool {
		return metric(t, s, 9797, "foreshock_detector_samples_total", nil) >= sent && // and what the rule results in
			metric(t, s, 9797, "foreshock_detector_queue_samples", nil) == 0
	})

	compare := func(path string, form url.Values) (some bool) {
		t.Helper()
		var answers [2]any
		for i, port := range []int{9090, 9797} {
			answers[i] = answer(t, s.URL(port, path+"?"+form.Encode()))
		}
		if !same(answers[0], answers[1]) {
			t.Errorf("%s %s:\nPrometheus %.600v\nForeshock  %.600v", path, form, answers[0], answers[1])
		}
		data, ok := answers[0].(map[string]any)
		return !ok || len(data["result"].([]any)) > 0
	}
	for _, expr := range expressions {
		some := expr == "none_such"
		for _, at := range []time.Time{end, from.Add(23*time.Minute + 7*time.Second), from.Add(40 * time.Minute)} {
			some = compare("/api/v1/query", url.Values{"query": {expr}, "time": {at.Format(time.RFC3339Nano)}}) || some
		}
		if !strings.HasSuffix(expr, "]") { // a range of ranges is none
			compare("/api/v1/query_range", url.Values{
				"query": {expr}, "start": {from.Format(time.RFC3339)}, "end": {end.Format(time.RFC3339)}, "step": {"37s"},
			})
		}
		if !some {
			t.Errorf("%s finds nothing at any time: it compares nothing", expr)
		}
	}
	compare("/api/v1/series", url.Values{"match[]": {`{job="node",cpu!="1"}`}})
	compare("/api/v1/labels", url.Values{"match[]": {`node_cpu_seconds_total`}})
	compare("/api/v1/label/mode/values", nil)
	compareRecorded(t, s, end)
	t.Logf("%d expressions, each at 3 instants and over 70 minutes", len(expressions))
}

// recorded is the expression of a rule, in the series of which its results are found.
const recorded = `sum by (instance, mode) (rate(node_cpu_seconds_total[5m]))`

// compareRecorded compares the latest results of the rule with what Prometheus says of its
// expression at the same time.
func compareRecorded(t *testing.T, s *stack.Stack, end time.Time) {
	t.Helper()
	find := func(port int, expr string, at float64) []any {
		form := url.Values{"query": {expr}, "time": {strconv.FormatFloat(at, 'f', 3, 64)}}
		return answer(t, s.URL(port, "/api/v1/query?"+form.Encode())).(map[string]any)["result"].([]any)
	}
	var latest []any
	eventually(t, 10*time.Second, "the rule is evaluated at the end of what was sent", func() bool {
		latest = find(9797, `timestamp(foreshock_expr{rule="busy"}) > `+fmt.Sprint(end.Unix()-40), float64(end.Unix()))
		return len(latest) > 0
	})
	at, err := strconv.ParseFloat(latest[0].(map[string]any)["value"].([]any)[1].(string), 64)
	if err != nil {
		t.Fatal(err)
	}
	want := find(9090, recorded, at)
	got := find(9797, `sum without (rule) (foreshock_expr{rule="busy"})`, at)
	if len(want) < 6 || !same(want, got) {
		t.Errorf("the rule resulted at %.3f in\n%v\nPrometheus says\n%v", at, got, want)
	}
}

// answer is what is found at url, results in the order of their text: Prometheus promises
// none.
func answer(t *testing.T, url string) any {
	t.Helper()
	var answer struct{ Data any }
	getJSON(t, url, &answer)
	results := answer.Data
	if data, ok := results.(map[string]any); ok && data["resultType"] != "scalar" {
		results = data["result"]
	}
	if all, ok := results.([]any); ok {
		text := func(v any) string { return string(must[[]byte](t)(json.Marshal(v))) }
		slices.SortFunc(all, func(a, b any) int { return strings.Compare(text(a), text(b)) })
	}
	return answer.Data
}

// same reports whether two answers are, but for the last bit of sums: those depend on the
// order in which the series were, which is that of their birth in a Prometheus.
func same(a, b any) bool {
	switch a := a.(type) {
	case map[string]any:
		b, ok := b.(map[string]any)
		return ok && maps.EqualFunc(a, b, same)
	case []any:
		b, ok := b.([]any)
		return ok && slices.EqualFunc(a, b, same)
	case string: // as values are written
		b, ok := b.(string)
		x, errX := strconv.ParseFloat(a, 64)
		y, errY := strconv.ParseFloat(b, 64)
		return ok && (a == b || errX == nil && errY == nil && math.Abs(x-y) <= 1e-14*math.Abs(x))
	}
	return a == b
}
