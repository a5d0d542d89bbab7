package ruletest

import (
	"cmp"
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"time"

	promconfig "github.com/prometheus/common/config"
	"github.com/prometheus/common/model"
	"github.com/prometheus/prometheus/promql/parser"

	"github.com/foreshock/foreshock"
	"github.com/foreshock/foreshock/config"
	"github.com/foreshock/foreshock/detector"
	"github.com/foreshock/foreshock/emitter"
	incidents "github.com/foreshock/foreshock/incident"
	"github.com/foreshock/foreshock/internal/flow"
	"github.com/foreshock/foreshock/internal/notation"
	"github.com/foreshock/foreshock/internal/yamlstrict"
	"github.com/foreshock/foreshock/remediation"
	"github.com/foreshock/foreshock/rules"
)

// maxSamples bounds what a file may have come, in all its tests: × 24 B = 240 MB.
const maxSamples = 10_000_000

// file is what a test file says.
type file struct {
	// ConfigFile is a configuration file, relative to this one: the rules, presets,
	// blocks and external labels tested are its own.
	ConfigFile string `yaml:"config_file"`

	// Presets are embedded rule files, by name. Not beside config_file.
	Presets []string `yaml:"presets"`

	// RuleFiles are rule files or globs of them, relative to this file. Not beside
	// config_file.
	RuleFiles []string `yaml:"rule_files"`

	// Config has blocks of a configuration file: detector, incident and remediation.
	// Not beside config_file.
	Config *blocks `yaml:"config"`

	// Common is what the tests have in common; each may say otherwise.
	Common story `yaml:",inline"`

	// Tests are what is tested.
	Tests []test `yaml:"tests"`
}

// blocks are those of a configuration file that count in a test.
type blocks struct {
	Detector    detector.Config    `yaml:"detector"`
	Incident    incidents.Config   `yaml:"incident"`
	Remediation remediation.Config `yaml:"remediation"`
}

func defaultBlocks() *blocks {
	return &blocks{detector.DefaultConfig(), incidents.DefaultConfig(), remediation.DefaultConfig()}
}

// UnmarshalYAML decodes over the defaults.
func (b *blocks) UnmarshalYAML(unmarshal func(any) error) error {
	type plain blocks
	*b = *defaultBlocks()
	return unmarshal((*plain)(b))
}

// story is which series come, and how long.
type story struct {
	// Interval between two samples; 1m where it is left out.
	Interval time.Duration `yaml:"interval"`

	// WarmUp is how much earlier every series begins, with the first of its terms. Times
	// count from its end.
	WarmUp time.Duration `yaml:"warm_up"`

	// Length is how long a test lasts at least, behind the warm-up; what its samples
	// are counted or timed to makes it longer.
	Length time.Duration `yaml:"length"`

	// InputSeries are the series that come. One of a test takes the place of the file's
	// of the same labels.
	InputSeries []inputSeries `yaml:"input_series"`
}

type inputSeries struct {
	// Series is its name and labels. Required.
	Series string `yaml:"series"`
	// Values are its samples. Required.
	Values string `yaml:"values"`
	// Type is what Prometheus's metadata says of the metric: counter, gauge, histogram or
	// summary. Only a counter whose name does not end in _total must say so.
	Type string `yaml:"type"`
}

type test struct {
	// Name is what the test shows, unique within its file. Required.
	Name  string `yaml:"name"`
	Story story  `yaml:",inline"`

	// Silent expects that nobody is told of anything, and nothing is done.
	Silent bool `yaml:"silent"`

	// Anomalies, Incidents, Alerts and Remedies are all that are to happen of their
	// kind: [] for none. What is left out is not looked at.
	Anomalies []anomaly  `yaml:"anomalies"`
	Incidents []incident `yaml:"incidents"`
	Alerts    []alert    `yaml:"alerts"`
	Remedies  []remedy   `yaml:"remedies"`
}

// Shape is what a test file is decoded into, for who describes it.
func Shape() any { return new(file) }

