package receiver

import (
	"fmt"
	"math"
	"runtime"
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

// Two series whose bytes meet in one hash never share state.
func TestOneHashIsManySeries(t *testing.T) {
	c := newCache(func([]byte) uint64 { return 42 })
	limits := DefaultConfig()
	c.limit(limits)
	d := &decoder{cache: c, limits: &limits}
	for v, requests := range map[version]func(i int) []byte{
		v1: func(i int) []byte { return oneSampleV1(t, 1, float64(i), "__name__", "up", "i", fmt.Sprint(i)) },
		v2: func(i int) []byte {
			st := writev2.NewSymbolTable()
			return marshalV2(t, &st, writev2.TimeSeries{
				LabelsRefs: symbolize(&st, "__name__", "up", "i", fmt.Sprint(i)), Samples: []writev2.Sample{{Timestamp: 1, Value: float64(i)}},
			})
		},
	} {
		for range 3 {
			for i := range 50 {
				got := ours(d, v, requests(i), math.MaxInt64).Samples
				want := outcome{}
				want.sample(labels.FromStrings("__name__", "up", "i", fmt.Sprint(i)), 1, float64(i))
				if len(got) != 1 || got[0] != want.Samples[0] {
					t.Fatalf("version %s: got %q, want %q", v, got, want.Samples)
				}
			}
		}
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
				d := <-r.settings.Load().decoders
				got := ours(d, v, raw, math.MaxInt64)
				r.settings.Load().decoders <- d
				if fmt.Sprint(got) != want[name] {
					t.Errorf("%s: decodes differently among others", name)
				}
			}
		})
	}
	wg.Wait()
}
