package app

import (
	"context"
	"errors"
	"log/slog"
	"math"
	"os"
	"path/filepath"
	"sync/atomic"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/model/value"

	"github.com/foreshock/foreshock"
	"github.com/foreshock/foreshock/config"
	"github.com/foreshock/foreshock/detector"
	"github.com/foreshock/foreshock/remediation"
)

// scene is a real detector and the incidents it makes, at a sample a second unless the test says otherwise.
type scene struct {
	*App
	t    *testing.T
	at   atomic.Int64 // ms
	step time.Duration
	told chan struct{}
}

func newScene(t *testing.T, rules string) *scene {
	dir := t.TempDir()
	for name, text := range map[string]string{"foreshock.yml": "rule_files: [rules.yml]\ndetector: {warm_up: 60}\n", "rules.yml": rules} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	cfg, err := config.Load(filepath.Join(dir, "foreshock.yml"))
	if err != nil {
		t.Fatal(err)
	}
	s := &scene{App: &App{}, t: t, step: time.Second, told: make(chan struct{}, 1)}
	s.at.Store(1_780_000_020_000)
	s.incidents, err = newIncidents(cfg.Incident, cfg.Rules, filepath.Join(dir, "dismissals"), prometheus.NewRegistry(), slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	s.detector = detector.New(detector.Options{Config: cfg.Detector, Rules: cfg.Rules, Observe: func(f foreshock.Findings) {
		s.foresee(&f)
		s.incidents.observe(f)
		s.told <- struct{}{}
	}})
	finished := background(s.detector.Run)
	t.Cleanup(func() {
		s.detector.Close()
		<-finished
		s.incidents.close()
	})
	s.ready.Store(true)
	return s
}

// play lets the series say what each function has for the sample's number, n times; one
// without a function says nothing.
func (s *scene) play(n int, values map[*foreshock.Series]func(i int) float64) {
	s.t.Helper()
	for i := range n {
		at := s.at.Add(s.step.Milliseconds())
		b := &foreshock.Batch{}
		for series, v := range values {
			b.Samples = append(b.Samples, foreshock.Sample{Series: series, T: at, V: v(i)})
		}
		if err := s.detector.Append(s.t.Context(), b); err != nil {
			s.t.Fatal(err)
		}
		<-s.told
	}
}

// looked is what watch shows of the one incident there is.
func (s *scene) looked() []remediation.Sight {
	s.t.Helper()
	all := s.incidents.list()
	if len(all) == 0 {
		s.t.Fatal("no incident")
	}
	seen, err := s.watch(s.t.Context(), all[len(all)-1].ID) // the oldest
	if err != nil {
		s.t.Fatal(err)
	}
	return seen
}

func (s *scene) now() time.Time { return foreshock.Time(s.at.Load()) }

func named(name, instance string) *foreshock.Series {
	return foreshock.NewSeries(labels.FromStrings("__name__", name, "instance", instance))
}

func steady(v float64) func(int) float64 {
	return func(i int) float64 { return v + 0.1*float64(i*7919%11) }
}

// The series that fired are shown as their samples have them: odd, normal since when, and
// heard until when. What falls silent is not shown as normal and heard.
func TestWatchShowsWhatTheSamplesSay(t *testing.T) {
	s := newScene(t, "groups: [{name: g, rules: [{limit: hot, select: temperature, bound: '> 90'}]}]")
	hot, other := named("temperature", "a"), named("humidity", "a")
	longer := foreshock.NewSeries(labels.FromStrings("__name__", "temperature", "instance", "a", "sensor", "2"))
	calm := map[*foreshock.Series]func(int) float64{hot: steady(20), other: steady(50), longer: steady(20)}
	s.play(10, calm)
	s.play(10, map[*foreshock.Series]func(int) float64{hot: steady(95), other: steady(50), longer: steady(20)})
	if seen := s.looked(); len(seen) != 1 || seen[0].Series != hot.String() || !seen[0].Normal.IsZero() || !seen[0].Heard.Equal(s.now()) {
		t.Errorf("while it is hot: %+v", seen)
	}
	began := s.now()
	s.play(10, calm)
	if seen := s.looked(); len(seen) != 1 || !seen[0].Normal.Equal(began.Add(time.Second)) || !seen[0].Heard.Equal(s.now()) || seen[0].Accepted {
		t.Errorf("once it is cool: %+v", seen)
	}

	// It goes, and others stay: what is heard of it ends.
	last := s.now()
	s.play(1, map[*foreshock.Series]func(int) float64{hot: func(int) float64 { return math.Float64frombits(value.StaleNaN) }, other: steady(50), longer: steady(20)})
	s.play(60, map[*foreshock.Series]func(int) float64{other: steady(50), longer: steady(20)})
	if seen := s.looked(); len(seen) != 1 || !seen[0].Heard.Equal(last) {
		t.Errorf("once it is gone, at %s: %+v", s.now(), seen)
	}

	// The incident is over by now, but what comes after it is the same matter.
	s.play(10, map[*foreshock.Series]func(int) float64{hot: steady(95), other: steady(50)})
	if seen := s.looked(); len(seen) != 1 || !seen[0].Normal.IsZero() || !seen[0].Heard.Equal(s.now()) {
		t.Errorf("once it is hot anew: %+v", seen)
	}
}

// Of an outlier the detector's word counts, be it of a series or of a place that speaks
// for its series.
func TestWatchKnowsOutliersAndGroups(t *testing.T) {
	for name, n := range map[string]int{"one series": 1, "a place": 4} {
		t.Run(name, func(t *testing.T) {
			s := newScene(t, "groups: [{name: g, rules: [{watch: slow, select: latency, direction: above}]}]")
			values := func(v float64) map[*foreshock.Series]func(int) float64 {
				all := map[*foreshock.Series]func(int) float64{}
				for i := range n {
					ls := labels.FromStrings("__name__", "latency", "instance", "a", "path", string(rune('a'+i)))
					all[foreshock.NewSeries(ls)] = steady(v)
				}
				return all
			}
			s.play(300, values(20))
			s.play(20, values(90))
			seen := s.looked()
			if len(seen) != 1 || !seen[0].Normal.IsZero() || !seen[0].Heard.Equal(s.now()) {
				t.Fatalf("while it is slow, at %s: %+v", s.now(), seen)
			}
			began := s.now()
			s.play(120, values(20))
			if seen := s.looked(); !seen[0].Normal.After(began) || !seen[0].Heard.Equal(s.now()) || seen[0].Accepted {
				t.Errorf("once it is fast, since %s, at %s: %+v", began, s.now(), seen)
			}
		})
	}
}

// What stays odd for an hour becomes normal to the detector. To a remedy it does not.
func TestWatchTellsWhatIsOnlyUsedTo(t *testing.T) {
	s := newScene(t, "groups: [{name: g, rules: [{watch: slow, select: latency}]}]")
	slow := named("latency", "a")
	s.play(300, map[*foreshock.Series]func(int) float64{slow: steady(20)})
	s.play(20, map[*foreshock.Series]func(int) float64{slow: steady(90)})
	if seen := s.looked(); !seen[0].Normal.IsZero() {
		t.Fatalf("at first: %+v", seen)
	}
	s.play(2*60*60, map[*foreshock.Series]func(int) float64{slow: steady(90)})
	if seen := s.looked(); seen[0].Normal.IsZero() || !seen[0].Accepted {
		t.Errorf("two hours later: %+v", seen)
	}
}

// Silence that fired is over when the series is heard, and goes on as long as the others
// are.
func TestWatchListensToSilence(t *testing.T) {
	s := newScene(t, "groups: [{name: g, rules: [{watch: up, select: heartbeat, absence: 1m}]}]")
	quiet, other := named("heartbeat", "a"), named("humidity", "b")
	both := map[*foreshock.Series]func(int) float64{quiet: steady(1), other: steady(50)}
	s.play(200, both)
	s.play(200, map[*foreshock.Series]func(int) float64{other: steady(50)})
	if seen := s.looked(); len(seen) != 1 || !seen[0].Normal.IsZero() || s.now().Sub(seen[0].Heard) > 10*time.Second {
		t.Errorf("while it is silent, at %s: %+v", s.now(), seen)
	}
	s.play(90, both) // the roll is called once in a while
	if seen := s.looked(); seen[0].Normal.IsZero() || !seen[0].Heard.Equal(s.now()) {
		t.Errorf("once it is heard, at %s: %+v", s.now(), seen)
	}
}

func TestWatchOfWhatIsNotKnown(t *testing.T) {
	s := newScene(t, "groups: [{name: g, rules: [{watch: up, select: heartbeat}]}]")
	if seen, err := s.watch(context.Background(), "0123456789ab"); seen != nil || err != nil {
		t.Errorf("%v, %v", seen, err)
	}
	s.ready.Store(false)
	if _, err := s.watch(context.Background(), "0123456789ab"); !errors.Is(err, remediation.ErrNotYet) {
		t.Errorf("while the log is replayed: %v", err)
	}
}
