package emitter

import (
	"cmp"
	"maps"
	"net/http"
	"slices"
	"strings"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promhttp"
	dto "github.com/prometheus/client_model/go"
	"github.com/prometheus/common/model"
	"github.com/prometheus/prometheus/model/labels"
)

// scrapesAtOnce bounds what scraping can cost: 20 000 sources × 4 series × ~600 B
// ≈ 48 MB for each.
const scrapesAtOnce = 2

// Anomalies serves the latest scores, bands, forecasts and incidents for Prometheus
// to scrape, without timestamps: what is served is what is so now. A value that is
// older than five minutes by the samples' own time is not served.
func (e *Emitter) Anomalies() http.Handler {
	gather := prometheus.GathererFunc(func() ([]*dto.MetricFamily, error) {
		e.mu.Lock()
		shown := e.table.live()
		e.mu.Unlock()
		return expose(shown), nil
	})
	return promhttp.HandlerFor(gather, promhttp.HandlerOpts{
		ErrorHandling:       promhttp.ContinueOnError,
		EnableOpenMetrics:   true,
		MaxRequestsInFlight: scrapesAtOnce,
	})
}

// shown is one emitted value as the page has it. Series of one source follow each
// other.
type shown struct {
	output
	family family
	source int
}

// live copies what is to be shown, so that the rest of the work holds nobody up.
func (t *table) live() []shown {
	all := make([]shown, 0, 4*len(t.sources)+len(t.incidents)) // a score and its band
	source := 0
	add := func(f family, o output) {
		if o.live && !t.old(o) {
			all = append(all, shown{o, f, source})
		}
	}
	for _, chain := range t.sources {
		for _, src := range chain {
			source++
			for f, o := range src.outputs {
				add(family(f), o)
			}
		}
	}
	for _, i := range t.incidents {
		source++
		add(incidentFamily, i.output)
	}
	return all
}

// expose sorts the values into families, by metric name and labels. It makes the
// families itself, because a prometheus.Registry refuses to serve any when two series
// are alike, and other people's may be once their __labels are left out.
func expose(all []shown) []*dto.MetricFamily {
	byName := map[string]*dto.MetricFamily{}
	// Without their names the series of one source are alike, but for the horizon of
	// the forecasts.
	var plain, foreseen []*dto.LabelPair
	for i, s := range all {
		if i == 0 || s.source != all[i-1].source {
			plain, foreseen = nil, nil
		}
		pairs := &plain
		if s.family >= forecastFamily && s.family <= forecastUpperFamily {
			pairs = &foreseen
		}
		if *pairs == nil {
			*pairs = labelPairs(s.labels)
		}
		name := s.labels.Get(model.MetricNameLabel)
		into := byName[name]
		if into == nil {
			into = &dto.MetricFamily{Name: &name, Help: &familyHelp[s.family], Type: dto.MetricType_GAUGE.Enum()}
			byName[name] = into
		}
		into.Metric = append(into.Metric, &dto.Metric{Label: *pairs, Gauge: &dto.Gauge{Value: &all[i].v}})
	}

	gathered := make([]*dto.MetricFamily, 0, len(byName))
	for _, name := range slices.Sorted(maps.Keys(byName)) {
		f := byName[name]
		slices.SortFunc(f.Metric, func(a, b *dto.Metric) int {
			return cmp.Or(comparePairs(a, b), cmp.Compare(b.Gauge.GetValue(), a.Gauge.GetValue()))
		})
		// Of two alike the higher one stays.
		f.Metric = slices.CompactFunc(f.Metric, func(a, b *dto.Metric) bool { return comparePairs(a, b) == 0 })
		gathered = append(gathered, f)
	}
	return gathered
}

// labelPairs are the labels that may be exposed: Prometheus refuses those that begin
// with two underscores, which it keeps for itself.
func labelPairs(ls labels.Labels) []*dto.LabelPair {
	pairs := make([]*dto.LabelPair, 0, ls.Len())
	ls.Range(func(l labels.Label) {
		if !strings.HasPrefix(l.Name, model.ReservedLabelPrefix) {
			pairs = append(pairs, &dto.LabelPair{Name: &l.Name, Value: &l.Value})
		}
	})
	return pairs
}

func comparePairs(a, b *dto.Metric) int {
	return slices.CompareFunc(a.Label, b.Label, func(x, y *dto.LabelPair) int {
		return cmp.Or(strings.Compare(x.GetName(), y.GetName()), strings.Compare(x.GetValue(), y.GetValue()))
	})
}