// Load reads a test file and the rules it names. The error is yamlstrict.Mistakes: all
// of them, in all files.
func Load(name string) ([]*Test, error) {
	data, err := yamlstrict.Read(name)
	if err != nil {
		return nil, yamlstrict.Mistakes{{File: name, What: err.Error()}}
	}
	var content file
	l := loader{file: &content, name: name, dir: filepath.Dir(name), left: maxSamples}
	l.File = yamlstrict.Decode(name, data, &content)
	l.settle()
	var tests []*Test
	names := map[string]bool{}
	for i := range content.Tests {
		at, t := fmt.Sprintf("tests[%d]", i), &content.Tests[i]
		l.require(at+".name", t.Name == "")
		if t.Name != "" && names[t.Name] {
			l.Reject(at+".name", "%q names an earlier test", t.Name)
		}
		names[t.Name] = true
		tests = append(tests, l.test(at, t))
	}
	l.require("tests", len(content.Tests) == 0)
	if mistakes := slices.Concat(l.Mistakes(), l.elsewhere); len(mistakes) > 0 {
		return nil, mistakes
	}
	return tests, nil
}

// loader makes tests of what a file says.
type loader struct {
	*yamlstrict.File
	file      *file
	name, dir string // of the file
	options   flow.Options
	left      int                 // samples that may come yet
	elsewhere yamlstrict.Mistakes // in other files
}

// require rejects what is empty, unless because it could not be read.
func (l *loader) require(path string, empty bool) {
	if empty && l.Sound(path) {
		l.Reject(path, "required")
	}
}

// settle decides what is tested: the rules and how they are judged.
func (l *loader) settle() {
	if l.file.ConfigFile != "" {
		l.configured()
		return
	}
	for i, name := range l.file.Presets {
		if _, err := rules.Preset(name); err != nil {
			l.Reject(fmt.Sprintf("presets[%d]", i), "%v", err)
			return
		}
	}
	l.require("rule_files", len(l.file.Presets)+len(l.file.RuleFiles) == 0)
	set, err := rules.Load(l.file.Presets, l.file.RuleFiles, l.dir)
	l.blame("rule_files", err)
	b := l.file.Config
	if b == nil {
		b = defaultBlocks()
	}
	l.options = flow.Options{Rules: set, Detector: b.Detector, Incident: b.Incident}
	l.elsewhere = append(l.elsewhere, l.RejectAll("config", b.Detector.Validate(), b.Incident.Validate())...)
	if len(b.Remediation.Actions) == 0 || set == nil {
		return
	}
	// Absolute, as a remedy runs in a directory of its own.
	dir, err := filepath.Abs(l.dir)
	l.blame("config", err)
	b.Remediation.SetDirectory(dir)
	l.elsewhere = append(l.elsewhere, l.RejectAll("config", remediation.Check(b.Remediation, set.Remedies))...)
	l.options.Remediation = &b.Remediation
}

// configured takes everything from a configuration file.
func (l *loader) configured() {
	for path, given := range map[string]bool{
		"presets": len(l.file.Presets) > 0, "rule_files": len(l.file.RuleFiles) > 0, "config": l.file.Config != nil,
	} {
		if given {
			l.Reject(path, "must not be set beside config_file, which has its own")
		}
	}
	c, err := config.Load(promconfig.JoinDir(l.dir, l.file.ConfigFile))
	if err != nil {
		l.blame("config_file", err)
		return
	}
	l.options = flow.Options{
		Rules: c.Rules, Detector: c.Detector, Incident: c.Incident, Remediation: &c.Remediation,
		Emitter: emitter.Options{ExternalLabels: c.Global.ExternalLabels, ExternalURL: c.Global.ExternalURL, GrafanaURL: c.Global.GrafanaURL, Alerting: c.Alerting},
	}
}

// blame notes what is wrong with the files that stand at path, in their own places
// where they are known.
func (l *loader) blame(path string, err error) {
	var mistakes yamlstrict.Mistakes
	switch {
	case errors.As(err, &mistakes):
		l.elsewhere = append(l.elsewhere, mistakes...)
	case err != nil:
		l.Reject(path, "%v", err)
	}
}

// test makes the test at that path.
func (l *loader) test(at string, t *test) *Test {
	made := &Test{
		File: l.name, Line: l.Mistake(at, "").Line, Name: t.Name,
		options: l.options, wanted: map[string][]wanted{},
	}
	if t.Anomalies != nil {
		made.wanted["anomalies"] = all(t.Anomalies)
	}
	if t.Incidents != nil {
		made.wanted["incidents"] = all(t.Incidents)
	}
	if t.Alerts != nil {
		made.wanted["alerts"] = all(t.Alerts)
	}
	if t.Remedies != nil {
		made.wanted["remedies"] = all(t.Remedies)
	}
	if t.Silent {
		for _, kind := range []string{"alerts", "remedies"} {
			if len(made.wanted[kind]) > 0 {
				l.Reject(at+".silent", "must not be set beside %s", kind)
			}
			made.wanted[kind] = nil
		}
	}
	if len(made.wanted) == 0 && l.Sound(at) {
		l.Reject(at, "expects nothing: want anomalies, incidents, alerts, remedies or silent: true")
	}
	if t.Remedies != nil && l.options.Remediation == nil {
		l.Reject(at+".remedies", "no action is known: want config.remediation.actions, or a config_file that has them")
	}
	l.story(at, t, made)
	return made
}

