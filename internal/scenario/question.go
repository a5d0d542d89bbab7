package scenario

import (
	"fmt"
	"math"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/prometheus/common/model"
	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/promql/parser"

	"github.com/foreshock/foreshock"
	"github.com/foreshock/foreshock/rules"
)

// question returns what answers a command, or nil where it asks nothing.
func question(command []string) (func([]foreshock.Report) string, error) {
	if !slices.Contains([]string{"anomalies", "incidents", "scores"}, command[0]) {
		return nil, nil
	}
	asked, words := command[0], command[1:]
	within := func(r []foreshock.Report) []foreshock.Report { return r }
	if n := len(words); n > 0 && spanPattern.MatchString(words[n-1]) {
		var err error
		if within, err = span(words[n-1]); err != nil {
			return nil, fmt.Errorf("%s: %w", asked, err)
		}
		words = words[:n-1]
	}
	tell := tellAnomalies
	switch {
	case asked == "scores":
		matchers, err := parser.NewParser(parser.Options{}).ParseMetricSelector(strings.Join(words, " "))
		if err != nil {
			return nil, fmt.Errorf("scores: %w", err)
		}
		tell = tellScores(matchers)
	case len(words) > 0:
		return nil, fmt.Errorf("%s: takes nothing but FROM..TO, got %s", asked, strings.Join(words, " "))
	case asked == "incidents":
		tell = tellIncidents
	}
	return func(reports []foreshock.Report) string { return tell(within(reports)) }, nil
}

var spanPattern = regexp.MustCompile(`^([0-9a-z]*)\.\.([0-9a-z]*)$`)

// span reads FROM..TO, either of which may be missing, and returns what picks the
// reports of that time.
func span(text string) (func([]foreshock.Report) []foreshock.Report, error) {
	bounds := [2]int64{math.MinInt64, math.MaxInt64}
	for i, word := range spanPattern.FindStringSubmatch(text)[1:] {
		if word == "" {
			continue
		}
		d, err := model.ParseDuration(word)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", text, err)
		}
		bounds[i] = start.Add(time.Duration(d)).UnixMilli()
	}
	return func(reports []foreshock.Report) (within []foreshock.Report) {
		for _, r := range reports {
			if r.Now >= bounds[0] && r.Now <= bounds[1] {
				within = append(within, r)
			}
		}
		return within
	}, nil
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
			case a.Kind == foreshock.Absence && a.Phase == foreshock.Ended:
				out.WriteString(" kind=absence")
			case a.Kind == foreshock.Absence:
				fmt.Fprintf(&out, " kind=absence since=%s targets=%d series=%d siblings=%d",
					sinceStart(a.Onset), a.Silence.Targets, a.Silence.Series, a.Silence.Siblings)
			case a.Of > 0:
				fmt.Fprintf(&out, " odd=%d/%d loudest=%s by=%s", a.Odd, a.Of, a.Loudest.Series, a.Channel)
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
			if in.Kind != foreshock.Outlier {
				fmt.Fprintf(&out, " kind=%s", in.Kind)
			}
			out.WriteByte('\n')
		}
	}
	return out.String()
}

// tellScores writes a line for each score of the series that match.
func tellScores(matchers rules.Matchers) func([]foreshock.Report) string {
	return func(reports []foreshock.Report) string {
		var out strings.Builder
		for _, r := range reports {
			for _, s := range r.Scores {
				if !matchers.Matches(s.Series.Labels) {
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
	}
}

// band is an expectation as a story tells it.
func band(b foreshock.Band) string {
	if !b.Known() {
		return "unknown"
	}
	return fmt.Sprintf("%.2g..%.2g", b.Lower, b.Upper)
}
