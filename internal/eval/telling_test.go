package eval

import (
	"math"
	"strings"
	"testing"
	"text/tabwriter"

	"github.com/foreshock/foreshock"
)

// A band is trusted where nothing is wrong: what is labelled, what alerts and what
// nobody judges must not speak for it or against it.
func TestCoverageCountsOrdinaryRows(t *testing.T) {
	s := &stream{times: make([]int64, 20), from: 4, events: []span{{8, 9}, {12, 12}}}
	e := &ear{of: s, times: s.times, scores: make([]float64, len(s.times)), alerts: make([]float64, len(s.times))}
	in, out := foreshock.Band{Expected: 1, Lower: 0, Upper: 2}, foreshock.Band{Expected: 9, Lower: 8, Upper: 10}
	for row := range s.times {
		s.times[row] = int64(row) * 60_000
		x := foreshock.Score{T: s.times[row], Value: 1, Score: 0.5, Band: in}
		switch row {
		case 0, 1:
			x.Warming, x.Band = true, foreshock.NoBand()
		case 2, 8, 9, 12: // not judged, labelled
			x.Band = out
		case 5:
			x.Band = foreshock.NoBand()
		case 10, 16: // missed
			x.Band = out
		case 14, 15: // anomalous
			x.Band, x.Score = out, 1
		}
		e.score(x)
		if row == 3 || row == 14 {
			e.alert(foreshock.Anomaly{T: s.times[row], Score: 1})
			e.alert(foreshock.Anomaly{T: s.times[row], Phase: foreshock.Ended})
		}
	}
	// Of 16 judged rows 3 are labelled, 2 anomalous, 1 has no band.
	if want := (telling{scored: 20, warming: 2, banded: 10, held: 8, alerts: 1}); e.told != want {
		t.Errorf("counted %+v, want %+v", e.told, want)
	}
}

func TestTellingIsPerStreamAndWeek(t *testing.T) {
	// Two streams of a week by the hour after the first day.
	streams := []*stream{{interval: 3_600_000_000_000, times: make([]int64, 8*24), from: 24}, {interval: 3_600_000_000_000, times: make([]int64, 8*24), from: 24}}
	tracks := []track{{told: telling{scored: 100, warming: 10, banded: 50, held: 48, alerts: 3}}, {told: telling{scored: 100, banded: 50, held: 47}}}
	row := tellingRow("some", streams, tracks)
	if row.Coverage != 0.95 || row.AlertsWeekly != 1.5 || row.Warming != 0.05 {
		t.Errorf("%+v, want 0.95, 1.5 and 0.05", row)
	}
	var b strings.Builder
	w := tabwriter.NewWriter(&b, 0, 0, 1, ' ', 0)
	tellingTable(w, []TellingRow{row, {Set: "none", Coverage: unknown, AlertsWeekly: figure(math.NaN()), Warming: unknown}})
	w.Flush()
	if !strings.Contains(b.String(), "| 95.0 ") || !strings.Contains(b.String(), "| – ") {
		t.Errorf("table:\n%s", &b)
	}
}
