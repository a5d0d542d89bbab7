package console

import (
	"net/http"

	"github.com/foreshock/foreshock/internal/record"
)

// operation is one question that the API answers. docs/openapi.json is made from them.
type operation struct {
	path, summary string
	query         []parameter
	answer        any // a zero value of what is answered as data
	run           func(*console, *http.Request) (any, error)
	there         func(*Options) bool // whether it is; nil is always
}

// parameter is one of an operation's query.
type parameter struct{ name, about string }

var (
	limited = parameter{"limit", "how many at most"}
	single  = parameter{"series", "a selector of one series"}
	atTime  = parameter{"at", "RFC 3339 or seconds since 1970; the newest sample where left out"}
	matched = parameter{"match[]", "a selector of series; up to three of them are alternatives"}
)

// operations are all questions. What changes something is not among them: see dismiss.
var operations = []operation{
	{path: "/api/v1/status", summary: "Where the detector stands.", answer: Status{}, run: (*console).status},
	{
		path: "/api/v1/incidents", summary: "Incidents, newest first.", answer: []listed{}, run: (*console).incidents,
		query: []parameter{
			{"state", "open, pending, firing, resolved or dismissed; may be repeated"},
			{"since", "a time by which it was not over"},
			matched, limited,
			{"after", "the ID of the last incident of the page before"},
			{"members", "how many members of each"},
			{"recent", "if present, how the lead went of late"},
		},
	},
	{path: "/api/v1/incidents/{id}", summary: "One incident, by its ID or an unmistakable beginning of it.", answer: record.Incident{}, run: (*console).incident},
	{path: "/api/v1/incidents/{id}/timeline", summary: "How the series of an incident went.", answer: record.Timeline{}, run: (*console).timeline},
	{
		path: "/api/v1/windows", summary: "Series and their newest samples.", answer: []seriesJSON{}, run: (*console).series,
		query: []parameter{matched, limited, {"samples", "how many samples of each"}},
	},
	{path: "/api/v1/curve", summary: "How one series went, what is foreseen and learned of it.", answer: course{}, run: (*console).curve, query: []parameter{single, atTime}},
	{path: "/api/v1/explain", summary: "Why a series did or did not alert.", answer: record.Explanation{}, run: (*console).explain, query: []parameter{single, atTime}},
	{
		path: "/api/v1/forecasts", summary: "Crossings that are foreseen, the soonest first.", answer: []foreseen{}, run: (*console).forecasts,
		query: []parameter{limited}, there: func(o *Options) bool { return o.Forecasts != nil },
	},
	{path: "/api/v1/rules", summary: "Every rule and what became of it.", answer: []Rule{}, run: (*console).rules, there: func(o *Options) bool { return o.Rules != nil }},
	{
		path: "/api/v1/rules/{name}/whatif", summary: "What a watch rule would have raised at another sensitivity or budget.", answer: whatIfJSON{}, run: (*console).whatIf,
		query: []parameter{{"factor", "times the sensitivity, from 0.01 to 2; or"}, {"budget", "alerts a week"}}, there: func(o *Options) bool { return o.Near != nil },
	},
	{path: "/api/v1/about", summary: "What runs here, and by which configuration.", answer: About{}, run: (*console).about, there: func(o *Options) bool { return o.About != nil }},
}

func (c *console) about(*http.Request) (any, error) { return c.About() }
