package grafana

import (
	"encoding/json"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/prometheus/prometheus/model/labels"

	"github.com/foreshock/foreshock"
)

const (
	noon = int64(1772366400000) // 2026-03-01T12:00:00Z
	hour = int64(3600_000)
)

// over is an incident of an hour with the member x.
func over(x *foreshock.Series) *foreshock.Incident {
	return &foreshock.Incident{
		State: foreshock.Resolved, StartsAt: noon, EndsAt: noon + hour, Updated: noon + hour,
		Members: []foreshock.Member{{Series: x, Onset: noon}},
	}
}

func series(pairs ...string) *foreshock.Series {
	return foreshock.NewSeries(labels.FromStrings(pairs...))
}

func TestLinks(t *testing.T) {
	g := At("https://ops:secret@grafana.example.com/g/?orgId=2#x")
	in := over(series("__name__", "node_load1", "instance", "web-1:9100"))
	if got, want := g.Overview(in), "https://grafana.example.com/g/d/foreshock-overview?from=1772362800000&orgId=2&to=1772373600000"; got != want {
		t.Errorf("%s, want %s", got, want)
	}
	want := "https://grafana.example.com/g/d/foreshock-series?from=1772362800000&orgId=2&to=1772373600000&var-instance=web-1%3A9100&var-metric=node_load1"
	if got := g.Series(in, in.Lead()); got != want || g.Lead(in) != want {
		t.Errorf("%s, want %s", got, want)
	}
	in.State, in.EndsAt = foreshock.Firing, 0
	if got := g.Overview(in); !strings.Contains(got, "&to=now") {
		t.Errorf("what goes on: %s", got)
	}
}

// A group has no metric to explore; the loudest of its series has.
func TestAGroupIsItsLoudestSeries(t *testing.T) {
	in := over(series("__name__", foreshock.GroupName, "instance", "web-1", "rule", "cpu"))
	g := At("http://g")
	if got, want := g.Lead(in), g.Overview(in); got != want {
		t.Errorf("a group of nobody: %s, want %s", got, want)
	}
	in.Members[0].Company = foreshock.Company{Odd: 2, Of: 3, Loudest: foreshock.Witness{Series: series("__name__", "cpu", "instance", "web-1")}}
	if got := g.Lead(in); !strings.Contains(got, "var-instance=web-1&var-metric=cpu") {
		t.Error(got)
	}
}

func TestWhatIsNoAddressHasNoLinks(t *testing.T) {
	in := over(series("__name__", "up"))
	for _, address := range []string{"", "grafana:3000", "javascript:alert(1)", "//grafana/x", "http://[::1", "ftp://grafana/"} {
		if g := At(address); g != nil || g.Overview(in) != "" || g.Lead(in) != "" || g.Series(in, &in.Members[0]) != "" {
			t.Errorf("%q: %s", address, g.Overview(in))
		}
	}
	for _, x := range []*foreshock.Series{series("job", "nameless"), series("__name__", strings.Repeat("x", maxValue+1))} {
		if got := At("http://g").Series(over(x), &foreshock.Member{Series: x}); got != "" {
			t.Errorf("%.80s has the link %.80s", x, got)
		}
	}
}

// A label chooses a value of its variable and nothing else.
func TestHostileLabelsStayInTheirVariables(t *testing.T) {
	g := At("http://grafana:3000")
	for _, hostile := range []string{
		`a&var-datasource=evil`, `#/../../login`, `"><script>alert(1)</script>`, "a b+c", "50%25", "x\r\ny: z", "\u202e\x00",
		"\xff\xfe", "?from=0", strings.Repeat("ä", maxValue/2),
	} {
		x := series("__name__", hostile, "instance", hostile)
		link := g.Series(over(x), &foreshock.Member{Series: x})
		for i := range len(link) {
			if c := link[i]; c <= ' ' || c > '~' || strings.IndexByte(`"<>'#\`, c) >= 0 {
				t.Fatalf("%q: %q in %s", hostile, c, link)
			}
		}
		u, err := url.Parse(link)
		if err != nil || u.Host != "grafana:3000" || u.Path != "/d/foreshock-series" || u.Fragment != "" {
			t.Errorf("%q: %s, %v", hostile, link, err)
		}
		query := u.Query()
		if len(query) != 4 || query.Get("var-metric") != hostile || query.Get("var-instance") != hostile || query.Get("from") != "1772362800000" || query.Get("to") != "1772373600000" {
			t.Errorf("%q: %v", hostile, query)
		}
	}
	x := series("__name__", "up", "instance", strings.Repeat("x", maxValue+1))
	if link := g.Series(over(x), &foreshock.Member{Series: x}); strings.Contains(link, "var-instance") || len(link) > 200 {
		t.Errorf("%.300s", link)
	}
}

// The dashboards that come with Foreshock have what links name.
func TestTheDashboardsAreThere(t *testing.T) {
	for file, variables := range map[string][]string{overview: nil, explorer: {"metric", "instance"}} {
		text, err := os.ReadFile(filepath.Join("../../examples/grafana", strings.TrimPrefix(file, "foreshock-")+".json"))
		if err != nil {
			t.Fatal(err)
		}
		var d struct {
			UID        string
			Templating struct{ List []struct{ Name string } }
		}
		if err := json.Unmarshal(text, &d); err != nil || d.UID != file {
			t.Errorf("%s is called %s, %v", file, d.UID, err)
		}
		named := map[string]bool{}
		for _, v := range d.Templating.List {
			named[v.Name] = true
		}
		for _, v := range variables {
			if !named[v] {
				t.Errorf("%s has no variable %s, only %v", file, v, named)
			}
		}
	}
}
