package detector

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	prommodel "github.com/prometheus/common/model"
	"github.com/prometheus/prometheus/model/labels"

	"github.com/foreshock/foreshock"
	"github.com/foreshock/foreshock/rules"
)

// villages are places whose series come, go, fall silent, spike and come late, in batches
// in no order.
func villages(seed uint64, rounds int) []*foreshock.Batch {
	r := rand.New(rand.NewPCG(seed, 3))
	var all []*foreshock.Series
	for place := range 6 {
		for i := range 2 + 3*place {
			all = append(all, series([]string{"load", "flag"}[i%2], "instance", fmt.Sprint(place), "n", fmt.Sprint(i)))
		}
	}
	var batches []*foreshock.Batch
	for round := range rounds {
		b := &foreshock.Batch{}
		shift := 0.0
		if round%300 > 280 {
			shift = 20
		}
		for i, x := range all {
			v, t := 100+r.NormFloat64(), start+int64(round)*minute
			switch r.IntN(200) {
			case 0:
				v = staleMarker
			case 1:
				v += 50
			case 2:
				t -= 90_000
			case 3, 4:
				continue
			}
			if i%7 == 0 && round > rounds/2 {
				continue // for good
			}
			if i%3 == 0 {
				v += shift
			}
			b.Samples = append(b.Samples, foreshock.Sample{Series: x, T: t, V: v})
		}
		r.Shuffle(len(b.Samples), func(i, j int) { b.Samples[i], b.Samples[j] = b.Samples[j], b.Samples[i] })
		batches = append(batches, b)
	}
	return batches
}

// What places say is the same on any number of shards, and after a thousand changes their
// sums are still those of their members.
func TestPlacesDependOnTheBatchesAlone(t *testing.T) {
	batches := villages(5, 1200)
	both := append(selecting("load"), selecting("flag")...)
	first := &rules.Set{Watches: []*rules.Watch{{Name: "both", Select: both, Sensitivity: 1.5, Emit: rules.EmitAll}}}
	second := &rules.Set{Watches: []*rules.Watch{
		{Name: "flag", Select: selecting("flag"), Sensitivity: 2},
		{Name: "both", Select: both, Sensitivity: 1.5},
	}}
	cfg := DefaultConfig()
	cfg.IdleAfter = prommodel.Duration(2 * time.Hour)
	var want bytes.Buffer
	for _, shards := range []int{1, 2, 7} {
		b := run(t, Options{Config: cfg, Rules: first, Shards: shards})
		for i, batch := range batches {
			if i == 900 {
				b.SetRules(second)
			}
			b.batch(batch)
		}
		b.stop()
		said := 0
		var got bytes.Buffer
		for _, f := range b.found {
			encode(&got, f)
			for _, a := range f.Anomalies {
				if a.Series.IsGroup() {
					said++
				}
			}
		}
		if said < 20 {
			t.Errorf("places said %d things: that proves little", said)
		}
		for _, s := range b.shards {
			for _, g := range s.groups {
				checkSums(t, s, g)
			}
		}
		if want.Len() == 0 {
			want = got
		} else if !bytes.Equal(got.Bytes(), want.Bytes()) {
			t.Errorf("%d shards: other findings", shards)
		}
	}
}

// checkSums holds what g knows of its members against them.
func checkSums(t *testing.T, s *shard, g *group) {
	t.Helper()
	var sums, squares [kinds]int64
	odd := 0
	for i, slot := range g.slots {
		st := s.series.at(slot)
		if st.member.group != g || st.member.index != uint32(i) {
			t.Errorf("%s: member %d is %v, at %d", g.series, i, st.series, st.member.index)
		}
		for k, part := range st.member.parts {
			sums[k] += int64(part)
			squares[k] += int64(part) * int64(part)
		}
		if st.member.odd {
			odd++
		}
	}
	if sums != g.sums || squares != g.squares || odd != g.odd || len(g.slots) == 0 {
		t.Errorf("%s of %d: sums %v, odd %d; its members make %v, %d", g.series, len(g.slots), g.sums, g.odd, sums, odd)
	}
}

// Whoever asks a series of a place why it did not alert is told what its place said, and
// whoever asks the place, who says most.
func TestAPlaceExplainsItself(t *testing.T) {
	const event = 1500
	at := func(k int) int64 { return start + int64(k)*minute }
	for _, c := range []struct {
		odd   int
		until int
		ask   string
		at    int64
		want  foreshock.Reason
		texts []string
	}{
		{5, event + 2, "000", at(event), foreshock.Spoken, []string{`its place speaks for it, foreshock_group{instance="a", rule="load"}, whose 30 series alert together`, "and which alerted at 2"}},
		{1, event + 2, "000", at(event), foreshock.Spoken, []string{"its place speaks for it", "and which is calm: it scores 0.", ", and 1 would alert"}},
		{1, event + 2, "000", at(event + 1), foreshock.OutsideBand, []string{"its place speaks for it", "and which is calm"}},
		{1, event + 60, "000", at(event), foreshock.Spoken, []string{"its place speaks for it", "and which was calm then"}},
		{5, event + 60, "000", at(event), foreshock.Spoken, []string{"its place speaks for it", "which alerted at 2", ", until 2"}},
		{5, event + 1, "", at(event), foreshock.Alerting, []string{"anomalous by themselves: 5 of 30 series; all of them together score", `most of it is said by load{instance="a", job="node", n="00`, "(score 8", ", expected "}},
		{5, event + 5, "", foreshock.Newest, foreshock.ActiveAlready, []string{"5 of 30 series", "to alert again"}},
		{0, event, "", foreshock.Newest, foreshock.BelowThreshold, []string{"of 30 series; all", "and 1 is enough to alert"}},
		{5, event + 60, "", at(event + 1), foreshock.Forgotten, []string{"it alerted at 2", ", until 2", `ask about a series of it, such as load{`}},
		{0, event, "", at(event - 60), foreshock.Forgotten, []string{"it did not alert then"}},
	} {
		h := newHost(30, event+100)
		h.move(c.odd, event, 10, 30)
		b := run(t, Options{Rules: watched(rules.GroupPlace), Shards: 2})
		for k := range c.until {
			b.batch(h.scrape(k))
		}
		name := "load"
		m := []*labels.Matcher{labels.MustNewMatcher(labels.MatchEqual, "instance", "a")}
		if c.ask == "" {
			name = foreshock.GroupName
		} else {
			m = append(m, labels.MustNewMatcher(labels.MatchEqual, "n", c.ask))
		}
		m = append(m, labels.MustNewMatcher(labels.MatchEqual, prommodel.MetricNameLabel, name))
		b.settle()
		es, err := b.Explain(t.Context(), m, c.at, 10)
		if err != nil || len(es) != 1 {
			t.Fatalf("%+v: %d explanations, %v", c, len(es), err)
		}
		if es[0].Reason != c.want {
			t.Errorf("%d odd, %s at %d: %s, want %s: %s", c.odd, name, c.at, es[0].Reason, c.want, es[0].Because)
		}
		for _, text := range c.texts {
			if !strings.Contains(es[0].Because, text) {
				t.Errorf("%d odd, %s at %d: %q is not in\n%s", c.odd, name, c.at, text, es[0].Because)
			}
		}
		b.stop()
	}
}
