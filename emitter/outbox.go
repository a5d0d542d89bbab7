package emitter

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"path/filepath"
	"slices"
	"sync"

	"github.com/golang/snappy"
	remoteapi "github.com/prometheus/client_golang/exp/api/remote"
	"github.com/prometheus/prometheus/model/labels"
	writev2 "github.com/prometheus/prometheus/prompb/io/prometheus/write/v2"

	"github.com/foreshock/foreshock/internal/disk"
	"github.com/foreshock/foreshock/journal"
)

const (
	// defaultOutboxLimit is how much may wait on disk for one remote write, in bytes: some
	// 20 B a sample, so that 100 000 samples a minute fill it in 33 hours.
	defaultOutboxLimit = 4 << 30

	// spoolSamples bounds how many samples one record of an outbox has.
	spoolSamples = 500
)

// outbox is what waits on disk for one remote write, oldest first.
type outbox struct {
	*journal.Queue
	name string // of its directory

	mu      sync.Mutex
	counted int64 // of Dropped
}

// put appends the samples, at that time in ms.
func (o *outbox) put(samples []sample, at int64) error {
	body, err := encode(remoteapi.WriteV2MessageType, samples)
	if err != nil {
		return err
	}
	return o.Put(body, len(samples), at)
}

// take returns the oldest samples, up to so many, and how many there are of which nobody
// knows any more what they are.
func (o *outbox) take(most int) (samples []sample, unreadable int, err error) {
	for _, r := range o.Take(most) {
		part, e := decode(r.Body)
		if e != nil || len(part) != r.Items {
			unreadable, err = unreadable+r.Items, errors.Join(e, errUnreadable)
			continue
		}
		samples = append(samples, part...)
	}
	return samples, unreadable, err
}

var errUnreadable = errors.New("the outbox has a record that is none of ours")

// lost is how many samples went since it was last asked: for the limit, or by damage.
func (o *outbox) lost() int {
	o.mu.Lock()
	defer o.mu.Unlock()
	all := o.Dropped()
	n := all - o.counted
	o.counted = all
	return int(n)
}

// byHelp are the families of metrics by what tells them apart in an outbox.
var byHelp = func() map[string]family {
	byHelp := map[string]family{}
	for f, help := range familyHelp {
		byHelp[help] = family(f)
	}
	return byHelp
}()

// decode is the inverse of encode for remote write 2.0.
func decode(body []byte) ([]sample, error) {
	raw, err := snappy.Decode(nil, body)
	if err != nil {
		return nil, fmt.Errorf("decode samples: %w", err)
	}
	var req writev2.Request
	if err := req.Unmarshal(raw); err != nil {
		return nil, fmt.Errorf("decode samples: %w", err)
	}
	var samples []sample
	builder := labels.NewScratchBuilder(0)
	for _, s := range req.Timeseries {
		ls, err := s.ToLabels(&builder, req.Symbols)
		if err != nil || int(s.Metadata.HelpRef) >= len(req.Symbols) {
			return nil, errors.Join(err, errUnreadable)
		}
		for _, x := range s.Samples {
			samples = append(samples, sample{ls, x.Timestamp, x.Value, byHelp[req.Symbols[s.Metadata.HelpRef]]})
		}
	}
	return samples, nil
}

// outboxes are those that are open, by their directories' names. A remote write that
// takes another one's place takes its outbox over.
type outboxes struct {
	dir    string // "" has none: what waits, waits in memory
	limit  int64
	fs     disk.FS
	logger *slog.Logger
	open   map[string]*outbox
}

func newOutboxes(o Options) *outboxes {
	b := &outboxes{dir: o.Outbox, limit: o.OutboxLimit, fs: o.FS, logger: o.Logger, open: map[string]*outbox{}}
	if b.limit == 0 {
		b.limit = defaultOutboxLimit
	}
	if b.fs == nil {
		b.fs = disk.OS{}
	}
	return b
}

// of is the outbox of what is written to t, nil where there are none.
func (b *outboxes) of(t target) (*outbox, error) {
	if b.dir == "" {
		return nil, nil
	}
	name := t.outbox()
	if o := b.open[name]; o != nil {
		return o, nil
	}
	q, err := journal.OpenQueue(filepath.Join(b.dir, name), journal.QueueOptions{
		Limit: b.limit, FS: b.fs, Logger: b.logger.With("destination", t.name),
	})
	if err != nil {
		return nil, fmt.Errorf("open the outbox of remote write %s: %w", t.name, err)
	}
	o := &outbox{Queue: q, name: name}
	b.open[name] = o
	return o, nil
}

// outbox is the name of the target's directory: what waits there is for that name, URL and
// headers. They may hold secrets, so that they are not written out.
func (t target) outbox() string {
	h := sha256.New()
	fmt.Fprintf(h, "%q %q", t.name, t.url)
	for _, name := range slices.Sorted(maps.Keys(t.headers)) {
		fmt.Fprintf(h, " %q %q", name, t.headers[name])
	}
	return fmt.Sprintf("%x", h.Sum(nil)[:8])
}

// isOutbox reports whether the name may be one of ours.
func isOutbox(name string) bool {
	b, err := hex.DecodeString(name)
	return err == nil && len(b) == 8
}

// clear removes what waits for remote writes that are no longer configured: nobody would
// ever send it.
func (b *outboxes) clear() error {
	if b.dir == "" {
		return nil
	}
	entries, err := b.fs.ReadDir(b.dir)
	if err != nil {
		return nil // there is none yet
	}
	for _, e := range entries {
		if _, wanted := b.open[e.Name()]; wanted || !e.IsDir() || !isOutbox(e.Name()) {
			continue
		}
		dir := filepath.Join(b.dir, e.Name())
		q, err := journal.OpenQueue(dir, journal.QueueOptions{Limit: b.limit, FS: b.fs, Logger: b.logger})
		if err != nil {
			return fmt.Errorf("clear an outbox that no remote write has: %w", err)
		}
		b.logger.Warn("removed an outbox: the remote write that it was for is no longer configured", "directory", dir, "samples", q.Waiting())
		if err := errors.Join(q.Close(), b.fs.RemoveAll(dir)); err != nil {
			b.logger.Warn("an outbox could not be removed", "err", err)
		}
	}
	return nil
}

// close closes all.
func (b *outboxes) close() {
	for name, o := range b.open {
		if err := o.Close(); err != nil {
			b.logger.Error("an outbox did not end well", "err", err)
		}
		delete(b.open, name)
	}
}
