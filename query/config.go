package query

import (
	"errors"
	"fmt"
	"time"

	"github.com/prometheus/common/model"
)

// Config bounds what questions may cost. All of it can be reloaded.
type Config struct {
	// Timeout is how long one query may take.
	Timeout model.Duration `yaml:"timeout"`

	// MaxSamples is how many samples one query may hold in memory at once, and how many
	// its selectors may read together, a series counting as six.
	MaxSamples int `yaml:"max_samples"`

	// MaxConcurrency is how many requests to the API are answered at once; others wait in
	// turn, up to timeout.
	MaxConcurrency int `yaml:"max_concurrency"`

	// LookbackDelta is how long a sample counts as the value of its series while no newer
	// one comes, as Prometheus's flag of that name.
	LookbackDelta model.Duration `yaml:"lookback_delta"`
}

// DefaultConfig is the configuration of one nobody configured.
func DefaultConfig() Config {
	return Config{
		Timeout:        model.Duration(30 * time.Second),
		MaxSamples:     5_000_000, // × 16 B = 80 MB
		MaxConcurrency: 4,
		LookbackDelta:  model.Duration(5 * time.Minute),
	}
}

// Bounds of the configuration.
const (
	mostSamples     = 1_000_000_000
	mostConcurrency = 1000
)

// Validate returns every mistake in c, each with the path a user would type.
func (c Config) Validate() error {
	var errs []error
	between := func(name string, x, least, most int) {
		if x < least || x > most {
			errs = append(errs, fmt.Errorf("query.%s: must be from %d to %d, got %d", name, least, most, x))
		}
	}
	if c.Timeout <= 0 {
		errs = append(errs, fmt.Errorf("query.timeout: must be positive, got %s", c.Timeout))
	}
	between("max_samples", c.MaxSamples, 1, mostSamples)
	between("max_concurrency", c.MaxConcurrency, 1, mostConcurrency)
	if c.LookbackDelta <= 0 {
		errs = append(errs, fmt.Errorf("query.lookback_delta: must be positive, got %s", c.LookbackDelta))
	}
	return errors.Join(errs...)
}
