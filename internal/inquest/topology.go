package inquest

import (
	"cmp"
	"context"
	"regexp"
	"slices"
	"strings"

	"github.com/prometheus/common/model"
	"github.com/prometheus/prometheus/model/labels"

	"github.com/foreshock/foreshock"
	"github.com/foreshock/foreshock/detector/workload"
	"github.com/foreshock/foreshock/incident/cause"
)

const (
	mostLinks  = cause.MaxEdges
	mostOfName = 16 // places that one name may mean: the instances of a job
)

// topology is who depends on whom, by name: of services, pods and nodes.
type topology struct {
	links []link
}

type link struct{ from, to string }

// topology reads who depends on whom from the labels of what was heard since from.
func (q *Inquest) topology(ctx context.Context, from, to int64) (*topology, error) {
	net := &topology{}
	for _, r := range foreshock.Relations() {
		matchers := []*labels.Matcher{present(r.From), present(r.To)}
		if r.Metric != "" {
			matchers = append(matchers, labels.MustNewMatcher(labels.MatchEqual, model.MetricNameLabel, r.Metric))
		}
		found, err := q.source.Names(ctx, matchers, from, to, mostTitles)
		if err != nil {
			return nil, err
		}
		for _, e := range found {
			net.learn(e.Series.Labels)
		}
	}
	if err := q.relate(ctx, net, from, to); err != nil {
		return nil, err
	}
	slices.SortFunc(net.links, func(a, b link) int { return cmp.Or(strings.Compare(a.from, b.from), strings.Compare(a.to, b.to)) })
	net.links = slices.Compact(net.links)
	net.links = net.links[:min(len(net.links), mostLinks)]
	return net, nil
}

// learn takes in one pair. Series of one pair are many; they are told apart at the end,
// and before where they repeat.
func (t *topology) learn(ls labels.Labels) {
	for _, said := range foreshock.AppendLinks(nil, ls) {
		l := link{said.From, said.To}
		if n := len(t.links); n == 0 || t.links[n-1] != l {
			t.links = append(t.links, l)
		}
	}
}

// near are the names next to any of those given, either way.
func (t *topology) near(names map[string]bool) []string {
	var found []string
	for _, l := range t.links {
		if names[l.from] && !names[l.to] {
			found = append(found, l.to)
		}
		if names[l.to] && !names[l.from] {
			found = append(found, l.from)
		}
	}
	slices.Sort(found)
	return slices.Compact(found)
}

func present(label string) *labels.Matcher {
	return labels.MustNewMatcher(labels.MatchNotEqual, label, "")
}

// naming are the labels whose values name a place beside its own label: a job's instances
// stand for the job.
var naming = [...]string{"pod", "node", "nodename", "service", "svc", "app", "job", "workload", "deployment"}

// aliases are the names that the place of the series ls goes by.
func aliases(ls labels.Labels) []string {
	var names []string
	for _, l := range naming {
		if v := ls.Get(l); v != "" {
			names = append(names, v)
		}
	}
	if pod := ls.Get(foreshock.PodLabel); pod != "" {
		names = append(names, workload.Of(pod, ls.Get("node")))
	}
	if instance := ls.Get(model.InstanceLabel); instance != "" {
		names = append(names, instance, hostOf(instance))
	}
	return names
}

// hostOf is an instance without its port.
func hostOf(instance string) string {
	host, _, _ := strings.Cut(instance, ":")
	return host
}

// edges are the links between the scene's candidates.
func (s *scene) edges(net *topology) []cause.Edge {
	var all []cause.Edge
	for _, l := range net.links {
		for _, from := range s.byName[l.from] {
			for _, to := range s.byName[l.to] {
				if from != to && len(all) < cause.MaxEdges {
					all = append(all, cause.Edge{From: from, To: to})
				}
			}
		}
	}
	return all
}

// oneOf matches any of the values, and where instance, with a port.
func oneOf(label string, values []string) (*labels.Matcher, error) {
	quoted := make([]string, len(values))
	for i, v := range values {
		quoted[i] = regexp.QuoteMeta(v)
	}
	pattern := strings.Join(quoted, "|")
	if label == model.InstanceLabel {
		pattern = "(?:" + pattern + ")(?::[0-9]+)?"
	}
	return labels.NewMatcher(labels.MatchRegexp, label, pattern)
}
