package console

import (
	"math"
	"net/http"

	"github.com/foreshock/foreshock/internal/api"
	"github.com/foreshock/foreshock/internal/record"
)

// operation is one question that the API answers.
type operation struct {
	api.Operation
	run   func(*console, *http.Request) (any, error)
	there func(*Options) bool // whether it is; nil is always
}

var (
	single  = api.Parameter{Name: "series", About: "a selector of one series"}
	atTime  = api.Parameter{Name: "at", About: "RFC 3339 or seconds since 1970; the newest sample where left out"}
	matched = api.Parameter{Name: "match[]", About: "a selector of series; up to three of them are alternatives", Many: true}
)

// limited is how many of something are answered.
func limited(usual, most int) api.Parameter {
	return api.Parameter{Name: "limit", About: "how many at most", Number: api.Count(usual, 1, most)}
}

// questions are all that change nothing.
var questions = []operation{
	{
		Operation: api.Operation{Pattern: "GET /api/v1/status", Summary: "Where the detector stands.", Answer: Status{}},
		run:       (*console).status,
	},
	{
		Operation: api.Operation{
			Pattern: "GET /api/v1/incidents", Summary: "Incidents, newest first, by pages.", Answer: []listed{},
			Query: []api.Parameter{
				{Name: "state", About: "open, pending, firing, resolved or dismissed", Many: true},
				{Name: "since", About: "a time by which it was not over"},
				matched, limited(defaultIncidents, maxIncidents),
				{Name: "after", About: "the ID of the last incident of the page before"},
				{Name: "members", About: "how many members of each", Number: api.Count(maxMembers, 0, maxMembers)},
				{Name: "recent", About: "if present, how the lead went of late"},
			},
		},
		run: (*console).incidents,
	},
	{
		Operation: api.Operation{Pattern: "GET /api/v1/incidents/{id}", Summary: "One incident, by its ID or an unmistakable beginning of it, with up to 10 000 members.", Answer: record.Incident{}},
		run:       (*console).incident,
	},
	{
		Operation: api.Operation{Pattern: "GET /api/v1/incidents/{id}/timeline", Summary: "How the first 24 series of an incident went, with up to 1000 points of each.", Answer: record.Timeline{}},
		run:       (*console).timeline,
	},
	{
		Operation: api.Operation{
			Pattern: "GET /api/v1/windows", Summary: "Series and their newest samples.", Answer: []seriesJSON{},
			Query: []api.Parameter{matched, limited(defaultSeries, maxSeries), {Name: "samples", About: "how many samples of each", Number: api.Count(maxSamples, 0, maxSamples)}},
		},
		run: (*console).series,
	},
	{
		Operation: api.Operation{Pattern: "GET /api/v1/curve", Summary: "How one series went, what is foreseen and learned of it.", Answer: course{}, Query: []api.Parameter{single, atTime}},
		run:       (*console).curve,
	},
	{
		Operation: api.Operation{Pattern: "GET /api/v1/explain", Summary: "Why a series did or did not alert.", Answer: record.Explanation{}, Query: []api.Parameter{single, atTime}},
		run:       (*console).explain,
	},
	{
		Operation: api.Operation{Pattern: "GET /api/v1/forecasts", Summary: "Crossings that are foreseen, the soonest first.", Answer: []foreseen{}, Query: []api.Parameter{limited(defaultForecasts, maxForecasts)}},
		run:       (*console).forecasts, there: func(o *Options) bool { return o.Forecasts != nil },
	},
	{
		Operation: api.Operation{Pattern: "GET /api/v1/rules", Summary: "Every rule and what became of it.", Answer: []Rule{}},
		run:       (*console).rules, there: func(o *Options) bool { return o.Rules != nil },
	},
	{
		Operation: api.Operation{
			Pattern: "GET /api/v1/rules/{name}/whatif", Summary: "What a watch rule would have raised at another sensitivity or budget, one of which is to be given. Of samples notes are kept that tell up to twice the sensitivity; what keeps its budget tells the rest.", Answer: whatIfJSON{},
			Query: []api.Parameter{
				{Name: "factor", About: "times the sensitivity", Number: &api.Range{Least: leastFactor, Most: mostFactor, Usual: math.NaN()}},
				{Name: "budget", About: "alerts a week", Number: &api.Range{Most: mostBudget, Usual: math.NaN()}},
			},
		},
		run: (*console).whatIf, there: func(o *Options) bool { return o.Near != nil },
	},
	{
		Operation: api.Operation{Pattern: "GET /api/v1/about", Summary: "What runs here, and by which configuration.", Answer: About{}},
		run:       (*console).about, there: func(o *Options) bool { return o.About != nil },
	},
}

var (
	dismissal = api.Operation{Pattern: "POST /api/v1/incidents/{id}/dismiss", Summary: "Say that an incident was a false alarm.", Body: verdict{}, Token: true, Answer: record.Incident{}}
	events    = api.Operation{Pattern: "GET /api/v1/events", Summary: "When to look again, as server-sent events: status, incidents, remediations. The stream does not end.", Type: "text/event-stream"}
)

// Operations are all that a console with all Options answers beside its pages.
func Operations() []api.Operation {
	all := []api.Operation{dismissal, events}
	for _, op := range questions {
		all = append(all, op.Operation)
	}
	return all
}

func (c *console) about(*http.Request) (any, error) { return c.About() }
