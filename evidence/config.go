package evidence

import (
	"errors"
	"fmt"
	"regexp"
	"strings"
	"time"

	promconfig "github.com/prometheus/common/config"
	"github.com/prometheus/common/model"

	"github.com/foreshock/foreshock/internal/history"
)

// Config says where logs are looked up when an incident fires that somebody is told of.
// What is found is shown with the incident; nothing waits for it.
type Config struct {
	// Before is how long before the onset a look-up begins. From 0s to 1h.
	Before model.Duration `yaml:"before"`

	// After is how long after the onset it ends. What happens at once is looked up at
	// once, and again when that time is over. From 1s to 1h.
	After model.Duration `yaml:"after"`

	// Top is how many sources of lines and how many patterns are kept. From 1 to 20.
	Top int `yaml:"top"`

	// Sources are the servers that are asked. Up to 10.
	Sources []SourceConfig `yaml:"sources,omitempty"`
}

// SourceConfig is one server that holds logs.
type SourceConfig struct {
	// Name is what the source is called in what is shown and in metrics: letters, digits,
	// ".", "_", "-". Required.
	Name string `yaml:"name"`

	// Kind is loki, victorialogs, elasticsearch (or OpenSearch) or splunk. Required.
	Kind Kind `yaml:"kind"`

	// URL is where the server's HTTP API begins: http://loki:3100. Required.
	URL string `yaml:"url"`

	// Queries are in the server's language: LogQL, LogsQL, Lucene's query_string or a
	// Splunk search. ${namespace} stands for the incident's label namespace and is put in
	// as a quoted string: {namespace=${namespace}} |= "error". The first query of whose
	// labels the incident has all is asked. Left out, lines with error or fail in them are
	// asked for.
	Queries []string `yaml:"queries,omitempty"`

	// By is the label or field that lines are counted by: of loki service_name, of
	// victorialogs _stream, of elasticsearch service.name, which must be a keyword, if left
	// out. With splunk the query says it.
	By string `yaml:"by,omitempty"`

	// Index is what of elasticsearch is searched: logs-* if left out.
	Index string `yaml:"index,omitempty"`

	// Message is the field of elasticsearch that holds the line: message if left out.
	Message string `yaml:"message,omitempty"`

	// Timeout is how long one look-up may take, all its requests. From 1ms to 5m.
	Timeout model.Duration `yaml:"timeout"`

	// HTTPConfig has the credentials, TLS, proxy and headers, as in Prometheus. Redirects
	// are never followed.
	HTTPConfig promconfig.HTTPClientConfig `yaml:"http_config,omitempty"`
}

// Kind is what a source speaks.
type Kind string

// The kinds.
const (
	Loki          Kind = "loki"
	VictoriaLogs  Kind = "victorialogs"
	Elasticsearch Kind = "elasticsearch"
	Splunk        Kind = "splunk"
)

// defaults are what a kind is asked where the configuration does not say.
type defaults struct {
	query, by, index, message string
	grammar                   grammar
}

var kinds = map[Kind]defaults{
	Loki: lokiDefaults, VictoriaLogs: victoriaLogsDefaults, Elasticsearch: elasticsearchDefaults, Splunk: splunkDefaults,
}

const (
	mostSources, mostQueries, mostTop = 10, 10, 20

	mostAround                = time.Hour
	leastTimeout, mostTimeout = time.Millisecond, 5 * time.Minute
	maxQuery                  = 4 << 10 // bytes
)

// DefaultConfig looks nothing up.
func DefaultConfig() Config {
	return Config{Before: model.Duration(5 * time.Minute), After: model.Duration(5 * time.Minute), Top: 5}
}

// DefaultSourceConfig is what a source starts from.
func DefaultSourceConfig() SourceConfig {
	return SourceConfig{Timeout: model.Duration(10 * time.Second), HTTPConfig: promconfig.DefaultHTTPClientConfig}
}

// UnmarshalYAML decodes over the defaults.
func (c *SourceConfig) UnmarshalYAML(unmarshal func(any) error) error {
	type plain SourceConfig
	*c = DefaultSourceConfig()
	return unmarshal((*plain)(c))
}

// SetDirectory makes relative file names relative to dir.
func (c *Config) SetDirectory(dir string) {
	for i := range c.Sources {
		c.Sources[i].HTTPConfig.SetDirectory(dir)
	}
}

