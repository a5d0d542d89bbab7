package warmstart

import (
	"errors"
	"fmt"
	"log/slog"
	"time"

	promconfig "github.com/prometheus/common/config"
	"github.com/prometheus/common/model"
	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/promql/parser"

	"github.com/foreshock/foreshock/internal/history"
	"github.com/foreshock/foreshock/rules"
)

// Config says where to learn from before anything is scored. A reload changes nothing of
// it: that needs a restart.
type Config struct {
	// URL is a Prometheus whose samples are read and learned before the first live ones:
	// http://prometheus:9090. They are read by remote read or, from a server that does not
	// offer it, by query_range at the scrape interval, which is less exact. Until then senders are answered with 503 and
	// keep what they have. Nothing is told of old samples, but a fault that is still under
	// way when live ones come is told once, with its real onset. A process that is started
	// again begins anew, as nothing that was learned outlives it. Left out, there is no warm
	// start.
	URL string `yaml:"url,omitempty"`
	// Lookback is how far back to read, from 1m to 90d. A day shows what is usual, a week
	// what is usual of a day of the week.
	Lookback model.Duration `yaml:"lookback"`
	// Match are PromQL series selectors: what one of them selects is read. Left out,
	// everything is.
	Match []string `yaml:"match,omitempty"`
	// RateLimit is how many samples a second are read at most; 0 is any number.
	RateLimit int `yaml:"rate_limit"`
	// GiveUpAfter is how long all of it may take, what could not be read and was tried again
	// included; then the process goes live with what it has learned. From 1s to 2h, which is
	// about how long a Prometheus keeps what it cannot send. A server of which nothing could
	// be read within half a minute is given up at once.
	GiveUpAfter model.Duration `yaml:"give_up_after"`
	// HTTPConfig has the credentials, TLS and proxy, as in Prometheus.
	HTTPConfig promconfig.HTTPClientConfig `yaml:"http_config,omitempty"`
}

// DefaultConfig has no warm start.
func DefaultConfig() Config {
	return Config{
		Lookback:    model.Duration(24 * time.Hour),
		RateLimit:   500_000,
		GiveUpAfter: model.Duration(30 * time.Minute), // × 500 000/s: a day of 150 000 series every 15 s
		HTTPConfig:  promconfig.DefaultHTTPClientConfig,
	}
}

const (
	leastLookback, mostLookback = time.Minute, 90 * 24 * time.Hour
	leastPatience, mostPatience = time.Second, 2 * time.Hour
)

// SetDirectory makes relative file names relative to dir.
func (c *Config) SetDirectory(dir string) { c.HTTPConfig.SetDirectory(dir) }

// Validate returns every mistake in c, each with the path a user would type.
func (c Config) Validate() error {
	var errs []error
	reject := func(key, format string, args ...any) {
		errs = append(errs, fmt.Errorf("warm_start.%s: %s", key, fmt.Sprintf(format, args...)))
	}
	if c.URL != "" {
		if _, err := history.ParseURL(c.URL); err != nil {
			reject("url", "%v", err)
		}
	}
	if d := time.Duration(c.Lookback); d < leastLookback || d > mostLookback {
		reject("lookback", "must be from 1m to 90d, got %s", c.Lookback)
	}
	if c.RateLimit < 0 {
		reject("rate_limit", "must not be negative, got %d", c.RateLimit)
	}
	if d := time.Duration(c.GiveUpAfter); d < leastPatience || d > mostPatience {
		reject("give_up_after", "must be from 1s to 2h, got %s", c.GiveUpAfter)
	}
	for i, text := range c.Match {
		if _, err := selector(text); err != nil {
			reject(fmt.Sprintf("match[%d]", i), "%v", err)
		}
	}
	if err := c.HTTPConfig.Validate(); err != nil {
		reject("http_config", "%v", err)
	}
	return errors.Join(errs...)
}

// source is what c reads from; c must be valid and have a URL.
func (c Config) source(logger *slog.Logger) (history.Source, error) {
	where, err := history.ParseURL(c.URL)
	if err != nil {
		return nil, err
	}
	var selectors history.Selectors
	for _, text := range c.Match {
		matchers, err := selector(text)
		if err != nil {
			return nil, err
		}
		selectors = append(selectors, matchers)
	}
	return history.NewPrometheus(history.Server{URL: where, HTTP: c.HTTPConfig, Logger: logger}, selectors)
}

// selector reads a PromQL series selector, which may hold no more than one of a rule.
func selector(text string) ([]*labels.Matcher, error) {
	if err := rules.BoundPromQL(text); err != nil {
		return nil, err
	}
	return parser.NewParser(parser.Options{}).ParseMetricSelector(text)
}
