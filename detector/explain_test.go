package detector

import (
	"context"
	"fmt"
	"math"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"

	prommodel "github.com/prometheus/common/model"
	"github.com/prometheus/prometheus/model/labels"

	"github.com/foreshock/foreshock"
	"github.com/foreshock/foreshock/internal/synthetic"
	"github.com/foreshock/foreshock/rules"
)

// explained is the one series of the given name explained at a time.
func (b *bench) explained(name string, at int64) foreshock.Explanation {
	b.t.Helper()
	b.settle()
	m := labels.MustNewMatcher(labels.MatchEqual, prommodel.MetricNameLabel, name)
	es, err := b.Explain(context.Background(), []*labels.Matcher{m}, at, 10)
	if err != nil || len(es) != 1 {
		b.t.Fatalf("explain %s: %d series, %v", name, len(es), err)
	}
	return es[0]
}

// Whoever asks why gets the reason that held, for alerts and for silence alike.
func TestEveryReasonIsTold(t *testing.T) {
	at := func(i int) int64 { return start + int64(i)*60_000 }
	const odd = 1000 // the sample at which something happens
	plain := &rules.Watch{Name: "plain", Sensitivity: 1}
	for _, c := range []struct {
		name   string
		metric string
		rule   *rules.Watch
		edit   func(values []float64)
		skip   func(i int) bool // samples that never come
		len    int
		ask    int // sample to explain; -1: the newest, -2: whichever it holds for from the odd one on
		want   foreshock.Reason
		text   string // of the sentence
	}{
		{
			name: "an alert", rule: plain, edit: func(v []float64) { v[odd] += 30 }, ask: odd,
			want: foreshock.Alerting, text: "was enough to alert",
		},
		{
			name: "half an hour later it is told still", rule: plain, edit: func(v []float64) { v[odd] += 30 }, len: odd + 30, ask: odd,
			want: foreshock.Alerting, text: "and 1 was enough to alert",
		},
		{
			name: "nobody watches", edit: func(v []float64) { v[odd] += 30 }, ask: odd,
			want: foreshock.Unselected, text: "nobody is told",
		},
		{
			name: "it lasts", rule: plain, edit: func(v []float64) { add(v, odd, len(v), 30) }, len: odd + 6, ask: odd + 5,
			want: foreshock.OutsideBand, text: "not back in its band",
		},
		{
			name: "it lasts within its band", rule: plain, edit: func(v []float64) { add(v, odd, len(v), 100-v[odd]); flatten(v[odd:]) }, len: odd + 40, ask: -2,
			want: foreshock.ActiveAlready, text: "is no news",
		},
		{
			name: "it stays for good", rule: plain, edit: func(v []float64) { add(v, odd, len(v), 30) }, len: odd + 300, ask: -2,
			want: foreshock.Accepted, text: "the new normal",
		},
		{
			name: "it recovers", rule: plain, edit: func(v []float64) { add(v, odd, odd+20, 30) }, len: odd + 40, ask: -2,
			want: foreshock.WayBack, text: "recovering is no news",
		},
		{
			name: "it is over", rule: plain, edit: func(v []float64) { v[odd] += 30 }, len: odd + 30, ask: -2,
			want: foreshock.Over, text: "ended here",
		},
		{
			name: "again, too soon", rule: plain, edit: func(v []float64) { v[odd-40] += 40; v[odd] -= 12 }, ask: odd,
			want: foreshock.Refractory, text: "within 100 samples after an alert only",
		},
		{
			name: "off by less than it should be", rule: &rules.Watch{Name: "r", Sensitivity: 1, MinRelative: 0.5}, edit: func(v []float64) { v[odd] += 30 }, ask: odd,
			want: foreshock.SmallDeviation, text: "the rule wants 50 % or more (min_relative_deviation)",
		},
		{
			name: "on the other side", rule: &rules.Watch{Name: "r", Sensitivity: 1, Direction: rules.Below}, edit: func(v []float64) { v[odd] += 30 }, ask: odd,
			want: foreshock.OtherDirection, text: "above what was expected",
		},
		{
			name: "calm", rule: plain, edit: func([]float64) {}, ask: odd - 20,
			want: foreshock.NothingNoted, text: "its score was below 0.5",
		},
		{
			name: "calm, as of now", rule: plain, edit: func([]float64) {}, ask: -1,
			want: foreshock.BelowThreshold, text: "1 is enough to alert",
		},
		{
			name: "warming up", rule: plain, edit: func(v []float64) { v[50] += 30 }, len: 60, ask: 50,
			want: foreshock.WarmingUp, text: "60 of 100 samples",
		},
		{
			name: "after an outage", rule: plain, edit: func(v []float64) { v[odd] += 30 }, skip: func(i int) bool { return i > odd-30 && i < odd }, ask: odd,
			want: foreshock.AfterGap, text: "first sample after an interruption",
		},
		{
			name: "a scrape that failed", rule: plain, edit: func(v []float64) { v[odd] = math.NaN() }, ask: odd,
			want: foreshock.NotScored, text: "not a finite number",
		},
		{
			name: "one bucket", metric: "rpc_bucket", rule: plain, edit: func([]float64) {}, ask: odd,
			want: foreshock.NotScored, text: "one bucket",
		},
		{
			name: "in an outage", rule: plain, edit: func([]float64) {}, skip: func(i int) bool { return i > odd-30 && i < odd-1 }, ask: odd - 5,
			want: foreshock.NoSample, text: "a gap here",
		},
		{
			name: "long ago", rule: plain, edit: func([]float64) {}, ask: 3,
			want: foreshock.NoSample, text: "detector.window (1h)",
		},
		{
			name: "tomorrow", rule: plain, edit: func([]float64) {}, ask: odd + 1440,
			want: foreshock.NoSample, text: "the newest sample is from",
		},
	} {
		t.Run(c.name, func(t *testing.T) {
			metric := c.metric
			if metric == "" {
				metric = "load"
			}
			x := series(metric, "le", "1")
			set := &rules.Set{}
			if c.rule != nil {
				w := *c.rule
				w.Select = selecting(metric)
				set.Watches = []*rules.Watch{&w}
			}
			b := run(t, Options{Rules: set, Shards: 1})
			if c.len == 0 {
				c.len = odd + 1
			}
			values := noise(1, 100, c.len)
			c.edit(values)
			for i, v := range values {
				if c.skip == nil || !c.skip(i) {
					b.append(foreshock.Sample{Series: x, T: at(i), V: v})
				}
			}
			asked := int64(foreshock.Newest)
			switch {
			case c.ask >= 0:
				asked = at(c.ask)
			case c.ask == -2:
				asked = at(odd)
			}
			for c.ask == -2 && b.explained(metric, asked).Reason != c.want && asked < at(c.len) {
				asked += 60_000
			}
			e := b.explained(metric, asked)
			if e.Reason != c.want || !strings.Contains(e.Because, c.text) {
				t.Errorf("%s: %s\nwant %s: …%s…", e.Reason, e.Because, c.want, c.text)
			}
			if e.Reason.Recorded() && e.Reason != foreshock.WarmingUp && c.ask >= 0 {
				if e.T != at(c.ask) || e.Value != values[c.ask] || !e.Band.Known() || e.Threshold != defaultThreshold {
					t.Errorf("a record of another sample, or of half of one: %+v", e.Moment)
				}
			}
		})
	}
}

