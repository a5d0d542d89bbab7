package emitter

import (
	"fmt"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/notifier"

	"github.com/foreshock/foreshock"
)

// restarted is the trouble with one remedy since a second.
func restarted(target string, since int64, text string) foreshock.Trouble {
	return foreshock.Trouble{Rule: "restart_cart", Action: "restart", Target: target, Incident: "0123456789ab", Since: at(since), Text: text}
}

// A person is told while a remedy is in trouble, again every minute, and that it is over; of
// one remedy the newest trouble is told.
func TestTroublesAreToldUntilTheyAreOver(t *testing.T) {
	all := troubles{}
	first, second := restarted("cart-7", 10, "exec failed"), restarted("cart-7", 200, "not recovered")
	other := restarted("cart-8", 20, "cannot tell")
	for _, c := range []struct {
		second int64
		are    []foreshock.Trouble
		alone  bool   // there is no Alertmanager
		want   string // target, text, and from when to when in seconds
	}{
		{5, nil, false, ""},
		{12, []foreshock.Trouble{first}, true, ""},
		{13, []foreshock.Trouble{first}, false, "cart-7 exec failed 10-253"},
		{14, []foreshock.Trouble{first}, false, ""},
		{30, []foreshock.Trouble{first, other}, false, "cart-8 cannot tell 20-270"},
		{73, []foreshock.Trouble{first, other}, false, "cart-7 exec failed 10-313"},
		{201, []foreshock.Trouble{first, other, second}, false, "cart-7 not recovered 200-441, cart-8 cannot tell 20-441"},
		{220, []foreshock.Trouble{second}, false, "cart-8 cannot tell 20-220"},
		{261, []foreshock.Trouble{second}, false, "cart-7 not recovered 200-501"},
		{280, []foreshock.Trouble{second}, false, "cart-8 cannot tell 20-220"}, // its end may have been lost
		{300, nil, false, "cart-7 not recovered 200-300"},
		{310, []foreshock.Trouble{second}, false, "cart-7 not recovered 200-550"}, // and again
		{320, nil, false, "cart-7 not recovered 200-320"},
		{320 + 15*60 + 1, nil, false, ""},
	} {
		var told []string
		link := func(string) string { return "" }
		for _, n := range all.due(at(c.second), slices.Clone(c.are), !c.alone, link) {
			_, text, _ := strings.Cut(n.Annotations.Get("summary"), ": ")
			told = append(told, fmt.Sprintf("%s %s %.0f-%.0f", n.Labels.Get("target"), text, n.StartsAt.Sub(at(0)).Seconds(), n.EndsAt.Sub(at(0)).Seconds()))
		}
		slices.Sort(told)
		if got := strings.Join(told, ", "); got != c.want {
			t.Errorf("at %ds: told %q, want %q", c.second, got, c.want)
		}
	}
	if len(all) > 0 {
		t.Errorf("%d are remembered", len(all))
	}
}

// Who reads the alert learns which remedy it is, what happened and where to look; a label or a
// program's words stay text.
func TestTroubleSaysWhatHappened(t *testing.T) {
	tell := func(is foreshock.Trouble) *notifier.Alert {
		all := troubles{}.due(at(60), []foreshock.Trouble{is}, true, func(id string) string { return "http://foreshock/#" + id })
		if len(all) != 1 {
			t.Fatalf("%d alerts", len(all))
		}
		return all[0]
	}
	n := tell(restarted("cart-7", 10, "exec failed: \xff{{.}}"))
	wantLabels := labels.FromStrings("alertname", "ForeshockRemedyFailed", "severity", "warning", "rule", "restart_cart", "action", "restart", "target", "cart-7")
	if !labels.Equal(n.Labels, wantLabels) {
		t.Errorf("labels %s, want %s", n.Labels, wantLabels)
	}
	if got, want := n.Annotations.Get("summary"), "Remedy restart on cart-7: exec failed: \uFFFD{{.}}"; got != want {
		t.Errorf("summary %q, want %q", got, want)
	}
	if n.Annotations.Get("incident") != "0123456789ab" || n.GeneratorURL != "http://foreshock/#0123456789ab" || !n.StartsAt.Equal(at(10)) {
		t.Errorf("incident %q, link %q, since %s", n.Annotations.Get("incident"), n.GeneratorURL, n.StartsAt)
	}

	n = tell(foreshock.Trouble{Rule: "tell_people", Action: "tell", Since: at(10), Text: "cannot tell"})
	if n.Labels.Has("target") || n.Annotations.Has("incident") || n.GeneratorURL != "" || n.Annotations.Get("summary") != "Remedy tell: cannot tell" {
		t.Errorf("without a target or an incident: %s %s %q", n.Labels, n.Annotations, n.GeneratorURL)
	}
}

// The annotation remedy has a line for each of the latest, the newest first.
func TestRemediesTextIsShort(t *testing.T) {
	var all []foreshock.Remedy
	for i := range 7 {
		all = append(all, foreshock.Remedy{Action: "restart", Target: fmt.Sprint("cart-", i), Text: "exec ran"})
	}
	all = append(all, foreshock.Remedy{Action: "tell", Text: "recovered"})
	want := "tell: recovered\nrestart on cart-6: exec ran\nrestart on cart-5: exec ran\nrestart on cart-4: exec ran\nrestart on cart-3: exec ran"
	if got := remediesText(all); got != want {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
	if got := remediesText(nil); got != "" {
		t.Errorf("of none: %q", got)
	}
}

func TestTroublesReachAlertmanager(t *testing.T) {
	m := newManager(t)
	var over atomic.Bool
	_, stop := start(t, Options{
		Alerting: statically(t, m),
		Now:      clockAt(60),
		Troubles: func() []foreshock.Trouble {
			if over.Load() {
				return nil
			}
			return []foreshock.Trouble{restarted("cart-7", 10, "exec failed")}
		},
	})
	waitFor(t, "the alert", func() bool { return len(m.posted()) == 1 })
	over.Store(true)
	waitFor(t, "its end", func() bool { return len(m.posted()) == 2 })
	if err := stop(2 * time.Second); err != nil {
		t.Fatal(err)
	}
	for _, got := range m.posted() {
		if got.Labels["alertname"] != "ForeshockRemedyFailed" || got.Labels["target"] != "cart-7" || !strings.Contains(got.Annotations["summary"], "exec failed") {
			t.Errorf("posted %v", got)
		}
	}
}
