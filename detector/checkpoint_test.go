package detector

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"maps"
	"math"
	"math/rand/v2"
	"os"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	prommodel "github.com/prometheus/common/model"
	"github.com/prometheus/prometheus/model/labels"

	"github.com/foreshock/foreshock"
	"github.com/foreshock/foreshock/internal/synthetic"
	"github.com/foreshock/foreshock/rules"
)

// inMemory is a checkpoint in memory, part by part.
type inMemory struct {
	mu    sync.Mutex
	parts map[int][][]byte
}

func saved(t testing.TB, d *Detector, meanwhile func()) *inMemory {
	t.Helper()
	k := &inMemory{parts: map[int][][]byte{}}
	err := d.Save(Checkpoint{
		Cut:      func() {},
		Observed: meanwhile,
		Write: func(part int, piece []byte) error {
			k.mu.Lock()
			defer k.mu.Unlock()
			k.parts[part] = append(k.parts[part], piece)
			return nil
		},
	})
	if err != nil {
		t.Fatal(err)
	}
	return k
}

// part opens the part i, whose pieces are copied: reading them changes nothing.
func (k *inMemory) part(i int) (Pieces, error) {
	left, ok := k.parts[i]
	if !ok {
		return nil, os.ErrNotExist
	}
	return func() ([]byte, error) {
		if len(left) == 0 {
			return nil, io.EOF
		}
		piece := left[0]
		left = left[1:]
		return slices.Clone(piece), nil
	}, nil
}

func (k *inMemory) size() (n int) {
	for _, pieces := range k.parts {
		for _, p := range pieces {
			n += len(p)
		}
	}
	return n
}

// again are the batches with series of their own, as a receiver that starts anew has
// them.
func again(batches []*foreshock.Batch) []*foreshock.Batch {
	known := map[*foreshock.Series]*foreshock.Series{}
	fresh := func(x *foreshock.Series) *foreshock.Series {
		if known[x] == nil {
			known[x] = foreshock.NewSeries(x.Labels)
		}
		return known[x]
	}
	var copies []*foreshock.Batch
	for _, b := range batches {
		c := *b
		c.Samples, c.Histograms = slices.Clone(b.Samples), slices.Clone(b.Histograms)
		for i := range c.Samples {
			c.Samples[i].Series = fresh(c.Samples[i].Series)
		}
		for i := range c.Histograms {
			c.Histograms[i].Series = fresh(c.Histograms[i].Series)
		}
		copies = append(copies, &c)
	}
	return copies
}

func mixedRules() *rules.Set {
	return &rules.Set{
		Watches: []*rules.Watch{
			{Name: "load", Select: selecting("load"), Sensitivity: 1, Emit: rules.EmitAll},
			{Name: "ticks", Select: selecting("ticks_total"), Sensitivity: 1.5, Scope: &rules.Scope{Name: "ticks", Budget: rules.Weekly(2)}},
		},
		Forecasts: []*rules.Forecast{{Name: "disk full", Select: selecting("disk"), Horizon: 4 * time.Hour, Limit: 130, Above: true}},
		Limits: []*rules.Limit{
			{Name: "low", Select: selecting("disk"), Bound: 110, Above: true},
			{Name: "high", Select: selecting("disk"), Bound: 120, Above: true},
		},
	}
}

// some are all, or under -short, which is for the race detector, the last of them.
func some[T any](all ...T) []T {
	if testing.Short() {
		return all[len(all)-1:]
	}
	return all
}

