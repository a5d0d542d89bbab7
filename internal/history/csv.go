package history

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math"

	"github.com/prometheus/common/model"
	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/promql/parser"

	"github.com/foreshock/foreshock"
	"github.com/foreshock/foreshock/internal/table"
)

// A column of a CSV file whose name is no series is the series value{column="NAME"}.
const (
	columnMetric = "value"
	columnLabel  = "column"
)

// CSV reads a file of timestamps and values. A column is named as a series is in PromQL,
// http_requests_total{job="shop"}. Rows must be in the order of time.
type CSV struct {
	open    func() (io.ReadCloser, error)
	name    string
	size    int64
	read    int64
	skipped int
}

// NewCSV returns a Source of what open opens, named for messages and of that size in
// bytes, 0 where it is not known.
func NewCSV(name string, size int64, open func() (io.ReadCloser, error)) *CSV {
	return &CSV{open: open, name: name, size: size}
}

// Progress implements Source.
func (c *CSV) Progress() float64 { return Span{0, c.size}.share(c.read) }

// Skipped implements Source.
func (c *CSV) Skipped() int { return c.skipped }

// Read implements Source.
func (c *CSV) Read(ctx context.Context, span Span, do Append) error {
	file, err := c.open()
	if err != nil {
		return err
	}
	defer file.Close()
	c.read = 0
	in, err := table.Open(c.name, &counted{file, &c.read})
	if err != nil {
		return err
	}
	series := make([]*foreshock.Series, len(in.Columns))
	c.skipped = 0
	for i, name := range in.Columns {
		if ls := columnLabels(name); foreshock.OwnOutput(ls) {
			c.skipped++
		} else {
			series[i] = foreshock.NewSeries(ls)
		}
	}
	var b foreshock.Batch
	for newest := int64(math.MinInt64); ; {
		r, err := in.Next()
		over := errors.Is(err, io.EOF)
		if err != nil && !over {
			return err
		}
		full := len(b.Samples) > 0 && (over || len(b.Samples) >= batchSamples || r.T >= b.Samples[0].T+batchSpan)
		if full {
			if err := do(ctx, &b); err != nil {
				return err
			}
			b.Samples = b.Samples[:0]
		}
		if over {
			return nil
		}
		if r.T < newest {
			return fmt.Errorf("%s:%d: before the time of an earlier row; sort the file by time", c.name, r.Line)
		}
		newest = r.T
		if r.T < span.From || r.T > span.To {
			continue
		}
		for i, cell := range r.Cells {
			if series[i] != nil && !math.IsNaN(cell.Value) {
				b.Samples = append(b.Samples, foreshock.Sample{Series: series[i], T: r.T, V: cell.Value})
			}
		}
	}
}

// columnLabels are those of a column's series.
func columnLabels(name string) labels.Labels {
	ls, err := parser.NewParser(parser.Options{}).ParseMetric(name)
	if err == nil && ls.Get(model.MetricNameLabel) != "" {
		return ls
	}
	return labels.FromStrings(model.MetricNameLabel, columnMetric, columnLabel, name)
}

// counted notes how much of a file was read.
type counted struct {
	io.Reader
	n *int64
}

// Read implements io.Reader.
func (c *counted) Read(p []byte) (int, error) {
	n, err := c.Reader.Read(p)
	*c.n += int64(n)
	return n, err
}
