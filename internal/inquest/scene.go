package inquest

import (
	"cmp"
	"context"
	"maps"
	"math"
	"slices"
	"strings"
	"time"

	"github.com/prometheus/common/model"
	"github.com/prometheus/prometheus/model/labels"

	"github.com/foreshock/foreshock"
	"github.com/foreshock/foreshock/incident/cause"
)

// scene is what is known of the places that may be the cause.
type scene struct {
	candidates []cause.Candidate
	byPlace    map[string]int
	byName     map[string][]int // a name may be that of several places
	beyond     map[string]bool  // places for which there was no room
}

// scene reads the windows at the places of i, and two steps from there, so many of each.
func (q *Inquest) scene(ctx context.Context, i *foreshock.Incident, net *topology, most int, onset, to int64) (*scene, error) {
	from := onset - past.Milliseconds()
	s := &scene{byPlace: map[string]int{}, byName: map[string][]int{}, beyond: map[string]bool{}}
	members := map[string]bool{} // metric names
	places := map[string][]string{}
	names := map[string]bool{}
	for _, m := range i.Members {
		members[m.Series.Name()] = true
		if label := m.Series.PlaceLabel(); label != "" {
			switch value := m.Series.Labels.Get(label); {
			case slices.Contains(places[label], value):
				continue
			case len(places[label]) >= most:
				s.beyond[value] = true
				continue
			default:
				places[label] = append(places[label], value)
			}
		}
		for _, n := range aliases(m.Series.Labels) {
			names[n] = true
		}
	}
	var near []string
	for range 2 {
		for _, n := range net.near(names) {
			if len(near) >= most {
				s.beyond[n] = true
				continue
			}
			names[n] = true
			near = append(near, n)
		}
	}
	for _, label := range foreshock.PlaceLabels() {
		values := slices.Concat(places[label], near)
		if len(values) == 0 {
			continue
		}
		slices.Sort(values)
		at, err := oneOf(label, slices.Compact(values))
		if err != nil {
			return nil, err
		}
		titles, err := q.source.Names(ctx, []*labels.Matcher{at}, from, to, mostTitles)
		if err != nil {
			return nil, err
		}
		metrics := telling(titles, members)
		if len(metrics) == 0 {
			continue
		}
		which, err := oneOf(model.MetricNameLabel, metrics)
		if err != nil {
			return nil, err
		}
		found, err := q.source.Read(ctx, []*labels.Matcher{at, which}, from, to, mostSamples)
		if err != nil {
			return nil, err
		}
		if found, err = q.reachBack(ctx, at, found, onset, to); err != nil {
			return nil, err
		}
		s.add(found, label, members)
	}
	return s, nil
}

// reachBack reads those of found again, from as far back as windows reach, of which an hour
// is less than enough samples before the onset, as they come every few minutes.
func (q *Inquest) reachBack(ctx context.Context, at *labels.Matcher, found []foreshock.Excerpt, onset, to int64) ([]foreshock.Excerpt, error) {
	slow := map[string]bool{}
	for _, e := range found {
		if enough*interval(e.T) > past.Milliseconds()*5/4 { // a minute that jitters is fast enough
			slow[e.Series.Name()] = true
		}
	}
	if len(slow) == 0 {
		return found, nil
	}
	which, err := oneOf(model.MetricNameLabel, slices.Sorted(maps.Keys(slow)))
	if err != nil {
		return nil, err
	}
	longer, err := q.source.Read(ctx, []*labels.Matcher{at, which}, onset-farthest.Milliseconds(), to, mostSamples)
	if err != nil {
		return nil, err
	}
	rest := slices.DeleteFunc(found, func(e foreshock.Excerpt) bool { return slow[e.Series.Name()] })
	return append(rest, longer...), nil
}

// interval is the mean time between samples, ms; 0 where it is not known.
func interval(t []int64) int64 {
	if len(t) < 2 {
		return 0
	}
	return (t[len(t)-1] - t[0]) / int64(len(t)-1)
}

// telling are the names of the metrics that say most: those of members, and then those
// whose aspect is known, in the order of names. How long an exporter took to look, such as
// node_scrape_collector_duration_seconds, says what the fault did to it and not what it is.
func telling(titles []foreshock.Excerpt, members map[string]bool) []string {
	var first, then []string
	seen := map[string]bool{}
	for _, e := range titles {
		name := e.Series.Name()
		if seen[name] {
			continue
		}
		seen[name] = true
		switch {
		case strings.HasSuffix(name, "_bucket") || strings.HasSuffix(name, "_created") || strings.Contains(name, "scrape_"):
		case members[name]:
			first = append(first, name)
		case cause.AspectOf(name, true) != cause.Unknown:
			then = append(then, name)
		}
	}
	slices.Sort(first)
	slices.Sort(then)
	all := slices.Concat(first, then)
	return all[:min(len(all), mostNames)]
}

