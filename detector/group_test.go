package detector

import (
	"fmt"
	"testing"
	"time"

	"github.com/prometheus/prometheus/model/labels"

	"github.com/foreshock/foreshock"
	"github.com/foreshock/foreshock/rules"
)

// host is one place of so many series, each around 100 with a standard deviation of 1, a
// sample a minute.
type host struct {
	series []*foreshock.Series
	values [][]float64
}

func newHost(n, length int) *host {
	h := &host{}
	for i := range n {
		h.series = append(h.series, series("load", "instance", "a", "job", "node", "n", fmt.Sprintf("%03d", i)))
		h.values = append(h.values, noise(uint64(i)+7, 100, length))
	}
	return h
}

// scrape is minute k of all series.
func (h *host) scrape(k int) *foreshock.Batch {
	b := &foreshock.Batch{}
	for i, x := range h.series {
		b.Samples = append(b.Samples, foreshock.Sample{Series: x, T: start + int64(k)*minute, V: h.values[i][k]})
	}
	return b
}

// move adds d to the first n series from minute k for so many.
func (h *host) move(n, k, minutes int, d float64) {
	for i := range n {
		add(h.values[i], k, k+minutes, d)
	}
}

// watched is the rule that watches the load of a host.
func watched(grouping rules.Grouping) *rules.Set {
	return &rules.Set{Watches: []*rules.Watch{{Name: "load", Select: selecting("load"), Sensitivity: 1, Group: grouping}}}
}

// ofGroups are the anomalies of groups from the time on, pages those of series that a rule
// makes worth an alert.
func (b *bench) ofGroups(from int64) (groups, pages []foreshock.Anomaly) {
	for _, f := range b.found {
		for _, a := range f.Anomalies {
			switch {
			case a.T < from || a.Kind != foreshock.Outlier:
			case a.Series.IsGroup():
				groups = append(groups, a)
			case a.Rule != "":
				pages = append(pages, a)
			}
		}
	}
	return groups, pages
}

// What a place says of its series, by how many they are and how many of them move.
func TestAPlaceSpeaksForItsSeries(t *testing.T) {
	const event, length = 1500, 1600
	for _, c := range []struct {
		name    string
		of, odd int
		by      float64 // σ
		want    bool
	}{
		{"one series speaks for itself", 1, 1, 30, true},
		{"one of two", 2, 1, 30, true},
		{"one of five", 5, 1, 30, true},
		{"five of five", 5, 5, 30, true},
		{"one of a hundred", 100, 1, 30, false},
		{"thirty of a hundred", 100, 30, 30, true},
		{"all of a hundred, a little", 100, 100, 3.5, true},
		{"one of thirty, a little", 30, 1, 4.5, false},
		{"nothing", 30, 0, 0, false},
	} {
		t.Run(c.name, func(t *testing.T) {
			h := newHost(c.of, length)
			h.move(c.odd, event, 10, c.by)
			b := run(t, Options{Rules: watched(rules.GroupPlace)})
			for k := range length {
				b.batch(h.scrape(k))
			}
			b.stop()
			onset := start + event*minute
			groups, pages := b.ofGroups(onset - 5*minute)
			if c.of == 1 {
				if len(groups) != 0 || len(pages) == 0 {
					t.Fatalf("a single series has %d group anomalies, %d of its own", len(groups), len(pages))
				}
				return
			}
			if len(pages) != 0 {
				t.Errorf("%s pages beside its place", pages[0].Series)
			}
			if !c.want {
				if len(groups) != 0 {
					t.Fatalf("the place alerts: %+v", groups[0])
				}
				return
			}
			if len(groups) == 0 {
				t.Fatal("the place says nothing")
			}
			g := groups[0]
			if g.Phase != foreshock.Started || g.T < onset || g.T > onset+2*minute || g.Rule != "load" || g.Of != c.of {
				t.Errorf("the place says first: %+v", g)
			}
			if want := `foreshock_group{instance="a", rule="load"}`; g.Series.String() != want {
				t.Errorf("it is called %s, want %s", g.Series, want)
			}
			if want := labels.FromStrings("instance", "a", "job", "node"); !labels.Equal(g.Shared, want) {
				t.Errorf("its series share %s, want %s", g.Shared, want)
			}
			if g.Loudest.Series == nil || g.Loudest.Value < 100 || g.Loudest.Series.Labels.Get("n") >= fmt.Sprintf("%03d", c.odd) {
				t.Errorf("the loudest is %+v, not one that moved", g.Loudest)
			}
			if c.by > 10 && g.Odd != c.odd {
				t.Errorf("%d are odd by themselves, want %d", g.Odd, c.odd)
			}
			for _, f := range b.found {
				for _, a := range f.Anomalies {
					if a.T >= onset && !a.Series.IsGroup() && (a.Group == nil || !a.Group.Equal(g.Series)) {
						t.Errorf("%s does not say that its place speaks for it", a.Series)
					}
				}
			}
			if last := groups[len(groups)-1]; last.Phase != foreshock.Ended {
				t.Errorf("an hour and a half later it lasts: %+v", last)
			} else if last.T > onset+40*minute {
				t.Errorf("it ended %d min after its series were back", (last.T-onset)/minute-10)
			}
		})
	}
}

