package console

import (
	"context"
	"errors"
	"math"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"

	"github.com/prometheus/prometheus/model/labels"

	"github.com/foreshock/foreshock"
)

func TestAnExplanationInJSON(t *testing.T) {
	moment := foreshock.Moment{
		T: noon, Value: 0.93, Band: foreshock.Band{Expected: 0.47, Lower: 0.41, Upper: 0.52}, Reason: foreshock.Alerting,
		Score: 4, Raw: 0.5, Threshold: 0.125, Needed: 1, P: math.NaN(), Onset: noon,
		Channels: []foreshock.ChannelScore{{Channel: "shift", Score: 0.25}},
	}
	var asked int64
	s := serve(t, Options{Explain: func(ctx context.Context, _ []*labels.Matcher, at int64, _ int) ([]foreshock.Explanation, error) {
		if _, bounded := ctx.Deadline(); !bounded {
			t.Error("a lookup without an end")
		}
		asked = at
		return []foreshock.Explanation{{
			Series: load, Kind: "gauge", Rule: "load", Asked: noon + 5, Moment: moment, Because: "it is odd",
			Peaks: moment.Channels, Incident: "1f", Unlisted: 3,
			Together: slices.Repeat([]foreshock.Member{{Series: disk, Onset: noon, Peak: 2, Channel: "value"}}, maxTogether+1),
		}}, nil
	}})
	sample := `"at":"2026-03-01T12:00:00.000Z","value":0.93,"expected":0.47,"lower":0.41,"upper":0.52,"score":4,"sampleScore":4,"raw":0.5,"threshold":0.125,"needed":1,"p":null,"channels":[{"channel":"shift","score":0.25}],"reason":"alerting","onset":"2026-03-01T12:00:00.000Z"`
	for query, at := range map[string]int64{
		"": foreshock.Newest, "&at=1772366400": noon, "&at=1772366400.005": noon + 5, "&at=2026-03-01T12:00:00Z": noon, "&at=2026-03-01T13:00:00.005%2B01:00": noon + 5,
	} {
		r, body := get(t, s.URL+"/api/v1/explain?series=node_load1"+query)
		want := `{"status":"success","data":{"series":"node_load1{instance=\"web-1\"}","metric":{"__name__":"node_load1","instance":"web-1"},"kind":"gauge","rule":"load","ended":false,"asked":"2026-03-01T12:00:00.005Z",` +
			sample + `,"because":"it is odd","peaks":[{"channel":"shift","score":0.25}],"around":[],"incident":"1f","together":[`
		if r.StatusCode != http.StatusOK || !strings.HasPrefix(body, want) || strings.Count(body, `"peak":2,"channel":"value"`) != maxTogether || !strings.HasSuffix(strings.TrimSpace(body), `],"unlisted":4}}`) {
			t.Errorf("%s: %s\n got %s\nwant %s…", query, r.Status, body, want)
		}
		if asked != at {
			t.Errorf("%s asks about %d, want %d", query, asked, at)
		}
	}
}

// One series is explained at a time, and whoever asks otherwise is told how to.
func TestOneSeriesIsExplained(t *testing.T) {
	all := []*foreshock.Series{
		load,
		foreshock.NewSeries(labels.FromStrings("__name__", "node_load1", "instance", "web-1", "cpu", "0")),
		foreshock.NewSeries(labels.FromStrings("__name__", "node_load1", "instance", "web-2")),
		foreshock.NewSeries(labels.FromStrings("__name__", "node_load1", "instance", "web-3")),
		foreshock.NewSeries(labels.FromStrings("__name__", "node_load1", "instance", "web-4")),
	}
	s := serve(t, Options{Explain: func(_ context.Context, ms []*labels.Matcher, _ int64, limit int) (found []foreshock.Explanation, err error) {
		for _, x := range all {
			if !slices.ContainsFunc(ms, func(m *labels.Matcher) bool { return !m.Matches(x.Labels.Get(m.Name)) }) && len(found) < limit {
				found = append(found, foreshock.Explanation{Series: x})
			}
		}
		if ms[0].Value == "closing" {
			err = foreshock.ErrClosed
		}
		return found, err
	}})
	for _, c := range []struct {
		query string
		code  int
		want  string // part of the answer
	}{
		{"series=" + url.QueryEscape(`node_load1{instance="web-2"}`), 200, `"metric":{"__name__":"node_load1","instance":"web-2"}`},
		{"series=" + url.QueryEscape(`node_load1{instance="web-1"}`), 200, `"metric":{"__name__":"node_load1","instance":"web-1"}`}, // its own name
		{"series=" + url.QueryEscape(`{cpu="0"}`), 200, `"cpu":"0"`},
		{"series=node_load1", 400, `series: several match, add matchers until one is left: node_load1{instance=\"web-1\"}, node_load1{cpu=\"0\", instance=\"web-1\"}, node_load1{instance=\"web-2\"}, node_load1{instance=\"web-3\"}, …`},
		{"series=foreshock_group", 404, "no place matches foreshock_group: a place has two series or more"},
		{"series=node_load5", 404, "no series matches node_load5"},
		{"", 400, "series: must be a selector of one series"},
		{"series=up{", 400, "series: not a series selector"},
		{"series={}", 400, "series: selects everything"},
		{"series=" + strings.Repeat("u", 4097), 400, "at most 4096 bytes, got 4097"},
		{"series=up&at=noon", 400, `at: must be a time as in RFC 3339 or seconds since 1970, got \"noon\"`},
		{"series=up&at=1e300", 400, "at: must be"},
		{"series=up&at=NaN", 400, "at: must be"},
		{"series=closing", 503, "shutting down"},
	} {
		r, body := get(t, s.URL+"/api/v1/explain?"+c.query)
		if r.StatusCode != c.code || !strings.Contains(body, c.want) {
			t.Errorf("%s: %s, %s\nwant %d, %s", c.query, r.Status, body, c.code, c.want)
		}
	}
	s = serve(t, Options{Explain: func(context.Context, []*labels.Matcher, int64, int) ([]foreshock.Explanation, error) {
		return nil, errors.New("a fault")
	}})
	if r, body := get(t, s.URL+"/api/v1/explain?series=up"); r.StatusCode != http.StatusInternalServerError {
		t.Errorf("a fault: %s, %s", r.Status, body)
	}
}
