package eval

import (
	"math"
	"math/rand/v2"
	"slices"
	"testing"
)

func TestAUCPR(t *testing.T) {
	for _, c := range []struct {
		name   string
		scores []float64
		events []span
		want   float64
	}{
		{"all found first", []float64{0, 0, 9, 8, 0}, []span{{2, 3}}, 1},
		{"found last", []float64{4, 3, 2, 1}, []span{{3, 3}}, 1.0 / 4},
		{"one found first, one third", []float64{4, 3, 2, 1}, []span{{0, 0}, {2, 2}}, (1 + 2.0/3) / 2},
		{"no score tells anything", []float64{1, 1, 1, 1}, []span{{1, 1}}, 1.0 / 4},
		{"a tie counts as a whole", []float64{2, 2, 1, 1}, []span{{0, 0}}, 1.0 / 2},
		{"no event", []float64{1, 2}, nil, math.NaN()},
	} {
		if got := aucPR(c.scores, c.events); math.Abs(got-c.want) > 1e-12 || math.IsNaN(got) != math.IsNaN(c.want) {
			t.Errorf("%s: %f, want %f", c.name, got, c.want)
		}
	}
}

// With 250 rows of different scores each row is a threshold, and what follows can
// be worked out by hand.
func TestVUSPRByHand(t *testing.T) {
	rising := make([]float64, 250) // row 0 scores highest
	for i := range rising {
		rising[i] = float64(len(rising) - i)
	}
	for _, c := range []struct {
		name    string
		events  []span
		longest int
		want    float64
	}{
		{"no buffer, found first", []span{{0, 0}}, 0, 1},
		{"no buffer, found second", []span{{1, 1}}, 0, 1.0 / 2},
		// Threshold 1 has recall 1/2 · 1/2 at precision 1; threshold 3 recall 1 at 2/3.
		{"two events, one found first, one third", []span{{0, 0}, {2, 2}}, 0, 1.0/4 + 3.0/4*2/3},
		// A buffer of 2 makes rows 0 and 2 events to the degree √½. The first threshold
		// calls row 0: recall √½ ÷ (1 + √½/2) = 0.522408 at precision √½; the second
		// row 1 too: recall 1 at (1 + √½)/2. Buffers of 0 and 1 reach nothing.
		{"a buffer of two", []span{{1, 1}}, 2, (0.5 + 0.5 + 0.522408*0.707107 + 0.477592*0.853553) / 3},
	} {
		if got := vusPR(rising, c.events, c.longest); math.Abs(got-c.want) > 1e-5 {
			t.Errorf("%s: %f, want %f", c.name, got, c.want)
		}
	}
	if got := vusPR(rising, nil, 2); !math.IsNaN(got) {
		t.Errorf("no event: %f, want NaN", got)
	}
}

// The same, threshold by threshold and row by row as it is defined.
func TestVUSPRIsAsDefined(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 1))
	for range 20 {
		n := 300 + r.IntN(300)
		scores := make([]float64, n)
		for i := range scores {
			scores[i] = math.Round(20*r.ExpFloat64()) / 20 // with ties
		}
		var events []span
		for at := r.IntN(60); at < n-1; at += 10 + r.IntN(120) {
			e := span{at, min(at+r.IntN(15), n-1)}
			events = append(events, e)
			at = e.last + 1
		}
		got, want := vusPR(scores, events, 30), slowVUSPR(scores, events, 30)
		if math.Abs(got-want) > 1e-9 {
			t.Fatalf("%d rows, events %v: %f, want %f", n, events, got, want)
		}
	}
}

func slowVUSPR(scores []float64, events []span, longest int) float64 {
	sorted := slices.Sorted(slices.Values(scores))
	slices.Reverse(sorted)
	volume := 0.0
	for buffer := 0; buffer <= longest; buffer++ {
		labels := make([]float64, len(scores))
		sharp := 0.0
		for _, e := range events {
			for i := range labels {
				switch {
				case i >= e.first && i <= e.last:
					labels[i]++
					sharp++
				case i > e.last && i-e.last <= buffer/2:
					labels[i] += math.Sqrt(1 - float64(i-e.last)/float64(buffer))
				case i < e.first && e.first-i <= buffer/2:
					labels[i] += math.Sqrt(1 - float64(e.first-i)/float64(buffer))
				}
			}
		}
		// Events whose buffers overlap are one.
		var segments []span
		for _, e := range events {
			reach := span{max(e.first-buffer/2, 0), min(e.last+buffer/2, len(labels)-1)}
			if n := len(segments); n > 0 && segments[n-1].last >= reach.first {
				segments[n-1].last = reach.last
			} else {
				segments = append(segments, reach)
			}
		}
		before := 0.0
		for k := range 250 {
			threshold := sorted[k*(len(sorted)-1)/249]
			hit, called, existing, demanded := 0.0, 0.0, 0.0, 0.0
			for i := range labels {
				degree, event := min(labels[i], 1), slices.ContainsFunc(events, func(e span) bool { return e.first <= i && i <= e.last })
				if event || scores[i] >= threshold {
					demanded += degree
				}
				if scores[i] >= threshold {
					called++
					hit += degree
				}
			}
			for _, s := range segments {
				if slices.Max(scores[s.first:s.last+1]) >= threshold {
					existing++
				}
			}
			recall := min(hit/((sharp+demanded)/2), 1) * existing / float64(len(segments))
			volume += (recall - before) * hit / called
			before = recall
		}
	}
	return volume / float64(longest+1)
}
