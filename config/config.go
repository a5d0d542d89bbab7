// Package config is the configuration file: one YAML file for every component,
// decoded over their defaults, judged by each of them, and told all its mistakes at
// once with their places. Prometheus's own blocks are read by Prometheus's own
// types. Loading reads files, those it names too, and starts nothing, so a reload can
// load first and then decide, and a check says what a start would.
package config

import (
	promconfig "github.com/prometheus/prometheus/config"
	"github.com/prometheus/prometheus/model/labels"

	"github.com/foreshock/foreshock/detector"
	"github.com/foreshock/foreshock/emitter"
	"github.com/foreshock/foreshock/evidence"
	"github.com/foreshock/foreshock/incident"
	"github.com/foreshock/foreshock/internal/warmstart"
	"github.com/foreshock/foreshock/query"
	"github.com/foreshock/foreshock/receiver"
	"github.com/foreshock/foreshock/remediation"
	"github.com/foreshock/foreshock/rules"
)

// Config is the whole configuration.
type Config struct {
	// Global holds for everything that leaves the process.
	Global Global `yaml:"global"`

	// Presets are rule files that come with Foreshock, by name; foreshock presets lists them.
	Presets []string `yaml:"presets,omitempty"`

	// RuleFiles are rule files or globs of them, relative to the configuration file.
	RuleFiles []string `yaml:"rule_files,omitempty"`

	// Receiver takes the samples that Prometheus sends.
	Receiver receiver.Config `yaml:"receiver"`

	// Detector learns the series and scores the samples.
	Detector detector.Config `yaml:"detector"`

	// WarmStart has the detector learn from history before the first live samples.
	WarmStart warmstart.Config `yaml:"warm_start"`

	// Incident joins what happens together.
	Incident incident.Config `yaml:"incident"`

	// Evidence looks up what logs say about the onset of an incident.
	Evidence evidence.Config `yaml:"evidence"`

	// Emitter writes out what was found.
	Emitter emitter.Config `yaml:"emitter"`

	// Query bounds what PromQL about the windows may cost.
	Query query.Config `yaml:"query"`

	// RemoteWrite says where anomaly metrics are sent: Prometheus's own block.
	RemoteWrite []*promconfig.RemoteWriteConfig `yaml:"remote_write,omitempty"`

	// Alerting says where alerts are sent: Prometheus's own block. Service discovery
	// is static, dns, file or http.
	Alerting promconfig.AlertingConfig `yaml:"alerting,omitempty"`

	// Remediation says what may be done about alerts, and how far by itself.
	Remediation remediation.Config `yaml:"remediation"`

	// Rules are those of Presets and RuleFiles.
	Rules *rules.Set `yaml:"-"`
}

// Global holds for everything that leaves the process.
type Global struct {
	// ExternalLabels are added to every series and alert sent that does not have
	// them already.
	ExternalLabels labels.Labels `yaml:"external_labels,omitempty"`

	// ExternalURL is where people reach the console, for links in alerts, such as
	// https://foreshock.example.com/. Without it alerts carry no link.
	ExternalURL string `yaml:"external_url,omitempty"`

	// GrafanaURL is where people reach the Grafana that has the dashboards of
	// examples/grafana, such as https://grafana.example.com/: the console and alerts
	// link to them. Without it nothing does.
	GrafanaURL string `yaml:"grafana_url,omitempty"`
}

// Default is the configuration where there is no file: everything received is
// scored and shown, and nobody is told.
func Default() *Config {
	return &Config{
		Receiver:    receiver.DefaultConfig(),
		Detector:    detector.DefaultConfig(),
		WarmStart:   warmstart.DefaultConfig(),
		Incident:    incident.DefaultConfig(),
		Evidence:    evidence.DefaultConfig(),
		Emitter:     emitter.DefaultConfig(),
		Query:       query.DefaultConfig(),
		Remediation: remediation.DefaultConfig(),
		Rules:       new(rules.Set),
	}
}
