// Package receiver accepts Prometheus remote write, versions 1.0 and 2.0, and hands
// what it brings to an Appender as batches of samples of interned series.
//
// It promises a sender what the specification promises: 204 when everything was
// taken, 400 with counts and the first reason when something never can be, 415 for
// what it does not speak, 503 (or 429) when trying again may help, and exact counts
// of what was written. It promises its host that no request, whatever it holds,
// takes more memory than Config allows, panics, or writes more than one line of
// log; and that a series already known costs no allocation. It knows a series by two
// keyed hashes of what the sender calls it: see identity for what that risks.
//
// It does not store, order, deduplicate or judge samples: what is late, repeated or
// stale is the Appender's to decide.
package receiver

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math"
	"mime"
	"net/http"
	"runtime"
	"strconv"
	"strings"
	"sync/atomic"
	"time"

	"github.com/golang/snappy"
	"github.com/prometheus/client_golang/prometheus"

	"github.com/foreshock/foreshock"
	"github.com/foreshock/foreshock/internal/gate"
	"github.com/foreshock/foreshock/internal/logthrottle"
)

// Appender takes batches. It takes all of a batch or nothing, answers
// foreshock.ErrOverloaded or foreshock.ErrClosed when it takes nothing, and copies
// what it keeps: b is the receiver's again when Append returns. The series b refers
// to are shared and stay. It remembers metadata it took: what version 2.0 says of a
// series again and again it is told once. It must be safe for concurrent use.
type Appender interface {
	Append(ctx context.Context, b *foreshock.Batch) error
}

// Options are what a Receiver needs. Only Appender has no useful zero value, and
// Config's is DefaultConfig().
type Options struct {
	Config     Config
	Appender   Appender
	Now        func() time.Time      // nil means time.Now
	Registerer prometheus.Registerer // nil means unregistered
	Logger     *slog.Logger          // nil means silence
}

// Receiver is the http.Handler of the remote-write endpoint.
type Receiver struct {
	appender Appender
	now      func() time.Time
	cache    *cache
	metrics  *metrics
	settings atomic.Pointer[settings]
	refusals *logthrottle.Logger
}

// settings are what a reload replaces as a whole. A request keeps those it began
// with, so each finds its decoder and its memory where it took them.
type settings struct {
	Config
	decoders *turns // as many as may work at once
	memory   *room  // of MaxBuffered
}

// New returns a Receiver.
func New(o Options) *Receiver {
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	if o.Config == (Config{}) {
		o.Config = DefaultConfig()
	}
	c := newCache()
	r := &Receiver{
		appender: o.Appender,
		now:      o.Now,
		cache:    c,
		metrics:  newMetrics(o.Registerer, c),
		// A sender that is refused is refused every second.
		refusals: logthrottle.New(time.Minute, o.Now, o.Logger),
	}
	r.SetConfig(o.Config)
	return r
}

// SetConfig replaces the limits, which must be valid. Requests under way finish
// under the old ones.
func (r *Receiver) SetConfig(c Config) {
	if c.Concurrency == 0 {
		c.Concurrency = runtime.GOMAXPROCS(0)
	}
	s := &settings{Config: c, memory: newRoom(c)}
	decoders := make([]*decoder, c.Concurrency)
	for i := range decoders {
		decoders[i] = &decoder{cache: r.cache, limits: &s.Config}
	}
	s.decoders = newTurns(decoders)
	r.cache.limit(c)
	r.settings.Store(s)
}

// requestCost is what a request takes of its sender's turns beside its bytes, so that
// countless small ones count too.
const requestCost = 4 << 10

// maxAhead is how far in the future a sample may be; Prometheus's own bound.
const maxAhead = 10 * time.Minute

// answer is what a request is told.
type answer struct {
	version                        version
	code                           int
	why                            refusal // of the whole request
	text                           string
	samples, histograms, exemplars int // written
}

