package detector

import (
	"context"
	"math"
	"testing"
	"time"

	prommodel "github.com/prometheus/common/model"
	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/model/value"
	"go.uber.org/goleak"

	"github.com/foreshock/foreshock"
	"github.com/foreshock/foreshock/rules"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// start is some time in 2026, on the minute.
const start = int64(1_780_000_020_000)

// perDay is how many samples a day brings, one a minute.
const perDay = int(24 * time.Hour / time.Minute)

// ungated lets every deviation alert, where the score is what is tested.
var ungated = &rules.Watch{}

var ordinaryGrading = grading{threshold: defaultThreshold, warmUp: 100}

var staleMarker = math.Float64frombits(value.StaleNaN)

func series(nameAndLabels ...string) *foreshock.Series {
	return foreshock.NewSeries(labels.FromStrings(append([]string{prommodel.MetricNameLabel}, nameAndLabels...)...))
}

// bench is a running detector whose findings are kept.
type bench struct {
	*Detector
	t     testing.TB
	found []foreshock.Findings
	done  chan struct{}
}

func run(t testing.TB, o Options) *bench {
	t.Helper()
	if o.Config == (Config{}) {
		o.Config = DefaultConfig()
	}
	b := &bench{t: t, done: make(chan struct{})}
	if o.Observe == nil {
		o.Observe = func(f foreshock.Findings) { b.found = append(b.found, f) }
	}
	b.Detector = New(o)
	go func() {
		defer close(b.done)
		b.Run()
	}()
	t.Cleanup(b.stop)
	return b
}

// stop closes the detector and waits until everything was observed.
func (b *bench) stop() {
	b.Close()
	<-b.done
}

func (b *bench) append(samples ...foreshock.Sample) {
	b.t.Helper()
	b.batch(&foreshock.Batch{Samples: samples})
}

func (b *bench) batch(batch *foreshock.Batch) {
	b.t.Helper()
	if err := b.Append(context.Background(), batch); err != nil {
		b.t.Fatalf("append: %v", err)
	}
}

// view is the one series that has the given name.
func (b *bench) view(name string) View {
	b.t.Helper()
	vs := b.views(name)
	if len(vs) != 1 {
		b.t.Fatalf("%d series are called %s, want 1", len(vs), name)
	}
	return vs[0]
}

func (b *bench) views(name string) []View {
	b.t.Helper()
	b.settle()
	m := labels.MustNewMatcher(labels.MatchEqual, prommodel.MetricNameLabel, name)
	vs, err := b.Select(context.Background(), []*labels.Matcher{m}, 0)
	if err != nil {
		b.t.Fatalf("select: %v", err)
	}
	return vs
}

// settle waits until everything appended was observed.
func (b *bench) settle() {
	b.t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	if err := b.queue.Acquire(ctx, b.capacity); err != nil {
		b.t.Fatal("the detector does not come to rest")
	}
	b.queue.Release(b.capacity)
}

// stepped is what m says of the sample (t, x), which it learns.
func stepped(m *mind, g *grading, w *rules.Watch, t int64, x float64) (v verdict) {
	m.step(g, w, t, x, &v)
	return v
}

// moving is the mind of a series that has a model from its first sample on.
func moving() mind { return mind{model: new(model)} }