// flatten makes all values the first.
func flatten(values []float64) {
	for i := range values {
		values[i] = values[0]
	}
}

// A rule's gates are told apart.
func TestTheGateThatIsClosedIsNamed(t *testing.T) {
	known := foreshock.Band{Expected: 100, Lower: 98, Upper: 102}
	for _, c := range []struct {
		w    rules.Watch
		b    foreshock.Band
		x    float64
		want foreshock.Reason
	}{
		{rules.Watch{Direction: rules.Above}, known, 50, foreshock.OtherDirection},
		{rules.Watch{Direction: rules.Below}, known, 150, foreshock.OtherDirection},
		{rules.Watch{Direction: rules.Above, MinDeviation: 60}, known, 150, foreshock.SmallDeviation},
		{rules.Watch{Direction: rules.Above, MinDeviation: 60}, known, 50, foreshock.OtherDirection},
		{rules.Watch{MinRelative: 0.6}, known, 50, foreshock.SmallDeviation},
		{rules.Watch{MinDeviation: 1}, foreshock.NoBand(), 50, foreshock.NothingExpected},
		{rules.Watch{Direction: rules.Above}, foreshock.NoBand(), 50, foreshock.NothingExpected},
	} {
		if admits(&c.w, c.b, c.x) {
			t.Errorf("%+v lets %v pass", c.w, c.x)
		}
		if got := closed(&c.w, c.b, c.x); got != c.want {
			t.Errorf("%+v stops %v for %s, want %s", c.w, c.x, got, c.want)
		}
	}
}

