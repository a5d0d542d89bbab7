package window

import (
	"encoding/binary"
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

// verify holds a window to its promise: it has the newest samples bit for bit, all that
// are no older than keep and none older than twice that.
func verify(t *testing.T, w *Window, want []sample, keep int64) {
	t.Helper()
	got := collect(w)
	if len(got) != w.Len() || len(got) > len(want) || len(got) == 0 && len(want) > 0 {
		t.Fatalf("Len %d, yielded %d of %d", w.Len(), len(got), len(want))
	}
	lost := len(want) - len(got)
	for i, x := range want[lost:] {
		if got[i].t != x.t || math.Float64bits(got[i].v) != math.Float64bits(x.v) {
			t.Fatalf("sample %d is %d = %v (%#x), want %d = %v (%#x)", lost+i,
				got[i].t, got[i].v, math.Float64bits(got[i].v), x.t, x.v, math.Float64bits(x.v))
		}
	}
	if len(want) == 0 {
		return
	}
	now := uint64(want[len(want)-1].t)
	if lost > 0 && now-uint64(want[lost-1].t) <= uint64(keep) {
		t.Fatalf("lost a sample %d ms old, want %d kept", now-uint64(want[lost-1].t), keep)
	}
	if age := now - uint64(got[0].t); age > 2*uint64(keep) {
		t.Fatalf("holds a sample %d ms old, want at most %d", age, 2*uint64(keep))
	}
}

func TestWindowAgainstSlice(t *testing.T) {
	for seed := range uint64(300) {
		r := rand.New(rand.NewPCG(seed, 1))
		keep := 1 + r.Int64N(1_000_000)
		step := 1 + r.Int64N(keep)
		at := r.Int64N(math.MaxInt32) - math.MaxInt32/2
		v, per := 0.0, math.Pow10(r.IntN(5))
		var w Window
		var want []sample
		for range 1 + r.IntN(1500) {
			at += 1 + r.Int64N(step)
			switch r.IntN(4) {
			case 0:
				v = math.Float64frombits(r.Uint64()) // NaN payloads, denormals, infinities
			case 1:
				v = float64(r.IntN(3))
			case 2:
				v = math.Round(100*per*r.NormFloat64()) / per
			}
			w.Append(at, v, keep)
			want = append(want, sample{at, v})
		}
		verify(t, &w, want, keep)
	}
}

// FuzzWindow appends whatever samples come, at whatever times that grow.
func FuzzWindow(f *testing.F) {
	const (
		kind  = iota // of the step through time: its two low bits; of the value: the next two
		ahead        // 8 B: the step, or the change of it
		what  = ahead + 8
		size  = what + 8
	)
	add := func(keep int64, at int64, samples ...[3]uint64) {
		var data []byte
		for _, s := range samples {
			data = append(data, byte(s[0]))
			data = binary.LittleEndian.AppendUint64(data, s[1])
			data = binary.LittleEndian.AppendUint64(data, s[2])
		}
		f.Add(keep, at, data)
	}
	const minutes = 60_000
	add(3_600_000, 0, [3]uint64{0, minutes, 0}, [3]uint64{1, 0, 0}, [3]uint64{1, 0, 0}, [3]uint64{0b0010, 3, 0}, [3]uint64{0b0101, 0, 7})
	add(math.MaxInt64, math.MinInt64, [3]uint64{0, 1 << 62, math.MaxUint64}, [3]uint64{0, 1 << 62, 1 << 63}, [3]uint64{0, 1 << 62, 1})
	add(1, -1, [3]uint64{0b1100, 1, 37}, [3]uint64{0b1101, 1, 38}, [3]uint64{0b1001, 1, 1 << 40}, [3]uint64{0b1001, 1, 0})
	f.Fuzz(func(t *testing.T, keep, at int64, data []byte) {
		if keep < 0 {
			return
		}
		var w Window
		var want []sample
		step, v, units := uint64(1), 0.0, int64(0)
		for ; len(data) >= size; data = data[size:] {
			by, x := binary.LittleEndian.Uint64(data[ahead:]), binary.LittleEndian.Uint64(data[what:])
			switch data[kind] & 3 {
			case 0:
				step = by
			case 1: // as before
			case 2:
				step += uint64(int64(int8(by)))
			case 3:
				step = by % (2 * minutes)
			}
			switch data[kind] >> 2 & 3 {
			case 0:
				v = math.Float64frombits(x)
			case 1: // as before
			case 2:
				units += int64(x)
				v = float64(units)
			case 3:
				units += int64(int16(x))
				v = float64(units) / 100
			}
			if step == 0 || step > uint64(math.MaxInt64)-uint64(at) {
				return // time must grow
			}
			at += int64(step)
			w.Append(at, v, keep)
			want = append(want, sample{at, v})
		}
		verify(t, &w, want, keep)
	})
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
	verify(t, &w, want, math.MaxInt64)
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
		{"every minute", 60_000, 104}, // two blocks of 40 B, and 8 B of each and of the next
		{"every 15 s", 15_000, 104},
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

func TestAppendAllocatesNothing(t *testing.T) {
	var w Window
	at := int64(0)
	add := func() {
		at += 15_000
		w.Append(at, float64(at%7), 3_600_000)
	}
	for range 2000 {
		add()
	}
	if got := testing.AllocsPerRun(12_000, add); got != 0 {
		t.Errorf("%v allocations a sample", got)
	}
}
