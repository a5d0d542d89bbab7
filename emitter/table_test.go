package emitter

import (
	"fmt"
	"math"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus/testutil"
	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/model/value"

	"github.com/foreshock/foreshock"
	"github.com/foreshock/foreshock/rules"
)

// watching returns a rule that selects the metric.
func watching(metric string, emit rules.Emit) *rules.Set {
	m := labels.MustNewMatcher(labels.MatchEqual, "__name__", metric)
	return &rules.Set{Watches: []*rules.Watch{{Name: "watch " + metric, Select: rules.Selector{{m}}, Emit: emit}}}
}

// said writes samples one a line: time in seconds after t0, series, value.
func said(samples []sample) string {
	var b strings.Builder
	for _, s := range samples {
		v := fmt.Sprint(s.v)
		if value.IsStaleNaN(s.v) {
			v = "stale"
		}
		seconds := float64(s.t-t0) / 1000
		fmt.Fprintf(&b, "%v %s %s\n", seconds, (&foreshock.Series{Labels: s.labels}).String(), v)
	}
	return b.String()
}

func checkSaid(t *testing.T, got []sample, want string) {
	t.Helper()
	if text := said(got); text != strings.TrimLeft(want, "\n") {
		t.Errorf("said\n%swant%s", text, want)
	}
}

const always = math.MaxInt64 // a wall clock ahead of every sample

// over is a report that series ended, and gone one that they went.
func over(second int64, all ...*foreshock.Series) foreshock.Report {
	return foreshock.Report{Findings: foreshock.Findings{Now: t0 + second*1000, Ended: all}}
}

func gone(second int64, all ...*foreshock.Series) foreshock.Report {
	return foreshock.Report{Findings: foreshock.Findings{Now: t0 + second*1000, Gone: all}}
}

func TestAnAnomalousSeriesIsEmittedUntilItIsNormalAgain(t *testing.T) {
	tb := newTable(DefaultConfig(), nil, newMetrics(nil))
	cpu := series("__name__", "cpu", "instance", "node-7")

	checkSaid(t, tb.observe(scored(0, 0.4, cpu), always), "\n")
	checkSaid(t, tb.observe(scored(15, 1.5, cpu), always), `
15 foreshock_anomaly_score{for="cpu", instance="node-7"} 1.5
15 foreshock_expected{for="cpu", instance="node-7"} 0.07
15 foreshock_expected_lower{for="cpu", instance="node-7"} 0.03
15 foreshock_expected_upper{for="cpu", instance="node-7"} 0.11
`)
	if got := tb.observe(scored(30, 0.9, cpu), always); len(got) != 4 {
		t.Errorf("the way back to normal is not shown:\n%s", said(got))
	}
	checkSaid(t, tb.observe(over(45, cpu), always), `
30.001 foreshock_anomaly_score{for="cpu", instance="node-7"} stale
30.001 foreshock_expected{for="cpu", instance="node-7"} stale
30.001 foreshock_expected_lower{for="cpu", instance="node-7"} stale
30.001 foreshock_expected_upper{for="cpu", instance="node-7"} stale
`)
	if tb.count != 0 || len(tb.sources) != 0 {
		t.Errorf("%d sources hold a place after their end", tb.count)
	}
}

func TestARuleSaysWhatIsEmitted(t *testing.T) {
	cpu := series("__name__", "cpu")
	for _, c := range []struct {
		emit      rules.Emit
		score     float64
		wantSaid  int
		otherSaid int // of a series the rule does not select
	}{
		{rules.EmitAll, 0, 4, 0},
		{rules.EmitAll, 2, 4, 4},
		{rules.EmitAnomalous, 0, 0, 0},
		{rules.EmitAnomalous, 2, 4, 4},
		{rules.EmitNone, 2, 0, 4},
	} {
		tb := newTable(DefaultConfig(), watching("cpu", c.emit), newMetrics(nil))
		if got := tb.observe(scored(0, c.score, cpu), always); len(got) != c.wantSaid {
			t.Errorf("emit %d, score %v: %d samples, want %d", c.emit, c.score, len(got), c.wantSaid)
		}
		if got := tb.observe(scored(0, c.score, series("__name__", "other")), always); len(got) != c.otherSaid {
			t.Errorf("emit %d, score %v: %d samples of another series, want %d", c.emit, c.score, len(got), c.otherSaid)
		}
	}
}

