package console

import (
	"context"
	"encoding/json"
	"net/url"
	"slices"
	"strings"
	"testing"

	"github.com/prometheus/prometheus/model/labels"

	"github.com/foreshock/foreshock"
	"github.com/foreshock/foreshock/internal/grafana"
	"github.com/foreshock/foreshock/internal/record"
	"github.com/foreshock/foreshock/rules"
)

func TestAnIncidentLeadsElsewhere(t *testing.T) {
	noCurve := func(context.Context, *foreshock.Series, []int64, int64, int64) ([]foreshock.Moment, error) {
		return nil, nil
	}
	there := func() Elsewhere {
		return Elsewhere{Alertmanagers: []string{"http://am-1/x/", "http://am-2", "http://am-3", "http://am-4"}, Grafana: grafana.At("http://g")}
	}
	s := serve(t, Options{Incidents: three, Curve: noCurve, Elsewhere: there})
	in := answered[record.Incident](t, s.URL+"/api/v1/incidents/aaaa1")
	const alert = "/#/alerts?filter=%7Balertname%3D~%22Foreshock.%2A%22%2Cinstance%3D%22web-1%22%7D"
	if want := []string{"http://am-1/x" + alert, "http://am-2" + alert, "http://am-3" + alert}; in.Links == nil || !slices.Equal(in.Links.Alertmanagers, want) {
		t.Errorf("%+v, want %v", in.Links, want)
	}
	const span = "?from=1772364600000&to=now"
	if in.Links.Grafana != "http://g/d/foreshock-overview"+span || in.Links.Series != "http://g/d/foreshock-series"+span+"&var-instance=web-1&var-metric=node_load1" {
		t.Errorf("%+v", in.Links)
	}
	line := answered[record.Timeline](t, s.URL+"/api/v1/incidents/aaaa1/timeline")
	if len(line.Series) != 1 || line.Series[0].Grafana != in.Links.Series {
		t.Errorf("%+v", line.Series)
	}

	s = serve(t, Options{Incidents: three, Curve: noCurve})
	in, line = answered[record.Incident](t, s.URL+"/api/v1/incidents/aaaa1"), answered[record.Timeline](t, s.URL+"/api/v1/incidents/aaaa1/timeline")
	if len(in.Links.Alertmanagers) != 0 || in.Links.Grafana != "" || in.Links.Series != "" || line.Series[0].Grafana != "" {
		t.Errorf("nowhere is %+v and %+v", in.Links, line.Series)
	}
}

// answered is what is answered as data.
func answered[T any](t *testing.T, url string) T {
	t.Helper()
	var answer struct{ Data T }
	if _, body := get(t, url); json.Unmarshal([]byte(body), &answer) != nil {
		t.Fatalf("%s: %s", url, body)
	}
	return answer.Data
}

// What a sender wrote into a label is a value in Alertmanager's filter, and nothing else.
func TestHostileLabelsStayInTheFilter(t *testing.T) {
	in := foreshock.Incident{Rule: `r",x="`, Labels: labels.FromStrings(
		"a", `","alertname="Watchdog`, "b", "</a>#&filter=x", "c.d", "left out", "severity", "of its own", "team", "overruled", "z", "\u202e\n",
	)}
	set := rules.Set{Watches: []*rules.Watch{{Name: in.Rule, Labels: map[string]string{"team": "sre"}}}}
	link := alertAt("http://am", &in, &set)
	if strings.ContainsAny(link, "\"<> \n\u202e") {
		t.Error(link)
	}
	_, after, _ := strings.Cut(link, "#/alerts?")
	query, err := url.ParseQuery(after)
	want := `{alertname=~"Foreshock.*",rule="r\",x=\"",a="\",\"alertname=\"Watchdog",b="</a>#&filter=x",z="\u202e\n"}`
	if got := query.Get("filter"); err != nil || len(query) != 1 || got != want {
		t.Errorf("%v, %v\nwant %s", query, err, want)
	}
}