// ServeHTTP answers one remote-write request.
func (r *Receiver) ServeHTTP(w http.ResponseWriter, req *http.Request) {
	start := time.Now() // and not r.now: how long it takes is no matter of what time it is
	r.metrics.inFlight.Inc()
	defer r.metrics.inFlight.Dec()

	s := r.settings.Load()
	a := r.serve(s, w, req)
	r.write(s, w, &a)

	r.metrics.requests.WithLabelValues(a.version.String(), strconv.Itoa(a.code)).Inc()
	r.metrics.duration.Observe(time.Since(start).Seconds())
	if a.why != accepted {
		r.metrics.refused[oneRequest][a.why].Inc()
	}
	if a.code != http.StatusNoContent {
		r.refusals.Log(slog.LevelWarn, "remote write refused", "version", a.version.String(), "code", a.code, "err", a.text, "remote", req.RemoteAddr)
	}
}

func (r *Receiver) write(s *settings, w http.ResponseWriter, a *answer) {
	h := w.Header()
	if a.version == v2 {
		h.Set("X-Prometheus-Remote-Write-Samples-Written", strconv.Itoa(a.samples))
		h.Set("X-Prometheus-Remote-Write-Histograms-Written", strconv.Itoa(a.histograms))
		h.Set("X-Prometheus-Remote-Write-Exemplars-Written", strconv.Itoa(a.exemplars))
	}
	switch a.code {
	case http.StatusNoContent:
		w.WriteHeader(a.code)
		return
	case http.StatusMethodNotAllowed:
		h.Set("Allow", http.MethodPost)
	case http.StatusServiceUnavailable, http.StatusTooManyRequests:
		h.Set("Retry-After", strconv.Itoa(int(math.Ceil(time.Duration(s.RetryAfter).Seconds()))))
	}
	http.Error(w, a.text, a.code)
}

// serve checks a request in the order in which a sender can act on the answers:
// method, type, encoding, size, compression, content.
func (r *Receiver) serve(s *settings, w http.ResponseWriter, req *http.Request) answer {
	if req.Method != http.MethodPost {
		return refuse(unknownVersion, http.StatusMethodNotAllowed, badMethod, nil)
	}
	v, err := protocol(req.Header.Get("Content-Type"))
	if err != nil {
		return refuse(unknownVersion, http.StatusUnsupportedMediaType, badContentType, err)
	}
	if e := req.Header.Get("Content-Encoding"); e != "" && !strings.EqualFold(e, "snappy") {
		return refuse(v, http.StatusUnsupportedMediaType, badContentEncoding, fmt.Errorf("%.40q is not snappy", e))
	}
	if req.ContentLength > int64(s.MaxBody) {
		drain(req.Body, int64(s.MaxBody))
		return refuse(v, http.StatusBadRequest, bodyTooLarge, fmt.Errorf("more than %s", s.MaxBody))
	}
	from := gate.Sender(req.RemoteAddr)
	b := newBody(from, s.memory)
	defer b.release(s.memory)
	err = b.read(req.Context(), http.MaxBytesReader(w, req.Body, int64(s.MaxBody)), req.ContentLength, int(s.MaxBody), s.memory)
	r.metrics.receivedBytes.Add(float64(len(b.bytes)))
	switch {
	case tooLarge(err):
		drain(req.Body, int64(s.MaxBody))
		// Not 413: vmagent would send it again for ever.
		return refuse(v, http.StatusBadRequest, bodyTooLarge, fmt.Errorf("more than %s", s.MaxBody))
	case errors.Is(err, errNoRoom):
		return refuse(v, s.OverloadStatus, overloaded, err)
	case err != nil:
		return refuse(v, http.StatusBadRequest, badBody, errors.New("connection failed"))
	}
	n, err := decodedLen(b.bytes)
	if err != nil {
		return refuse(v, http.StatusBadRequest, badSnappy, err)
	}
	if n > int(s.MaxDecoded) {
		return refuse(v, http.StatusBadRequest, decodedTooLarge, fmt.Errorf("%d bytes, more than %s", n, s.MaxDecoded))
	}
	if n > keptBytes { // beyond what each decoder keeps
		if err := s.memory.reserve(req.Context(), from, int64(n)); err != nil {
			return refuse(v, s.OverloadStatus, overloaded, err)
		}
		defer s.memory.release(from, int64(n))
	}
	d := s.decoders.take(req.Context(), from, n+requestCost)
	if d == nil {
		return refuse(v, s.OverloadStatus, overloaded, errors.New("no decoder free"))
	}
	defer func() { d.trim(); s.decoders.release(d) }()
	return r.decode(req.Context(), s, d, v, b.bytes, n)
}

