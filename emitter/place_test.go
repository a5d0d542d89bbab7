package emitter

import (
	"encoding/json"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/prometheus/prometheus/model/labels"

	"github.com/foreshock/foreshock"
	"github.com/foreshock/foreshock/rules"
)

// placeIncident is one whose lead is a group: of a rule's series on host-3, five of thirty
// are odd, two of which are members as well.
func placeIncident() foreshock.Incident {
	i := firingIncident()
	load := series("__name__", "node_load1", "instance", "host-3", "job", "node")
	memory := series("__name__", "node_memory_used_ratio", "instance", "host-3", "job", "node")
	band := foreshock.Band{Expected: 0.01, Lower: 0, Upper: 0.02}
	i.Labels = labels.FromStrings("instance", "host-3", "job", "node")
	i.Members = []foreshock.Member{
		{Series: load, Onset: i.StartsAt, Peak: 4, Value: 0.35, Band: band},
		{
			Series: foreshock.NewGroup(labels.FromStrings("instance", "host-3"), "cpu"), Rule: "cpu",
			Onset: i.StartsAt + 15_000, Peak: 2.5, Value: 2.5, Band: foreshock.NoBand(), Channel: "group",
			Company: foreshock.Company{Odd: 31, Of: 412, Loudest: foreshock.Witness{Series: load, Value: 0.39, Band: band}},
		},
		{Series: memory, Onset: i.StartsAt + 20_000, Peak: 1.2, Value: 0.9, Band: foreshock.NoBand()},
	}
	return i
}

func TestThePlacesSummaryNamesItsLoudest(t *testing.T) {
	for _, c := range []struct {
		name string
		edit func(i *foreshock.Incident)
		want string
	}{
		{
			"many", func(*foreshock.Incident) {},
			"host-3 load1 39× normal (0.39) since 14:03 UTC; 31 of 412 series there are unlike themselves",
		},
		{
			"one", func(i *foreshock.Incident) { i.Members[1].Odd = 1 },
			"host-3 load1 39× normal (0.39) since 14:03 UTC; 1 of 412 series there is unlike itself",
		},
		{
			"none by itself", func(i *foreshock.Incident) { i.Members[1].Odd = 0 },
			"412 series on host-3 are unlike themselves together, none by itself, most of all node load1 39× normal (0.39), since 14:03 UTC",
		},
		{
			"nothing was expected", func(i *foreshock.Incident) { i.Members[1].Loudest.Band = foreshock.NoBand() },
			"host-3 load1 at 0.39 since 14:03 UTC; 31 of 412 series there are unlike themselves",
		},
		{
			"nobody is loudest", func(i *foreshock.Incident) { i.Members[1].Loudest = foreshock.Witness{} },
			"31 of 412 series on host-3 are unlike themselves, since 14:03 UTC",
		},
		{"a service", func(i *foreshock.Incident) {
			i.Members[1].Series = foreshock.NewGroup(labels.FromStrings("svc", "cart", "namespace", "shop"), "cpu")
		}, "cart load1 39× normal (0.39) since 14:03 UTC; 31 of 412 series there are unlike themselves"},
		{"two places", func(i *foreshock.Incident) {
			other := i.Members[1]
			other.Series = foreshock.NewGroup(labels.FromStrings("instance", "host-4"), "cpu")
			i.Members = append(i.Members, other)
		}, "host-3 load1 39× normal (0.39) since 14:03 UTC; 31 of 412 series there are unlike themselves; 62 series on 2 instances"},
	} {
		i := placeIncident()
		c.edit(&i)
		annotations, err := newComposer(Options{}).annotations(&i, labels.EmptyLabels())
		if err != nil {
			t.Fatal(err)
		}
		if got := annotations.Get("summary"); got != c.want {
			t.Errorf("%s:\n%s\nwant\n%s", c.name, got, c.want)
		}
	}
}

func TestThePlacesAlert(t *testing.T) {
	i := placeIncident()
	c := newComposer(Options{Rules: cpuRule(nil, map[string]string{"told": `{{ $labels.instance }} {{ $labels.rule }} {{ $labels.job }} at {{ $value }}`})})
	identity := c.labels(&i)
	if want := `{alertname="ForeshockIncident", instance="host-3", job="node", rule="cpu", severity="warning"}`; identity.String() != want {
		t.Errorf("labels %s, want %s", identity, want)
	}
	got, err := c.annotations(&i, identity)
	if err != nil {
		t.Fatal(err)
	}
	for name, want := range map[string]string{
		"description": `14:03:20 foreshock_group{instance="host-3", rule="cpu"}: 31 of 412 series, most of all node_load1{instance="host-3", job="node"} at 0.39, expected 0 to 0.02, score 2.5
14:03:05 node_load1{instance="host-3", job="node"}: 0.35, expected 0 to 0.02, score 4
14:03:25 node_memory_used_ratio{instance="host-3", job="node"}: 90 %, score 1.2`,
		"value": "0.39", "expected": "0 to 0.02", "score": "2.5", "told": "host-3 cpu node at 0.39",
	} {
		if got.Get(name) != want {
			t.Errorf("%s: %q, want %q", name, got.Get(name), want)
		}
	}
}

