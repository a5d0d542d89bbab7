package history

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"math"
	"os"
	"path/filepath"
	"time"

	"github.com/prometheus/common/promslog"
	"github.com/prometheus/prometheus/storage"
	"github.com/prometheus/prometheus/tsdb"
	"github.com/prometheus/prometheus/tsdb/chunkenc"
)

// TSDB reads what Prometheus has on disk: its data directory, with what it has not made a
// block of yet, or a single block.
type TSDB struct {
	slicer
	selectors Selectors
	querier   storage.Querier
	span      Span
	close     func() error
}

// OpenTSDB opens the directory, without changing it: Prometheus may run. It must be
// closed.
func OpenTSDB(dir string, selectors Selectors) (*TSDB, error) {
	t := &TSDB{slicer: newSlicer(1000), selectors: selectors.orAll()}
	open := t.openAll
	if _, err := os.Stat(filepath.Join(dir, "meta.json")); err == nil {
		open = t.openBlock
	}
	if err := open(dir); err != nil {
		return nil, fmt.Errorf("open the blocks in %s: %w", dir, err)
	}
	return t, nil
}

// openBlock opens a single block.
func (t *TSDB) openBlock(dir string) error {
	b, err := tsdb.OpenBlock(promslog.NewNopLogger(), dir, nil, tsdb.DefaultPostingsDecoderFactory)
	if err != nil {
		return err
	}
	if t.querier, err = tsdb.NewBlockQuerier(b, math.MinInt64, math.MaxInt64); err != nil {
		return errors.Join(err, b.Close())
	}
	t.span = Span{b.MinTime(), b.MaxTime() - 1} // blocks are half-open
	t.close = func() error { return errors.Join(t.querier.Close(), b.Close()) }
	return nil
}

// openAll opens all blocks and the write-ahead log.
func (t *TSDB) openAll(dir string) error {
	written, err := lastWrite(filepath.Join(dir, "wal"))
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	db, err := tsdb.OpenDBReadOnly(dir, "", promslog.NewNopLogger())
	if err != nil {
		return err
	}
	t.close = db.Close
	if err := t.query(db, written); err != nil {
		return errors.Join(err, t.close())
	}
	return nil
}

// query finds out when there are samples, up to a while after the log was last written.
func (t *TSDB) query(db *tsdb.DBReadOnly, written int64) error {
	blocks, err := db.Blocks()
	if err != nil {
		return err
	}
	t.span = Span{math.MaxInt64, math.MinInt64}
	for _, b := range blocks {
		m := b.Meta()
		t.span = Span{min(t.span.From, m.MinTime), max(t.span.To, m.MaxTime-1)}
		if err := b.(io.Closer).Close(); err != nil { // Querier opens them anew
			return err
		}
	}
	through := int64(math.MaxInt64) // and thereby the log
	switch {
	case written > 0:
		t.span.To = max(t.span.To, written+maxAhead)
	case len(blocks) == 0:
		return errors.New("no blocks and no write-ahead log; want Prometheus's data directory, or one block in it")
	default:
		through = t.span.To - 1 // Querier would make a log where there is none
	}
	if t.querier, err = db.Querier(math.MinInt64, through); err != nil {
		return err
	}
	t.close = func() error { return errors.Join(t.querier.Close(), db.Close()) }
	if len(blocks) == 0 {
		t.span.From, err = t.firstSample()
	}
	return err
}

// firstSample is the time of the oldest sample there is, or MaxInt64.
func (t *TSDB) firstSample() (int64, error) {
	first := int64(math.MaxInt64)
	hints := &storage.SelectHints{Start: math.MinInt64, End: math.MaxInt64}
	set := t.querier.Select(context.Background(), false, hints, all...)
	var it chunkenc.Iterator
	for set.Next() {
		if it = set.At().Iterator(it); it.Next() != chunkenc.ValNone {
			first = min(first, it.AtT())
		}
	}
	return first, set.Err()
}

// maxAhead is how far in the future a sample may be that Prometheus takes, in ms.
const maxAhead = int64(10 * time.Minute / time.Millisecond)

// lastWrite is when a file in dir was last written, in ms.
func lastWrite(dir string) (int64, error) {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return 0, err
	}
	newest := int64(0)
	for _, e := range entries {
		info, err := e.Info()
		if err != nil {
			return 0, err
		}
		newest = max(newest, info.ModTime().UnixMilli())
	}
	return newest, nil
}

// Span is the time of the samples there are.
func (t *TSDB) Span() Span { return t.span }

// Close lets go of the files.
func (t *TSDB) Close() error { return t.close() }

// Read implements Source.
func (t *TSDB) Read(ctx context.Context, span Span, do Append) error {
	return t.read(ctx, Span{max(span.From, t.span.From), min(span.To, t.span.To)}, t.fetch, do)
}

func (t *TSDB) fetch(ctx context.Context, span Span, s *slice) error {
	for _, matchers := range t.selectors {
		hints := &storage.SelectHints{Start: span.From, End: span.To}
		if err := s.addAll(t.querier.Select(ctx, true, hints, matchers...)); err != nil {
			return err
		}
	}
	return nil
}
