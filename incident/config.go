package incident

import (
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/prometheus/common/model"

	"github.com/foreshock/foreshock"
)

// WorkloadLabel is what a pod belongs to, read from the label pod, where the series
// has no label of that name itself. An affinity set may name it, and
// foreshock.RuleLabel for the rule that selected the series, beside the labels of a
// series.
const WorkloadLabel = "workload"

// Bounds of the limits. At its upper bounds a Correlator may take some gigabytes,
// at the defaults 1 000 × 100 members × ~250 B ≈ 25 MB.
const (
	highestMaxOpen      = 100_000
	highestMaxMembers   = 10_000
	highestKeepResolved = 10_000
)

// Config says what belongs together, and for how long.
type Config struct {
	// JoinWithin is how near each other anomalies must start to belong together:
	// one joins an open incident when it starts at most this long after the
	// incident's latest onset, or before its first.
	JoinWithin model.Duration `yaml:"join_within"`

	// JoinLate is for what degrades slowly: an anomaly of the same host, workload or
	// service, or of the other side of a pair, joins an incident that is still open when it
	// starts at most this long after the incident's latest onset. Not so one under a rule
	// whose severity label differs from that of the incident's: its page must not get lost.
	JoinLate model.Duration `yaml:"join_late"`

	// FireAfter is how long an incident must have lasted, from its first onset,
	// before anyone is told. Waiting lets more members show what they have in
	// common before the labels of the alert are fixed.
	FireAfter model.Duration `yaml:"fire_after"`

	// ResolveAfter is how long the members that a rule selected, or all where no rule
	// selected any, must have been normal before the incident is over. One that
	// becomes anomalous again sooner prolongs it.
	ResolveAfter model.Duration `yaml:"resolve_after"`

	// Affinity says what makes two anomalies one matter: they share the values of
	// one of these sets of labels. The first label of a set must be there; the
	// others qualify it and must be equal, or be absent from both. Sets are tried in
	// order. A job or a namespace alone is no matter: all hosts of a fleet share one.
	// `workload` is the Deployment, StatefulSet, DaemonSet or Job a pod's name
	// tells of, `rule` the rule that selected the series. Leave out `instance` where
	// one exporter speaks for many things; the series of one place under one watch rule
	// belong together all the same, unless the rule says `group: off`.
	Affinity [][]string `yaml:"affinity"`

	// MaxOpen is the number of incidents open at once. When it is reached, an
	// anomaly that a rule selected displaces the oldest incident nobody is told of;
	// every other anomaly that joins none is refused and counted.
	MaxOpen int `yaml:"max_open"`

	// MaxMembers is the number of members an incident keeps. Further ones prolong
	// it and are counted, but not kept. max_open × max_members series are followed at
	// once, half as many of those that no rule selects; others are refused and counted.
	MaxMembers int `yaml:"max_members"`

	// KeepResolved is the number of resolved incidents kept to be looked at.
	KeepResolved int `yaml:"keep_resolved"`
}

// DefaultConfig joins what happens to one host, one workload or one service, or to
// one metric under one rule, within two minutes, and what follows on the same host,
// workload or service while that lasts.
func DefaultConfig() Config {
	return Config{
		JoinWithin:   model.Duration(2 * time.Minute),
		JoinLate:     model.Duration(30 * time.Minute),
		ResolveAfter: model.Duration(30 * time.Second),
		Affinity: [][]string{
			{"instance", "cluster"},
			{WorkloadLabel, "namespace", "cluster"},
			{"service", "namespace", "cluster"},
			{"svc", "namespace", "cluster"},
			{"app", "namespace", "cluster"},
			{foreshock.RuleLabel, model.MetricNameLabel},
		},
		MaxOpen:      1000,
		MaxMembers:   100,
		KeepResolved: 100,
	}
}

// Validate reports every mistake at once, by the path a user would type.
func (c Config) Validate() error {
	var errs []error
	for _, d := range []struct {
		key   string
		value model.Duration
	}{
		{"join_within", c.JoinWithin},
		{"join_late", c.JoinLate},
		{"fire_after", c.FireAfter},
		{"resolve_after", c.ResolveAfter},
	} {
		if d.value < 0 {
			errs = append(errs, fmt.Errorf("incident.%s: must not be negative, got %s", d.key, time.Duration(d.value)))
		}
	}
	for _, n := range []struct {
		key                    string
		value, lowest, highest int
	}{
		{"max_open", c.MaxOpen, 1, highestMaxOpen},
		{"max_members", c.MaxMembers, 1, highestMaxMembers},
		{"keep_resolved", c.KeepResolved, 0, highestKeepResolved},
	} {
		if n.value < n.lowest || n.value > n.highest {
			errs = append(errs, fmt.Errorf("incident.%s: must be from %d to %d, got %d", n.key, n.lowest, n.highest, n.value))
		}
	}
	for i, set := range c.Affinity {
		if len(set) == 0 {
			errs = append(errs, fmt.Errorf("incident.affinity[%d]: must name a label, got none", i))
		}
		for j, name := range set {
			switch {
			case !model.UTF8Validation.IsValidLabelName(name):
				errs = append(errs, fmt.Errorf("incident.affinity[%d][%d]: must be a label name, got %q", i, j, name))
			case slices.Contains(set[:j], name):
				errs = append(errs, fmt.Errorf("incident.affinity[%d][%d]: must name a label once, got %q again", i, j, name))
			}
		}
	}
	return errors.Join(errs...)
}
