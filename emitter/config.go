package emitter

import (
	"errors"
	"fmt"
	"time"

	"github.com/alecthomas/units"
	"github.com/prometheus/common/config"
	"github.com/prometheus/common/model"
)

// Config says what is emitted and how much of it. Where it goes is said in
// Prometheus's own blocks, remote_write and alerting.
type Config struct {
	// Names of the emitted series: foreshock (foreshock_anomaly_score, …), or
	// vmanomaly (anomaly_score, yhat, yhat_lower, yhat_upper), for which dashboards
	// and rules exist. The score of a place, whose series one rule watches, is
	// foreshock_group_anomaly_score under the labels of the place and of the rule; as
	// vmanomaly would have it, it is the anomaly_score for="foreshock_group".
	Names Names `yaml:"names"`

	// MaxSeries is how many source series may be emitted at once, each as up to
	// eight series, and how many incidents beside them. Beyond it those already
	// emitted go on and new ones are refused and counted.
	MaxSeries int `yaml:"max_series"`

	// QueueCapacity is how many scores, and how many lines for the JSON file, may
	// wait to be emitted. When full, the oldest go and are counted. What waits for
	// a remote write waits on disk, within --storage.outbox-limit; its own queue_config
	// bounds what is on its way there, and all that waits where the disk takes nothing:
	// capacity × max_shards samples.
	QueueCapacity int `yaml:"queue_capacity"`

	// Freshness is how far the samples may lag behind the clock for a new incident
	// to be told to Alertmanager. A backlog that is replayed after an outage is
	// scored, but pages nobody; incidents still firing when it has caught up are
	// told then.
	Freshness model.Duration `yaml:"freshness"`

	// DismissSilenced takes a silence in Alertmanager that begins after an alert was told,
	// and matches it, for somebody's word that it is a false alarm: the incident is over,
	// and what is like it must be stronger to be told. Turn it off where people silence
	// what they work on.
	DismissSilenced bool `yaml:"dismiss_silenced"`

	// JSONLines writes anomalies, incidents and forecasts to a file.
	JSONLines JSONLinesConfig `yaml:"json_lines"`
}

// JSONLinesConfig is the file of one JSON object a line.
type JSONLinesConfig struct {
	// File is appended to; "-" is standard output, "" writes none.
	File string `yaml:"file"`

	// MaxSize is the size at which the file is renamed to FILE.1, replacing the one
	// before, and begun again: together they take at most twice as much. Standard
	// output is never rotated.
	MaxSize units.Base2Bytes `yaml:"max_size"`
}

// Names is a vocabulary for the emitted series.
type Names string

// The vocabularies.
const (
	ForeshockNames Names = "foreshock"
	VMAnomalyNames Names = "vmanomaly"
)

// DefaultConfig emits up to 20 000 source series under Foreshock's own names and
// writes no file.
func DefaultConfig() Config {
	return Config{
		Names:     ForeshockNames,
		MaxSeries: 20_000,
		// 200 000 scores × 64 B ≈ 13 MB, or 100 batches of Prometheus's 2 000.
		QueueCapacity: 200_000,
		Freshness:     model.Duration(10 * time.Minute),

		DismissSilenced: true,
		JSONLines:       JSONLinesConfig{MaxSize: 64 * units.MiB},
	}
}

// Validate reports every mistake, each by the path a user would type.
func (c Config) Validate() error {
	var errs []error
	if c.Names != ForeshockNames && c.Names != VMAnomalyNames {
		errs = append(errs, fmt.Errorf("emitter.names: must be %s or %s, got %q", ForeshockNames, VMAnomalyNames, c.Names))
	}
	if c.MaxSeries < 1 {
		errs = append(errs, fmt.Errorf("emitter.max_series: must be positive, got %d", c.MaxSeries))
	}
	if c.QueueCapacity < 1 {
		errs = append(errs, fmt.Errorf("emitter.queue_capacity: must be positive, got %d", c.QueueCapacity))
	}
	if c.Freshness <= 0 {
		errs = append(errs, fmt.Errorf("emitter.freshness: must be positive, got %s", c.Freshness))
	}
	// One line is bounded by the members an incident keeps; less room than this
	// would rotate at every line.
	if c.JSONLines.MaxSize < units.MiB {
		errs = append(errs, fmt.Errorf("emitter.json_lines.max_size: must be at least 1MiB, got %s", c.JSONLines.MaxSize))
	}
	return errors.Join(errs...)
}

// SetDirectory makes a relative file path relative to dir, where the configuration
// file is.
func (c *Config) SetDirectory(dir string) {
	if c.JSONLines.File != standardOutput {
		c.JSONLines.File = config.JoinDir(dir, c.JSONLines.File)
	}
}
