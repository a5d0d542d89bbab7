package inquest

import (
	"context"
	"maps"
	"slices"
	"strconv"
	"strings"

	"github.com/foreshock/foreshock"
	"github.com/foreshock/foreshock/detector/workload"
	"github.com/foreshock/foreshock/rules"
)

// relate adds the pairs of correlate rules to net: where the one ails when the other does,
// the one depends on the other. Which places they are is read from the labels of what was
// heard since from.
func (q *Inquest) relate(ctx context.Context, net *topology, from, to int64) error {
	q.mu.Lock()
	pairs := q.pairs
	q.mu.Unlock()
	for i := range pairs {
		p := &pairs[i]
		labels := slices.Sorted(maps.Keys(p.On))
		ones, err := q.side(ctx, p.From, labels, from, to)
		if err != nil {
			return err
		}
		for k, name := range labels {
			labels[k] = p.On[name]
		}
		others, err := q.side(ctx, p.To, labels, from, to)
		if err != nil {
			return err
		}
		for _, key := range slices.Sorted(maps.Keys(ones)) {
			for _, one := range ones[key] {
				for _, other := range others[key] {
					if one != other && len(net.links) < 2*mostLinks { // of which half may repeat
						net.links = append(net.links, link{one, other})
					}
				}
			}
		}
	}
	return nil
}

// side are the places of the series that s selects and that have all the labels, by the
// values of those.
func (q *Inquest) side(ctx context.Context, s rules.Selector, labels []string, from, to int64) (map[string][]string, error) {
	all := map[string][]string{}
	for _, matchers := range s {
		found, err := q.source.Names(ctx, matchers, from, to, mostTitles)
		if err != nil {
			return nil, err
		}
		for _, e := range found {
			key, ok := keyOf(e.Series, labels)
			if place := e.Series.Labels.Get(e.Series.PlaceLabel()); ok && place != "" {
				all[key] = append(all[key], place)
			}
		}
	}
	for key, places := range all {
		slices.Sort(places)
		all[key] = slices.Compact(places)
	}
	return all, nil
}

// keyOf are the values of the labels of s; false where one is not there.
func keyOf(s *foreshock.Series, labels []string) (string, bool) {
	var b strings.Builder
	for _, name := range labels {
		v := s.Labels.Get(name)
		if v == "" && name == "workload" {
			v = workload.Of(s.Labels.Get(foreshock.PodLabel), s.Labels.Get("node"))
		}
		if v == "" {
			return "", false
		}
		b.WriteString(strconv.Quote(v))
	}
	return b.String(), true
}
