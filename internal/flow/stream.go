package flow

import (
	"context"
	"errors"
	"iter"
	"sync"

	"github.com/foreshock/foreshock"
	"github.com/foreshock/foreshock/detector"
	"github.com/foreshock/foreshock/internal/inquest"
	"github.com/foreshock/foreshock/query"
)

// stream is what goes into the detector: the batches that are sent, and between them what
// the expressions of rules result in. In the live process those are evaluated while
// batches go on; here the stream waits, so that they see the same in every run.
type stream struct {
	detector  *detector.Detector
	evaluator *query.Evaluator
	inquest   *inquest.Inquest

	mu       sync.Mutex
	moved    *sync.Cond
	under    int   // batches under way
	now      int64 // the time after the latest that was observed, ms
	appended int64 // the latest time in what was sent, ms
}

func newStream() *stream {
	s := &stream{}
	s.moved = sync.NewCond(&s.mu)
	return s
}

// send appends the batches and what follows from them.
func (s *stream) send(ctx context.Context, batches iter.Seq2[*foreshock.Batch, error]) error {
	for b, err := range batches {
		if err == nil {
			err = context.Cause(ctx)
		}
		if err == nil {
			err = s.append(ctx, b)
		}
		if err == nil {
			err = s.evaluate(ctx, b)
		}
		if errors.Is(err, foreshock.ErrOverloaded) && ctx.Err() != nil {
			err = context.Cause(ctx) // it waited for room
		}
		if err != nil {
			return err
		}
	}
	return nil
}

func (s *stream) append(ctx context.Context, b *foreshock.Batch) error {
	s.mu.Lock()
	s.under++
	s.mu.Unlock()
	err := s.detector.Append(ctx, b)
	if err != nil {
		s.mu.Lock()
		s.under--
		s.mu.Unlock()
	}
	return err
}

// observed says that a batch has been, and that the stream's time is now.
func (s *stream) observed(now int64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.under--
	s.now = now
	s.moved.Broadcast()
}

// evaluate evaluates what is due once b was. The stream's time is never beyond that of all
// samples, so that most batches need not be waited for.
func (s *stream) evaluate(ctx context.Context, b *foreshock.Batch) error {
	before := s.appended
	for _, x := range b.Samples {
		s.appended = max(s.appended, x.T)
	}
	for i := range b.Histograms {
		s.appended = max(s.appended, b.Histograms[i].T)
	}
	due, asked := s.evaluator.Due(s.appended), inquest.Between(before, s.appended)
	if !due && !asked {
		return nil
	}
	s.mu.Lock()
	for s.under > 0 {
		s.moved.Wait()
	}
	now := s.now
	s.mu.Unlock()
	if asked {
		s.inquest.Ask(ctx)
	}
	if !due {
		return nil
	}
	return s.evaluator.Evaluate(ctx, now)
}
