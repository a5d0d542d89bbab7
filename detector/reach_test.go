package detector

import (
	"testing"
	"time"

	prommodel "github.com/prometheus/common/model"
	"github.com/prometheus/prometheus/model/labels"

	"github.com/foreshock/foreshock"
	"github.com/foreshock/foreshock/rules"
)

// The windows of what an expression reads are as long as it reads, and others are not.
func TestExpressionsLengthenWindows(t *testing.T) {
	set, err := rules.ParseFile("test", []byte(`
groups:
- name: g
  rules:
  - {watch: long, expr: 'max_over_time(rate(a{host="1"}[10m])[50m:1m]) + b offset 25m'}`))
	if err != nil {
		t.Fatal(err)
	}
	c := DefaultConfig()
	c.Window = prommodel.Duration(10 * time.Minute)
	d := run(t, Options{Config: c, Shards: 2, Rules: set})
	at := start
	hours := func(n int) {
		for range n * 60 {
			at += 60_000
			d.append(
				foreshock.Sample{Series: series("a", "host", "1"), T: at, V: float64(at)},
				foreshock.Sample{Series: series("a", "host", "2"), T: at, V: float64(at)},
				foreshock.Sample{Series: series("b"), T: at, V: float64(at)},
			)
		}
	}
	held := func() (minutes []int64) {
		for _, x := range append(d.views("a"), d.views("b")...) {
			minutes = append(minutes, (at-x.Samples[0].T)/60_000)
		}
		return minutes
	}
	hours(3)
	if got := held(); got[0] < 60 || got[1] < 10 || got[1] > 20 || got[2] < 30 || got[2] > 70 {
		t.Errorf("windows of %v minutes, want 62, 10 and 32 or up to twice that", got)
	}
	d.SetRules(nil)
	hours(3)
	for i, got := range held() {
		if got < 10 || got > 20 {
			t.Errorf("window %d of %d minutes without the rule, want 10 or up to 20", i, got)
		}
	}
}

// Of a series that comes every five minutes an hour is a dozen samples: a day is kept.
func TestSlowSeriesAreKeptForADay(t *testing.T) {
	c := DefaultConfig()
	c.WarmUp = 5
	oneOf := func(name string) *foreshock.Series {
		return foreshock.NewSeries(labels.FromStrings("__name__", name))
	}
	slow, quick := oneOf("slow"), oneOf("quick")
	d := New(Options{Config: c, Shards: 1, Observe: func(foreshock.Findings) {}})
	finished := make(chan struct{})
	go func() { defer close(finished); d.Run() }()
	defer func() { d.Close(); <-finished }()
	const days = 3
	end := int64(days * 24 * 60 * 60_000)
	for at := int64(1); at <= end; at += 60_000 {
		b := &foreshock.Batch{Samples: []foreshock.Sample{{Series: quick, T: at, V: float64(at % 7)}}}
		if at/60_000%5 == 0 {
			b.Samples = append(b.Samples, foreshock.Sample{Series: slow, T: at, V: float64(at % 11)})
		}
		for err := error(foreshock.ErrOverloaded); err != nil; {
			err = d.Append(t.Context(), b)
		}
	}
	held := map[string]int{}
	for deadline := time.Now().Add(time.Minute); held["slow"] == 0 && time.Now().Before(deadline); time.Sleep(10 * time.Millisecond) {
		if d.Status().Samples != days*24*60*6/5 {
			continue
		}
		found, err := d.Read(t.Context(), []*labels.Matcher{labels.MustNewMatcher(labels.MatchNotEqual, "__name__", "")}, 0, end, 100_000)
		if err != nil {
			t.Fatal(err)
		}
		for _, e := range found {
			held[e.Series.Name()] = len(e.T)
		}
	}
	if held["slow"] < 24*12 || held["slow"] > 2*24*12 || held["quick"] < 60 || held["quick"] > 120 {
		t.Errorf("samples %v, want a day or up to two of slow and an hour or up to two of quick", held)
	}
}