// add makes candidates of the places of found: those whose most telling label is label.
func (s *scene) add(found []foreshock.Excerpt, label string, members map[string]bool) {
	slices.SortStableFunc(found, func(a, b foreshock.Excerpt) int {
		return cmp.Or(
			cmp.Compare(after(members[a.Series.Name()]), after(members[b.Series.Name()])),
			labels.Compare(a.Series.Labels, b.Series.Labels),
		)
	})
	for _, e := range found {
		if e.Series.PlaceLabel() != label || e.Series.Labels.Get("mode") == "idle" {
			continue // idle time falls where the rest rises, which says it better
		}
		place := placeName(e.Series)
		k, known := s.byPlace[place]
		if !known {
			if len(s.candidates) >= cause.MaxCandidates {
				s.beyond[place] = true
				continue
			}
			k = len(s.candidates)
			s.byPlace[place] = k
			s.candidates = append(s.candidates, cause.Candidate{Place: place, Host: strings.HasPrefix(e.Series.Name(), "node_")})
		}
		for _, n := range aliases(e.Series.Labels) {
			if !slices.Contains(s.byName[n], k) && len(s.byName[n]) < mostOfName {
				s.byName[n] = append(s.byName[n], k)
			}
		}
		c := &s.candidates[k]
		c.Host = c.Host || strings.HasPrefix(e.Series.Name(), "node_")
		if len(c.Series) < mostSeries {
			c.Series = append(c.Series, seriesOf(e))
		}
	}
}

// uncertainty is how far the onset may be from the true one: as ever, but no more than a
// quarter of what is known before, or who has not listened for long could tell nothing.
func (s *scene) uncertainty(onset int64) time.Duration {
	first := onset
	for i := range s.candidates {
		first = min(first, began(&s.candidates[i]))
	}
	known := time.Duration(onset-first) * time.Millisecond
	return max(time.Millisecond, min(cause.DefaultUncertainty, known/4))
}

// after sorts what is true first.
func after(first bool) int {
	if first {
		return 0
	}
	return 1
}

// placeName is a place as people say it: its label's value, and its namespace.
func placeName(s *foreshock.Series) string {
	place := s.Labels.Get(s.PlaceLabel())
	if ns := s.Labels.Get(foreshock.NamespaceLabel); ns != "" {
		return ns + "/" + place
	}
	return place
}

// seriesOf is an excerpt as it is compared: a counter as its rate a second. A name ends
// as Prometheus's naming has it; of a histogram's sum and count the rates say how much.
func seriesOf(e foreshock.Excerpt) cause.Series {
	name := e.Series.Name()
	s := cause.Series{Name: name, Title: e.Series.String(), T: e.T, V: e.V}
	switch {
	case isCounter(name):
		s.T, s.V = rate(e.T, e.V)
		if strings.HasSuffix(name, "_count") {
			s.Aspect = cause.Traffic
		}
	default:
		s.T, s.V = heard(e.T, e.V)
	}
	if e.Series.Labels.Get("client") != "" && e.Series.Labels.Get("server") != "" && cause.AspectOf(name, false) == cause.Latency {
		s.Aspect = cause.Calls
	}
	return s
}

func isCounter(name string) bool {
	return strings.HasSuffix(name, "_total") || strings.HasSuffix(name, "_count") || strings.HasSuffix(name, "_sum")
}

// rate is the increase a second between samples; none over a reset or a staleness marker.
func rate(t []int64, v []float64) ([]int64, []float64) {
	var times []int64
	var rates []float64
	for i := 1; i < len(t); i++ {
		d := v[i] - v[i-1]
		if math.IsNaN(d) || d < 0 || t[i] <= t[i-1] {
			continue
		}
		times, rates = append(times, t[i]), append(rates, d*1000/float64(t[i]-t[i-1]))
	}
	return times, rates
}

// heard leaves out staleness markers and other NaN.
func heard(t []int64, v []float64) ([]int64, []float64) {
	times, values := make([]int64, 0, len(t)), make([]float64, 0, len(v))
	for i := range t {
		if !math.IsNaN(v[i]) {
			times, values = append(times, t[i]), append(values, v[i])
		}
	}
	return times, values
}
