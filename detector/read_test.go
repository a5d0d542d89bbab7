package detector

import (
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/prometheus/prometheus/model/labels"

	"github.com/foreshock/foreshock"
)

// What is read is what was sent, by name or by any other label, with the bounds in time
// and without what the detector made itself.
func TestReadIsWhatWasSent(t *testing.T) {
	d := run(t, Options{Shards: 3})
	r := rand.New(rand.NewPCG(1, 1))
	sent := map[string][]foreshock.Sample{}
	for i := range 100 {
		b := &foreshock.Batch{}
		for host := range 20 {
			for _, name := range []string{"load", "latency_seconds_sum", "latency_seconds_count"} {
				x := series(name, "host", fmt.Sprint(host))
				b.Samples = append(b.Samples, foreshock.Sample{Series: x, T: start + int64(i)*15_000, V: float64(i) + r.Float64()})
				sent[x.String()] = append(sent[x.String()], b.Samples[len(b.Samples)-1])
			}
		}
		d.batch(b)
	}
	d.settle()
	from, to := start+10*15_000, start+20*15_000
	for _, c := range []struct {
		matchers []*labels.Matcher
		series   int
	}{
		{[]*labels.Matcher{labels.MustNewMatcher(labels.MatchEqual, "__name__", "load")}, 20},
		{[]*labels.Matcher{labels.MustNewMatcher(labels.MatchEqual, "host", "7")}, 3},
		{[]*labels.Matcher{labels.MustNewMatcher(labels.MatchEqual, "__name__", "load"), labels.MustNewMatcher(labels.MatchRegexp, "host", "1.")}, 10},
		{[]*labels.Matcher{labels.MustNewMatcher(labels.MatchEqual, "__name__", "none")}, 0},
	} {
		got, err := d.Read(t.Context(), c.matchers, from, to, 1e6)
		if err != nil {
			t.Fatal(err)
		}
		if len(got) != c.series {
			t.Errorf("%v: %d series, want %d", c.matchers, len(got), c.series)
		}
		names, err := d.Names(t.Context(), c.matchers, from, to, 1e6)
		if err != nil || len(names) != len(got) {
			t.Errorf("%v: %d names, want %d: %v", c.matchers, len(names), len(got), err)
		}
		for i, e := range got {
			if e.Series != names[i].Series || len(names[i].T) > 0 {
				t.Errorf("%v: the name %s of %s", c.matchers, names[i].Series, e.Series)
			}
			if i > 0 && got[i-1].Series.Fingerprint >= e.Series.Fingerprint {
				t.Errorf("%v: %s before %s", c.matchers, got[i-1].Series, e.Series)
			}
			want := sent[e.Series.String()][10:21]
			if len(e.T) != len(want) {
				t.Fatalf("%s: %d samples, want %d", e.Series, len(e.T), len(want))
			}
			for k, s := range want {
				if e.T[k] != s.T || math.Float64bits(e.V[k]) != math.Float64bits(s.V) {
					t.Errorf("%s: sample %d is %v at %d, want %v at %d", e.Series, k, e.V[k], e.T[k], s.V, s.T)
				}
			}
		}
	}
	each, err := d.ReadEach(t.Context(), []*foreshock.Series{series("load", "host", "3"), series("none"), series("load", "host", "19")}, from, to)
	if err != nil || len(each) != 3 || len(each[1].T) != 0 {
		t.Fatalf("each: %v, %v", each, err)
	}
	for k, name := range map[int]string{0: `load{host="3"}`, 2: `load{host="19"}`} {
		if want := sent[name][10:21]; !slices.EqualFunc(each[k].V, want, func(v float64, s foreshock.Sample) bool { return v == s.V }) || each[k].Series.String() != name {
			t.Errorf("%s: %v of %s, want %v", name, each[k].V, each[k].Series, want)
		}
	}
	for span, want := range map[[2]int64]string{{from, to}: "latency_seconds_count latency_seconds_sum load", {start - 10, start - 1}: "", {0, math.MaxInt64}: "latency_seconds_count latency_seconds_sum load"} {
		metrics, err := d.Metrics(t.Context(), span[0], span[1])
		slices.Sort(metrics)
		if got := strings.Join(slices.Compact(metrics), " "); err != nil || got != want {
			t.Errorf("metrics from %d to %d: %q, want %q: %v", span[0], span[1], got, want, err)
		}
	}
	all := []*labels.Matcher{labels.MustNewMatcher(labels.MatchRegexp, "__name__", ".+")}
	if _, err := d.Read(t.Context(), all, from, to, 1000); !errors.Is(err, ErrTooMuch) {
		t.Errorf("60 series of 11 samples within 1000: %v", err)
	}
}

// Namesakes are found whatever was forgotten meanwhile.
func TestNamesakes(t *testing.T) {
	var r registry
	rnd := rand.New(rand.NewPCG(1, 3))
	known := map[*foreshock.Series]*state{}
	for range 5000 {
		if rnd.IntN(2) == 0 {
			x := series(fmt.Sprint("m", rnd.IntN(5)), "i", fmt.Sprint(rnd.Uint64()))
			known[x] = r.add(x)
			continue
		}
		for x, st := range known {
			r.remove(st)
			delete(known, x)
			break
		}
	}
	n := 0
	for name, all := range r.names {
		for i, slot := range all.slots {
			st := r.at(slot)
			if st.series == nil || st.series.Name() != name || int(st.namesake) != i || known[st.series] != st {
				t.Fatalf("slot %d is not the place %d of %s", slot, i, name)
			}
			n++
		}
	}
	if n != len(known) {
		t.Errorf("names lead to %d series, want %d", n, len(known))
	}
}