// Who restarts Foreshock must get the scores, anomalies, absences and forecasts that he
// would have got without, to the last bit, wherever it was.
func TestScoresGoOnAfterARestart(t *testing.T) {
	const rounds = 900
	cfg := DefaultConfig()
	cfg.IdleAfter = prommodel.Duration(2 * time.Hour)
	cfg.AlertBudget = rules.Weekly(7)
	for _, shards := range some(1, 2) {
		for _, seed := range some[uint64](1, 2) {
			batches := mixed(seed, rounds)
			d := run(t, Options{Config: cfg, Rules: mixedRules(), Shards: shards})
			checkpoints := map[int]*inMemory{}
			for i, b := range batches {
				if slices.Contains([]int{0, 1, 29, 150, 451, 700, 850}, i) {
					checkpoints[i] = saved(t, d.Detector, func() {})
				}
				d.batch(b)
			}
			d.stop()
			for at, k := range checkpoints {
				t.Run(fmt.Sprintf("shards=%d,seed=%d,batch=%d", shards, seed, at), func(t *testing.T) {
					r, lost := restored(t, Options{Config: cfg, Rules: mixedRules(), Shards: shards}, k)
					if err := errors.Join(lost...); err != nil {
						t.Fatal(err)
					}
					for _, b := range again(batches)[at:] {
						r.batch(b)
					}
					r.stop()
					equal(t, r.found, d.found[at:])
				})
			}
		}
	}
}

func cut(s string) string { return s[:min(len(s), 2000)] }

func swapped(t *testing.T, text, was, is string) string {
	t.Helper()
	if !strings.Contains(text, was) {
		t.Fatalf("%s is not in the text", was)
	}
	return strings.Replace(text, was, is, 1)
}

// restored is a detector that goes on where k was saved.
func restored(t testing.TB, o Options, k *inMemory) (b *bench, lost []error) {
	t.Helper()
	b = &bench{t: t, done: make(chan struct{})}
	o.Observe = func(f foreshock.Findings) { b.found = append(b.found, f) }
	b.Detector = New(o)
	_, lost = b.Restore(k.part)
	go func() { defer close(b.done); b.Run() }()
	t.Cleanup(b.stop)
	return b, lost
}

// A checkpoint is of one moment, however many batches come while it is written.
func TestScoringGoesOnWhileACheckpointIsWritten(t *testing.T) {
	const rounds = 700
	o := Options{Config: DefaultConfig(), Rules: mixedRules(), Shards: 2}
	batches := mixed(3, rounds)
	d := run(t, o)
	appended := 0
	checkpoints := map[int]*inMemory{}
	for at := range 6 {
		k := &inMemory{parts: map[int][][]byte{}}
		cut, reached := 0, make(chan struct{})
		observed := -1
		done := make(chan error)
		release := make(chan struct{})
		go func() {
			done <- d.Save(Checkpoint{
				Cut:      func() { cut = appended; close(reached) },
				Observed: func() { observed = len(d.found) },
				Write: func(part int, piece []byte) error {
					<-release // nothing is written before all that follows came
					k.mu.Lock()
					defer k.mu.Unlock()
					k.parts[part] = append(k.parts[part], piece)
					return nil
				},
			})
		}()
		<-reached
		for range 100 {
			d.batch(batches[appended])
			appended++
		}
		d.settle()
		close(release)
		if err := <-done; err != nil {
			t.Fatal(err)
		}
		if cut != 100*at || observed != cut {
			t.Fatalf("cut at %d, observed at %d, want %d", cut, observed, 100*at)
		}
		checkpoints[cut] = k
	}
	for _, b := range batches[appended:] {
		d.batch(b)
	}
	d.stop()
	for at, k := range checkpoints {
		r, lost := restored(t, o, k)
		if err := errors.Join(lost...); err != nil {
			t.Fatal(err)
		}
		for _, b := range again(batches)[at:] {
			r.batch(b)
		}
		r.stop()
		equal(t, r.found, d.found[at:])
	}
}

func equal(t *testing.T, found, wanted []foreshock.Findings) {
	t.Helper()
	if len(found) != len(wanted) {
		t.Fatalf("%d batches were observed, want %d", len(found), len(wanted))
	}
	for i, f := range found {
		var got, want bytes.Buffer
		encode(&got, f)
		encode(&want, wanted[i])
		if !bytes.Equal(got.Bytes(), want.Bytes()) {
			t.Fatalf("batch %d after the restart differs:\n%s\nwant\n%s", i, cut(got.String()), cut(want.String()))
		}
	}
}

