package emitter

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math"
	"math/rand/v2"
	"net/url"
	"reflect"
	"slices"
	"sync/atomic"
	"time"

	remoteapi "github.com/prometheus/client_golang/exp/api/remote"
	promconfig "github.com/prometheus/prometheus/config"
	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/model/relabel"
	"github.com/prometheus/prometheus/storage/remote"

	"github.com/foreshock/foreshock"
	"github.com/foreshock/foreshock/internal/logthrottle"
)

// remoteWrite sends samples to one remote-write receiver, in order and one request
// at a time, which keeps every series in order. It behaves as Prometheus's sender
// does: what may pass is tried again for ever, what cannot is dropped and counted.
// While it waits, the queue behind it fills, and then the oldest samples go.
type remoteWrite struct {
	destinationOptions
	target
	queue *queue[sample]
	wire  atomic.Pointer[wire] // a reload may change it at any time

	metadataAt time.Time
	builder    *labels.Builder
	errors     *logthrottle.Logger
}

// target is which series are written where: what may not change in a remote write's
// life, or series would be left without an end.
type target struct {
	name     string
	url      string
	headers  map[string]string // may name a tenant
	relabel  []*relabel.Config
	external labels.Labels
	names    Names
}

// newRemoteWrite returns a remote write that must be rewired before it runs.
func newRemoteWrite(name string, c *promconfig.RemoteWriteConfig, external labels.Labels, names Names, o destinationOptions) *remoteWrite {
	o.logger = o.logger.With("destination", name)
	return &remoteWrite{
		destinationOptions: o,
		target:             target{name, c.URL.String(), c.Headers, c.WriteRelabelConfigs, external, names},
		queue:              newQueue[sample](0, nil),
		builder:            labels.NewBuilder(labels.EmptyLabels()),
		errors:             logthrottle.New(logEvery, o.now, o.logger),
	}
}

// remoteWriteName is what logs and metrics call a remote write: its name, or its URL
// without what may be secret in it. taken are the names there are already.
func remoteWriteName(c *promconfig.RemoteWriteConfig, taken map[string]bool) string {
	base := c.Name
	if base == "" {
		base = (&url.URL{Scheme: c.URL.Scheme, Host: c.URL.Host, Path: c.URL.Path}).String()
	}
	name := base
	for n := 2; taken[name]; n++ {
		name = fmt.Sprintf("%s (%d)", base, n)
	}
	taken[name] = true
	return name
}

// continues reports whether w may go on where o was: the same series, the same place.
func (w *remoteWrite) continues(o *remoteWrite) bool { return reflect.DeepEqual(w.target, o.target) }

// rewire changes how the receiver is reached, from the next attempt on. What waits,
// waits on, as far as the new queue_config has room.
func (w *remoteWrite) rewire(next *wire) {
	if w.transport != nil {
		next.answer.next = w.transport
	}
	w.wire.Store(next)
	// As many as Prometheus would hold: by default 10 000 × 50 × 40 B = 20 MB.
	q := next.config.QueueConfig
	w.dropped(droppedFull, w.queue.resize(q.Capacity*q.MaxShards))
}

func (w *remoteWrite) place() string { return w.url }

func (w *remoteWrite) deliver(_ foreshock.Report, samples []sample) {
	if len(samples) == 0 {
		return
	}
	w.metrics.samples.WithLabelValues(w.name).Add(float64(len(samples)))
	w.metrics.samplesPending.WithLabelValues(w.name).Add(float64(len(samples)))
	w.dropped(droppedFull, w.queue.put(samples...))
}

func (w *remoteWrite) close() { w.queue.close() }

func (w *remoteWrite) run(ctx context.Context) {
	for {
		batch := w.next(ctx)
		if len(batch) == 0 {
			break
		}
		w.send(ctx, batch)
	}
	// Nothing is left unless ctx ended first.
	waiting, _ := w.queue.state()
	w.dropped(droppedShutdown, len(w.queue.take(waiting)))
}

// next waits for a full batch, or for batch_send_deadline since the first sample of
// it. It returns none once the queue is closed and empty, or ctx ended.
func (w *remoteWrite) next(ctx context.Context) []sample {
	var deadline <-chan time.Time
	for ctx.Err() == nil {
		q := w.wire.Load().config.QueueConfig
		size := q.MaxSamplesPerSend
		waiting, open := w.queue.state()
		if waiting >= size || !open {
			return w.queue.take(size)
		}
		if waiting > 0 && deadline == nil {
			timer := time.NewTimer(time.Duration(q.BatchSendDeadline))
			defer timer.Stop()
			deadline = timer.C
		}
		select {
		case <-w.queue.changed:
		case <-deadline:
			return w.queue.take(size)
		case <-ctx.Done():
		}
	}
	return nil
}

// send delivers one batch, or drops it and counts why.
func (w *remoteWrite) send(ctx context.Context, taken []sample) {
	wire := w.wire.Load()
	batch := w.prepare(taken, time.Duration(wire.config.QueueConfig.SampleAgeLimit))
	if len(batch) == 0 {
		return
	}
	w.describe(ctx, wire)
	body, err := encode(wire.message, batch)
	backoff := time.Duration(wire.config.QueueConfig.MinBackoff)
	for attempt := 0; err == nil; attempt++ {
		begin := time.Now()
		stats, refusal := wire.client.Store(ctx, body, attempt)
		w.metrics.batchSend.WithLabelValues(w.name).Observe(time.Since(begin).Seconds())

		if wire.meetsOnlyV1(stats, refusal) {
			w.errors.Log(slog.LevelWarn, "receiver does not know remote write 2.0, falling back to 1.0", "status", wire.answer.status)
			if wire, err = w.fallBack(wire); err == nil {
				body, err = encode(wire.message, batch)
			}
			attempt = -1 // what follows is no retry of this
			continue
		}
		var recoverable remote.RecoverableError
		if !errors.As(refusal, &recoverable) {
			w.settle(batch, len(body), wire.message, stats, refusal)
			return
		}
		if !w.pause(ctx, wire.answer, backoff, refusal, len(batch)) {
			w.dropped(droppedShutdown, len(batch))
			return
		}
		w.metrics.samplesRetried.WithLabelValues(w.name).Add(float64(len(batch)))
		backoff = min(2*backoff, time.Duration(wire.config.QueueConfig.MaxBackoff))
		if next := w.wire.Load(); next != wire {
			wire = next
			body, err = encode(wire.message, batch)
		}
	}
	w.failed(len(batch), err)
}

