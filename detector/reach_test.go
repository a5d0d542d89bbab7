package detector

import (
	"testing"
	"time"

	prommodel "github.com/prometheus/common/model"

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