func TestThePlacesLinesSayWhoIsOdd(t *testing.T) {
	i := placeIncident()
	a := foreshock.Anomaly{Series: i.Members[1].Series, Rule: "cpu", T: i.StartsAt, Onset: i.StartsAt, Band: foreshock.NoBand(), Company: i.Members[1].Company}
	of := foreshock.Anomaly{Series: i.Members[0].Series, Group: a.Series, T: i.StartsAt, Onset: i.StartsAt, Band: foreshock.NoBand()}
	var lines strings.Builder
	for _, line := range appendLines(nil, foreshock.Report{Findings: foreshock.Findings{Anomalies: []foreshock.Anomaly{a, of}}, Incidents: []foreshock.Incident{i}}) {
		text, err := json.Marshal(line)
		if err != nil {
			t.Fatal(err)
		}
		lines.Write(append(text, '\n'))
	}
	company := `"company":{"odd":31,"of":412,"loudest":{"series":"node_load1{instance=\"host-3\", job=\"node\"}","metric":{"__name__":"node_load1","instance":"host-3","job":"node"},"value":0.39,"expected":0.01,"lower":0,"upper":0.02}}`
	if n := strings.Count(lines.String(), company); n != 3 { // the anomaly, the member, and it as the lead
		t.Errorf("the company is told %d times, want 3:\n%s", n, lines.String())
	}
	if want := `"group":"foreshock_group{instance=\"host-3\", rule=\"cpu\"}"`; strings.Count(lines.String(), want) != 1 {
		t.Errorf("no line has %s:\n%s", want, lines.String())
	}
}

func TestThePlacesScoreIsServed(t *testing.T) {
	e, err := New(Options{Config: DefaultConfig()})
	if err != nil {
		t.Fatal(err)
	}
	place := foreshock.NewGroup(labels.FromStrings("instance", "host-3"), "cpu")
	e.emit(scoredPlace(0, 1.5, place))
	w := httptest.NewRecorder()
	e.Anomalies().ServeHTTP(w, httptest.NewRequest("GET", "/metrics/anomalies", nil))
	for _, want := range []string{
		"# HELP foreshock_group_anomaly_score How anomalous the series of one place are together",
		`foreshock_group_anomaly_score{instance="host-3",rule="cpu"} 1.5`,
	} {
		if !strings.Contains(w.Body.String(), want) {
			t.Errorf("no %s in\n%s", want, w.Body)
		}
	}
}

// scoredPlace is a report of the score of a group.
func scoredPlace(second int64, score float64, place *foreshock.Series) foreshock.Report {
	at := t0 + second*1000
	return foreshock.Report{Findings: foreshock.Findings{Now: at, Scores: []foreshock.Score{
		{Series: place, T: at, Value: score, Score: score, Band: foreshock.NoBand()},
	}}}
}

// The score of a place is a metric of its own, of which nothing was expected; its rule, by
// name, says whether it is emitted.
func TestThePlacesScoreIsEmittedByItsRule(t *testing.T) {
	place := foreshock.NewGroup(labels.FromStrings("instance", "node-7", "cluster", "eu"), "watch cpu")
	for _, c := range []struct {
		emit        rules.Emit
		names       Names
		calm, alarm string
	}{
		{rules.EmitAnomalous, ForeshockNames, "", `15 foreshock_group_anomaly_score{cluster="eu", instance="node-7", rule="watch cpu"} 1.5` + "\n"},
		{rules.EmitAll, ForeshockNames, `0 foreshock_group_anomaly_score{cluster="eu", instance="node-7", rule="watch cpu"} 0.4` + "\n", `15 foreshock_group_anomaly_score{cluster="eu", instance="node-7", rule="watch cpu"} 1.5` + "\n"},
		{rules.EmitNone, ForeshockNames, "", ""},
		{rules.EmitAnomalous, VMAnomalyNames, "", `15 anomaly_score{cluster="eu", for="foreshock_group", instance="node-7", model_alias="foreshock", rule="watch cpu"} 1.5` + "\n"},
	} {
		config := DefaultConfig()
		config.Names = c.names
		tb := newTable(config, watching("cpu", c.emit), newMetrics(nil))
		if got := said(tb.observe(scoredPlace(0, 0.4, place), always)); got != c.calm {
			t.Errorf("%s, %s, calm: said\n%swant\n%s", c.emit, c.names, got, c.calm)
		}
		if got := said(tb.observe(scoredPlace(15, 1.5, place), always)); got != c.alarm {
			t.Errorf("%s, %s, anomalous: said\n%swant\n%s", c.emit, c.names, got, c.alarm)
		}
		want := strings.Replace(strings.Replace(c.alarm, "15 ", "15.001 ", 1), " 1.5\n", " stale\n", 1)
		if got := said(tb.observe(over(30, place), always)); got != want {
			t.Errorf("%s, %s, over: said\n%swant\n%s", c.emit, c.names, got, want)
		}
		if tb.count != 0 {
			t.Errorf("%s, %s: %d sources hold a place after their end", c.emit, c.names, tb.count)
		}
	}
}