// pause waits before the next attempt: as long as the receiver asked, or else for
// the backoff. It reports whether there is still time for one.
func (w *remoteWrite) pause(ctx context.Context, a *answer, backoff time.Duration, refusal error, samples int) bool {
	if ctx.Err() != nil {
		return false
	}
	d := jitter(backoff)
	if after := a.retryAfter(w.now()); after > 0 {
		d = min(after, maxRetryAfter)
	}
	w.errors.Log(slog.LevelWarn, "sending a batch failed, trying again", "err", withoutURL(refusal), "samples", samples, "pause", d)
	select {
	case <-time.After(d):
		return true
	case <-ctx.Done():
		return false
	}
}

// fallBack changes to remote write 1.0, until a reload, and returns the wire to go on
// with.
func (w *remoteWrite) fallBack(from *wire) (*wire, error) {
	next, err := connect(w.name, from.config, remoteapi.WriteV1MessageType)
	if err != nil {
		return nil, err
	}
	if !w.wire.CompareAndSwap(from, next) {
		next = w.wire.Load() // a reload came first
	}
	return next, nil
}

// prepare drops what is older than the limit, where there is one, adds the external
// labels where absent and relabels.
func (w *remoteWrite) prepare(taken []sample, limit time.Duration) []sample {
	oldest := int64(math.MinInt64)
	if limit > 0 {
		oldest = w.now().Add(-limit).UnixMilli()
	}
	batch := taken[:0]
	var old, relabeled int
	for _, s := range taken {
		if s.t < oldest {
			old++
			continue
		}
		if !w.external.IsEmpty() || len(w.relabel) > 0 {
			w.builder.Reset(s.labels)
			w.external.Range(func(l labels.Label) {
				if w.builder.Get(l.Name) == "" {
					w.builder.Set(l.Name, l.Value)
				}
			})
			keep := relabel.ProcessBuilder(w.builder, w.relabel...)
			s.labels = w.builder.Labels()
			if !keep || s.labels.IsEmpty() {
				relabeled++
				continue
			}
		}
		batch = append(batch, s)
	}
	w.dropped(droppedOld, old)
	w.dropped(droppedRelabeled, relabeled)
	return batch
}

// describe sends the metadata when it is due. It is sent once: the next time will do.
func (w *remoteWrite) describe(ctx context.Context, wire *wire) {
	c := wire.config.MetadataConfig
	if !c.Send || wire.message == remoteapi.WriteV2MessageType || w.now().Sub(w.metadataAt) < time.Duration(c.SendInterval) {
		return
	}
	w.metadataAt = w.now()
	body, err := encodeMetadata(w.names)
	if err == nil {
		_, err = wire.client.Store(ctx, body, 0)
	}
	if err != nil {
		w.errors.Log(slog.LevelWarn, "sending metadata failed", "err", withoutURL(err))
	}
}

// settle counts a batch after the receiver's last word on it. How many samples were
// written is what it says, within reason; 1.0 has no way to say and means all or none.
func (w *remoteWrite) settle(batch []sample, size int, message remoteapi.WriteMessageType, stats remote.WriteResponseStats, refusal error) {
	written := max(0, min(stats.Samples, len(batch)))
	if refusal == nil {
		w.metrics.sentBytes.WithLabelValues(w.name).Add(float64(size))
		if message != remoteapi.WriteV2MessageType {
			written = len(batch)
		}
	}
	if written > 0 {
		highest := slices.MaxFunc(batch, func(a, b sample) int { return cmp.Compare(a.t, b.t) })
		w.metrics.highestSentTime.WithLabelValues(w.name).Set(float64(highest.t) / 1000)
	}
	w.metrics.samplesSent.WithLabelValues(w.name).Add(float64(written))
	w.metrics.samplesPending.WithLabelValues(w.name).Sub(float64(written))
	if lost := len(batch) - written; lost > 0 {
		w.failed(lost, cmp.Or(refusal, errUnwritten))
	}
}

// errUnwritten is the receiver's success that was none.
var errUnwritten = errors.New("accepted, but the written count is lower than what was sent")

func (w *remoteWrite) failed(n int, err error) {
	w.metrics.samplesFailed.WithLabelValues(w.name).Add(float64(n))
	w.metrics.samplesPending.WithLabelValues(w.name).Sub(float64(n))
	w.errors.Log(slog.LevelError, "samples refused", "err", withoutURL(err), "samples", n)
}

func (w *remoteWrite) dropped(reason string, n int) {
	w.metrics.samplesDropped.WithLabelValues(w.name, reason).Add(float64(n))
	w.metrics.samplesPending.WithLabelValues(w.name).Sub(float64(n))
}

// jitter spreads a pause by ±10 %, so that senders that failed together do not come
// back together.
func jitter(d time.Duration) time.Duration {
	return time.Duration(float64(d) * (0.9 + 0.2*rand.Float64()))
}