// Score, threshold and explanation agree, and every alert names what is wrong.
func TestAlertsNameTheirChannel(t *testing.T) {
	levels := []string{"shift", "level (fast)", "level (slow)", "burst"}
	for _, c := range []struct {
		name    string
		event   synthetic.Generator
		days    int
		within  int // points
		first   []string
		anytime []string // where it takes some samples to see what it is
	}{
		{"spike of 6 σ", synthetic.Spike(6), 4, 1, []string{"value", "magnitude", "burst"}, nil},
		{"spike of 15 σ", synthetic.Spike(15), 4, 1, []string{"value", "magnitude", "burst"}, nil},
		{"shift of 2 σ", synthetic.Shift(2), 4, 120, nil, levels},
		{"shift of 5 σ", synthetic.Shift(5), 4, 120, nil, levels},
		{"flat line", synthetic.Flatline, 4, 120, nil, []string{"roughness"}},
		{"quieter noise", calmed, 4, 120, []string{"roughness"}, nil},
		{"missing daily wave", synthetic.MissingWave, 8, perDay, []string{"season"}, nil},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			told := 0
			for seed := range uint64(20) {
				told += namesItsChannel(t, c.event(seed, time.Minute, c.days*perDay), c.within, c.first, c.anytime)
			}
			if told < 16 {
				t.Errorf("%d alerts in 20 streams: too few to tell", told)
			}
		})
	}
}