// decode decodes a body, hands on what is good, and says what became of the rest.
func (r *Receiver) decode(ctx context.Context, s *settings, d *decoder, v version, body []byte, decodedLen int) answer {
	now := r.now()
	err := d.decode(v, body, decodedLen, now.Add(maxAhead).UnixMilli())
	taken := false
	defer func() {
		if !taken && len(d.batch.Metadata) > 0 {
			r.cache.epoch.Add(1)
		}
	}()
	switch {
	case errors.Is(err, errDecompress):
		return refuse(v, http.StatusBadRequest, badSnappy, err)
	case errors.Is(err, errTooManySeries):
		return refuse(v, http.StatusBadRequest, tooManySeries, fmt.Errorf("more than %d", s.MaxSeries))
	case errors.Is(err, errTooManySamples):
		return refuse(v, http.StatusBadRequest, tooManySamples, fmt.Errorf("more than %d", s.MaxSamples))
	case errors.Is(err, errTooManyObjects):
		return refuse(v, http.StatusBadRequest, tooManyObjects, fmt.Errorf("more than %d", s.MaxObjects))
	case err != nil:
		return refuse(v, http.StatusBadRequest, malformed, err)
	}
	r.metrics.decodedBytes.Add(float64(decodedLen))
	if d.batch.Len() > 0 || len(d.batch.Metadata) > 0 {
		d.batch.Request = foreshock.Request{Version: uint8(v), Received: now.UnixMilli(), Body: body}
		err = r.appender.Append(ctx, &d.batch)
		d.batch.Request = foreshock.Request{}
	}
	taken = err == nil
	r.metrics.count(d, taken)
	switch {
	case errors.Is(err, foreshock.ErrClosed):
		return refuse(v, http.StatusServiceUnavailable, closed, nil)
	case err != nil: // overloaded, or the sender hung up while it waited
		return refuse(v, s.OverloadStatus, overloaded, nil)
	}
	a := answer{version: v, code: http.StatusNoContent, samples: d.tally.samples, histograms: d.tally.histograms, exemplars: d.tally.exemplars}
	if d.tally.partial() {
		a.code, a.text = http.StatusBadRequest, d.tally.message()
	}
	return a
}

func refuse(v version, code int, why refusal, detail error) answer {
	a := answer{version: v, code: code, why: why, text: why.String()}
	if detail != nil {
		a.text += ": " + detail.Error()
	}
	return a
}

// protocol tells the version from a Content-Type; none at all means 1.0.
func protocol(contentType string) (version, error) {
	if contentType == "" {
		return v1, nil
	}
	media, params, err := mime.ParseMediaType(contentType)
	if err != nil {
		return unknownVersion, errors.New("it cannot be parsed")
	}
	if media != "application/x-protobuf" {
		return unknownVersion, fmt.Errorf("%.60q is not application/x-protobuf", media)
	}
	switch proto := params["proto"]; proto {
	case "", "prometheus.WriteRequest":
		return v1, nil
	case "io.prometheus.write.v2.Request":
		return v2, nil
	default:
		return unknownVersion, fmt.Errorf("unknown proto %.60q", proto)
	}
}

// decodedLen is snappy.DecodedLen for those who do not trust the sender: a block
// grows by at most 64 bytes from a copy of three, so that a length beyond is a lie
// and not worth allocating for.
func decodedLen(body []byte) (int, error) {
	n, err := snappy.DecodedLen(body)
	if err == nil && n/22 > len(body) {
		err = snappy.ErrCorrupt
	}
	return n, err
}
