package capture

import (
	"bytes"
	"context"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"sync"
	"sync/atomic"
	"time"

	"github.com/foreshock/foreshock"
	"github.com/foreshock/foreshock/receiver"
)

// Recorder is the http.Handler of a remote-write endpoint that keeps what it acknowledges.
// It refuses what the receiver refuses, for it is one; what the file cannot take it answers
// with 503, so that the sender keeps it.
type Recorder struct {
	file     *File
	receiver *receiver.Receiver
	now      func() time.Time
	full     chan struct{}
	once     sync.Once
	requests atomic.Int64
	samples  atomic.Int64
	failed   atomic.Pointer[error]
}

// NewRecorder returns a Recorder that writes into f. now is the clock.
func NewRecorder(f *File, now func() time.Time, logger *slog.Logger) *Recorder {
	r := &Recorder{file: f, now: now, full: make(chan struct{})}
	r.receiver = receiver.New(receiver.Options{Appender: r, Now: now, Logger: logger})
	return r
}

// Full is closed once the file had no room for a request.
func (r *Recorder) Full() <-chan struct{} { return r.full }

// Count is how many requests and samples were recorded, histograms among them.
func (r *Recorder) Count() (requests, samples int64) { return r.requests.Load(), r.samples.Load() }

// Err is the last reason but a full file for which a request could not be kept.
func (r *Recorder) Err() error {
	if err := r.failed.Load(); err != nil {
		return *err
	}
	return nil
}

// copyKey is where a request's context keeps the copy of it.
type copyKey struct{}

type copied struct {
	request  *http.Request
	body     bytes.Buffer
	received time.Time
}

// ServeHTTP answers one request. The copy of a body grows as the receiver reads it, within
// the receiver's bounds.
func (r *Recorder) ServeHTTP(w http.ResponseWriter, req *http.Request) {
	c := &copied{request: req, received: r.now()}
	seen := req.WithContext(context.WithValue(req.Context(), copyKey{}, c))
	seen.Body = struct {
		io.Reader
		io.Closer
	}{io.TeeReader(req.Body, &c.body), req.Body}
	r.receiver.ServeHTTP(w, seen)
}

// Append implements receiver.Appender: the body was found good, and what is in the file is
// acknowledged.
func (r *Recorder) Append(ctx context.Context, b *foreshock.Batch) error {
	c := ctx.Value(copyKey{}).(*copied)
	err := r.file.Add(c.request, c.body.Bytes(), c.received)
	switch {
	case errors.Is(err, ErrFull):
		r.once.Do(func() { close(r.full) })
		return foreshock.ErrClosed
	case err != nil:
		r.failed.Store(&err)
		return foreshock.ErrOverloaded
	}
	r.requests.Add(1)
	r.samples.Add(int64(b.Len()))
	return nil
}
