package app

import (
	"context"
	"log/slog"
	"math"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promauto"

	"github.com/foreshock/foreshock"
	"github.com/foreshock/foreshock/receiver"
)

const (
	// leastSilence is the least time without samples that is blindness: Prometheus
	// scrapes every minute by default, and not everything at once.
	leastSilence = time.Minute

	// pauseHalfLife is after how long the longest pause between two requests counts
	// for half, so that one outage does not make the next one usual.
	pauseHalfLife = time.Hour

	// youth is how long a stream that was heard for less than it is silent is given: it
	// may have an interval of minutes, and we have not seen two of them.
	youth = 10 * time.Minute
)

// sight stands between the receiver and the detector and knows whether Foreshock sees
// anything: whether samples are taken in, and whether they move the detector's clock.
// Before the first sample nothing is missed. It may be used from any goroutine.
type sight struct {
	next   receiver.Appender // set before it is used as one
	now    func() time.Time
	logger *slog.Logger

	mu    sync.Mutex
	first time.Time     // request with samples
	last  time.Time     // and the latest
	pause time.Duration // the longest between two of them, of late
	clock int64         // the detector's, ms
	moved time.Time     // when it moved last
	was   bool          // blind, as last told
}

func newSight(now func() time.Time, reg prometheus.Registerer, logger *slog.Logger) *sight {
	s := &sight{now: now, logger: logger}
	f := promauto.With(reg)
	f.NewGaugeFunc(prometheus.GaugeOpts{
		Name: "foreshock_blind",
		Help: "1 while no samples come, or none that move the clock; else 0.",
	}, func() float64 {
		if s.blindness().Blind() {
			return 1
		}
		return 0
	})
	f.NewGaugeFunc(prometheus.GaugeOpts{
		Name: "foreshock_blind_since_timestamp_seconds",
		Help: "When something was seen last, while blind; else 0.",
	}, func() float64 {
		if b := s.blindness(); b.Blind() {
			return float64(b.Since.UnixMilli()) / 1000
		}
		return 0
	})
	return s
}

// Append implements receiver.Appender.
func (s *sight) Append(ctx context.Context, b *foreshock.Batch) error {
	samples := b.Len() // b is the receiver's again when Append returns
	err := s.next.Append(ctx, b)
	if err == nil && samples > 0 {
		s.took()
	}
	return err
}

// took notes that samples were taken in.
func (s *sight) took() {
	s.mu.Lock()
	defer s.mu.Unlock()
	now := s.now()
	if s.last.IsZero() {
		s.first, s.last, s.moved = now, now, now
		return
	}
	// Where there was blindness the pause is not usual, but may become so: it counts up
	// to what would have been none.
	pause, limit := now.Sub(s.last), s.limit()
	if s.silent(now) {
		pause = min(pause, limit)
	}
	faded := float64(s.pause) * math.Exp2(-float64(now.Sub(s.last))/float64(pauseHalfLife))
	s.pause = max(pause, time.Duration(faded))
	s.last = now
}

// reached notes where the detector's clock stands.
func (s *sight) reached(clock int64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if clock != s.clock {
		s.clock, s.moved = clock, s.now()
	}
}

// limit is how long a silence may be. The caller holds mu.
func (s *sight) limit() time.Duration { return max(2*s.pause, leastSilence) }

// silent reports whether it has been too long since samples came. The caller holds mu.
func (s *sight) silent(now time.Time) bool {
	silence := now.Sub(s.last)
	return silence > s.limit() && (silence <= s.last.Sub(s.first) || silence > youth)
}

// blindness is whether anything is seen. Whoever asks first after a change logs it.
func (s *sight) blindness() foreshock.Blindness {
	s.mu.Lock()
	defer s.mu.Unlock()
	var b foreshock.Blindness
	switch now := s.now(); {
	case s.last.IsZero():
		return b
	case s.silent(now):
		b = foreshock.Blindness{Since: s.last, Why: "no samples come"}
	case s.last.Sub(s.moved) > s.limit():
		b = foreshock.Blindness{Since: s.moved, Why: "all samples are late: none moves the clock"}
	}
	if b.Blind() != s.was {
		s.was = b.Blind()
		if s.was {
			s.logger.Warn("blind: nothing is judged and no remedy runs", "why", b.Why, "since", b.Since)
		} else {
			s.logger.Info("seeing again")
		}
	}
	return b
}
