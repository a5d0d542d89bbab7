package window

import (
	"math"
	"math/rand/v2"
	"testing"
)

type sample struct {
	t int64
	v float64
}

func collect(w *Window) []sample {
	var got []sample
	for t, v := range w.All() {
		got = append(got, sample{t, v})
	}
	return got
}

// A window must give back the newest samples bit for bit, all of those that are no
// older than its span, and not many more.
func TestWindowAgainstSlice(t *testing.T) {
	for seed := range uint64(200) {
		r := rand.New(rand.NewPCG(seed, 1))
		keep := 1 + r.Int64N(1_000_000)
		step := 1 + r.Int64N(keep)
		at := r.Int64N(math.MaxInt32) - math.MaxInt32/2
		var w Window
		var want []sample
		for range 1 + r.IntN(1500) {
			at += 1 + r.Int64N(step)
			v := math.Float64frombits(r.Uint64()) // NaN payloads, denormals, infinities
			if r.IntN(2) == 0 {
				v = float64(r.IntN(3))
			}
			w.Append(at, v, keep)
			want = append(want, sample{at, v})
		}
		got := collect(&w)
		if len(got) != w.Len() {
			t.Fatalf("seed %d: Len %d, yielded %d", seed, w.Len(), len(got))
		}
		tail := want[len(want)-len(got):]
		for i := range got {
			if got[i].t != tail[i].t || math.Float64bits(got[i].v) != math.Float64bits(tail[i].v) {
				t.Fatalf("seed %d: sample %d is %v, want %v", seed, i, got[i], tail[i])
			}
		}
		if lost := len(want) - len(got); lost > 0 && at-want[lost-1].t <= keep {
			t.Fatalf("seed %d: lost a sample %d ms old, want %d kept", seed, at-want[lost-1].t, keep)
		}
		// The span, what the oldest chunk holds beyond it, and what came since a chunk
		// began; each chunk spans half of it and the sample that ended it.
		if age := at - got[0].t; age > 2*keep+2*step {
			t.Fatalf("seed %d: holds a sample %d ms old, want at most %d", seed, age, 2*keep+2*step)
		}
	}
}

func TestWindowExtremes(t *testing.T) {
	nan := math.Float64frombits(0x7ff0000000000002) // the staleness marker
	payload := math.Float64frombits(0xfff8dead_beef0001)
	want := []sample{
		{math.MinInt64, math.MaxFloat64},
		{math.MinInt64 + 1, -math.MaxFloat64},
		{-1, nan},
		{0, payload},
		{1, math.Inf(-1)},
		{math.MaxInt64 - 1, math.SmallestNonzeroFloat64},
		{math.MaxInt64, math.Copysign(0, -1)},
	}
	var w Window
	for _, s := range want {
		w.Append(s.t, s.v, math.MaxInt64)
	}
	got := collect(&w)
	// The whole of time is two windows of MaxInt64: the oldest may have left.
	tail := want[len(want)-len(got):]
	if len(got) < 4 {
		t.Fatalf("kept %d samples, want those since -1 at least", len(got))
	}
	for i := range got {
		if got[i].t != tail[i].t || math.Float64bits(got[i].v) != math.Float64bits(tail[i].v) {
			t.Errorf("sample %d is %v, want %v", i, got[i], tail[i])
		}
	}
}

func TestWindowReadsAsFarAsAsked(t *testing.T) {
	var w Window
	for i := range int64(1000) {
		w.Append(i, float64(i), 10_000)
	}
	next := int64(0)
	for at, v := range w.All() {
		if at != next || v != float64(next) {
			t.Fatalf("got %d = %v, want %d", at, v, next)
		}
		if next++; next == 500 {
			break // must not go on
		}
	}
	if next != 500 {
		t.Errorf("stopped before %d, want 500", next)
	}
}

func TestWindowResetGivesMemoryBack(t *testing.T) {
	var w Window
	for i := range int64(1000) {
		w.Append(i, float64(i), 1000)
	}
	if w.Bytes() == 0 {
		t.Fatal("a full window holds 0 bytes")
	}
	w.Reset()
	if n := len(collect(&w)); w.Bytes() != 0 || w.Len() != 0 || n != 0 {
		t.Errorf("after Reset: %d bytes, %d samples, %d yielded", w.Bytes(), w.Len(), n)
	}
	w.Append(-5, 1, 1000) // time may begin anew
	if w.Len() != 1 {
		t.Errorf("Len = %d after the first sample, want 1", w.Len())
	}
}

// Bytes is kept up with every sample; counted over, it must be the same.
func TestWindowBytes(t *testing.T) {
	var w Window
	r := rand.New(rand.NewPCG(3, 3))
	for i := range int64(5000) {
		w.Append(i*1000, r.Float64(), 3_600_000)
		want := 0
		for _, b := range w.older {
			want += cap(b.data)
		}
		want += cap(w.data) + cap(w.older)*blockSize
		if w.Bytes() != want {
			t.Fatalf("after %d samples Bytes = %d, want %d", i+1, w.Bytes(), want)
		}
	}
}

// Most series of a fleet never change: an hour of one must cost next to nothing.
func TestConstantSeriesIsSmall(t *testing.T) {
	for _, c := range []struct {
		name     string
		interval int64
		most     int
	}{
		{"every minute", 60_000, 300},
		{"every 15 s", 15_000, 500},
	} {
		var w Window
		for i := range int64(1000) {
			w.Append(i*c.interval, 42, 3_600_000)
		}
		t.Logf("%s: %d samples in %d bytes", c.name, w.Len(), w.Bytes())
		if w.Bytes() > c.most {
			t.Errorf("%s: %d bytes, want at most %d", c.name, w.Bytes(), c.most)
		}
	}
}

func TestAppendAllocates(t *testing.T) {
	var w Window
	at := int64(0)
	add := func() {
		at += 15_000
		w.Append(at, float64(at%7), 3_600_000)
	}
	for range 2000 {
		add()
	}
	// One appender for a chunk of 120 samples.
	if got := testing.AllocsPerRun(12_000, add); got > 0.02 {
		t.Errorf("%v allocations a sample, want under 0.02", got)
	}
}
