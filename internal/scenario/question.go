package scenario

import (
	"fmt"
	"math"
	"strings"
	"time"

	"github.com/prometheus/common/model"
	"github.com/prometheus/prometheus/model/labels"

	"github.com/foreshock/foreshock"
)

// question returns what answers a command, or nil where it asks nothing.
func question(command []string) (func([]foreshock.Report) string, error) {
	switch {
	case command[0] == "anomalies" && len(command) == 1:
		return tellAnomalies, nil
	case command[0] == "incidents" && len(command) == 1:
		return tellIncidents, nil
	case command[0] == "scores" && len(command) > 1:
		return tellScores(command[1:])
	}
	return nil, nil
}

// tellAnomalies writes a line for each step of each anomaly.
func tellAnomalies(reports []foreshock.Report) string {
	var out strings.Builder
	for _, r := range reports {
		for _, a := range r.Anomalies {
			fmt.Fprintf(&out, "%-9s %-10s %s", a.Phase, sinceStart(a.T), a.Series)
			switch {
			case a.Kind == foreshock.Breach && a.Phase == foreshock.Ended:
				out.WriteString(" kind=breach")
			case a.Kind == foreshock.Breach:
				fmt.Fprintf(&out, " kind=breach crosses=%.3g in=%s", a.Limit, a.ETA.Round(time.Minute))
			case a.Phase != foreshock.Ended:
				fmt.Fprintf(&out, " value=%.3g expected=%s by=%s", a.Value, band(a.Band), a.Channel)
			}
			out.WriteByte('\n')
		}
	}
	return out.String()
}

// tellIncidents writes a line for each state an incident reached.
func tellIncidents(reports []foreshock.Report) string {
	var out strings.Builder
	states := map[string]foreshock.State{} // by ID, as last told
	for _, r := range reports {
		for _, in := range r.Incidents {
			if state, ok := states[in.ID]; ok && state == in.State {
				continue
			}
			states[in.ID] = in.State
			at := r.Now
			if in.State == foreshock.Resolved {
				at = in.EndsAt
			}
			fmt.Fprintf(&out, "%-8s %s", in.State, sinceStart(at))
			in.Labels.Range(func(l labels.Label) { fmt.Fprintf(&out, " %s=%s", l.Name, l.Value) })
			fmt.Fprintf(&out, " members=%d", len(in.Members)+in.Dropped)
			if in.Kind == foreshock.Breach {
				out.WriteString(" kind=breach")
			}
			out.WriteByte('\n')
		}
	}
	return out.String()
}

// tellScores writes a line for each score of the series that are asked for.
func tellScores(words []string) (func([]foreshock.Report) string, error) {
	from, to := int64(math.MinInt64), int64(math.MaxInt64)
	if last := words[len(words)-1]; len(words) > 1 && strings.Contains(last, "..") {
		words = words[:len(words)-1]
		first, second, _ := strings.Cut(last, "..")
		for text, into := range map[string]*int64{first: &from, second: &to} {
			d, err := model.ParseDuration(text)
			if err != nil {
				return nil, fmt.Errorf("scores %s: %w", last, err)
			}
			*into = start.Add(time.Duration(d)).UnixMilli()
		}
	}
	matchers, err := promql.ParseMetricSelector(strings.Join(words, " "))
	if err != nil {
		return nil, fmt.Errorf("scores: %w", err)
	}
	selected := func(s foreshock.Score) bool {
		for _, m := range matchers {
			if !m.Matches(s.Series.Labels.Get(m.Name)) {
				return false
			}
		}
		return s.T >= from && s.T <= to
	}
	return func(reports []foreshock.Report) string {
		var out strings.Builder
		for _, r := range reports {
			for _, s := range r.Scores {
				if !selected(s) {
					continue
				}
				fmt.Fprintf(&out, "%-10s %s value=%.3g expected=%s ", sinceStart(s.T), s.Series, s.Value, band(s.Band))
				if s.Warming {
					out.WriteString("warming\n")
				} else {
					fmt.Fprintf(&out, "score=%.2f\n", s.Score)
				}
			}
		}
		return out.String()
	}, nil
}

// band is an expectation as a story tells it.
func band(b foreshock.Band) string {
	if !b.Known() {
		return "unknown"
	}
	return fmt.Sprintf("%.2g..%.2g", b.Lower, b.Upper)
}
