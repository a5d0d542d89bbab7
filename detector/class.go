package detector

import (
	"strings"

	prommodel "github.com/prometheus/common/model"
)

// class is what kind of series a score is compared with, when it is asked how rare it is:
// the scores of a gauge are not spread as those of a rate or of a latency, nor those of a
// series that has just begun as those of one long known.
type class uint8

const (
	youngGauge class = iota
	youngRate
	youngLatency
	matureGauge
	matureRate
	matureLatency
	place // a group's score

	classes
)

// mature is how many samples make a series one long known.
const mature = 1000

// String is the class as people read it.
func (c class) String() string {
	return [...]string{"young gauge", "young rate", "young latency", "gauge", "rate", "latency", "place"}[c]
}

// classOf is the class of st while it is young, by how its samples are read and by its
// unit, as Prometheus's naming conventions have it.
func classOf(st *state) class {
	if st.kind == counter || st.native {
		return youngRate
	}
	name := st.series.Labels.Get(prommodel.MetricNameLabel)
	if strings.HasSuffix(name, "_seconds") || strings.HasSuffix(name, "_milliseconds") {
		return youngLatency
	}
	return youngGauge
}

// class is that of st now.
func (st *state) class() class {
	if st.mind.len() < mature {
		return st.young
	}
	return st.young + matureGauge
}
