package app

import (
	"context"
	"errors"
	"log/slog"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"

	"github.com/foreshock/foreshock"
)

// eye is a sight with a clock that the test turns.
type eye struct {
	*sight
	t       *testing.T
	at      time.Time
	sampled int64 // the detector's clock, ms
	refuses error
}

func newEye(t *testing.T) *eye {
	e := &eye{t: t, at: time.Date(2026, 1, 1, 10, 0, 0, 0, time.UTC)}
	e.sight = newSight(func() time.Time { return e.at }, prometheus.NewRegistry(), slog.New(slog.DiscardHandler))
	e.next = e
	return e
}

// Append is the detector's: it moves the clock to the samples' time.
func (e *eye) Append(_ context.Context, b *foreshock.Batch) error {
	if e.refuses != nil {
		return e.refuses
	}
	if b.Len() > 0 {
		e.reached(max(e.sampled, b.Samples[0].T))
		e.sampled = max(e.sampled, b.Samples[0].T)
	}
	return nil
}

// send lets requests come, one every so often, with samples of their time less delay.
func (e *eye) send(n int, every, delay time.Duration) {
	for range n {
		_ = e.sight.Append(e.t.Context(), &foreshock.Batch{Samples: []foreshock.Sample{{T: e.at.Add(-delay).UnixMilli()}}})
		e.at = e.at.Add(every)
	}
	e.at = e.at.Add(-every)
}

func (e *eye) want(after time.Duration, why string) {
	e.t.Helper()
	e.at = e.at.Add(after)
	if got := e.blindness(); got.Why != why {
		e.t.Errorf("at %s: %q, want %q", e.at.Format(time.TimeOnly), got.Why, why)
	}
}

const (
	sees    = ""
	silence = "no samples come"
	stalled = "all samples are late: none moves the clock"
)

func TestBlindWhenNoSamplesCome(t *testing.T) {
	e := newEye(t)
	e.want(24*time.Hour, sees) // nobody ever sent any
	e.send(100, 15*time.Second, 0)
	seen := e.at
	e.want(59*time.Second, sees)
	e.want(2*time.Second, silence)
	if got := e.blindness().Since; !got.Equal(seen) {
		t.Errorf("blind since %s, want %s", got, seen)
	}
	e.at = e.at.Add(20 * time.Minute)
	e.send(10, 15*time.Second, 0)
	e.want(0, sees)
	e.want(3*time.Minute, silence) // the outage taught nothing of what is usual
}

func TestBlindIsRelativeToTheUsualPause(t *testing.T) {
	e := newEye(t)
	e.send(3, time.Second, 0) // a burst
	for range 5 {
		e.want(4*time.Minute, sees)
		e.at = e.at.Add(time.Minute)
		e.send(3, time.Second, 0)
	}
	e.want(9*time.Minute, sees)
	e.want(2*time.Minute, silence)
}

func TestBlindWhenTheClockStandsStill(t *testing.T) {
	e := newEye(t)
	e.send(100, 15*time.Second, 0)
	e.send(100, 15*time.Second, 40*time.Minute) // all from before
	e.want(0, stalled)
	e.send(2, 15*time.Second, 0)
	e.want(0, sees)
}

// What the detector did not take was not seen, and metadata is not a sample.
func TestOnlySamplesTakenAreSeen(t *testing.T) {
	e := newEye(t)
	e.send(100, 15*time.Second, 0)
	e.refuses = errors.New("full")
	e.send(8, 15*time.Second, 0)
	e.want(0, silence)
	e.refuses = nil
	_ = e.sight.Append(t.Context(), &foreshock.Batch{Metadata: []foreshock.Metadata{{Family: "x"}}})
	e.want(0, silence)
}

func TestBlindnessIsAMetric(t *testing.T) {
	e := newEye(t)
	reg := prometheus.NewRegistry()
	e.sight = newSight(func() time.Time { return e.at }, reg, slog.New(slog.DiscardHandler))
	e.next = e
	e.send(100, 15*time.Second, 0)
	for after, want := range map[time.Duration]float64{0: 0, 2 * time.Minute: 1} {
		at := e.at
		e.at = e.at.Add(after)
		families, err := reg.Gather()
		if err != nil {
			t.Fatal(err)
		}
		for _, f := range families {
			got, since := f.GetMetric()[0].GetGauge().GetValue(), want*float64(at.Unix())
			if f.GetName() == "foreshock_blind" && got != want || f.GetName() == "foreshock_blind_since_timestamp_seconds" && got != since {
				t.Errorf("after %s: %s %v", after, f.GetName(), got)
			}
		}
		e.at = at
	}
	if n, err := testutil.GatherAndCount(reg); err != nil || n != 2 {
		t.Errorf("%d metrics, %v", n, err)
	}
}
