package capture

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"slices"
	"time"

	"github.com/foreshock/foreshock"
	"github.com/foreshock/foreshock/internal/history"
	"github.com/foreshock/foreshock/receiver"
)

// Source plays a capture: a history.Source whose batches are the requests, in the order in
// which they came, decoded by the receiver and by the clock of back then.
type Source struct {
	path    string
	config  receiver.Config
	offset  int64
	size    int64
	refused int
}

// NewSource returns a Source of the capture at path, whose requests are judged by c.
func NewSource(path string, c receiver.Config) *Source {
	c.Concurrency = 1
	return &Source{path: path, config: c}
}

// Progress implements history.Source.
func (s *Source) Progress() float64 {
	if s.size == 0 {
		return 0
	}
	return float64(s.offset) / float64(s.size)
}

// Skipped implements history.Source: requests of which the receiver refused something.
func (s *Source) Skipped() int { return s.refused }

// Torn is how many bytes at the end of the file were passed over when it was last read:
// a crash left them.
func (s *Source) Torn() int64 { return s.size - s.offset }

// Read implements history.Source.
func (s *Source) Read(ctx context.Context, span history.Span, do history.Append) error {
	if info, err := os.Stat(s.path); err == nil && !info.Mode().IsRegular() {
		return fmt.Errorf("play %s: not a regular file", s.path) // to open a pipe would be to wait
	}
	file, err := os.Open(s.path)
	if err != nil {
		return err
	}
	defer file.Close()
	if err := s.play(ctx, file, span, do); err != nil {
		return fmt.Errorf("play %s: %w", s.path, err)
	}
	return nil
}

func (s *Source) play(ctx context.Context, file *os.File, span history.Span, do history.Append) error {
	info, err := file.Stat()
	if err != nil {
		return err
	}
	s.size, s.offset, s.refused = info.Size(), 0, 0
	in, err := newFrames(file)
	if err != nil {
		return err
	}
	var received time.Time
	taker := &within{span: span, do: do}
	back := receiver.New(receiver.Options{Config: s.config, Appender: taker, Now: func() time.Time { return received }})
	for {
		r, err := in.next()
		s.offset = in.good
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
		if received, err = time.Parse(time.RFC3339Nano, r.Header.Get(receivedHeader)); err != nil {
			return fmt.Errorf("the request before byte %d: %s: %w", in.good, receivedHeader, err)
		}
		a := answer{header: http.Header{}}
		back.ServeHTTP(&a, r.WithContext(ctx))
		if taker.err != nil {
			return taker.err
		}
		if a.code != http.StatusNoContent {
			s.refused++
		}
	}
}

// within hands on what is within the span, and keeps the error.
type within struct {
	span history.Span
	do   history.Append
	err  error
}

// Append implements receiver.Appender.
func (w *within) Append(ctx context.Context, b *foreshock.Batch) error {
	out := func(t int64) bool { return t < w.span.From || t > w.span.To }
	b.Samples = slices.DeleteFunc(b.Samples, func(s foreshock.Sample) bool { return out(s.T) })
	b.Histograms = slices.DeleteFunc(b.Histograms, func(h foreshock.Histogram) bool { return out(h.T) })
	if b.Len() > 0 || len(b.Metadata) > 0 {
		w.err = w.do(ctx, b)
	}
	return w.err
}

// answer takes what the receiver would have told the sender.
type answer struct {
	header http.Header
	code   int
}

// Header implements http.ResponseWriter.
func (a *answer) Header() http.Header { return a.header }

// WriteHeader implements http.ResponseWriter.
func (a *answer) WriteHeader(code int) { a.code = code }

// Write implements http.ResponseWriter.
func (a *answer) Write(b []byte) (int, error) { return len(b), nil }
