package config

import (
	"errors"
	"fmt"
	"io/fs"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"syscall"

	"github.com/prometheus/common/model"
	"github.com/prometheus/prometheus/model/labels"

	"github.com/foreshock/foreshock/internal/yamlstrict"
	"github.com/foreshock/foreshock/remediation"
	"github.com/foreshock/foreshock/rules"
)

// Load reads the configuration file at path, the rule files it names, and whatever
// else it names that must be there: what Load accepts starts. "" is Default. Relative
// paths in the file are relative to the file. What is wrong with the files is told
// as yamlstrict.Mistakes: all of them, in all files.
func Load(path string) (*Config, error) {
	if path == "" {
		return Default(), nil
	}
	data, err := yamlstrict.Read(path)
	if err != nil {
		return nil, yamlstrict.Mistakes{{File: path, What: err.Error()}}
	}
	// Absolute, as a remedy runs in a directory of its own.
	dir, err := filepath.Abs(filepath.Dir(path))
	if err != nil {
		return nil, fmt.Errorf("find the directory of %s: %w", path, err)
	}
	c := Default()
	j := judge{File: yamlstrict.Decode(path, data, c)}
	j.global(&c.Global)
	j.rejectAll(c.Receiver.Validate(), c.Detector.Validate(), c.WarmStart.Validate(), c.Incident.Validate(), c.Evidence.Validate(), c.Emitter.Validate(), c.Query.Validate(), c.Remediation.Validate())
	presets := j.presets(c.Presets)

	set, err := rules.Load(presets, c.RuleFiles, filepath.Dir(path))
	var inRules yamlstrict.Mistakes
	if err != nil && !errors.As(err, &inRules) {
		return nil, fmt.Errorf("load the rules of %s: %w", path, err)
	}
	inRules = j.unreadable(inRules, c.RuleFiles, filepath.Dir(path))
	if set != nil {
		c.Rules = set
	}
	j.setDirectory(c, dir)
	if j.few("remote_write", len(c.RemoteWrite)) && j.few("alerting.alertmanagers", len(c.Alerting.AlertmanagerConfigs)) &&
		j.few("remediation.actions", len(c.Remediation.Actions)) && j.few("evidence.sources", len(c.Evidence.Sources)) {
		j.clients(c)
	}
	j.remoteWrite(c)
	j.alerting(c)
	j.jsonLines(c.Emitter.JSONLines.File)
	if j.Sound("remediation") {
		j.rejectAll(remediation.Check(c.Remediation, c.Rules.Remedies))
	}
	mistakes := slices.Concat(j.Mistakes(), inRules, j.elsewhere)
	if len(mistakes) > 0 {
		return nil, mistakes
	}
	return c, nil
}

// judge adds to the mistakes of form those of content.
type judge struct {
	*yamlstrict.File
	elsewhere yamlstrict.Mistakes // in rule files
}

// setDirectory makes every relative path relative to dir.
func (j *judge) setDirectory(c *Config, dir string) {
	c.Emitter.SetDirectory(dir)
	c.Remediation.SetDirectory(dir)
	c.WarmStart.SetDirectory(dir)
	c.Evidence.SetDirectory(dir)
	if j.Sound("alerting") {
		c.Alerting.SetDirectory(dir)
	}
	for _, rw := range c.RemoteWrite {
		if rw != nil { // an empty item was rejected
			rw.SetDirectory(dir)
		}
	}
}

func (j *judge) global(g *Global) {
	g.ExternalLabels.Range(func(l labels.Label) {
		if !model.UTF8Validation.IsValidLabelName(l.Name) || l.Name == model.MetricNameLabel {
			j.Reject("global.external_labels", "%q is not a label name", l.Name)
		}
	})
	j.address("global.external_url", g.ExternalURL)
	j.address("global.grafana_url", g.GrafanaURL)
}

// address rejects what people cannot be sent to. What is wrong with it is not repeated: it
// may hold a password.
func (j *judge) address(path, text string) {
	if text == "" {
		return
	}
	u, err := url.Parse(text)
	if err != nil || u.Host == "" || u.User != nil || (u.Scheme != "http" && u.Scheme != "https") {
		j.Reject(path, "must be http:// or https:// and a host, without a user")
	}
}

// rejectAll places what the components found wrong in the file.
func (j *judge) rejectAll(errs ...error) {
	j.elsewhere = append(j.elsewhere, j.RejectAll("", errs...)...)
}

// few rejects more of something than there can be a reason for: each has its client, its
// queue and its certificates to read.
func (j *judge) few(path string, n int) bool {
	const most = 200
	if n > most {
		j.Reject(path, "must be at most %d, got %d", most, n)
	}
	return n <= most
}

// remoteWrite checks what Prometheus checks outside of its types' own decoding.
func (j *judge) remoteWrite(c *Config) {
	names := map[string]bool{}
	for i, rw := range c.RemoteWrite {
		path := fmt.Sprintf("remote_write[%d]", i)
		if !j.Sound(path) {
			continue
		}
		if err := rw.Validate(model.UTF8Validation); err != nil {
			j.Reject(path, "%v", err)
		}
		if rw.Name != "" && names[rw.Name] {
			j.Reject(path+".name", "%q names an earlier remote_write", rw.Name)
		}
		names[rw.Name] = true
	}
}

func (j *judge) alerting(c *Config) {
	if !j.Sound("alerting") {
		return
	}
	if err := c.Alerting.Validate(model.UTF8Validation); err != nil {
		j.Reject("alerting", "%v", err)
	}
}

// unreadable places what is wrong with rule files as a whole where the configuration
// names them, and returns the mistakes within them.
func (j *judge) unreadable(inRules yamlstrict.Mistakes, globs []string, dir string) (within yamlstrict.Mistakes) {
	for _, m := range inRules {
		if m.File == "rule_files" { // the list itself
			j.Reject(m.File, "%s", m.What)
			continue
		}
		i := slices.IndexFunc(globs, func(glob string) bool {
			if m.File == glob {
				return true
			}
			if !filepath.IsAbs(glob) {
				glob = filepath.Join(dir, glob)
			}
			matched, err := filepath.Match(filepath.Base(glob), filepath.Base(m.File))
			return filepath.Dir(glob) == filepath.Dir(m.File) && (matched || err != nil || filepath.Base(glob) == filepath.Base(m.File))
		})
		if m.Line > 0 || i < 0 {
			within = append(within, m)
			continue
		}
		j.Reject(fmt.Sprintf("rule_files[%d]", i), "%s: %s", m.File, m.What)
	}
	return within
}

// jsonLines checks that the file can be opened, or made where there is none.
func (j *judge) jsonLines(file string) {
	const path = "emitter.json_lines.file"
	if file == "" || !j.Sound(path) {
		return
	}
	f, err := os.OpenFile(file, os.O_APPEND|os.O_WRONLY|syscall.O_NONBLOCK, 0)
	if err == nil {
		err = f.Close()
	} else if errors.Is(err, fs.ErrNotExist) {
		_, err = os.ReadDir(filepath.Dir(file))
	}
	if err != nil {
		j.Reject(path, "%v", err)
	}
}

// presets returns those of the names that are presets.
func (j *judge) presets(names []string) []string {
	var known []string
	for i, name := range names {
		path := fmt.Sprintf("presets[%d]", i)
		if slices.Contains(known, name) {
			j.Reject(path, "%q is named twice", name)
			continue
		}
		if _, err := rules.Preset(name); err != nil {
			j.Reject(path, "%v", err)
			continue
		}
		known = append(known, name)
	}
	return known
}
