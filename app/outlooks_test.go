package app

import (
	"strings"
	"testing"
	"time"

	"github.com/prometheus/prometheus/model/labels"

	"github.com/foreshock/foreshock"
	"github.com/foreshock/foreshock/rules"
)

// Of each series the latest forecast is shown, until it ends or nothing is said of it any
// more.
func TestOutlooksAreTheLatest(t *testing.T) {
	disk := func(name string) *foreshock.Series {
		return foreshock.NewSeries(labels.FromStrings("__name__", "disk", "device", name))
	}
	at := func(t int64, x *foreshock.Series, eta time.Duration) foreshock.Forecast {
		return foreshock.Forecast{Series: x, Rule: "full", T: t, Arrival: foreshock.Arrival{ETA: eta}}
	}
	var o outlooks
	if len(o.list()) != 0 {
		t.Error("something of nothing")
	}
	a, b := disk("a"), disk("b")
	o.observe(&foreshock.Findings{Now: 1000, Forecasts: []foreshock.Forecast{at(1000, a, time.Hour), at(1000, b, time.Hour)}})
	o.observe(&foreshock.Findings{Now: 2000, Forecasts: []foreshock.Forecast{at(2000, a, time.Minute)}})
	shown := map[string]time.Duration{}
	for _, f := range o.list() {
		shown[f.Series.Labels.Get("device")] = f.ETA
	}
	if len(shown) != 2 || shown["a"] != time.Minute || shown["b"] != time.Hour {
		t.Errorf("%v", shown)
	}
	o.observe(&foreshock.Findings{Now: 3000, Gone: []*foreshock.Series{disk("b")}})
	if all := o.list(); len(all) != 1 || !all[0].Series.Equal(a) {
		t.Errorf("after the end of b: %v", all)
	}
	o.observe(&foreshock.Findings{Now: 2000 + soonAccepted + 1, Forecasts: []foreshock.Forecast{at(9_000_000, b, time.Hour)}})
	if all := o.list(); len(all) != 1 || !all[0].Series.Equal(b) {
		t.Errorf("an hour later: %v", all)
	}
}

func TestThinnedKeepsTheHighest(t *testing.T) {
	row := make([]float64, 601)
	row[300] = 7
	thin := thinned(row, 60)
	high := 0
	for _, v := range thin {
		if v == 7 {
			high++
		}
	}
	if len(thin) != 60 || high != 1 || len(thinned(row[:60], 60)) != 60 {
		t.Errorf("%d points, %d high", len(thin), high)
	}
}

func TestTheRuleBookSaysWhatWasWritten(t *testing.T) {
	var set rules.Set
	var ms rules.Matchers
	if err := ms.UnmarshalText([]byte(`disk{device=~"a|b"}`)); err != nil {
		t.Fatal(err)
	}
	set.Watches = []*rules.Watch{{Name: "w", Select: rules.Selector{ms, ms}, Sensitivity: 2, Budget: rules.Weekly(3)}}
	set.Forecasts = []*rules.Forecast{{Name: "f", Select: rules.Selector{ms}, Horizon: 24 * time.Hour, Limit: 5}}
	set.Limits = []*rules.Limit{{Name: "l", Select: rules.Selector{ms}, Bound: 9, Above: true}}
	set.Remedies = []*rules.Remedy{{Name: "r", Match: ms, Action: "calm"}}
	var said []string
	for _, r := range described(&set) {
		said = append(said, strings.Join([]string{r.Kind, r.Name, r.Of, r.Wants}, " "))
	}
	disk := `{device=~"a|b", __name__="disk"}`
	want := []string{
		"watch w " + disk + " or " + disk + " direction both", "forecast f " + disk + " < 5 within 1d",
		"limit l " + disk + " > 9", "remedy r " + disk + " calm",
	}
	if strings.Join(said, "\n") != strings.Join(want, "\n") {
		t.Errorf("got\n%s\nwant\n%s", strings.Join(said, "\n"), strings.Join(want, "\n"))
	}
	if got := selecting(&set, labels.FromStrings("__name__", "disk", "device", "a")); strings.Join(got, " ") != "w f l" {
		t.Errorf("selecting: %v", got)
	}
}