// What one part lost, the others keep; and what the rules say counts from the next
// sample on, whatever they were.
func TestWhatIsLeftOfACheckpoint(t *testing.T) {
	o := Options{Config: DefaultConfig(), Rules: mixedRules(), Shards: 2}
	batches := mixed(4, 500)
	d := run(t, o)
	for _, b := range batches[:400] {
		d.batch(b)
	}
	whole := saved(t, d.Detector, func() {})
	all := d.Status().Series
	d.stop()
	for part := range 3 {
		for _, damage := range []string{"missing", "short", "swapped", "foreign"} {
			k := &inMemory{parts: maps.Clone(whole.parts)}
			switch damage {
			case "missing":
				delete(k.parts, part)
			case "short":
				k.parts[part] = k.parts[part][:len(k.parts[part])-1]
			case "swapped":
				k.parts[part] = k.parts[(part+1)%3]
			case "foreign":
				k.parts[part] = [][]byte{[]byte("something else")}
			}
			r, lost := restored(t, o, k)
			for i, err := range lost {
				if (err != nil) != (i == part) {
					t.Errorf("%s part %d: part %d: %v", damage, part, i, err)
				}
			}
			for _, b := range again(batches)[400:] {
				r.batch(b)
			}
			r.stop()
			if part == Fleet && len(r.found) > 0 && r.found[0].Now != d.found[399].Now+60_000 {
				t.Errorf("%s: it is %d, want a minute after %d", damage, r.found[0].Now, d.found[399].Now)
			}
			if got := r.Status().Series; got < all-10 {
				t.Errorf("%s part %d: %d series in the end, want some %d", damage, part, got, all)
			}
		}
	}
	other := o
	other.Rules = &rules.Set{Watches: []*rules.Watch{{Name: "all load", Select: selecting("load"), Sensitivity: 2, Emit: rules.EmitAll}}}
	other.Config.Threshold *= 0.9
	r, lost := restored(t, other, whole)
	if err := errors.Join(lost...); err != nil {
		t.Fatal(err)
	}
	for _, b := range again(batches)[400:] {
		r.batch(b)
	}
	for _, v := range r.views("load") {
		if v.Last.T > d.found[399].Now && v.Rule != "all load" {
			t.Errorf("%s is watched by %q", v.Series, v.Rule)
		}
	}
}

// What a checksum let through is restored or refused, part by part; nothing panics, and
// nothing takes more memory than it should.
func FuzzRestore(f *testing.F) {
	o := Options{Config: DefaultConfig(), Rules: mixedRules(), Shards: 1}
	d := run(f, o)
	for _, b := range mixed(1, 60) {
		d.batch(b)
	}
	whole := saved(f, d.Detector, func() {})
	d.stop()
	for part, pieces := range whole.parts {
		for i := range pieces {
			f.Add(uint8(part), uint8(i), uint32(0), uint8(0), false)
			f.Add(uint8(part), uint8(i), uint32(40), uint8(255), false)
			f.Add(uint8(part), uint8(i), uint32(90), uint8(3), true)
		}
	}
	f.Fuzz(func(t *testing.T, part, piece uint8, at uint32, flip uint8, short bool) {
		k := &inMemory{parts: maps.Clone(whole.parts)}
		pieces := slices.Clone(k.parts[int(part)%len(k.parts)])
		i := int(piece) % len(pieces)
		damaged := slices.Clone(pieces[i])
		damaged[int(at)%len(damaged)] ^= flip
		if short {
			damaged = damaged[:int(at)%len(damaged)]
		}
		pieces[i] = damaged
		k.parts[int(part)%len(k.parts)] = pieces
		New(o).Restore(k.part)
	})
}

