package receiver

import (
	"errors"
	"fmt"
	"net/http"
	"time"

	"github.com/alecthomas/units"
	"github.com/prometheus/common/model"
)

// Config bounds what one sender, one request and one series may cost. No honest
// sender meets a default.
type Config struct {
	// MaxBody is the largest compressed request body; a larger one is answered
	// with 400.
	MaxBody units.Base2Bytes `yaml:"max_body"`
	// MaxDecoded is the largest request body after decompression.
	MaxDecoded units.Base2Bytes `yaml:"max_decoded"`
	// MaxBuffered is how many bytes all requests together may hold in large
	// buffers (above 1 MiB). Who finds no room within a second is told that the
	// receiver is overloaded.
	MaxBuffered units.Base2Bytes `yaml:"max_buffered"`
	// MaxObjects is how many series, samples, histograms, histogram buckets,
	// exemplars, symbols and metadata one request may hold in all.
	MaxObjects int `yaml:"max_objects"`
	// MaxSeries is how many series one request may hold.
	MaxSeries int `yaml:"max_series"`
	// MaxSamples is how many samples and native histograms one request may hold.
	MaxSamples int `yaml:"max_samples"`
	// MaxLabels is how many labels a series may have.
	MaxLabels int `yaml:"max_labels"`
	// MaxLabelName is the longest label name, in bytes.
	MaxLabelName int `yaml:"max_label_name"`
	// MaxLabelValue is the longest label value, in bytes.
	MaxLabelValue int `yaml:"max_label_value"`
	// MaxLabelsSize is how many bytes the names and values of one series' labels
	// may have together.
	MaxLabelsSize units.Base2Bytes `yaml:"max_labels_size"`
	// MaxLearned is how much memory one request may claim for series that were
	// not known before. Known series of the same request are taken all the same.
	MaxLearned units.Base2Bytes `yaml:"max_learned"`
	// MaxCachedSeries is how many series are remembered by what senders call
	// them. Once so many were seen, those not seen lately are forgotten; seen
	// again, they cost a parse.
	MaxCachedSeries int `yaml:"max_cached_series"`
	// MaxCachedBytes is how much memory that may take.
	MaxCachedBytes units.Base2Bytes `yaml:"max_cached_bytes"`
	// Concurrency is how many requests are decoded at once; 0 is one for each CPU.
	// The others wait, for three seconds at most.
	Concurrency int `yaml:"concurrency"`
	// OverloadStatus is what a sender is told when there is no room: 503, and it
	// keeps the samples and comes again, or 429, and Prometheus drops them unless
	// its queue_config has retry_on_http_429. Choose 429 where fresh samples matter
	// more than complete ones.
	OverloadStatus int `yaml:"overload_status"`
	// RetryAfter is how long an overloaded receiver asks senders to stay away.
	RetryAfter model.Duration `yaml:"retry_after"`
}

// DefaultConfig keeps any one request below 64 MiB, and below 256 MiB where rules make
// eight series of each of its own. What is alive at once, where they emit and foresee all:
//
//	while it is decoded    12 MiB of body (18 as it grows), 12 decoded, 16 of new series
//	in the receiver        of 16 MiB of new series a third stays: their labels, and 210 B each
//	in the detector        25 000 series × 2 KiB: state, forecast, window ≈ 50 MiB
//	on the way             30 000 samples × (2 × 24 + 2 × 64 + 2 × 80) B: batch and job, scores
//	                       and forecasts, merged ≈ 10 MiB
//	in the emitter         8 series each of 20 000 × 40 B and their labels, 8 × 5 MiB, ≈ 46 MiB;
//	                       8 × 30 000 samples × 40 B twice, made and queued, ≈ 18 MiB
//
// The first and the last are never alive together, and the collector lets the heap
// grow beyond what is, by half. Measured so (internal/e2e, TestWorstLegalRequests), the
// dearest shapes take 35 to 60 MiB without such rules, and 80 to 175 with them. An honest
// sender is far from it: Prometheus sends 2000 samples, vmagent 10 000 or 8 MiB, an
// OpenTelemetry collector 3 MB. Of a first request whose labels come to more than 5 MiB
// some series are refused, and are learned with the next.
func DefaultConfig() Config {
	return Config{
		MaxBody:         12 * units.MiB,
		MaxDecoded:      12 * units.MiB,
		MaxBuffered:     256 * units.MiB,
		MaxObjects:      500_000,
		MaxSeries:       25_000,
		MaxSamples:      30_000,
		MaxLabels:       64,
		MaxLabelName:    1024,
		MaxLabelValue:   4096,
		MaxLabelsSize:   16 * units.KiB,
		MaxLearned:      16 * units.MiB,
		MaxCachedSeries: 1 << 20,
		MaxCachedBytes:  units.GiB,
		OverloadStatus:  http.StatusServiceUnavailable,
		RetryAfter:      model.Duration(5 * time.Second),
	}
}

// maxSize keeps every size within what a buffer offset of 32 bits can reach.
const maxSize = units.GiB

// Validate reports every mistake at once, by its path in the configuration file.
func (c Config) Validate() error {
	var errs []error
	for _, f := range []struct {
		name     string
		got      units.Base2Bytes
		min, max units.Base2Bytes
	}{
		{"max_body", c.MaxBody, units.KiB, maxSize},
		{"max_decoded", c.MaxDecoded, units.KiB, maxSize},
		{"max_labels_size", c.MaxLabelsSize, 1, maxSize},
		{"max_learned", c.MaxLearned, units.KiB, maxSize},
		{"max_cached_bytes", c.MaxCachedBytes, units.MiB, units.TiB},
	} {
		if f.got < f.min || f.got > f.max {
			errs = append(errs, fmt.Errorf("receiver.%s: must be between %s and %s, got %s", f.name, f.min, f.max, f.got))
		}
	}
	for _, f := range []struct {
		name string
		got  int
	}{
		{"max_objects", c.MaxObjects},
		{"max_series", c.MaxSeries},
		{"max_samples", c.MaxSamples},
		{"max_labels", c.MaxLabels},
		{"max_label_name", c.MaxLabelName},
		{"max_label_value", c.MaxLabelValue},
		{"max_cached_series", c.MaxCachedSeries},
	} {
		if f.got <= 0 {
			errs = append(errs, fmt.Errorf("receiver.%s: must be positive, got %d", f.name, f.got))
		}
	}
	if c.Concurrency < 0 || c.Concurrency > 1024 {
		errs = append(errs, fmt.Errorf("receiver.concurrency: must be between 0 and 1024, got %d", c.Concurrency))
	}
	// One request holds at most twice max_body while its body grows.
	if need := 2*c.MaxBody + c.MaxDecoded; c.MaxBuffered < need {
		errs = append(errs, fmt.Errorf("receiver.max_buffered: must be at least twice max_body and max_decoded, %s, got %s", need, c.MaxBuffered))
	}
	if c.OverloadStatus != http.StatusServiceUnavailable && c.OverloadStatus != http.StatusTooManyRequests {
		errs = append(errs, fmt.Errorf("receiver.overload_status: must be 503 or 429, got %d", c.OverloadStatus))
	}
	if d := time.Duration(c.RetryAfter); d <= 0 || d > time.Hour {
		errs = append(errs, fmt.Errorf("receiver.retry_after: must be above 0s and at most 1h, got %s", c.RetryAfter))
	}
	return errors.Join(errs...)
}