func TestAReloadOfTheRulesCounts(t *testing.T) {
	cpu := series("__name__", "cpu")
	tb := newTable(DefaultConfig(), watching("cpu", rules.EmitAll), newMetrics(nil))
	tb.observe(scored(0, 0, cpu), always)
	tb.apply(DefaultConfig(), watching("cpu", rules.EmitNone))
	if got := said(tb.observe(scored(15, 0, cpu), always)); strings.Count(got, "stale") != 4 {
		t.Errorf("the series did not end:\n%s", got)
	}
}

// A sidecar must not double anyone's cardinality, nor end a series people look at
// to show another.
func TestTheBudgetRefusesNewSeriesAndKeepsOldOnes(t *testing.T) {
	c := DefaultConfig()
	c.MaxSeries = 2
	m := newMetrics(nil)
	tb := newTable(c, nil, m)
	a, b, late := series("__name__", "a"), series("__name__", "b"), series("__name__", "c")

	tb.observe(scored(0, 2, a, b, late), always)
	if got := said(tb.observe(scored(15, 2, a, b, late), always)); strings.Contains(got, `for="c"`) || !strings.Contains(got, `for="a"`) {
		t.Errorf("over budget it said\n%s", got)
	}
	if got := testutil.ToFloat64(m.refused); got != 2 {
		t.Errorf("refused %v, want both of c's scores", got)
	}
	tb.observe(gone(16, a), always)
	if got := said(tb.observe(scored(30, 2, late), always)); !strings.Contains(got, `for="c"`) {
		t.Errorf("the place of an ended series is not free:\n%s", got)
	}
}

func TestASeriesThatGoesEndsWithStaleMarkers(t *testing.T) {
	tb := newTable(DefaultConfig(), nil, newMetrics(nil))
	cpu := series("__name__", "cpu")
	tb.observe(scored(0, 2, cpu), always)
	ended := gone(0, series("__name__", "cpu"))
	// The marker must come after the last value, though no time has passed.
	checkSaid(t, tb.observe(ended, always), `
0.001 foreshock_anomaly_score{for="cpu"} stale
0.001 foreshock_expected{for="cpu"} stale
0.001 foreshock_expected_lower{for="cpu"} stale
0.001 foreshock_expected_upper{for="cpu"} stale
`)
	checkSaid(t, tb.observe(ended, always), "\n")
}

// A disk that is no longer odd is still filling up.
func TestForecastsOutliveScores(t *testing.T) {
	tb := newTable(DefaultConfig(), nil, newMetrics(nil))
	disk := series("__name__", "disk")
	r := scored(0, 2, disk)
	r.Forecasts = forecasting(0, time.Hour, disk).Forecasts
	tb.observe(r, always)
	if got := said(tb.observe(over(15, disk), always)); strings.Count(got, "stale") != 4 || strings.Contains(got, "forecast") {
		t.Errorf("the end of its scores said\n%s", got)
	}
	if got := tb.observe(scored(16, 0.5, disk), always); len(got) != 0 {
		t.Errorf("a normal score was emitted beside the forecast:\n%s", said(got))
	}
	if got := tb.observe(forecasting(30, time.Hour, disk), always); len(got) != 4 {
		t.Errorf("the forecast did not go on:\n%s", said(got))
	}
	if got := said(tb.observe(gone(45, disk), always)); strings.Count(got, "stale") != 4 {
		t.Errorf("its going said\n%s", got)
	}
	if tb.count != 0 {
		t.Error("it holds a place after it went")
	}
}

// The stream's clock is that of the fastest shard: a series that ends on a slow one and
// begins again must not fall behind its own stale marker.
func TestAnEndBehindTheStreamsClockKeepsTimesIncreasing(t *testing.T) {
	cpu, fast := series("__name__", "cpu"), series("__name__", "fast")
	for name, end := range map[string]func(*table) []sample{
		"its scores end": func(tb *table) []sample { return tb.observe(over(600, cpu), always) },
		"it goes":        func(tb *table) []sample { return tb.observe(gone(600, cpu), always) },
		"nobody told":    func(tb *table) []sample { return tb.observe(scored(600, 2, fast), always) },
	} {
		tb := newTable(DefaultConfig(), nil, newMetrics(nil))
		tb.observe(scored(0, 2, cpu), always)
		ended := slices.Clone(end(tb))
		if strings.Count(said(ended), "stale") != 4 {
			t.Errorf("%s: it said\n%s", name, said(ended))
		}
		for _, again := range tb.observe(scored(15, 2, cpu), always) {
			for _, marker := range ended {
				if labels.Equal(marker.labels, again.labels) && again.t <= marker.t {
					t.Errorf("%s: %s at %d after its end at %d", name, again.labels, again.t, marker.t)
				}
			}
		}
	}
}