// A fault that stays is one alert that stays: the series' scores fade, the fault does not.
func TestAPlaceIsOddAsLongAsItsSeries(t *testing.T) {
	const event, lasts = 1500, 50
	h := newHost(30, 1650)
	h.move(6, event, lasts, 30)
	b := run(t, Options{Rules: watched(rules.GroupPlace)})
	for k := range 1650 {
		b.batch(h.scrape(k))
	}
	b.stop()
	groups, _ := b.ofGroups(start + event*minute)
	for i, g := range groups {
		if (g.Phase == foreshock.Started) != (i == 0) {
			t.Errorf("the place says as %d.: %s at minute %d", i+1, g.Phase, (g.T-start)/minute)
		}
	}
	if len(groups) == 0 || groups[len(groups)-1].Phase != foreshock.Ended {
		t.Fatalf("the place says %+v", groups)
	}
	if end := (groups[len(groups)-1].T-start)/minute - event; end < lasts || end > lasts+25 {
		t.Errorf("it ends %d min after its beginning, the fault lasted %d", end, lasts)
	}
}

// Who wants every series to page for itself says so.
func TestGroupOff(t *testing.T) {
	h := newHost(5, 1600)
	h.move(2, 1500, 10, 30)
	b := run(t, Options{Rules: watched(rules.GroupOff)})
	for k := range 1600 {
		b.batch(h.scrape(k))
	}
	b.stop()
	groups, pages := b.ofGroups(start + 1500*minute)
	if len(groups) != 0 || len(pages) != 4 {
		t.Errorf("%d anomalies of groups, %d of series, want none and the beginning and end of two", len(groups), len(pages))
	}
}

// Series that end take what they said with them: the place is not odd for ever.
func TestMembersLeave(t *testing.T) {
	h := newHost(4, 1700)
	h.move(4, 1500, 200, 30)
	b := run(t, Options{Rules: watched(rules.GroupPlace)})
	for k := range 1510 {
		b.batch(h.scrape(k))
	}
	end := h.scrape(1510)
	for i := range end.Samples {
		end.Samples[i].V = staleMarker
	}
	b.batch(end)
	b.stop()
	groups, _ := b.ofGroups(start + 1500*minute)
	if len(groups) < 2 || groups[len(groups)-1].Phase != foreshock.Ended || groups[len(groups)-1].T != end.Samples[0].T {
		t.Fatalf("the place that went said %+v", groups)
	}
	for i, a := range groups {
		if a.Lost != (i == len(groups)-1) || a.Interval != time.Minute {
			t.Errorf("lost %t of the anomaly %d of %d, judged every %s; want the last to be lost, and a minute", a.Lost, i+1, len(groups), a.Interval)
		}
	}
	last := b.found[len(b.found)-1]
	if len(last.Gone) == 0 || !last.Gone[0].IsGroup() {
		t.Errorf("its score is not taken back: %v", last.Gone)
	}
	for _, s := range b.shards {
		if len(s.groups) != 0 {
			t.Errorf("%d groups without members are kept", len(s.groups))
		}
	}
}

// The last series of a place that is odd goes on with its alert.
func TestTheLastMemberSpeaksUp(t *testing.T) {
	h := newHost(2, 1700)
	h.move(2, 1500, 200, 30)
	b := run(t, Options{Rules: watched(rules.GroupPlace)})
	for k := range 1510 {
		b.batch(h.scrape(k))
	}
	end := h.scrape(1510)
	end.Samples[0].V = staleMarker
	b.batch(end)
	b.stop()
	groups, pages := b.ofGroups(start + 1510*minute)
	if len(groups) != 1 || groups[0].Phase != foreshock.Ended {
		t.Errorf("the place said %+v", groups)
	}
	if len(pages) != 1 || pages[0].Phase != foreshock.Escalated || !pages[0].Series.Equal(h.series[1]) || pages[0].Onset != start+1500*minute {
		t.Errorf("the series that is left said %+v", pages)
	}
}

// A member that is silent, without a word of its end, does not keep its place odd.
func TestASilentMemberIsNotHeardForEver(t *testing.T) {
	h := newHost(5, 1700)
	h.move(1, 1500, 200, 30)
	b := run(t, Options{Rules: watched(rules.GroupPlace)})
	for k := range 1700 {
		scrape := h.scrape(k)
		if k > 1503 {
			scrape.Samples = scrape.Samples[1:]
		}
		b.batch(scrape)
	}
	b.stop()
	groups, _ := b.ofGroups(start + 1500*minute)
	if len(groups) == 0 || groups[len(groups)-1].Phase != foreshock.Ended {
		t.Errorf("the place said %+v", groups)
	}
}