// namesItsChannel plays s until within points after its event, and returns how many
// alerts the event raised. The first channel of each must be one of first, where that is
// given. Of the first anomaly one of anytime must have been the highest in the end: what
// follows it may have another reason, as a line that went flat has a level too.
func namesItsChannel(t *testing.T, s synthetic.Stream, within int, first, anytime []string) (told int) {
	t.Helper()
	w := &rules.Watch{Name: "w", Select: selecting("load"), Sensitivity: 2}
	config := DefaultConfig()
	config.Threshold *= 2 // the rule takes it back
	sh := newShard(0, 1, config, &rules.Set{Watches: []*rules.Watch{w}}, false)
	x := series("load")
	j := newJob(1)
	p := &j.parts[0]
	var anomaly foreshock.Explanation // the first of the event, as of its newest sample
	for i, point := range s.Points[:min(s.From+within, len(s.Points))] {
		p.samples = append(p.samples, foreshock.Sample{Series: x, T: point.T, V: point.V})
		j.working.Add(1)
		sh.work(task{job: j, part: p})
		alerted := slices.ContainsFunc(p.anomalies, func(a foreshock.Anomaly) bool { return a.Phase != foreshock.Ended })
		st := sh.series.find(x)
		if st.reason.Alerts() != alerted {
			t.Fatalf("sample %d: alerted %t, and the reason is %s", i, alerted, st.reason)
		}
		if alerted {
			e := sh.explain(st, point.T)
			if a := p.anomalies[0]; e.Reason != foreshock.Alerting || e.Channels[0].Channel != a.Channel || e.Score != a.Score || e.Onset != a.Onset {
				t.Fatalf("the anomaly %+v is explained by %+v", a, e.Moment)
			}
			if own := e.Raw / e.Threshold; own < e.Needed || math.Abs(own-e.Score) > 1e-12 || e.Threshold != defaultThreshold {
				t.Fatalf("sample %d alerts at %v of %v with %v needed, and exports %v", i, e.Raw, e.Threshold, e.Needed, e.Score)
			}
			if i >= s.From {
				told++
				if first != nil && !slices.Contains(first, e.Channels[0].Channel) {
					t.Errorf("sample %d after the onset is said to be odd by %v, want one of %v", i-s.From, e.Channels, first)
				}
			}
		}
		if i >= s.From && st.mind.anomalous() {
			if e := sh.explain(st, point.T); anomaly.Onset == 0 || anomaly.Onset == e.Onset {
				anomaly = e
			}
		}
		j.reset()
	}
	if told > 0 && anytime != nil && !slices.Contains(anytime, anomaly.Peaks[0].Channel) {
		t.Errorf("the anomaly of %s is said to be odd by %v in the end, want one of %v", foreshock.Time(anomaly.Onset), anomaly.Peaks, anytime)
	}
	return told
}

// calmed is noise that loses nine tenths of itself late on.
func calmed(seed uint64, interval time.Duration, length int) synthetic.Stream {
	s := synthetic.Noise(seed, interval, length)
	s.From, s.To = length*7/8, length
	for i := s.From; i < s.To; i++ {
		s.Points[i].V = synthetic.Level + (s.Points[i].V-synthetic.Level)/10
	}
	return s
}

// The same batches are explained alike, whatever the number of shards.
func TestExplanationsDependOnTheBatchesAlone(t *testing.T) {
	batches := mixed(3, 600)
	explain := func(shards int) string {
		b := run(t, Options{Shards: shards})
		for _, batch := range batches {
			b.batch(batch)
		}
		b.settle()
		var text strings.Builder
		for _, name := range []string{"load", "ticks_total", "disk", "flag", "rpc"} {
			for i := range 18 {
				ms := []*labels.Matcher{
					labels.MustNewMatcher(labels.MatchEqual, prommodel.MetricNameLabel, name),
					labels.MustNewMatcher(labels.MatchRegexp, "instance", fmt.Sprintf(".*%d", i)),
				}
				for at := start + int64(500)*60_000; at < start+600*60_000; at += 3 * 60_000 {
					es, err := b.Explain(t.Context(), ms, at, 5)
					if err != nil {
						t.Fatal(err)
					}
					for _, e := range es {
						e.Series = nil
						fmt.Fprintf(&text, "%+v\n", e)
					}
				}
			}
		}
		return text.String()
	}
	one := explain(1)
	if noted := strings.Count(one, "Reason:alerting") + strings.Count(one, "Reason:no rule") + strings.Count(one, "Reason:place speaks"); noted < 20 {
		t.Fatalf("%d alerts are explained: too few to tell", noted)
	}
	for _, shards := range []int{2, 5} {
		if explain(shards) != one {
			t.Errorf("%d shards explain otherwise than one", shards)
		}
	}
}