func TestWhatIsNotRefreshedEnds(t *testing.T) {
	tb := newTable(DefaultConfig(), nil, newMetrics(nil))
	cpu, other := series("__name__", "cpu"), series("__name__", "other")
	tb.observe(scored(0, 2, cpu), always)
	if got := said(tb.observe(scored(301, 0, other), always)); strings.Count(got, "stale") != 4 {
		t.Errorf("five minutes later it said\n%s", got)
	}
	if tb.count != 0 {
		t.Error("a silent series holds its place")
	}
}

// One sender whose clock is wrong must not end everyone's series.
func TestASampleFromTheFutureAgesNoOther(t *testing.T) {
	tb := newTable(DefaultConfig(), nil, newMetrics(nil))
	cpu := series("__name__", "cpu")
	wall := t0 + 1000
	tb.observe(scored(0, 2, cpu), wall)
	if got := said(tb.observe(scored(1_000_000, 2, series("__name__", "future")), wall)); strings.Contains(got, "stale") {
		t.Errorf("said\n%s", got)
	}
}

func TestTimesOfASeriesStrictlyIncrease(t *testing.T) {
	m := newMetrics(nil)
	tb := newTable(DefaultConfig(), nil, m)
	cpu := series("__name__", "cpu")
	tb.observe(scored(15, 2, cpu), always)
	for _, second := range []int64{15, 0} {
		checkSaid(t, tb.observe(scored(second, 2, cpu), always), "\n")
	}
	if got := testutil.ToFloat64(m.late); got != 8 {
		t.Errorf("counted %v late samples, want 8", got)
	}
}

func TestAnUnknownBandIsNotEmitted(t *testing.T) {
	tb := newTable(DefaultConfig(), nil, newMetrics(nil))
	cpu := series("__name__", "cpu")
	r := scored(0, 2, cpu)
	r.Scores[0].Band = foreshock.NoBand()
	checkSaid(t, tb.observe(r, always), `
0 foreshock_anomaly_score{for="cpu"} 2
`)
	tb.observe(scored(15, 2, cpu), always)
	r = scored(30, 2, cpu)
	r.Scores[0].Band = foreshock.NoBand()
	if got := said(tb.observe(r, always)); strings.Count(got, "stale") != 3 {
		t.Errorf("a band that became unknown did not end:\n%s", got)
	}
}

func forecasting(second int64, eta time.Duration, s *foreshock.Series) foreshock.Report {
	at := t0 + second*1000
	return foreshock.Report{Findings: foreshock.Findings{Now: at, Forecasts: []foreshock.Forecast{{
		Series: s, T: at, Horizon: 24 * time.Hour, Band: foreshock.Band{Expected: 10, Lower: 5, Upper: 15}, Arrival: foreshock.Arrival{ETA: eta},
	}}}}
}

func TestForecastsCarryTheCurrentTime(t *testing.T) {
	disk := series("__name__", "disk", "horizon", "far")
	tb := newTable(DefaultConfig(), nil, newMetrics(nil))
	checkSaid(t, tb.observe(forecasting(0, 90*time.Minute, disk), always), `
0 foreshock_forecast{exported_horizon="far", for="disk", horizon="24h"} 10
0 foreshock_forecast_lower{exported_horizon="far", for="disk", horizon="24h"} 5
0 foreshock_forecast_upper{exported_horizon="far", for="disk", horizon="24h"} 15
0 foreshock_time_to_threshold_seconds{for="disk", horizon="far"} 5400
`)
	if got := said(tb.observe(forecasting(15, -1, disk), always)); !strings.Contains(got, `15 foreshock_time_to_threshold_seconds{for="disk", horizon="far"} stale`) {
		t.Errorf("no crossing is foreseen any more, but it said\n%s", got)
	}

	c := DefaultConfig()
	c.Names = VMAnomalyNames
	tb = newTable(c, nil, newMetrics(nil))
	checkSaid(t, tb.observe(forecasting(0, -1, series("__name__", "disk")), always), `
0 yhat_24h{for="disk", model_alias="foreshock"} 10
0 yhat_lower_24h{for="disk", model_alias="foreshock"} 5
0 yhat_upper_24h{for="disk", model_alias="foreshock"} 15
`)
}

func scaling(seconds int64, v, wrong float64, s *foreshock.Series) foreshock.Report {
	x := foreshock.Scaling{Series: s, T: t0 + seconds*1000, Value: v, Error: wrong}
	return foreshock.Report{Findings: foreshock.Findings{Now: x.T, Scalings: []foreshock.Scaling{x}}}
}

