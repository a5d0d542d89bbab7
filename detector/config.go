package detector

import (
	"errors"
	"fmt"
	"math"
	"time"

	"github.com/alecthomas/units"
	prommodel "github.com/prometheus/common/model"

	"github.com/foreshock/foreshock/rules"
)

// Config is how the detector learns and how much it may hold. All of it but
// queue_samples can be reloaded; what a reload changes holds from the next batch.
type Config struct {
	// MaxSeries is how many series may be known at once, the three made of each histogram
	// among them. Each shard holds an equal share. At the limit the series that have been
	// idle make room; where none has, samples of new series are refused and counted, and
	// known ones go on as ever.
	MaxSeries int `yaml:"max_series"`

	// JobReserve is what part of max_series, and of memory_limit, is kept for jobs that
	// have less than that themselves, once there are two: a job that floods leaves room
	// for those that come after it.
	JobReserve float64 `yaml:"job_reserve"`

	// MemoryLimit is how much memory may be held for series, such as 4GiB; 0 is any. A
	// series that rests takes some 0.8 KiB, one that moves and is scraped every 15 s 2 to
	// 5 KiB, a season 0.6 KiB more and a forecast 11 KiB: foreshock_detector_memory_bytes
	// divided by foreshock_detector_series says what yours take. The labels, which the
	// receiver keeps, and garbage come on top. Each shard holds an equal share. At the limit
	// new series are treated as at max_series. Known ones go on and may grow beyond it, but
	// are given no season, forecast, constellation or record of an anomaly until there is
	// room; what was withheld is counted.
	MemoryLimit units.Base2Bytes `yaml:"memory_limit"`

	// Window is how far back raw samples are kept for the console and the API,
	// counted from a series' newest sample. Of a series scraped less often than every two
	// minutes a day is kept where this is less, as an hour of it does not say what is usual.
	Window prommodel.Duration `yaml:"window"`

	// Threshold is the raw score, between 0 and 1, at which a series is anomalous
	// when no rule says otherwise; exported scores are divided by it. A rule's
	// sensitivity divides it again. A budget can only raise it.
	Threshold float64 `yaml:"threshold"`

	// AlertBudget is how many alerts the watch rules may raise together, such as 2 per
	// week; a number per hour, day, week or month. Their threshold rises above the one
	// configured until they keep to it. It is a ceiling and no quota: the threshold
	// never falls below, so a quiet fleet stays quiet. Alerts less than five minutes
	// apart count as one. Absences are not counted: no threshold keeps back what is not
	// there. A group or a rule may have a budget of its own instead. Left out, there is
	// none.
	AlertBudget rules.Budget `yaml:"alert_budget"`

	// WarmUp is how many samples of a series are learned before it is scored.
	WarmUp int `yaml:"warm_up"`

	// IdleAfter is how long a series may go unheard, while others are heard, before
	// what was learned of it is forgotten. Until then it teaches the pods that follow
	// where it is a pod's, though the pod has ended.
	IdleAfter prommodel.Duration `yaml:"idle_after"`

	// QueueSamples is how many samples may wait to be scored, 67108864 at most. Beyond
	// it a batch waits in turn, and is refused as a whole after queue_timeout. A reload
	// does not change it: that needs a restart.
	QueueSamples int `yaml:"queue_samples"`

	// QueueTimeout is how long a batch may wait for room in the queue.
	QueueTimeout prommodel.Duration `yaml:"queue_timeout"`
}

// DefaultConfig is the configuration of a detector nobody configured.
func DefaultConfig() Config {
	return Config{
		MaxSeries:    1_000_000, // × 0.8 KiB ≈ 0.8 GiB if all rest; noise every 15 s takes 5 KiB, a season 0.6 KiB more
		JobReserve:   .1,
		Window:       prommodel.Duration(time.Hour),
		Threshold:    defaultThreshold,
		WarmUp:       100,
		IdleAfter:    prommodel.Duration(24 * time.Hour),
		QueueSamples: 262_144, // × 24 B ≈ 6 MiB; 131 full requests of Prometheus
		QueueTimeout: prommodel.Duration(time.Second),
	}
}

// maxQueueSamples keeps the queue to some 2 GiB: 2^26 × 24 B of samples, and a place for
// every batchCost of them in the channels made beforehand, 2^20 × (8 + 16 a shard) B.
const maxQueueSamples = 1 << 26

// leastMemory is the least memory_limit: a few pages of states for each of many shards.
const leastMemory = 16 * units.MiB

// Validate returns every mistake in c, each with the path a user would type.
func (c Config) Validate() error {
	var errs []error
	positive := func(name string, ok bool, got any) {
		if !ok {
			errs = append(errs, fmt.Errorf("detector.%s: must be positive, got %v", name, got))
		}
	}
	positive("max_series", c.MaxSeries > 0, c.MaxSeries)
	if !(c.JobReserve >= 0 && c.JobReserve < 1) {
		errs = append(errs, fmt.Errorf("detector.job_reserve: must be from 0 to below 1, got %v", c.JobReserve))
	}
	if c.MemoryLimit != 0 && c.MemoryLimit < leastMemory {
		errs = append(errs, fmt.Errorf("detector.memory_limit: must be 0 or at least %s, got %s", leastMemory, c.MemoryLimit))
	}
	positive("window", c.Window > 0, c.Window)
	if !(c.Threshold > 0 && c.Threshold < 1) {
		errs = append(errs, fmt.Errorf("detector.threshold: must lie between 0 and 1, got %v", c.Threshold))
	}
	if c.WarmUp < 0 {
		errs = append(errs, fmt.Errorf("detector.warm_up: must not be negative, got %d", c.WarmUp))
	}
	positive("idle_after", c.IdleAfter > 0, c.IdleAfter)
	if c.QueueSamples <= 0 || c.QueueSamples > maxQueueSamples {
		errs = append(errs, fmt.Errorf("detector.queue_samples: must be from 1 to %d, got %d", maxQueueSamples, c.QueueSamples))
	}
	positive("queue_timeout", c.QueueTimeout > 0, c.QueueTimeout)
	if c.MaxSeries > math.MaxInt32 {
		errs = append(errs, fmt.Errorf("detector.max_series: must not exceed %d, got %d", math.MaxInt32, c.MaxSeries))
	}
	return errors.Join(errs...)
}
