package config

import (
	"fmt"
	"time"

	"github.com/prometheus/common/model"
	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/promql/parser"
)

// Notes are what the configuration brings about that nobody may expect, a sentence each.
func (c *Config) Notes() []string {
	var notes []string
	for _, r := range c.Rules.Reaches() {
		if r.Back > time.Duration(c.Detector.Window) {
			selector := parser.VectorSelector{LabelMatchers: []*labels.Matcher(r.Matchers)}
			notes = append(notes, fmt.Sprintf("rule %s reads %s back: the windows of %s are kept as long, not only for detector.window, %s",
				r.Rule, model.Duration(r.Back), selector.String(), c.Detector.Window))
		}
	}
	return notes
}
