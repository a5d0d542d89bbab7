package inquest

import (
	"cmp"
	"context"
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/prometheus/common/model"
	"github.com/prometheus/prometheus/model/labels"

	"github.com/foreshock/foreshock"
	"github.com/foreshock/foreshock/incident/cause"
)

// changesFor is how far before an onset changes are looked for: 15 min and some scrapes.
const changesFor = 20 * time.Minute

// changed are the metrics whose change of value says that something was done, and what.
var changed = []struct {
	suffix string // of the name
	what   func(from, to float64) string
}{
	{"kube_deployment_status_observed_generation", rolledOut},
	{"kube_deployment_metadata_generation", rolledOut},
	{"kube_statefulset_metadata_generation", rolledOut},
	{"kube_daemonset_metadata_generation", rolledOut},
	{"kube_deployment_spec_replicas", scaled},
	{"kube_statefulset_replicas", scaled},
	{"kube_pod_container_status_restarts_total", restarted},
	{"process_start_time_seconds", func(float64, float64) string { return "its process was restarted" }},
	{"_config_last_reload_success_timestamp_seconds", func(float64, float64) string { return "its configuration was reloaded" }},
}

const (
	buildInfo   = "_build_info"
	mostChanges = 8  // of one place; the latest matter
	mostTold    = 20 // of all places
)

func rolledOut(from, to float64) string {
	return fmt.Sprintf("it was rolled out anew (generation %s → %s)", number(from), number(to))
}

func scaled(from, to float64) string {
	return fmt.Sprintf("it was scaled from %s to %s", number(from), number(to))
}

func restarted(from, to float64) string {
	if to < from {
		return ""
	}
	return "a container was restarted"
}

func number(v float64) string { return strconv.FormatFloat(v, 'f', -1, 64) }

// owners are the labels that name what kube-state-metrics speaks of, which is not where
// the series comes from.
var owners = [...]string{"deployment", "statefulset", "daemonset", "pod"}

// changes reads what was done to the scene's places since from.
func (q *Inquest) changes(ctx context.Context, s *scene, from, to int64) error {
	names := ".+" + buildInfo
	for _, c := range changed {
		if strings.HasPrefix(c.suffix, "_") {
			names += "|.+" + c.suffix
			continue
		}
		names += "|" + c.suffix
	}
	which, err := labels.NewMatcher(labels.MatchRegexp, model.MetricNameLabel, names)
	if err != nil {
		return err
	}
	found, err := q.source.Read(ctx, []*labels.Matcher{which}, from, to, mostSamples)
	if err != nil {
		return err
	}
	for _, e := range found {
		for _, k := range s.spokenOf(e.Series) {
			c := &s.candidates[k]
			c.Changes = append(c.Changes, changesOf(e, began(c))...)
			slices.SortFunc(c.Changes, func(a, b cause.Change) int { return int(max(-1, min(1, a.T-b.T))) })
			c.Changes = slices.Compact(c.Changes)
			c.Changes = c.Changes[max(0, len(c.Changes)-mostChanges):]
		}
	}
	return nil
}

// done are the changes at all places, those nearest the onset where they are many, oldest
// first. What was done to several at once, as to the pods of a deployment, is told once.
func (s *scene) done(onset int64) []foreshock.Change {
	type deed struct {
		t    int64
		what string
	}
	places := map[deed][]string{}
	for i := range s.candidates {
		for _, c := range s.candidates[i].Changes {
			d := deed{c.T, c.What}
			places[d] = append(places[d], s.candidates[i].Place)
		}
	}
	var all []foreshock.Change
	for d, at := range places {
		all = append(all, foreshock.Change{T: d.t, What: cut(d.what), Place: cut(slices.Min(at)), Others: len(at) - 1})
	}
	slices.SortFunc(all, func(a, b foreshock.Change) int {
		return cmp.Or(
			cmp.Compare(max(a.T-onset, onset-a.T), max(b.T-onset, onset-b.T)),
			cmp.Compare(a.Place, b.Place), cmp.Compare(a.What, b.What),
		)
	})
	all = all[:min(len(all), mostTold)]
	slices.SortStableFunc(all, func(a, b foreshock.Change) int { return cmp.Compare(a.T, b.T) })
	return all
}

// began is when the candidate was heard first, ms.
func began(c *cause.Candidate) int64 {
	at := int64(math.MaxInt64)
	for i := range c.Series {
		if t := c.Series[i].T; len(t) > 0 {
			at = min(at, t[0])
		}
	}
	return at
}

// spokenOf are the candidates that a series tells of.
func (s *scene) spokenOf(x *foreshock.Series) []int {
	if strings.HasPrefix(x.Name(), "kube_") {
		for _, l := range owners {
			if name := x.Labels.Get(l); name != "" {
				return s.byName[name]
			}
		}
		return nil
	}
	if k, known := s.byPlace[placeName(x)]; known {
		return []int{k}
	}
	return nil
}

// changesOf are the moments at which the series says that something was done.
func changesOf(e foreshock.Excerpt, began int64) []cause.Change {
	name := e.Series.Name()
	if strings.HasSuffix(name, buildInfo) {
		return versionOf(e, began)
	}
	var all []cause.Change
	for _, c := range changed {
		if name != c.suffix && !(strings.HasPrefix(c.suffix, "_") && strings.HasSuffix(name, c.suffix)) {
			continue
		}
		last := math.NaN()
		for i, v := range e.V {
			if !math.IsNaN(v) && !math.IsNaN(last) && v != last {
				if what := c.what(last, v); what != "" {
					all = append(all, cause.Change{What: what, T: e.T[i]})
				}
			}
			if !math.IsNaN(v) {
				last = v
			}
		}
		break
	}
	return all
}

// versionOf is the start of a version at a place that was heard long before: where
// everything begins at once, it is we who began.
func versionOf(e foreshock.Excerpt, began int64) []cause.Change {
	const settled = 5 * int64(time.Minute/time.Millisecond) // longer than any usual interval
	if len(e.T) == 0 || e.T[0]-settled < began {
		return nil
	}
	version := e.Series.Labels.Get("version")
	if version == "" {
		return []cause.Change{{What: "another build of it was started", T: e.T[0]}}
	}
	return []cause.Change{{What: "version " + version + " of it was started", T: e.T[0]}}
}