// A diary holds what alerted for as long as it may, and ten minutes of the rest.
func TestLongIncidentsKeepTheirBeginning(t *testing.T) {
	b := run(t, Options{Shards: 1})
	x := series("load")
	values := add(noise(1, 100, 4000), 1000, 4000, 50)
	for i, v := range values { // every second
		b.append(foreshock.Sample{Series: x, T: start + int64(i)*1000, V: v})
	}
	at := start + int64(1000)*1000
	e := b.explained("load", at)
	if e.Reason != foreshock.Unselected || e.T/slot != at/slot {
		t.Errorf("an hour later the onset is explained by %s: %s", e.Reason, e.Because)
	}
	if e := b.explained("load", start+2000*1000); e.Reason != foreshock.Forgotten {
		t.Errorf("what a full diary lost is said to be %s", e.Reason)
	}
	newest := b.explained("load", foreshock.Newest)
	if first := newest.Around[0].T; newest.T-first < around-2*slot || len(newest.Around) > maxNotes {
		t.Errorf("%d notes reach back %s", len(newest.Around), time.Duration(newest.T-first)*time.Millisecond)
	}
}

// At the bound the series that was told of outlasts those that only came near, one that
// is anomalous now is never thrown out, and what is lost is counted and admitted.
func TestDiariesAreBounded(t *testing.T) {
	sh := newShard(0, 1, DefaultConfig(), &rules.Set{}, false)
	sh.diaries.room = 3
	j := newJob(1)
	p := &j.parts[0]
	sh.out = p
	known := func(name string) *state { return sh.lookup(series(name), false) }
	say := func(st *state, minutes int64, score float64, why foreshock.Reason) {
		sh.awake = minutes * minute
		v := verdict{score: score, reason: why}
		if hot := v.notable(); hot || st.diary != nil {
			sh.note(st, start+minutes*minute, &v, hot)
		}
	}
	told, near, later, new1, new2 := known("told"), known("near"), known("later"), known("new1"), known("new2")
	say(told, 0, 2, foreshock.Unselected)
	say(near, 1, 0.6, foreshock.BelowThreshold)
	say(near, 2, 0.1, foreshock.BelowThreshold)
	say(later, 5, 0.6, foreshock.BelowThreshold)
	say(new1, 6, 0.9, foreshock.BelowThreshold)
	if new1.diary != nil || near.diary == nil || p.counts.unexplained[unexplainedFull] != 1 {
		t.Fatalf("with every diary in use one was given: %+v", p.counts.unexplained)
	}
	say(new1, 14, 0.9, foreshock.BelowThreshold)
	if new1.diary == nil || near.diary != nil || told.diary == nil || p.counts.unexplained[unexplainedRoom] != 1 {
		t.Errorf("the one near an anomaly, least lately, did not make room: %+v", p.counts.unexplained)
	}
	if want := start + 6*minute; sh.diaries.forgotten != want {
		t.Errorf("it admits to have forgotten until %d, want %d", sh.diaries.forgotten, want)
	}
	say(new2, 16, 0.9, foreshock.BelowThreshold)
	if later.diary != nil || told.diary == nil || sh.diaries.len() != 3 {
		t.Error("the one that was told of made room first")
	}
	sh.awake = (26 * 60) * minute
	sh.clearShelves()
	if sh.diaries.len() != 0 || told.diary != nil || new2.diary != nil {
		t.Errorf("after a day %d diaries are left", sh.diaries.len())
	}
	say(told, 26*60, 2, foreshock.Unselected)
	sh.evict(told, evictIdle)
	if sh.diaries.len() != 0 {
		t.Error("a series that was forgotten has a diary")
	}
}

// What is not near an anomaly costs a comparison.
func TestCalmSeriesAllocateNothing(t *testing.T) {
	sh := newShard(0, 1, DefaultConfig(), &rules.Set{}, false)
	x := series("load")
	j := newJob(1)
	p := &j.parts[0]
	at, values := start, noise(1, 100, 4096)
	step := func() {
		at += 15_000
		p.samples = append(p.samples, foreshock.Sample{Series: x, T: at, V: values[at/15_000%4096]})
		j.working.Add(1)
		sh.work(task{job: j, part: p})
		j.reset()
	}
	for range 2 * 4096 {
		step()
	}
	if n := testing.AllocsPerRun(1000, step); n > 0 {
		t.Errorf("%v allocations a sample", n)
	}
	runtime.KeepAlive(sh)
}