// What somebody scales by must end when it is over: a number that stays is acted on.
func TestScalingEndsWithItsSeries(t *testing.T) {
	tb := newTable(DefaultConfig(), nil, newMetrics(nil))
	load := series("__name__", "load", "service", "cart")
	checkSaid(t, tb.observe(scaling(0, 12, math.NaN(), load), always), `
0 foreshock_forecast_scale{for="load", service="cart"} 12
`)
	checkSaid(t, tb.observe(scaling(15, 20, 0.5, load), always), `
15 foreshock_forecast_scale{for="load", service="cart"} 20
15 foreshock_forecast_error_ratio{for="load", service="cart"} 0.5
`)
	gone := foreshock.Report{Findings: foreshock.Findings{Now: t0 + 30_000, Gone: []*foreshock.Series{load}}}
	checkSaid(t, tb.observe(gone, always), `
15.001 foreshock_forecast_scale{for="load", service="cart"} stale
15.001 foreshock_forecast_error_ratio{for="load", service="cart"} stale
`)
	if tb.count != 0 {
		t.Errorf("%d sources are left, want none", tb.count)
	}
}

func TestEveryEmittedSeriesIsKnownAsOurs(t *testing.T) {
	for _, names := range []Names{ForeshockNames, VMAnomalyNames} {
		c := DefaultConfig()
		c.Names = names
		tb := newTable(c, nil, newMetrics(nil))
		s := series("__name__", "up", "for", "x", "model_alias", "theirs")
		all := slices.Clone(tb.observe(scored(0, 2, s), always))
		all = append(all, tb.observe(forecasting(0, 1, s), always)...)
		all = append(all, tb.observe(scaling(0, 12, 0.5, s), always)...)
		all = append(all, tb.observe(foreshock.Report{Incidents: []foreshock.Incident{firingIncident()}}, always)...)
		place := foreshock.NewGroup(labels.FromStrings("instance", "a"), "cpu")
		all = append(all, tb.observe(scoredPlace(0, 2, place), always)...)
		if len(all) != int(families) {
			t.Errorf("%s: %d series, want one of each of %d families", names, len(all), families)
		}
		all = append(all, sample{labels: place.Labels})
		for _, out := range all {
			if !foreshock.OwnOutput(out.labels) {
				t.Errorf("%s: %s would be scored when it comes back", names, out.labels)
			}
		}
		if got := all[0].labels.Get("exported_for"); got != "x" {
			t.Errorf("%s: the source's own label for became %q", names, got)
		}
	}
}

func firingIncident() foreshock.Incident {
	cpu := series("__name__", "node_cpu_seconds_total", "instance", "node-7", "job", "node")
	onset := t0 + 185_000
	return foreshock.Incident{
		ID: "3f2a", State: foreshock.Firing, StartsAt: onset, Updated: onset, Alerting: true, Rule: "cpu",
		Labels:  labels.FromStrings("instance", "node-7", "job", "node"),
		Members: []foreshock.Member{{Series: cpu, Rule: "cpu", Onset: onset, Peak: 1.7, Value: 0.98, Band: foreshock.Band{Expected: 0.07, Lower: 0.03, Upper: 0.11}}},
	}
}

func TestAnIncidentIsEmittedWhileItFires(t *testing.T) {
	tb := newTable(DefaultConfig(), nil, newMetrics(nil))
	at := func(second int64, state ...foreshock.State) []sample {
		r := foreshock.Report{Findings: foreshock.Findings{Now: t0 + second*1000}}
		for _, s := range state {
			i := firingIncident()
			i.State = s
			r.Incidents = append(r.Incidents, i)
		}
		return tb.observe(r, always)
	}
	checkSaid(t, at(0, foreshock.Pending), "\n")
	checkSaid(t, at(15, foreshock.Firing), `
15 foreshock_incident{incident="3f2a", instance="node-7", job="node", rule="cpu", state="firing", title="node-7 cpu is unlike itself"} 1
`)
	checkSaid(t, at(30, foreshock.Firing), "\n")
	checkSaid(t, at(75), `
75 foreshock_incident{incident="3f2a", instance="node-7", job="node", rule="cpu", state="firing", title="node-7 cpu is unlike itself"} 1
`)
	checkSaid(t, at(90, foreshock.Resolved), `
90 foreshock_incident{incident="3f2a", instance="node-7", job="node", rule="cpu", state="firing", title="node-7 cpu is unlike itself"} stale
`)
	checkSaid(t, at(200), "\n")
}

