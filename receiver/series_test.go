package receiver

import (
	"fmt"
	"math"
	"math/rand/v2"
	"net/netip"
	"runtime"
	"slices"
	"sync"
	"testing"

	"github.com/golang/snappy"
	"github.com/prometheus/prometheus/model/labels"
	writev2 "github.com/prometheus/prometheus/prompb/io/prometheus/write/v2"

	"github.com/foreshock/foreshock"
)

// A label set is one series however it is written: the detector's state hangs on
// the pointer.
func TestOneLabelSetIsOneSeries(t *testing.T) {
	r, k, _ := newReceiver(t, DefaultConfig(), nil)
	st := writev2.NewSymbolTable()
	sample := []writev2.Sample{{Timestamp: 1}}
	inOrder := symbolize(&st, "__name__", "up", "instance", "a:9100", "job", "node")
	other := symbolize(&st, "job", "node", "empty", "", "__name__", "up", "instance", "a:9100")
	v2a := marshalV2(t, &st, writev2.TimeSeries{LabelsRefs: inOrder, Samples: sample})
	v2b := marshalV2(t, &st, writev2.TimeSeries{LabelsRefs: other, Samples: sample})
	v1a := oneSampleV1(t, 1, 1, "__name__", "up", "instance", "a:9100", "job", "node")
	v1b := oneSampleV1(t, 1, 1, "job", "node", "empty", "", "__name__", "up", "instance", "a:9100")
	for range 2 {
		post(r, typeV2, v2b)
		post(r, typeV1, v1b)
		post(r, typeV2, v2a)
		post(r, typeV1, v1a)
		r.cache.mu.Lock()
		r.cache.forget() // a new generation: the series is fetched back
		r.cache.mu.Unlock()
	}
	want := labels.FromStrings("__name__", "up", "instance", "a:9100", "job", "node")
	for _, s := range k.Samples {
		if s.Series != k.Samples[0].Series || !labels.Equal(s.Series.Labels, want) || s.Series.Fingerprint != labels.StableHash(want) {
			t.Fatalf("got another series: %s", s.Series)
		}
	}
	if len(k.Samples) != 8 {
		t.Errorf("%d samples arrived, want 8", len(k.Samples))
	}
}

// Whatever order series come in, each sample goes to its own: a guess is checked.
func TestOrderIsNotTrusted(t *testing.T) {
	d := newDecoder(DefaultConfig())
	rnd := rand.New(rand.NewPCG(1, 2))
	for range 50 {
		order := rnd.Perm(40)[:1+rnd.IntN(40)]
		var want outcome
		var rawV1 []byte
		st := writev2.NewSymbolTable()
		var all []writev2.TimeSeries
		for _, i := range order {
			name := []string{"__name__", "up", "i", fmt.Sprint(i)}
			if i%3 == 0 {
				name = name[:2] // one series in many places
			}
			want.sample(labels.FromStrings(name...), 1, float64(i))
			rawV1 = append(rawV1, oneSampleV1(t, 1, float64(i), name...)...)
			all = append(all, writev2.TimeSeries{LabelsRefs: symbolize(&st, name...), Samples: []writev2.Sample{{Timestamp: 1, Value: float64(i)}}})
		}
		for v, raw := range map[version][]byte{v1: rawV1, v2: marshalV2(t, &st, all...)} {
			if got := ours(d, v, raw, math.MaxInt64).Samples; !slices.Equal(got, want.Samples) {
				t.Fatalf("version %s: got %q, want %q", v, got, want.Samples)
			}
		}
	}
}

// A second hash keeps two keys apart that meet in the first.
func TestOneHashIsTwoSeries(t *testing.T) {
	c := newCache()
	c.limit(DefaultConfig())
	learn := func(check uint64, i string) *known {
		n, _ := c.learn(&c.v2, identity{42, check}, nil, []pair{{[]byte("__name__"), []byte(i)}}, accepted)
		return n
	}
	if a, b := learn(1, "a"), learn(2, "b"); a.series == b.series || c.v2.find(nil, identity{42, 1}) != a || c.v2.find(nil, identity{42, 2}) != b {
		t.Error("two keys are one")
	}
}

