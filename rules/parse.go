package rules

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/prometheus/common/model"

	"github.com/foreshock/foreshock"
	"github.com/foreshock/foreshock/internal/annotation"
	"github.com/foreshock/foreshock/internal/yamlstrict"
)

// ParseFile parses the rule file data; name is what its mistakes call it. The
// error is yamlstrict.Mistakes: all of them.
func ParseFile(name string, data []byte) (*Set, error) {
	var b builder
	if err := b.admit(data); err != nil {
		b.whole(name, err)
		return b.finish()
	}
	b.add(name, data)
	return b.finish()
}

// builder gathers a Set from files, and remembers where each name was given.
type builder struct {
	set      Set
	given    map[string]string // rule name → file it was first given in
	scopes   []*Scope
	mistakes yamlstrict.Mistakes

	text, regexes int // bytes and how many, of the files so far
}

func (b *builder) finish() (*Set, error) {
	if err := b.mistakes.Err(); err != nil {
		return nil, err
	}
	return &b.set, nil
}

// add parses one file into the set.
func (b *builder) add(name string, data []byte) {
	var content ruleFile
	r := reader{builder: b, name: name, File: yamlstrict.Decode(name, data, &content)}
	groups := map[string]bool{}
	for i, g := range content.Groups {
		at := fmt.Sprintf("groups[%d]", i)
		r.required(at, "name", g.Name == "")
		if g.Name != "" && groups[g.Name] {
			r.Reject(at+".name", "%q names an earlier group of this file", g.Name)
		}
		groups[g.Name] = true
		scope, when := r.groupScope(at, &g), r.scheduled(at, &g)
		for j := range g.Rules {
			r.rule(fmt.Sprintf("%s.rules[%d]", at, j), &g.Rules[j], scope, when)
		}
	}
	b.mistakes = append(b.mistakes, r.Mistakes()...)
}

// reader judges one file's rules and adds them to the set.
type reader struct {
	*yamlstrict.File
	*builder
	name string
}

// rule adds one rule to the set; scope is its group's, or nil, and when says when that
// evaluates expressions.
func (r *reader) rule(at string, one *rule, scope *Scope, when schedule) {
	switch {
	case one.watch != nil:
		w := one.watch
		r.unique(at, "watch", w.Name)
		if w.schedule = r.choose(at, w.Name, &w.Select, w.Expr, when); w.Expr.text != "" {
			if r.set.watching == nil {
				r.set.watching = map[string]*Watch{}
			}
			r.set.watching[w.Name] = w
		}
		r.sensitivity(at+".sensitivity", w.Sensitivity)
		r.notNegative(at+".min_deviation", w.MinDeviation)
		r.notNegative(at+".min_relative_deviation", w.MinRelative)
		r.groupBy(at, w)
		r.hold(at, w.Hold)
		r.labels(at+".labels", w.Labels)
		r.annotations(at+".annotations", w.Annotations)
		r.scope(at, w, scope)
		r.set.Watches = append(r.set.Watches, w)
	case one.forecast != nil:
		f := one.forecast.Forecast
		l := one.forecast.Limit
		f.Limit, f.Above = l.value, l.above
		r.unique(at, "forecast", f.Name)
		if l.promql != "" {
			r.share(at, &f, l.promql)
		}
		f.schedule = r.choose(at, f.Name, &f.Select, f.Expr, when)
		r.required(at, "limit", l == comparison{})
		r.required(at, "horizon", f.Horizon == 0)
		r.horizon(at+".horizon", f.Horizon, 365*24*time.Hour)
		r.horizon(at+".scale_horizon", f.ScaleHorizon, 24*time.Hour)
		r.hold(at, f.Hold)
		r.labels(at+".labels", f.Labels)
		r.annotations(at+".annotations", f.Annotations)
		r.set.Forecasts = append(r.set.Forecasts, &f)
	case one.limit != nil:
		r.limit(at, one.limit, when)
	case one.correlate != nil:
		r.correlate(at, one.correlate)
	case one.remedy != nil:
		m := one.remedy
		r.unique(at, "remedy", m.Name)
		r.required(at, "match", len(m.Match) == 0)
		r.match(at+".match", m.Match)
		r.required(at, "action", m.Action == "")
		m.file, m.at = r.File, at
		r.target(at+".target", m.Target)
		r.set.Remedies = append(r.set.Remedies, m)
	}
}

// required rejects what is empty, unless because it could not be read.
func (r *reader) required(at, key string, empty bool) {
	if path := at + "." + key; empty && r.Sound(path) {
		r.Reject(path, "required")
	}
}

func (r *reader) unique(at, kind, name string) {
	r.required(at, kind, name == "")
	if name == "" {
		return
	}
	if r.given == nil {
		r.given = map[string]string{}
	}
	if file, taken := r.given[name]; taken {
		r.Reject(at+"."+kind, "%q names another rule too, in %s", name, file)
		return
	}
	r.given[name] = r.name
}

func (r *reader) sensitivity(path string, x float64) {
	if x < 0.01 || x > 100 {
		r.Reject(path, "must be from 0.01 to 100, got %g", x)
	}
}

func (r *reader) notNegative(path string, x float64) {
	if x < 0 {
		r.Reject(path, "must not be negative, got %g", x)
	}
}

func (r *reader) horizon(path string, d, longest time.Duration) {
	const shortest = time.Minute
	if d != 0 && (d < shortest || d > longest) {
		r.Reject(path, "must be from %s to %s, got %s",
			model.Duration(shortest), model.Duration(longest), model.Duration(d))
	}
}

func (r *reader) labels(path string, ls map[string]string) {
	for _, name := range slices.Sorted(maps.Keys(ls)) {
		at := path + "." + name
		switch {
		case !model.LegacyValidation.IsValidLabelName(name) || name == model.MetricNameLabel:
			r.Reject(path, "%q is not a label name", name)
		case name == model.AlertNameLabel || name == foreshock.RuleLabel:
			r.Reject(at, "set by Foreshock; choose another name")
		case strings.Contains(ls[name], "{{"):
			r.Reject(at, "a label is the alert's identity and takes no template; use an annotation")
		}
	}
}

func (r *reader) annotations(path string, as map[string]string) {
	for _, name := range slices.Sorted(maps.Keys(as)) {
		if !model.LegacyValidation.IsValidLabelName(name) {
			r.Reject(path, "%q is not an annotation name", name)
			continue
		}
		if _, err := annotation.Parse(as[name]); err != nil {
			r.Reject(path+"."+name, "%v", err)
		}
	}
}

func (r *reader) match(path string, ms Matchers) {
	for _, m := range ms {
		if m.Name == model.MetricNameLabel {
			r.Reject(path, "an alert has no metric name; match its name with {alertname=%q}", m.Value)
		}
	}
}

func (r *reader) target(path, label string) {
	if label != "" && !model.LegacyValidation.IsValidLabelName(label) {
		r.Reject(path, "%q is not a label name", label)
	}
}
