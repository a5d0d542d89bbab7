package app

import (
	"cmp"
	"slices"

	"github.com/prometheus/prometheus/model/labels"

	"github.com/foreshock/foreshock"
)

// handover carries what is still anomalous when a warm start ends over to the first live
// findings. Nobody is told what was, but a fault that goes on is news to whoever starts
// Foreshock in the midst of it: it is told once, with its real onset. One goroutine uses it.
type handover struct {
	open map[underWay]foreshock.Anomaly // as last heard
}

// underWay is what the detector knows an anomaly by.
type underWay struct {
	fingerprint uint64
	labels      string
	kind        foreshock.Kind
	rule        string // of a crossing, of which a series may have several
}

// note follows the anomalies of history.
func (h *handover) note(f foreshock.Findings) {
	for _, a := range f.Anomalies {
		key := underWay{a.Series.Fingerprint, string(a.Series.Labels.Bytes(nil)), a.Kind, ""}
		if a.Kind == foreshock.Crossing {
			key.rule = a.Rule
		}
		if a.Phase == foreshock.Ended {
			delete(h.open, key)
			continue
		}
		if h.open == nil {
			h.open = map[underWay]foreshock.Anomaly{}
		}
		h.open[key] = a
	}
}

// begin has those that did not end start at the time of f, before whatever else is in it.
func (h *handover) begin(f *foreshock.Findings) {
	if len(h.open) == 0 {
		return
	}
	begun := make([]foreshock.Anomaly, 0, len(h.open)+len(f.Anomalies))
	for _, a := range h.open {
		a.Phase, a.T = foreshock.Started, f.Now
		begun = append(begun, a)
	}
	slices.SortFunc(begun, func(a, b foreshock.Anomaly) int {
		return cmp.Or(cmp.Compare(a.Onset, b.Onset), labels.Compare(a.Series.Labels, b.Series.Labels),
			cmp.Compare(a.Kind, b.Kind), cmp.Compare(a.Rule, b.Rule))
	})
	f.Anomalies = append(begun, f.Anomalies...)
	h.open = nil
}