// Rules that are loaded again, with the same rule among them, neither end an alert nor
// raise one; the switch takes effect at once.
func TestRulesChangeUnderAPlace(t *testing.T) {
	h := newHost(5, 1700)
	h.move(5, 1500, 200, 30)
	b := run(t, Options{Rules: watched(rules.GroupPlace), Shards: 2})
	for k := range 1530 {
		switch k {
		case 1510:
			b.SetRules(watched(rules.GroupPlace))
		case 1520:
			b.SetRules(watched(rules.GroupOff))
		}
		b.batch(h.scrape(k))
	}
	b.stop()
	groups, _ := b.ofGroups(start + 1505*minute)
	if len(groups) != 1 || groups[0].Phase != foreshock.Ended || groups[0].T < start+1519*minute {
		t.Errorf("the place said %+v, want the end where it was switched off", groups)
	}
}

// One member's clock is an hour or more ahead, or behind. The others are judged by theirs.
func TestAWrongClockStopsNoJudgement(t *testing.T) {
	for _, off := range []time.Duration{time.Hour, 2 * time.Hour, 50 * time.Minute, -90 * time.Minute} {
		t.Run(off.String(), func(t *testing.T) {
			const event = 1500
			h := newHost(5, 1600)
			h.move(5, event, 10, 30)
			b := run(t, Options{Rules: watched(rules.GroupPlace)})
			for k := range 1600 {
				scrape := h.scrape(k)
				scrape.Samples[0].T += off.Milliseconds()
				b.batch(scrape)
			}
			b.stop()
			groups, _ := b.ofGroups(start + 1300*minute)
			// What is said behind the time at hand may count for it.
			if len(groups) < 2 || groups[0].T < start+(event-1)*minute || groups[0].T > start+(event+2)*minute {
				t.Fatalf("the place said %+v", groups)
			}
			if last := groups[len(groups)-1]; last.Phase != foreshock.Ended || last.T > start+1600*minute {
				t.Errorf("and last %+v", last)
			}
		})
	}
}

// After a pause of all, the place is judged again by the second scrape.
func TestAPauseStopsNoJudgement(t *testing.T) {
	h := newHost(5, 1700)
	h.move(5, 1600, 10, 30)
	b := run(t, Options{Rules: watched(rules.GroupPlace)})
	for k := range 1700 {
		if k < 1500 || k > 1560 {
			b.batch(h.scrape(k))
		}
	}
	b.stop()
	groups, _ := b.ofGroups(start + 1500*minute)
	if len(groups) == 0 || groups[0].T != start+1600*minute {
		t.Errorf("the place said %+v", groups)
	}
}

// What a sample says to its group costs no memory.
func TestPlacesAllocateNothing(t *testing.T) {
	const n = 20
	sh := newShard(0, 1, DefaultConfig(), watched(rules.GroupPlace), false)
	h := newHost(n, 4096)
	j := newJob(1)
	p := &j.parts[0]
	at, k := start, 0
	scrape := func() {
		at, k = at+15_000, (k+1)%4096
		for i, x := range h.series {
			p.samples = append(p.samples, foreshock.Sample{Series: x, T: at, V: h.values[i][k]})
		}
		j.working.Add(1)
		sh.work(task{job: j, part: p})
		j.reset()
	}
	for range 5000 {
		scrape()
	}
	if len(sh.groups) != 1 {
		t.Fatalf("%d groups", len(sh.groups))
	}
	// Windows grow now and then: fewer than one allocation for ten samples.
	if allocs := testing.AllocsPerRun(100, scrape); allocs > n/10 {
		t.Errorf("%v allocations for a scrape of %d samples", allocs, n)
	}
}

// A slow request of which two series tell, for a minute, wakes nobody. What is as odd at the
// next minute does, since when it began; what is much odder, and what many series tell of, at
// once.
func TestWhatPassesWakesNobody(t *testing.T) {
	const event, length = 1500, 1560
	for _, c := range []struct {
		name        string
		of, odd     int
		by          float64 // σ
		minutes     int
		alert, from int // minutes after the event; alert below 0: none
	}{
		{"two of nineteen, for a minute", 19, 2, 40, 1, -1, 0},
		{"two of nineteen, for two", 19, 2, 40, 2, 1, 0},
		{"six of nineteen, for a minute", 19, 6, 12, 1, 0, 0},
		{"both of two, for a minute", 2, 2, 40, 1, 0, 0},
	} {
		t.Run(c.name, func(t *testing.T) {
			h := newHost(c.of, length)
			h.move(c.odd, event, c.minutes, c.by)
			b := run(t, Options{Rules: watched(rules.GroupPlace)})
			for k := range length {
				b.batch(h.scrape(k))
			}
			b.stop()
			at := func(k int) int64 { return start + int64(event+k)*minute }
			groups, _ := b.ofGroups(at(0))
			switch {
			case c.alert < 0 && len(groups) > 0:
				t.Errorf("alerted: %+v", groups[0])
			case c.alert >= 0 && len(groups) == 0:
				t.Error("did not alert")
			case c.alert >= 0 && (groups[0].T != at(c.alert) || groups[0].Onset != at(c.from)):
				t.Errorf("alerted after %d minutes, since %d; want %d and %d", (groups[0].T-at(0))/minute, (groups[0].Onset-at(0))/minute, c.alert, c.from)
			}
		})
	}
}