// Validate reports every mistake, each by the path a user would type.
func (c Config) Validate() error {
	var errs []error
	reject := func(path, format string, args ...any) {
		errs = append(errs, fmt.Errorf("evidence.%s: %s", path, fmt.Sprintf(format, args...)))
	}
	if d := time.Duration(c.Before); d < 0 || d > mostAround {
		reject("before", "must be from 0s to 1h, got %s", c.Before)
	}
	if d := time.Duration(c.After); d < time.Second || d > mostAround {
		reject("after", "must be from 1s to 1h, got %s", c.After)
	}
	if c.Top < 1 || c.Top > mostTop {
		reject("top", "must be from 1 to %d, got %d", mostTop, c.Top)
	}
	if len(c.Sources) > mostSources {
		reject("sources", "must be at most %d, got %d", mostSources, len(c.Sources))
		return errors.Join(errs...)
	}
	names := map[string]bool{}
	for i, s := range c.Sources {
		path := fmt.Sprintf("sources[%d]", i)
		if names[s.Name] {
			reject(path+".name", "must be unique, got %q again", s.Name)
		}
		names[s.Name] = true
		s.validate(func(key, format string, args ...any) { reject(path+"."+key, format, args...) })
	}
	return errors.Join(errs...)
}

var (
	nameForm  = regexp.MustCompile(`^[a-zA-Z0-9._-]{1,64}$`)
	indexForm = regexp.MustCompile(`^[a-zA-Z0-9._*,:-]{1,256}$`)
)

func (c SourceConfig) validate(reject func(key, format string, args ...any)) {
	if !nameForm.MatchString(c.Name) {
		reject("name", "must be 1 to 64 letters, digits, \".\", \"_\" or \"-\", got %q", c.Name)
	}
	if u, err := history.ParseURL(c.URL); err != nil {
		reject("url", "%v", err)
	} else if u.RawQuery != "" || u.Fragment != "" {
		reject("url", "must have no query and no fragment: credentials belong into http_config")
	}
	if d := time.Duration(c.Timeout); d < leastTimeout || d > mostTimeout {
		reject("timeout", "must be from 1ms to 5m, got %s", c.Timeout)
	}
	if err := c.HTTPConfig.Validate(); err != nil {
		reject("http_config", "%v", err)
	}
	of, known := kinds[c.Kind]
	if !known {
		reject("kind", "must be loki, victorialogs, elasticsearch or splunk, got %q", c.Kind)
		return
	}
	for key, values := range map[string][2]string{"by": {c.By, of.by}, "index": {c.Index, of.index}, "message": {c.Message, of.message}} {
		if values[0] != "" && values[1] == "" {
			reject(key, "means nothing to %s", c.Kind)
		}
	}
	if c.Kind == Loki && c.By != "" && !lokiLabel.MatchString(c.By) {
		reject("by", "must be a label name, got %q", c.By)
	}
	if c.Index != "" && (!indexForm.MatchString(c.Index) || strings.Contains(c.Index, "..")) {
		reject("index", "must be names of indices or patterns of them, got %q", c.Index)
	}
	if len(c.Queries) > mostQueries {
		reject("queries", "must be at most %d, got %d", mostQueries, len(c.Queries))
		return
	}
	for i, text := range c.Queries {
		if err := check(c.Kind, text); err != nil {
			reject(fmt.Sprintf("queries[%d]", i), "%v", err)
		}
	}
}

// check judges a query of the kind.
func check(kind Kind, text string) error {
	switch {
	case strings.TrimSpace(text) == "":
		return errors.New("must not be empty")
	case len(text) > maxQuery:
		return fmt.Errorf("must be at most %d bytes, got %d", maxQuery, len(text))
	}
	if kind == Splunk {
		// Labels are put in later, so that ${x} is a word like others here.
		if err := readsOnly(text); err != nil {
			return err
		}
	}
	_, err := kinds[kind].grammar.parse(text)
	return err
}

// filled is c with what is left out.
func (c SourceConfig) filled() SourceConfig {
	of := kinds[c.Kind]
	if len(c.Queries) == 0 {
		c.Queries = []string{of.query}
	}
	for _, f := range []struct {
		field *string
		usual string
	}{{&c.By, of.by}, {&c.Index, of.index}, {&c.Message, of.message}} {
		if *f.field == "" {
			*f.field = f.usual
		}
	}
	return c
}

// source makes what speaks to the server; it does not go to the network.
func (c SourceConfig) source() (Source, error) {
	c = c.filled()
	http, err := newClient(c)
	if err != nil {
		return nil, err
	}
	switch c.Kind {
	case Loki:
		return &loki{http, c.By}, nil
	case VictoriaLogs:
		return &victoriaLogs{http, c.By}, nil
	case Elasticsearch:
		return &elasticsearch{http, c.Index, c.By, c.Message}, nil
	case Splunk:
		return &splunk{http}, nil
	}
	return nil, fmt.Errorf("no source is of the kind %q", c.Kind)
}