// What an incident's series says of it stays while the incident goes on, however its numbers,
// its members and what says most of a group change; and whatever labels hold, it is short.
func TestTheTitleOfAnIncidentStays(t *testing.T) {
	disk := series("__name__", "node_filesystem_avail_bytes", "instance", "node-7")
	group := series("__name__", foreshock.GroupName, "instance", "node-7", "rule", "cpu")
	for _, c := range []struct {
		kind  foreshock.Kind
		lead  foreshock.Member
		title string
	}{
		{foreshock.Outlier, foreshock.Member{Series: disk}, "node-7 filesystem avail is unlike itself"},
		{foreshock.Outlier, foreshock.Member{Series: group, Company: foreshock.Company{Odd: 2, Of: 3, Loudest: foreshock.Witness{Series: disk}}}, "series on node-7 are unlike themselves"},
		{foreshock.Breach, foreshock.Member{Series: disk}, "node-7 filesystem avail will reach its limit"},
		{foreshock.Crossing, foreshock.Member{Series: disk}, "node-7 filesystem avail is beyond its limit"},
		{foreshock.Absence, foreshock.Member{Series: disk}, "node-7 filesystem avail is not heard any more"},
		{foreshock.Absence, foreshock.Member{Series: disk, Silence: foreshock.Silence{Targets: 1}}, "node-7 is not heard any more"},
	} {
		i := firingIncident()
		c.lead.Rule = "cpu"
		i.Kind, i.Members, i.Labels = c.kind, []foreshock.Member{c.lead}, labels.FromStrings("instance", "node-7", "rule", "cpu")
		before := ForeshockNames.incidentLabels(&i)
		if before.Get("title") != c.title || before.Get("rule") != "cpu" || before.Get("exported_rule") != "" {
			t.Errorf("%s, want %s", before, c.title)
		}
		i.Updated += 60_000
		i.Members[0].Value, i.Members[0].Peak, i.Members[0].Odd = 7, 9, 3*min(i.Members[0].Of, 1)
		i.Members = append(i.Members, foreshock.Member{Series: series("__name__", "later", "instance", "node-8"), Rule: "cpu", Onset: i.Updated})
		if after := ForeshockNames.incidentLabels(&i); !labels.Equal(before, after) {
			t.Errorf("%s has become %s", before, after)
		}
	}
	i := firingIncident()
	i.Members[0].Series = series("__name__", strings.Repeat("\u202e", 999), "instance", strings.Repeat("\n", 9999))
	if got := title(&i); len(got) > 200 || strings.ContainsAny(got, "\u202e\n") {
		t.Errorf("%d bytes: %.300q", len(got), got)
	}
}

func TestOtherNamesEndTheSeriesAndBeginNewOnes(t *testing.T) {
	tb := newTable(DefaultConfig(), nil, newMetrics(nil))
	cpu := series("__name__", "cpu")
	r := scored(0, 2, cpu)
	r.Incidents = []foreshock.Incident{firingIncident()}
	tb.observe(r, always)
	c := DefaultConfig()
	c.Names = VMAnomalyNames
	if got := said(tb.apply(c, nil)); strings.Count(got, "stale") != 5 {
		t.Errorf("reload said\n%s", got)
	}
	got := said(tb.observe(scored(15, 2, cpu), always))
	if !strings.Contains(got, `anomaly_score{for="cpu", model_alias="foreshock"} 2`) || !strings.Contains(got, "foreshock_incident{") {
		t.Errorf("after the reload it said\n%s", got)
	}
}

func TestSeriesWithOneFingerprintShareNothing(t *testing.T) {
	a, b := series("__name__", "a"), series("__name__", "b")
	b.Fingerprint = a.Fingerprint
	tb := newTable(DefaultConfig(), nil, newMetrics(nil))
	if got := tb.observe(scored(0, 2, a, b), always); len(got) != 8 {
		t.Errorf("said\n%s", said(got))
	}
	tb.observe(gone(0, a), always)
	if got := said(tb.observe(scored(15, 2, b), always)); strings.Count(got, `for="b"`) != 4 {
		t.Errorf("the end of one took the other along:\n%s", got)
	}
}

func BenchmarkTableObserve(b *testing.B) {
	all := make([]*foreshock.Series, 2000)
	for i := range all {
		all[i] = series("__name__", "cpu", "instance", fmt.Sprint(i))
	}
	for name, score := range map[string]float64{"normal": 0.2, "anomalous": 2} {
		b.Run(name, func(b *testing.B) {
			tb := newTable(DefaultConfig(), watching("memory", rules.EmitAll), newMetrics(nil))
			r := scored(0, score, all...)
			b.ReportAllocs()
			for b.Loop() {
				tb.observe(r, always)
				for i := range r.Scores {
					r.Scores[i].T += 15_000
				}
				r.Now += 15_000
			}
			b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/float64(len(all)), "ns/score")
		})
	}
}
