package console

import (
	"context"
	"errors"
	"fmt"
	"math"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	prommodel "github.com/prometheus/common/model"
	"github.com/prometheus/prometheus/model/labels"

	"github.com/foreshock/foreshock"
	"github.com/foreshock/foreshock/internal/record"
	"github.com/foreshock/foreshock/rules"
)

const (
	// maxTogether of the series that moved with the explained one are answered, the first.
	maxTogether = 20

	// maxNamed of several series that match are named, so that one can be picked.
	maxNamed = 4
)

// asked is which series a request is about, as it was written, and when, ms.
func asked(r *http.Request) (text string, matchers []*labels.Matcher, at int64, err error) {
	text = r.URL.Query().Get("series")
	if matchers, err = selectorOf(text); err != nil {
		return text, nil, 0, err
	}
	at, err = timeOf("at", r.URL.Query().Get("at"))
	return text, matchers, at, err
}

// explain answers ?series=SELECTOR&at=TIME: why the one series that the selector
// selects did or did not alert then, or at its newest sample. A series' own name is
// enough: of several it stands for the one that has no other labels.
func (c *console) explain(r *http.Request) (any, error) {
	text, matchers, at, err := asked(r)
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithTimeout(r.Context(), patience)
	defer cancel()
	found, err := c.Explain(ctx, matchers, at, maxNamed+1)
	if err == nil && len(found) > 1 {
		var alone []foreshock.Explanation
		if alone, err = c.Explain(ctx, bare(matchers, found), at, 2); len(alone) == 1 {
			found = alone
		}
	}
	switch {
	case err != nil:
		return nil, err
	case len(found) == 0 && isGroup(matchers):
		return nil, notFound{fmt.Errorf("no place matches %s: a place has two series or more that one rule watches; ask about one of its series", text)}
	case len(found) == 0:
		return nil, notFound{fmt.Errorf("no series matches %s: check its labels, and whether its samples arrive (/api/v1/status)", text)}
	case len(found) > 1:
		return nil, badRequest{fmt.Errorf("series: several match, add matchers until one is left: %s", named(found))}
	}
	return record.NewExplanation(found[0], maxTogether), nil
}

// isGroup reports whether the matchers ask for the series of a group.
func isGroup(matchers rules.Matchers) bool {
	return slices.ContainsFunc(matchers, func(m *labels.Matcher) bool {
		return m.Name == prommodel.MetricNameLabel && m.Value == foreshock.GroupName
	})
}

// bare is matchers for series without the labels that those found have on top of what
// the matchers speak of.
func bare(matchers rules.Matchers, found []foreshock.Explanation) rules.Matchers {
	matchers = slices.Clone(matchers)
	for _, e := range found {
		e.Series.Labels.Range(func(l labels.Label) {
			if !slices.ContainsFunc(matchers, func(m *labels.Matcher) bool { return m.Name == l.Name }) {
				matchers = append(matchers, labels.MustNewMatcher(labels.MatchEqual, l.Name, ""))
			}
		})
	}
	return matchers
}

// selectorOf is the one selector to explain by.
func selectorOf(text string) (rules.Matchers, error) {
	if text == "" {
		return nil, badRequest{errors.New(`series: must be a selector of one series, such as node_load1{instance="a:9100"}`)}
	}
	if len(text) > maxSelector {
		return nil, badRequest{fmt.Errorf("series: a selector must be at most %d bytes, got %d", maxSelector, len(text))}
	}
	var matchers rules.Matchers
	if err := matchers.UnmarshalText([]byte(text)); err != nil {
		return nil, badRequest{fmt.Errorf("series: %w", err)}
	}
	return matchers, nil
}

// timeOf is the time that text, the parameter of that name, tells in ms, as in Prometheus's API: RFC 3339 or seconds
// since the epoch; the newest sample's where there is none.
func timeOf(name, text string) (int64, error) {
	if text == "" {
		return foreshock.Newest, nil
	}
	// Years 1 to 9999, what RFC 3339 can write.
	const earliest, latest = -62135596800, 253402300799
	if s, err := strconv.ParseFloat(text, 64); err == nil && s >= earliest && s <= latest {
		return int64(math.Round(s * 1000)), nil
	}
	at, err := time.Parse(time.RFC3339Nano, text)
	if err != nil {
		return 0, badRequest{fmt.Errorf("%s: must be a time as in RFC 3339 or seconds since 1970, got %q", name, text)}
	}
	return at.UnixMilli(), nil
}

// named lists the series found, the first few of them.
func named(found []foreshock.Explanation) string {
	names := make([]string, 0, maxNamed+1)
	for i, e := range found {
		if i == maxNamed {
			names = append(names, "…")
			break
		}
		names = append(names, e.Series.String())
	}
	return strings.Join(names, ", ")
}
