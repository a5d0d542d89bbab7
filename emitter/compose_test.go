package emitter

import (
	"strings"
	"testing"
	"time"

	"github.com/prometheus/prometheus/model/labels"

	"github.com/foreshock/foreshock"
	"github.com/foreshock/foreshock/rules"
)

func cpuRule(ruleLabels, annotations map[string]string) *rules.Set {
	return &rules.Set{Watches: []*rules.Watch{{Name: "cpu", Labels: ruleLabels, Annotations: annotations}}}
}

func TestAnAlertIsKnownByItsLabels(t *testing.T) {
	i := firingIncident()
	c := newComposer(Options{Rules: cpuRule(map[string]string{"severity": "page", "team": "ops"}, nil)})
	want := `{alertname="ForeshockIncident", instance="node-7", job="node", rule="cpu", severity="page", team="ops"}`
	if got := c.labels(&i).String(); got != want {
		t.Errorf("labels %s, want %s", got, want)
	}

	i.Rule, i.Kind = "gone with a reload", foreshock.Breach
	i.Labels = labels.FromStrings("__name__", "disk", "severity", "minor", "rule", "42")
	want = `{alertname="ForeshockForecast", exported_rule="42", exported_severity="minor", rule="gone with a reload", severity="warning"}`
	if got := c.labels(&i).String(); got != want {
		t.Errorf("labels %s, want %s", got, want)
	}
}

func TestTheSummaryIsForATiredPerson(t *testing.T) {
	c := newComposer(Options{})
	i := firingIncident()
	disk := series("__name__", "node_filesystem_avail_bytes", "instance", "node-7", "mountpoint", "/")
	i.Members = append(i.Members, foreshock.Member{Series: disk, Onset: i.StartsAt + 15_000, EndedAt: i.StartsAt + 60_000, Peak: 1.2, Value: 12345678, Band: foreshock.NoBand()})
	i.Dropped = 1
	got, err := c.annotations(&i, c.labels(&i))
	if err != nil {
		t.Fatal(err)
	}
	for name, want := range map[string]string{
		"summary": "node-7 cpu 14× normal (0.98) since 14:03 UTC; 3 series",
		"description": `14:03:05 node_cpu_seconds_total{instance="node-7", job="node"}: 0.98, expected 0.03 to 0.11, score 1.7
14:03:20 node_filesystem_avail_bytes{instance="node-7", mountpoint="/"}: 11.8 MiB, score 1.2, ended 14:04:05`,
		"value": "0.98", "expected": "0.03 to 0.11", "score": "1.7", "incident": "3f2a", "eta": "", "console": "",
	} {
		if got.Get(name) != want {
			t.Errorf("%s: %q, want %q", name, got.Get(name), want)
		}
	}

	i.Kind = foreshock.Breach
	i.Members = []foreshock.Member{{Series: disk, Rule: "cpu", Onset: i.StartsAt, Value: 5e9, Limit: 0, Arrival: foreshock.Arrival{ETA: 3*time.Hour + 12*time.Minute + 20*time.Second, Soonest: 2 * time.Hour, Latest: -1}}}
	i.Dropped = 0
	got, err = c.annotations(&i, c.labels(&i))
	if err != nil {
		t.Fatal(err)
	}
	if want := "node-7 filesystem avail at 4.66 GiB, will reach 0 B in 3h12m, since 14:03 UTC"; got.Get("summary") != want {
		t.Errorf("summary %q, want %q", got.Get("summary"), want)
	}
	if got.Get("eta") != "3h12m (2h, or never)" || got.Get("limit") != "0" {
		t.Errorf("eta %q, limit %q", got.Get("eta"), got.Get("limit"))
	}
}

func TestManyMembersAreNotAllListed(t *testing.T) {
	i := firingIncident()
	for range 29 {
		i.Members = append(i.Members, i.Members[0])
	}
	i.Dropped = 5
	got := describe(&i)
	if lines := strings.Split(got, "\n"); len(lines) != describedMembers+1 || lines[describedMembers] != "and 25 more" {
		t.Errorf("described as\n%s", got)
	}
	i.Members[0].Series = series("__name__", "x", "huge", strings.Repeat("ä", 1<<16))
	if got := describe(&i); len(got) > 4000 {
		t.Errorf("a huge label makes a description of %d bytes", len(got))
	}
}

