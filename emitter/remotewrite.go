package emitter

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"math"
	"math/rand/v2"
	"net/http"
	"net/url"
	"reflect"
	"slices"
	"time"

	remoteapi "github.com/prometheus/client_golang/exp/api/remote"
	"github.com/prometheus/common/model"
	"github.com/prometheus/common/version"
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
	name     string
	config   *promconfig.RemoteWriteConfig
	external labels.Labels
	names    Names

	queue  *queue[sample]
	client remote.WriteClient
	answer *answer
	// message falls back to 1.0 and stays there once the receiver turns out not to
	// know 2.0.
	message    remoteapi.WriteMessageType
	metadataAt time.Time
	builder    *labels.Builder
	errors     *logthrottle.Logger
}

// destinationOptions are what every destination needs.
type destinationOptions struct {
	now     func() time.Time
	metrics *metrics
	logger  *slog.Logger
}

func newRemoteWrite(name string, c *promconfig.RemoteWriteConfig, external labels.Labels, names Names, o destinationOptions) (*remoteWrite, error) {
	if err := c.Validate(model.UTF8Validation); err != nil {
		return nil, fmt.Errorf("remote write %s: %w", name, err)
	}
	o.logger = o.logger.With("destination", name)
	w := &remoteWrite{
		destinationOptions: o,
		name:               name,
		config:             c,
		external:           external,
		names:              names,
		// As many as Prometheus would hold: by default 10 000 × 50 × 40 B = 20 MB.
		queue:   newQueue[sample](c.QueueConfig.Capacity*c.QueueConfig.MaxShards, nil),
		message: c.ProtobufMessage,
		builder: labels.NewBuilder(labels.EmptyLabels()),
		errors:  logthrottle.New(logEvery, o.now, o.logger),
	}
	if err := w.connect(); err != nil {
		return nil, fmt.Errorf("remote write %s: %w", name, err)
	}
	m := w.metrics
	m.samples.WithLabelValues(name)
	m.samplesSent.WithLabelValues(name)
	m.samplesFailed.WithLabelValues(name)
	m.samplesRetried.WithLabelValues(name)
	m.samplesPending.WithLabelValues(name)
	m.sentBytes.WithLabelValues(name)
	for _, reason := range []string{droppedFull, droppedRelabeled, droppedOld, droppedShutdown} {
		m.samplesDropped.WithLabelValues(name, reason)
	}
	return w, nil
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

// same reports whether both send the same to the same place in the same way. The
// comparison sees secrets, which the YAML would hide.
func (w *remoteWrite) same(o *remoteWrite) bool {
	return w.name == o.name && w.names == o.names && labels.Equal(w.external, o.external) && reflect.DeepEqual(w.config, o.config)
}

// connect makes the client for the current message.
func (w *remoteWrite) connect() error {
	headers := maps.Clone(w.config.Headers)
	if headers == nil {
		headers = map[string]string{}
	}
	headers["User-Agent"] = "foreshock/" + cmp.Or(version.Version, "devel")
	client, err := remote.NewWriteClient(w.name, &remote.ClientConfig{
		URL:              w.config.URL,
		Timeout:          w.config.RemoteTimeout,
		HTTPClientConfig: w.config.HTTPClientConfig,
		SigV4Config:      w.config.SigV4Config,
		AzureADConfig:    w.config.AzureADConfig,
		GoogleIAMConfig:  w.config.GoogleIAMConfig,
		Headers:          headers,
		RetryOnRateLimit: w.config.QueueConfig.RetryOnRateLimit,
		WriteProtoMsg:    w.message,
		RoundRobinDNS:    w.config.RoundRobinDNS,
	})
	if err != nil {
		return err
	}
	w.client = client
	w.answer = &answer{}
	if c, ok := client.(*remote.Client); ok {
		w.answer.next = c.Client.Transport
		c.Client.Transport = w.answer
		c.Client.CheckRedirect = sameOrigin(c.Client.CheckRedirect)
	}
	return nil
}

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
	size := w.config.QueueConfig.MaxSamplesPerSend
	var deadline <-chan time.Time
	for ctx.Err() == nil {
		waiting, open := w.queue.state()
		if waiting >= size || !open {
			return w.queue.take(size)
		}
		if waiting > 0 && deadline == nil {
			timer := time.NewTimer(time.Duration(w.config.QueueConfig.BatchSendDeadline))
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
	batch := w.prepare(taken)
	if len(batch) == 0 {
		return
	}
	w.describe(ctx)
	body, err := encode(w.message, batch)
	backoff := time.Duration(w.config.QueueConfig.MinBackoff)
	for attempt := 0; err == nil; attempt++ {
		begin := time.Now()
		stats, refusal := w.client.Store(ctx, body, attempt)
		w.metrics.batchSend.WithLabelValues(w.name).Observe(time.Since(begin).Seconds())

		if w.message == remoteapi.WriteV2MessageType && w.knowsOnlyV1(stats, refusal) {
			body, err = w.fallBack(batch)
			attempt = -1 // what follows is no retry of this
			continue
		}
		var recoverable remote.RecoverableError
		if !errors.As(refusal, &recoverable) {
			w.settle(batch, len(body), stats, refusal)
			return
		}
		if !w.pause(ctx, backoff, refusal, len(batch)) {
			w.dropped(droppedShutdown, len(batch))
			return
		}
		w.metrics.samplesRetried.WithLabelValues(w.name).Add(float64(len(batch)))
		backoff = min(2*backoff, time.Duration(w.config.QueueConfig.MaxBackoff))
	}
	w.failed(len(batch), err)
}

// pause waits before the next attempt: as long as the receiver asked, or else for
// the backoff. It reports whether there is still time for one.
func (w *remoteWrite) pause(ctx context.Context, backoff time.Duration, refusal error, samples int) bool {
	if ctx.Err() != nil {
		return false
	}
	d := jitter(backoff)
	if after := w.answer.retryAfter(w.now()); after > 0 {
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

// fallBack changes to remote write 1.0, for good, and encodes the batch anew.
func (w *remoteWrite) fallBack(batch []sample) ([]byte, error) {
	w.errors.Log(slog.LevelWarn, "receiver does not know remote write 2.0, falling back to 1.0", "status", w.answer.status)
	w.message = remoteapi.WriteV1MessageType
	if err := w.connect(); err != nil {
		return nil, err
	}
	return encode(w.message, batch)
}

// knowsOnlyV1 tells from the answer to a 2.0 request whether the receiver speaks it:
// one that does confirms how much it wrote, one that does not says 415 or, knowing
// only protobuf, accepts the request and stores nothing.
func (w *remoteWrite) knowsOnlyV1(stats remote.WriteResponseStats, err error) bool {
	if err != nil {
		return w.answer.status == http.StatusUnsupportedMediaType
	}
	return !stats.Confirmed
}

// prepare drops what is too old, adds the external labels where absent and relabels.
func (w *remoteWrite) prepare(taken []sample) []sample {
	oldest := int64(math.MinInt64)
	if limit := w.config.QueueConfig.SampleAgeLimit; limit > 0 {
		oldest = w.now().Add(-time.Duration(limit)).UnixMilli()
	}
	batch := taken[:0]
	var old, relabeled int
	for _, s := range taken {
		if s.t < oldest {
			old++
			continue
		}
		if !w.external.IsEmpty() || len(w.config.WriteRelabelConfigs) > 0 {
			w.builder.Reset(s.labels)
			w.external.Range(func(l labels.Label) {
				if w.builder.Get(l.Name) == "" {
					w.builder.Set(l.Name, l.Value)
				}
			})
			keep := relabel.ProcessBuilder(w.builder, w.config.WriteRelabelConfigs...)
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
func (w *remoteWrite) describe(ctx context.Context) {
	c := w.config.MetadataConfig
	if !c.Send || w.message == remoteapi.WriteV2MessageType || w.now().Sub(w.metadataAt) < time.Duration(c.SendInterval) {
		return
	}
	w.metadataAt = w.now()
	body, err := encodeMetadata(w.names)
	if err == nil {
		_, err = w.client.Store(ctx, body, 0)
	}
	if err != nil {
		w.errors.Log(slog.LevelWarn, "sending metadata failed", "err", withoutURL(err))
	}
}

// settle counts a batch after the receiver's last word on it. How many samples were
// written is what it says, within reason; 1.0 has no way to say and means all or none.
func (w *remoteWrite) settle(batch []sample, size int, stats remote.WriteResponseStats, refusal error) {
	written := max(0, min(stats.Samples, len(batch)))
	if refusal == nil {
		w.metrics.sentBytes.WithLabelValues(w.name).Add(float64(size))
		if w.message != remoteapi.WriteV2MessageType {
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
