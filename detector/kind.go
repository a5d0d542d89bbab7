package detector

import (
	"strings"

	prommodel "github.com/prometheus/common/model"
	"github.com/prometheus/prometheus/model/labels"

	"github.com/foreshock/foreshock"
)

// kind is how a series' samples are to be read.
type kind uint8

const (
	gauge   kind = iota // as they are
	counter             // as a rate per second
	bucket              // kept, not scored: one bucket of a classic histogram says nothing
	derived             // as they are: made of a histogram, sent by nobody
)

// String is the kind as people read it.
func (k kind) String() string { return [...]string{"gauge", "counter", "bucket", "derived"}[k] }

// maxFamilies bounds what metadata may make a shard remember: 65 536 × ~100 B ≈ 6 MiB.
const maxFamilies = 1 << 16

// types is what metadata said of metric families. It is usually sparse: Prometheus
// sends metadata only where it is configured to, so a type is never required.
type types map[string]prommodel.MetricType

// learn takes m in. changed says that some series may be of another kind now; full
// that m was refused for want of room.
func (ts types) learn(m foreshock.Metadata) (changed, full bool) {
	if m.Type == "" || m.Type == prommodel.MetricTypeUnknown {
		return false, false
	}
	old, known := ts[m.Family]
	if !known && len(ts) >= maxFamilies {
		return false, true
	}
	ts[m.Family] = m.Type
	return old != m.Type, false
}

// kind is that of the series ls: by its family's type where that is known, else by
// its name's suffix, as Prometheus's naming conventions have it.
func (ts types) kind(ls labels.Labels) kind {
	name := ls.Get(prommodel.MetricNameLabel)
	if t, ok := ts[name]; ok {
		if t == prommodel.MetricTypeCounter {
			return counter
		}
		return gauge // a summary's quantiles carry the family's bare name
	}
	for _, suffix := range []string{"_total", "_bucket", "_count", "_sum"} {
		family, ok := strings.CutSuffix(name, suffix)
		if !ok {
			continue
		}
		t, known := ts[family]
		cumulative := !known || t == prommodel.MetricTypeHistogram || t == prommodel.MetricTypeSummary
		switch {
		case suffix == "_total" && (!known || t == prommodel.MetricTypeCounter):
			return counter
		case suffix == "_bucket" && ls.Has(prommodel.BucketLabel) && (cumulative || t == prommodel.MetricTypeGaugeHistogram):
			return bucket
		case (suffix == "_count" || suffix == "_sum") && cumulative:
			return counter
		}
	}
	return gauge
}