// story has the series come that the test at that path, and the file, name.
func (l *loader) story(at string, t *test, made *Test) {
	common := &l.file.Common
	o := notation.Options{Interval: cmp.Or(t.Story.Interval, common.Interval, time.Minute)}
	warmUp, length := cmp.Or(t.Story.WarmUp, common.WarmUp), cmp.Or(t.Story.Length, common.Length)
	series := map[string]*input{}
	var order []*input
	for _, from := range []struct {
		at   string
		list []inputSeries
	}{{"input_series", common.InputSeries}, {at + ".input_series", t.Story.InputSeries}} {
		here := map[string]bool{}
		for i := range from.list {
			in := l.input(fmt.Sprintf("%s[%d]", from.at, i), &from.list[i])
			if in == nil {
				continue
			}
			name := in.series.String()
			if here[name] {
				l.Reject(in.at+".series", "%s comes already", name)
			}
			here[name] = true
			if earlier := series[name]; earlier != nil {
				*earlier = *in
				continue
			}
			series[name] = in
			order = append(order, in)
		}
	}
	if len(order) == 0 {
		l.require(at+".input_series", l.Sound("input_series"))
		return
	}
	o.Lead, o.Length = int(warmUp/o.Interval), int(length/o.Interval)
	for _, in := range order {
		n, err := notation.Counted(in.values, o.Interval)
		if err != nil {
			l.rejectOnce(in.at+".values", err)
			return
		}
		o.Length = max(o.Length, n)
	}
	for _, in := range order {
		o.Limit = l.left
		values, err := notation.Samples(in.series, in.values, o)
		if err != nil {
			l.rejectOnce(in.at+".values", err)
			continue
		}
		l.left -= len(values)
		if in.kind != "" {
			made.metadata = append(made.metadata, foreshock.Metadata{Family: in.series.Name(), Type: in.kind})
		}
		made.add(in.series, values, start.Add(-time.Duration(o.Lead)*o.Interval), o.Interval)
	}
	made.sort()
}

// input is a series that comes, and where the file says so.
type input struct {
	at     string
	series *foreshock.Series
	values string
	kind   model.MetricType
}

// input reads one, or returns nil.
func (l *loader) input(at string, s *inputSeries) *input {
	l.require(at+".series", s.Series == "")
	l.require(at+".values", s.Values == "")
	if s.Series == "" || s.Values == "" {
		return nil
	}
	series, err := notation.Series(s.Series)
	if err != nil {
		l.rejectOnce(at+".series", err)
		return nil
	}
	switch model.MetricType(s.Type) {
	case "", model.MetricTypeCounter, model.MetricTypeGauge, model.MetricTypeHistogram, model.MetricTypeSummary:
	default:
		l.rejectOnce(at+".type", fmt.Errorf("want counter, gauge, histogram or summary, got %q", s.Type))
	}
	return &input{at, series, s.Values, model.MetricType(s.Type)}
}

// rejectOnce notes a mistake that every test would find again.
func (l *loader) rejectOnce(path string, err error) {
	if l.Sound(path) {
		l.Reject(path, "%v", err)
	}
}

// add has the series say the values, from the time from on.
func (t *Test) add(s *foreshock.Series, values []parser.SequenceValue, from time.Time, interval time.Duration) {
	at := from.UnixMilli()
	for _, v := range values {
		switch {
		case v.Omitted:
		case v.Histogram != nil:
			t.histograms = append(t.histograms, foreshock.NewHistogram(s, at, v.Histogram))
		default:
			t.samples = append(t.samples, foreshock.Sample{Series: s, T: at, V: v.Value})
		}
		at += interval.Milliseconds()
	}
}

func (t *Test) sort() {
	slices.SortStableFunc(t.samples, func(a, b foreshock.Sample) int { return cmp.Compare(a.T, b.T) })
	slices.SortStableFunc(t.histograms, func(a, b foreshock.Histogram) int { return cmp.Compare(a.T, b.T) })
}
