package app

import (
	"strconv"
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
	var a App
	o := &a.outlooks
	if len(o.list()) != 0 {
		t.Error("something of nothing")
	}
	first, second := disk("a"), disk("b")
	a.foresee(&foreshock.Findings{Now: 1000, Forecasts: []foreshock.Forecast{at(1000, first, time.Hour), at(1000, second, time.Hour)}})
	a.foresee(&foreshock.Findings{Now: 2000, Forecasts: []foreshock.Forecast{at(2000, first, time.Minute)}})
	shown := map[string]time.Duration{}
	for _, f := range o.list() {
		shown[f.Series.Labels.Get("device")] = f.ETA
	}
	if len(shown) != 2 || shown["a"] != time.Minute || shown["b"] != time.Hour {
		t.Errorf("%v", shown)
	}
	a.foresee(&foreshock.Findings{Now: 3000, Gone: []*foreshock.Series{disk("b")}})
	if all := o.list(); len(all) != 1 || !all[0].Series.Equal(first) {
		t.Errorf("after the end of b: %v", all)
	}
	a.foresee(&foreshock.Findings{Now: 2000 + soonAccepted + 1, Forecasts: []foreshock.Forecast{at(2000+soonAccepted+1, second, time.Hour)}})
	if all := o.list(); len(all) != 1 || !all[0].Series.Equal(second) {
		t.Errorf("an hour later: %v", all)
	}
}

// What is kept is bounded, and what nobody says again makes room.
func TestWhatIsForeseenIsBounded(t *testing.T) {
	var f foreseen[foreshock.Scaling]
	for i := range mostForeseen + 10 {
		f.keep("r", named("x", strconv.Itoa(i)), int64(i), foreshock.Scaling{})
	}
	if n := len(f.list()); n != mostForeseen {
		t.Errorf("%d are kept", n)
	}
	f.forget(2*soonAccepted, nil)
	f.keep("r", named("x", "new"), 2*soonAccepted, foreshock.Scaling{Value: 7})
	if s, known := f.of("r", named("x", "new").String()); !known || s.Value != 7 || len(f.list()) != 1 {
		t.Errorf("%v, %v; %d are kept an hour later", s, known, len(f.list()))
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
