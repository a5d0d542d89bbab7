package incident

import (
	"slices"
	"strconv"
	"strings"

	"github.com/prometheus/common/model"
	"github.com/prometheus/prometheus/model/labels"

	"github.com/foreshock/foreshock"
	"github.com/foreshock/foreshock/detector/workload"
)

// Who depends on whom is learned from the labels of what is heard: see foreshock.Relations.
// What ails beside what ails already, a service and what it calls, a pod and its node, is
// one matter.
const (
	// maxNames × (~120 B + ~4 neighbours × 16 B) ≈ 4 MB, and their bytes.
	maxNames = 20_000

	// maxNeighbours of one name are remembered, the latest: as many as are looked up for an
	// anomaly, 64 × ~60 ns ≈ 4 µs. A gateway before more than that says little by calling one.
	maxNeighbours = 64
)

// neighbour is what a name depends on, or what depends on it.
type neighbour struct {
	key      string // of its name
	upstream bool   // the name depends on it: what ails it may show later where the name is
}

// learn takes in who depends on whom.
func (c *Correlator) learn(links []foreshock.Link) {
	for _, l := range links {
		from, to := nameKey(l.Cluster, l.From), nameKey(l.Cluster, l.To)
		befriend(c.links.at([]byte(from)), neighbour{to, true})
		befriend(c.links.at([]byte(to)), neighbour{from, l.Mutual})
	}
}

// befriend adds a neighbour, for which the one that was heard of first makes room.
func befriend(all *[]neighbour, n neighbour) {
	if i := slices.IndexFunc(*all, func(x neighbour) bool { return x.key == n.key }); i >= 0 {
		(*all)[i].upstream = (*all)[i].upstream || n.upstream
		return
	}
	if len(*all) >= maxNeighbours {
		*all = slices.Delete(*all, 0, 1)
	}
	*all = append(*all, n)
}

// nameKey is a name within its cluster, of which no two read the same.
func nameKey(cluster, name string) string { return strconv.Itoa(len(cluster)) + ":" + cluster + name }

// eachName yields the names that links have for the place of t, by their keys, and the
// neighbours of each.
func (c *Correlator) eachName(t *traits, yield func(key string, n []neighbour)) {
	if len(c.links.of) == 0 {
		return
	}
	ls := t.labels()
	var seen [maxAliases]string
	for i, name := range aliases(ls) {
		if name == "" || slices.Contains(seen[:i], name) {
			continue
		}
		seen[i] = name
		key := nameKey(ls.Get("cluster"), name)
		if n := c.links.recall([]byte(key)); n != nil {
			yield(key, *n)
		}
	}
}

const maxAliases = 9

// aliases are the names that links may have for the place of a series: of a pod's not those of
// its node, of its job and of who tells of it, as these are many pods'.
func aliases(ls labels.Labels) (names [maxAliases]string) {
	services := [...]string{ls.Get("service"), ls.Get("svc"), ls.Get("app")}
	copy(names[:], services[:])
	if pod := ls.Get(foreshock.PodLabel); pod != "" {
		names[3], names[4] = pod, workload.Of(pod, ls.Get("node"))
		return names
	}
	instance := ls.Get(model.InstanceLabel)
	host, _, _ := strings.Cut(instance, ":")
	others := [...]string{ls.Get("node"), ls.Get("nodename"), ls.Get("host"), instance, host, ls.Get(model.JobLabel)}
	copy(names[3:], others[:])
	return names
}

// named makes the key that an incident is found by in which what goes by a name ails. It is
// valid until the next key is made.
func (c *Correlator) named(name string, t *traits) []byte {
	c.key(byName, 0, t)
	c.value(name)
	return c.buf
}

// weaker is the most that what follows late on what it depends on may have of the strength of
// what it follows: an effect that takes longer than join_within to show is a faint one, as a
// machine that is busier by what one of its pods does, and the echo when that ends. What is
// as strong as the incident it comes beside is a matter of its own. Of the late effects of
// the simulated shop the strongest has .63, of what was a fault of its own nezha's weakest .73.
const weaker = 2. / 3

// joinLinked returns the incident that goes on once in, or none yet, became one with those of
// what a depends on, and of what depends on it.
func (c *Correlator) joinLinked(in *incident, a *foreshock.Anomaly, t *traits) *incident {
	within, late := c.config.JoinWithin, max(c.config.JoinWithin, c.config.JoinLate)
	c.eachName(t, func(_ string, all []neighbour) {
		for _, n := range all {
			if _, ails := c.nearby[string(c.named(n.key, t))]; !ails {
				continue
			}
			other := c.find(a, c.named(n.key, t), within)
			if other == nil && n.upstream {
				if other = c.find(a, c.named(n.key, t), late); other != nil && a.Score > weaker*other.strength {
					continue
				}
			}
			if other != nil {
				in = c.merge(in, other, a.T)
			}
		}
	})
	return in
}

// joinOutbreak returns the incident that goes on once an outbreak, of which a has people told,
// became one with those of what its places depend on, and of what depends on them.
func (c *Correlator) joinOutbreak(in *incident, a *foreshock.Anomaly, rule string) *incident {
	for _, p := range slices.Clone(in.kept) {
		one := *a
		one.Series, one.Onset, one.Rule, one.Score = p.member.Series, p.member.Onset, rule, p.member.Peak
		t := traits{in.Kind, p.member.Series, rule, p.group, p.shared}
		in = c.joinLinked(in, &one, &t)
	}
	return in
}
