package eval

import (
	"math"
	"math/rand/v2"
	"slices"
	"time"
)

// The forest of Liu, Ting and Zhou, "Isolation Forest" (ICDM 2008), with its
// authors' settings and the contamination that tutorials set.
const (
	isolationTrees  = 100
	isolationSample = 256
	isolationDepth  = 8 // log2 of the sample
	contamination   = 0.05
)

// isolation is an isolation forest over the values, fitted anew to every day and
// asked about the next. Its threshold is what the share contamination of the values
// it was fitted to exceeds, as scikit-learn's predict has it.
type isolation struct {
	window []float64
	n      int
	random *rand.Rand
	roots  []*node // none before the first fit
	limit  float64
}

// node cuts values at cut, or is a leaf: then below is nil and depth the path length.
type node struct {
	cut          float64
	below, above *node
	depth        float64
}

func newIsolation(interval time.Duration) scorer {
	return &isolation{
		window: make([]float64, lasting(day, interval, isolationSample)),
		random: rand.New(rand.NewPCG(1, 2)),
	}
}

func (f *isolation) score(_ int64, x float64) float64 {
	s := 0.0
	if f.roots != nil {
		s = f.raw(x) / f.limit
	}
	f.window[f.n] = x
	if f.n++; f.n == len(f.window) {
		f.fit()
		f.n = 0
	}
	return s
}

func (f *isolation) fit() {
	values := slices.Clone(f.window)
	f.roots = f.roots[:0]
	for range isolationTrees {
		f.random.Shuffle(len(values), func(i, j int) { values[i], values[j] = values[j], values[i] })
		sample := slices.Clone(values[:isolationSample])
		slices.Sort(sample)
		f.roots = append(f.roots, f.grow(sample, 0))
	}
	for i, x := range f.window {
		values[i] = f.raw(x)
	}
	slices.Sort(values)
	f.limit = values[int((1-contamination)*float64(len(values)))]
}

// grow cuts the sorted sample at random until its values are equal or the tree is
// deep enough.
func (f *isolation) grow(sample []float64, depth int) *node {
	lowest, highest := sample[0], sample[len(sample)-1]
	if depth == isolationDepth || lowest == highest {
		return &node{depth: float64(depth) + pathLength(len(sample))}
	}
	cut := lowest + f.random.Float64()*(highest-lowest)
	k, _ := slices.BinarySearch(sample, cut)
	if k == 0 { // the cut fell on the lowest value itself
		k, _ = slices.BinarySearch(sample, math.Nextafter(lowest, highest))
		cut = sample[k]
	}
	return &node{cut: cut, below: f.grow(sample[:k], depth+1), above: f.grow(sample[k:], depth+1)}
}

// raw is 2^(−E(h)/c), h being the path length of x in a tree and c its mean.
func (f *isolation) raw(x float64) float64 {
	sum := 0.0
	for _, n := range f.roots {
		for n.below != nil {
			if x < n.cut {
				n = n.below
			} else {
				n = n.above
			}
		}
		sum += n.depth
	}
	return math.Exp2(-sum / isolationTrees / pathLength(isolationSample))
}

// pathLength is the mean path length in a tree of so many values that are all told
// apart.
func pathLength(values int) float64 {
	switch n := float64(values); values {
	case 1:
		return 0
	case 2:
		return 1
	default:
		const euler = 0.5772156649
		return 2*(math.Log(n-1)+euler) - 2*(n-1)/n
	}
}