// However many series come and go, the cache stays within its bounds; a series that
// keeps coming keeps its identity through all of it.
func TestCacheIsBounded(t *testing.T) {
	for _, f := range []struct {
		name   string
		change func(*Config)
	}{
		{"series", func(c *Config) { c.MaxCachedSeries = 100 }},
		{"bytes", func(c *Config) { c.MaxCachedBytes = 1 << 20 }},
	} {
		c := DefaultConfig()
		f.change(&c)
		r, k, _ := newReceiver(t, c, nil)
		steady := oneSampleV1(t, 1, 1, "__name__", "steady")
		for i := range 5000 {
			post(r, typeV1, oneSampleV1(t, 1, 1, "__name__", "up", "i", fmt.Sprint(i)))
			if i%20 == 0 {
				post(r, typeV1, steady)
			}
			keys, size := r.cache.size()
			if keys > c.MaxCachedSeries || size > int(c.MaxCachedBytes)/2+4096 {
				t.Fatalf("%s: %d keys, %d bytes", f.name, keys, size)
			}
		}
		seen := map[*foreshock.Series]bool{}
		for _, s := range k.Samples {
			if s.Series.Name() == "steady" {
				seen[s.Series] = true
			}
		}
		if len(seen) != 1 {
			t.Errorf("%s: the steady series was %d", f.name, len(seen))
		}
	}
}

// What a series costs stays near what the cache counts for it.
func TestCacheCountsItsMemory(t *testing.T) {
	const series = 30_000
	limits := DefaultConfig()
	d := newDecoder(limits)
	requests := make([][]byte, 100)
	for i := range requests {
		for j := range series / len(requests) {
			requests[i] = append(requests[i], oneSampleV1(t, 1, 1, "__name__", "node_cpu_seconds_total", "cpu", fmt.Sprint(j), "instance", fmt.Sprintf("host%d:9100", i), "job", "node", "mode", "idle")...)
		}
		requests[i] = snappy.Encode(nil, requests[i])
	}
	before := heap()
	for _, body := range requests {
		n, _ := snappy.DecodedLen(body)
		if err := d.decode(v1, body, n, math.MaxInt64); err != nil {
			t.Fatal(err)
		}
	}
	d.batch, d.raw = foreshock.Batch{}, nil
	used := float64(heap() - before)
	_, counted := d.cache.size()
	t.Logf("%.0f B a series, %.0f counted", used/series, float64(counted)/series)
	if r := used / float64(counted); r > 1.25 || r < 0.6 {
		t.Errorf("%.0f bytes used, %d counted", used, counted)
	}
	runtime.KeepAlive(requests)
}

func heap() int64 {
	var m runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&m)
	return int64(m.HeapAlloc)
}

// Requests of both versions at once, with a cache that forgets all the time, come to
// what they come to alone.
func TestConcurrentRequests(t *testing.T) {
	c := DefaultConfig()
	c.MaxCachedSeries, c.Concurrency = 700, 4
	r, _, _ := newReceiver(t, c, nil)
	raws, want := map[version]map[string][]byte{}, map[string]string{}
	for v, oracle := range map[version]func([]byte, int64) outcome{v1: prometheusV1, v2: prometheusV2} {
		raws[v] = captures(t, v)
		for name, raw := range raws[v] {
			want[name] = fmt.Sprint(oracle(raw, math.MaxInt64))
		}
	}
	var wg sync.WaitGroup
	for i := range 4 {
		wg.Go(func() {
			v := v1 + version(i%2)
			for name, raw := range raws[v] {
				d := r.settings.Load().decoders.take(t.Context(), netip.Addr{}, 1)
				got := ours(d, v, raw, math.MaxInt64)
				r.settings.Load().decoders.release(d)
				if fmt.Sprint(got) != want[name] {
					t.Errorf("%s: decodes differently among others", name)
				}
			}
		})
	}
	wg.Wait()
}