// days are streams of every kind that the synthetic suite has, on hosts and as pods of
// a deployment that is rolled out half-way, and a histogram in buckets.
func days(seed uint64, length int) []*foreshock.Batch {
	const interval = 5 * time.Minute
	generators := []synthetic.Generator{
		synthetic.Noise, synthetic.Spike(10), synthetic.Shift(5), synthetic.Flatline, synthetic.Wave, synthetic.MissingWave,
		synthetic.Drift, synthetic.HeavyTail, synthetic.Constant, synthetic.Autoregressive, synthetic.Counts, synthetic.Counter,
		synthetic.Gaps, synthetic.Disk(2),
	}
	batches := make([]*foreshock.Batch, length)
	for i := range batches {
		batches[i] = &foreshock.Batch{}
	}
	at := func(p synthetic.Point) *foreshock.Batch {
		return batches[min(max(int((p.T-synthetic.Start)/interval.Milliseconds()), 0), length-1)]
	}
	for g, generate := range generators {
		for host := range 2 {
			name := fmt.Sprintf("metric_%d", g)
			if g == 11 {
				name += "_total"
			}
			x := series(name, "instance", fmt.Sprintf("host-%d", host), "job", "node")
			for _, p := range generate(seed+uint64(host), interval, length).Points {
				b := at(p)
				b.Samples = append(b.Samples, foreshock.Sample{Series: x, T: p.T, V: p.V})
			}
		}
		if g > 5 {
			continue
		}
		old := series(fmt.Sprintf("pod_metric_%d", g), "namespace", "shop", "pod", "cart-7d4b9c6f5-bcdfg")
		next := series(fmt.Sprintf("pod_metric_%d", g), "namespace", "shop", "pod", "cart-6c8f7d5b9-hjklm")
		for i, p := range generate(seed, interval, length).Points {
			x := old
			if i > length/2 {
				x = next
			}
			b := at(p)
			b.Samples = append(b.Samples, foreshock.Sample{Series: x, T: p.T, V: p.V})
			if i == length/2 {
				b.Samples[len(b.Samples)-1].V = staleMarker
			}
		}
	}
	var counts [4]float64
	r := rand.New(rand.NewPCG(seed, 3))
	for i, b := range batches {
		t := int64(synthetic.Start) + int64(i)*interval.Milliseconds()
		for j, le := range []string{"0.1", "0.5", "1", "+Inf"} {
			counts[j] += float64(1+j) * (10 + math.Floor(3*r.Float64()))
			b.Samples = append(b.Samples, foreshock.Sample{Series: series("latency_seconds_bucket", "instance", "host-0", "le", le), T: t, V: counts[j]})
		}
		b.Samples = append(b.Samples,
			foreshock.Sample{Series: series("latency_seconds_count", "instance", "host-0"), T: t, V: counts[3]},
			foreshock.Sample{Series: series("latency_seconds_sum", "instance", "host-0"), T: t, V: counts[3] / 3})
	}
	return batches
}

// Days of every kind of stream: seasons, forecasts, groups, histograms and what pods
// inherit go on as well.
func TestWhatDaysTaughtGoesOnAfterARestart(t *testing.T) {
	const length = 12 * 24 * 9 // nine days
	everything := rules.Selector{{labels.MustNewMatcher(labels.MatchRegexp, prommodel.MetricNameLabel, ".+")}}
	set := &rules.Set{
		Watches:   []*rules.Watch{{Name: "all", Select: everything, Sensitivity: 1.2, Emit: rules.EmitAll}},
		Forecasts: []*rules.Forecast{{Name: "full", Select: selecting("metric_13"), Horizon: 24 * time.Hour, Limit: 52, Above: true}},
	}
	for _, shards := range some(1, 2) {
		o := Options{Config: DefaultConfig(), Rules: set, Shards: shards}
		batches := days(uint64(shards), length)
		d := run(t, o)
		checkpoints := map[int]*inMemory{}
		for i, b := range batches {
			if slices.Contains([]int{length / 3, length/2 + 2, length * 4 / 5, length - 40}, i) {
				checkpoints[i] = saved(t, d.Detector, func() {})
			}
			d.batch(b)
		}
		d.stop()
		found := map[string]int{}
		for _, f := range d.found {
			found["forecasts"] += len(f.Forecasts)
			for _, a := range f.Anomalies {
				found[fmt.Sprint("anomalies of groups ", a.Group)]++
			}
		}
		if len(found) < 3 || d.Status().Inherited == 0 {
			t.Errorf("found %v, inherited %d: the days teach too little to tell", found, d.Status().Inherited)
		}
		for at, k := range checkpoints {
			r, lost := restored(t, o, k)
			if err := errors.Join(lost...); err != nil {
				t.Fatal(err)
			}
			for _, b := range again(batches)[at:] {
				r.batch(b)
			}
			r.stop()
			t.Logf("shards=%d, restart at %d of %d", shards, at, length)
			equal(t, r.found, d.found[at:])
		}
	}
}
