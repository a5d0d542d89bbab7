package ruletest

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/prometheus/common/model"
	"github.com/prometheus/prometheus/model/labels"

	"github.com/foreshock/foreshock"
	"github.com/foreshock/foreshock/rules"
)

// lifetime is when something is to begin and to end.
type lifetime struct {
	// At is when it begins: a time, or FROM..TO, of which one may be left out.
	At span `yaml:"at"`
	// Ends is when it is over, or never.
	Ends span `yaml:"ends"`
}

// anomaly is one that is expected.
type anomaly struct {
	Life lifetime `yaml:",inline"`
	// Series selects the series whose anomaly it is.
	Series rules.Matchers `yaml:"series"`
	// Rule that makes it worth an alert.
	Rule text `yaml:"rule"`
	// Kind is outlier, breach or absence.
	Kind text `yaml:"kind"`
}

func (a anomaly) wanted() wanted {
	w := wanted{at: a.Life.At, ends: a.Life.Ends, labels: a.Series}
	w.facts = a.Kind.match(w.facts, "kind")
	w.facts = a.Rule.match(w.facts, "rule")
	return w
}

// incident is one that is expected to fire.
type incident struct {
	Life lifetime `yaml:",inline"`
	// Labels that its members have in common.
	Labels map[string]text `yaml:"labels"`
	// Rule of the first member that a rule selected.
	Rule text `yaml:"rule"`
	// Kind is outlier, breach or absence.
	Kind text `yaml:"kind"`
	// Members is how many series it has in the end.
	Members text `yaml:"members"`
}

func (i incident) wanted() wanted {
	w := wanted{at: i.Life.At, ends: i.Life.Ends, labels: matchers(i.Labels)}
	w.facts = i.Kind.match(w.facts, "kind")
	w.facts = i.Members.match(w.facts, "members")
	w.facts = i.Rule.match(w.facts, "rule")
	return w
}

// alert is one that Alertmanager is expected to be told of.
type alert struct {
	Life lifetime `yaml:",inline"`
	// Rule and Alertname are labels that every alert may have.
	Rule      text `yaml:"rule"`
	Alertname text `yaml:"alertname"`
	// Labels it has, among others.
	Labels map[string]text `yaml:"labels"`
	// Annotations it has, among others.
	Annotations map[string]text `yaml:"annotations"`
}

func (a alert) wanted() wanted {
	w := wanted{at: a.Life.At, ends: a.Life.Ends, annotations: matchers(a.Annotations)}
	w.labels = a.Alertname.match(w.labels, labels.AlertName)
	w.labels = a.Rule.match(w.labels, foreshock.RuleLabel)
	w.labels = append(w.labels, matchers(a.Labels)...)
	return w
}

// remedy is one that is expected to run, or to be refused.
type remedy struct {
	// At is when: a time, or FROM..TO, of which one may be left out.
	At span `yaml:"at"`
	// Remedy is the rule's name.
	Remedy text `yaml:"remedy"`
	Action text `yaml:"action"`
	Target text `yaml:"target"`
	// Refused is why it does not run. One that leaves it out is expected to run.
	Refused text `yaml:"refused"`
	// Labels of the alert.
	Labels map[string]text `yaml:"labels"`
}

func (r remedy) wanted() wanted {
	w := wanted{at: r.At, labels: matchers(r.Labels)}
	w.facts = r.Remedy.match(w.facts, "remedy")
	w.facts = r.Action.match(w.facts, "action")
	w.facts = r.Target.match(w.facts, "target")
	refused := r.Refused
	refused.given = true
	w.facts = refused.match(w.facts, "refused")
	return w
}

// all are the expectations of one kind.
func all[T interface{ wanted() wanted }](list []T) []wanted {
	ws := make([]wanted, len(list))
	for i, one := range list {
		ws[i] = one.wanted()
	}
	return ws
}

// text is what a word is to be: itself, or what the regular expression behind =~
// matches as a whole.
type text struct {
	given bool
	kind  labels.MatchType
	value string
}

// UnmarshalText reads a word or =~ and a regular expression.
func (t *text) UnmarshalText(b []byte) error {
	word := text{given: true, value: string(b)}
	if re, ok := strings.CutPrefix(word.value, "=~"); ok {
		word.kind, word.value = labels.MatchRegexp, re
		if _, err := labels.NewMatcher(word.kind, "any", re); err != nil {
			return err
		}
	}
	*t = word
	return nil
}

// match appends that the value of that name is as t says, where it says anything.
func (t text) match(ms []*labels.Matcher, name string) []*labels.Matcher {
	if !t.given {
		return ms
	}
	return append(ms, labels.MustNewMatcher(t.kind, name, t.value)) // it was tried when it was read
}

func matchers(texts map[string]text) (ms []*labels.Matcher) {
	for _, name := range slices.Sorted(maps.Keys(texts)) {
		t := texts[name]
		t.given = true // an empty one wants that there is none
		ms = t.match(ms, name)
	}
	return ms
}

// UnmarshalText reads 5m, 5m..10m, 5m.., ..10m and never.
func (s *span) UnmarshalText(b []byte) (err error) {
	word := string(b)
	if word == "never" {
		*s = span{never: true}
		return nil
	}
	from, to, isSpan := strings.Cut(word, "..")
	if !isSpan {
		to = from
	}
	if from == "" && to == "" {
		return fmt.Errorf("want a time, or FROM..TO, got %q", word)
	}
	if s.from, s.hasFrom, err = readTime(from); err != nil {
		return err
	}
	if s.to, s.hasTo, err = readTime(to); err != nil {
		return err
	}
	if s.hasFrom && s.hasTo && s.from > s.to {
		return fmt.Errorf("want FROM before TO, got %q", word)
	}
	return nil
}

// readTime reads a time since the warm-up; what is before has a minus.
func readTime(word string) (d time.Duration, given bool, err error) {
	if word == "" {
		return 0, false, nil
	}
	positive, before := strings.CutPrefix(word, "-")
	parsed, err := model.ParseDuration(positive)
	if err != nil {
		return 0, false, fmt.Errorf("want a time such as 1h30m, got %q", word)
	}
	if d = time.Duration(parsed); before {
		d = -d
	}
	return d, true, nil
}
