package emitter

import (
	"context"
	"log/slog"
	"time"
)

const (
	// spoolRetry is how soon a disk is tried again that took nothing.
	spoolRetry = 200 * time.Millisecond
	// spoolWatch is how often the outbox is measured.
	spoolWatch = time.Second
)

// runSpooled is run with an outbox. What is left on disk when ctx ends is there for
// whoever comes next.
func (w *remoteWrite) runSpooled(ctx context.Context) {
	w.metrics.samplesPending.WithLabelValues(w.name).Add(float64(w.outbox.Waiting()))
	spooled := make(chan struct{})
	go func() {
		defer close(spooled)
		w.spool(ctx)
	}()
	for {
		batch, onDisk := w.nextSpooled(ctx, spooled)
		if len(batch) == 0 {
			break
		}
		sent := w.send(ctx, batch)
		switch {
		case !onDisk && !sent:
			w.dropped(droppedShutdown, len(batch))
		case onDisk && sent:
			w.done()
		}
	}
	<-spooled
	w.measure()
	w.metrics.samplesPending.WithLabelValues(w.name).Sub(float64(w.outbox.Waiting()))
}

// nextSpooled waits for a full batch, or for batch_send_deadline since the first sample of
// it was seen, and says whether it is from the disk. It returns none once the spool has
// ended and nothing waits, or ctx ended.
func (w *remoteWrite) nextSpooled(ctx context.Context, spooled <-chan struct{}) (batch []sample, onDisk bool) {
	var deadline <-chan time.Time
	for due := false; ctx.Err() == nil; {
		q := w.wire.Load().config.QueueConfig
		waiting := w.outbox.Waiting()
		_, open := w.queue.state()
		if waiting >= int64(q.MaxSamplesPerSend) || waiting > 0 && (due || !open) {
			batch, unreadable, err := w.outbox.take(q.MaxSamplesPerSend)
			w.account()
			if unreadable > 0 {
				w.failed(unreadable, err)
			}
			if len(batch) > 0 {
				return batch, true
			}
			w.done()
			continue
		}
		if waiting > 0 && deadline == nil {
			timer := time.NewTimer(time.Duration(q.BatchSendDeadline))
			defer timer.Stop()
			deadline = timer.C
		}
		select {
		case <-w.outbox.Changed():
		case batch := <-w.direct:
			return batch, false
		case <-deadline:
			due = true
		case <-spooled:
			if w.outbox.Waiting() == 0 {
				return nil, false
			}
		case <-ctx.Done():
		}
	}
	return nil, false
}

// done says that what was taken from the disk need not be taken again.
func (w *remoteWrite) done() {
	if err := w.outbox.Done(); err != nil {
		w.errors.Log(slog.LevelWarn, "what was sent would be sent again after a restart", "err", err)
	}
}

// spool takes samples from memory to the disk as they come, until the queue is closed and
// empty.
func (w *remoteWrite) spool(ctx context.Context) {
	watch := time.NewTicker(spoolWatch)
	defer watch.Stop()
	for {
		waiting, open := w.queue.state()
		if waiting > 0 {
			most := min(spoolSamples, w.wire.Load().config.QueueConfig.MaxSamplesPerSend)
			w.store(ctx, w.relabeled(w.queue.take(most)))
			continue
		}
		if !open {
			return
		}
		select {
		case <-w.queue.changed:
		case <-watch.C:
			w.measure()
		}
	}
}

// store puts the batch on disk. While that takes nothing it is tried again, and handed on
// past the disk once nothing waits there that would have to go before.
func (w *remoteWrite) store(ctx context.Context, batch []sample) {
	if len(batch) == 0 {
		return
	}
	for {
		err := w.outbox.put(batch, w.now().UnixMilli())
		w.account()
		if err == nil {
			return
		}
		w.metrics.outboxFailures.WithLabelValues(w.name).Inc()
		w.errors.Log(slog.LevelError, "samples cannot wait on disk: they go past it, or wait in memory, and are lost where the process ends", "err", err)
		var direct chan []sample
		if w.outbox.Waiting() == 0 {
			direct = w.direct
		}
		select {
		case direct <- batch:
			w.measure()
			return
		case <-time.After(spoolRetry):
			w.measure()
		case <-ctx.Done():
			w.dropped(droppedShutdown, len(batch))
			return
		}
	}
}

// account counts what the outbox lost.
func (w *remoteWrite) account() {
	if n := w.outbox.lost(); n > 0 {
		w.dropped(droppedOutbox, n)
	}
}

// measure says how large and how old the outbox is.
func (w *remoteWrite) measure() {
	w.account()
	w.metrics.outboxSamples.WithLabelValues(w.name).Set(float64(w.outbox.Waiting()))
	w.metrics.outboxBytes.WithLabelValues(w.name).Set(float64(w.outbox.Size()))
	age := 0.0
	if oldest := w.outbox.Oldest(); oldest > 0 {
		age = max(w.now().Sub(time.UnixMilli(oldest)).Seconds(), 0)
	}
	w.metrics.outboxAge.WithLabelValues(w.name).Set(age)
}