func TestAnnotationsOfARuleAreTemplates(t *testing.T) {
	i := firingIncident()
	set := cpuRule(nil, map[string]string{
		"summary": "{{ $labels.instance }} of {{ $externalLabels.cluster }} at {{ humanizePercentage $value }}, see {{ $externalURL }}",
		"missing": "{{ $labels.nothing }}",
		"broken":  "{{ $labels.instance",
		"failing": `{{ humanize "word" }}`,
	})
	c := newComposer(Options{Rules: set, ExternalLabels: labels.FromStrings("cluster", "eu-1"), ExternalURL: "https://ops:secret@foreshock.example/base"})
	got, err := c.annotations(&i, c.labels(&i))
	if err == nil || !strings.Contains(err.Error(), "annotation broken") || !strings.Contains(err.Error(), "annotation failing") {
		t.Errorf("errors: %v", err)
	}
	for name, want := range map[string]string{
		"summary": "node-7 of eu-1 at 98%, see https://foreshock.example/base",
		"broken":  "{{ $labels.instance",
		"failing": `{{ humanize "word" }}`,
		"missing": "",
		"console": "https://foreshock.example/base#incident=3f2a",
	} {
		if got.Get(name) != want {
			t.Errorf("%s: %q, want %q", name, got.Get(name), want)
		}
	}
}

func TestALinkThatAlertmanagerWouldRefuseIsLeftOut(t *testing.T) {
	for external, want := range map[string]string{
		"":                       "",
		"foreshock:9797":         "",
		"javascript:alert(1)":    "",
		"http://[::1":            "",
		"//host/path":            "",
		"http://foreshock:9797":  "http://foreshock:9797/#incident=a%20b",
		"http://foreshock:9797/": "http://foreshock:9797/#incident=a%20b",
	} {
		if got := newComposer(Options{ExternalURL: external}).link("a b"); got != want {
			t.Errorf("external URL %q: link %q, want %q", external, got, want)
		}
	}
}

// An alert leads to Grafana where its address is known, and a rule may lead elsewhere.
func TestAlertsLeadToGrafana(t *testing.T) {
	i := firingIncident()
	elsewhere := cpuRule(nil, map[string]string{"dashboard_url": "https://elsewhere/{{ $labels.instance | urlquery }}"})
	for _, c := range []struct {
		o    Options
		want string
	}{
		{Options{}, ""},
		{Options{GrafanaURL: "grafana:3000"}, ""},
		{Options{GrafanaURL: "http://ops:secret@grafana:3000"}, "http://grafana:3000/d/foreshock-series?from=1772371985000&to=now&var-instance=node-7&var-metric=node_cpu_seconds_total"},
		{Options{GrafanaURL: "http://grafana:3000", Rules: elsewhere}, "https://elsewhere/node-7"},
	} {
		composer := newComposer(c.o)
		got, err := composer.annotations(&i, composer.labels(&i))
		if err != nil || got.Get("dashboard_url") != c.want {
			t.Errorf("%s: %s, %v; want %s", c.o.GrafanaURL, got.Get("dashboard_url"), err, c.want)
		}
	}
}

func TestArrivalText(t *testing.T) {
	for want, a := range map[string]foreshock.Arrival{
		"3h (2h to 5h)":                  {ETA: 3 * time.Hour, Soonest: 2 * time.Hour, Latest: 5 * time.Hour},
		"3h (2h, or never)":              {ETA: 3 * time.Hour, Soonest: 2 * time.Hour, Latest: -1},
		"3h":                             {ETA: 3 * time.Hour, Soonest: 3 * time.Hour, Latest: 3*time.Hour + time.Second},
		"less than a minute":             {},
		"10m (less than a minute to 2h)": {ETA: 10 * time.Minute, Latest: 2 * time.Hour},
	} {
		if got := arrivalText(a); got != want {
			t.Errorf("%+v: %q, want %q", a, got, want)
		}
	}
}

func TestETAText(t *testing.T) {
	for d, want := range map[time.Duration]string{
		20 * time.Second: "less than a minute", 90 * time.Minute: "1h30m", 49*time.Hour + 20*time.Minute: "2d1h",
	} {
		if got := etaText(d); got != want {
			t.Errorf("%s is written %s, want %s", d, got, want)
		}
	}
}

// The counts are told, and why there are none; what lines say is not for everyone.
func TestAnAlertTellsTheEvidence(t *testing.T) {
	i := firingIncident()
	c := newComposer(Options{})
	if got, err := c.annotations(&i, c.labels(&i)); err != nil || got.Has("evidence") {
		t.Errorf("got %s, %v", got, err)
	}
	i.Evidence = []foreshock.Evidence{
		{
			Source: "loki", From: t0, To: t0 + 600_000, Total: 1300,
			By:       []foreshock.Count{{Name: "cart", Lines: 1268}, {Name: "pay", Lines: 29}, {Name: "a", Lines: 2}, {Name: "b", Lines: 1}},
			Patterns: []foreshock.Count{{Name: "password canary", Lines: 3}},
		},
		{Source: "splunk", Missing: "no answer within 10s"},
	}
	want := "loki: 1300 lines from 14:00:00 to 14:10:00 UTC: 1268 of cart, 29 of pay, 2 of a\nsplunk: not available: no answer within 10s"
	if got, err := c.annotations(&i, c.labels(&i)); err != nil || got.Get("evidence") != want {
		t.Errorf("got %q, %v, want %q", got.Get("evidence"), err, want)
	}
}
