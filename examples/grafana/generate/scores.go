package main

import "github.com/grafana/grafana-foundation-sdk/go/units"

// The dashboards about what Foreshock says of others.

const noScore = "No series is emitted: rules emit what is anomalous, or all with emit: all"

var overview = page{
	name: "overview", title: "Foreshock overview",
	about: "What is wrong now, where, and whether alerts keep to their budget. Incidents are marked in every graph.",
	rows: []row{
		{"Now", []panel{
			{
				number, "Incidents firing", "Incidents that somebody was told of and that are not over.", scores, units.Short, 4, 4,
				[]query{{expr: `count(foreshock_incident) or vector(0)`}},
				1, false, true, "",
			},
			{
				number, "Anomalous series", "Series with a score above 1.", scores, units.Short, 4, 4,
				[]query{{expr: `count(foreshock_anomaly_score > 1) or vector(0)`}},
				1, false, true, "",
			},
			{
				number, "Highest score", "Of all series; above 1 is anomalous.", scores, units.NoUnit, 4, 4,
				[]query{{expr: `max(foreshock_anomaly_score)`}},
				1, false, false, "none",
			},
			{
				number, "Next limit", "When the first series is foreseen to cross its limit.", scores, units.Seconds, 4, 4,
				[]query{{expr: `min(foreshock_time_to_threshold_seconds)`}},
				4 * 3600, true, false, "none in sight",
			},
			{
				number, "Samples taken in", "A second, by all instances of Foreshock.", health, units.CountsPerSecond, 4, 4,
				[]query{{expr: `sum(rate(foreshock_receiver_samples_total[$__rate_interval]))`}},
				0, false, false, "not scraped",
			},
			{
				number, "Blind", "1 where no samples come, or only late ones: nothing is judged then.", health, units.NoUnit, 4, 4,
				[]query{{expr: `max(foreshock_blind)`}},
				1, false, true, "not scraped",
			},
		}},
		{"The fleet", []panel{
			{
				graph, "Score of the fleet", "The highest score, and the one that nineteen of twenty emitted series are below. The line is at 1, above which a series is anomalous.", scores, units.NoUnit, 12, 8,
				[]query{{expr: `max(foreshock_anomaly_score)`, legend: "highest"}, {expr: `quantile(0.95, foreshock_anomaly_score)`, legend: "95th percentile"}},
				1, false, false, noScore,
			},
			{
				graph, "Anomalous series by metric", "How many series of each metric have a score above 1.", scores, units.Short, 12, 8,
				[]query{{expr: `count by (for) (foreshock_anomaly_score > 1) or vector(0)`, legend: "{{for}}"}},
				0, false, true, noScore,
			},
			{
				graph, "Places", "Scores of pods, instances, nodes and services: what the series of one say together, where a rule watches two or more.", scores, units.NoUnit, 12, 8,
				[]query{{expr: `topk(10, foreshock_group_anomaly_score)`, legend: "{{rule}} {{instance}}{{namespace}} {{pod}}"}},
				1, false, false, noScore,
			},
			{
				graph, "Alerts against the budget", "Alerts a week as they come now, and how many may, by scope: the fleet, or a group or rule with a budget of its own. 0 is no budget.", health, units.Short, 12, 8,
				[]query{{expr: `foreshock_detector_alerts_realised_per_week`, legend: "{{scope}}, raised"}, {expr: `foreshock_detector_alert_budget_per_week`, legend: "{{scope}}, budget"}},
				0, false, false, "not scraped",
			},
		}},
		{"What is wrong", []panel{
			{
				list, "Incidents", "Those that fire now. `foreshock incidents show ID` tells the likely cause.", scores, units.NoUnit, 12, 9,
				[]query{{expr: `foreshock_incident`, legend: "firing"}},
				0, false, false, "no incident fires",
			},
			{
				list, "Most anomalous series", "Now, by score. A metric leads to the series explorer.", scores, units.NoUnit, 12, 9,
				[]query{{expr: `topk(20, foreshock_anomaly_score)`, legend: "score"}},
				1, false, false, noScore,
			},
		}},
	},
}

// ofMetric selects the emitted series of the metric and instances that are chosen.
const ofMetric = `{for="$metric",instance=~"$instance"}`

var chosen = []variable{
	{"metric", "Metric", "for", "foreshock_anomaly_score", false},
	{"instance", "Instance", "instance", `foreshock_anomaly_score{for="$metric"}`, true},
}

var explorer = page{
	name: "series", title: "Foreshock series explorer",
	about:     "One metric: its value, the band it was expected in, its score and what is foreseen of it.",
	variables: chosen,
	rows: []row{
		{"$metric", []panel{
			{
				graph, "Value and expected band", "The value as it is scored, a rate a second where the metric counts, in the interval it was expected in 95 times out of 100. What Foreshock makes of a histogram (…_p50, …_p99, …_mean) has no value in Prometheus.", scores, units.Short, 24, 11,
				[]query{
					{expr: `foreshock_expected_lower` + ofMetric, legend: "lower {{instance}}"},
					{expr: `foreshock_expected_upper` + ofMetric, legend: "upper {{instance}}", band: true},
					{expr: `foreshock_expected` + ofMetric, legend: "expected {{instance}}"},
					{expr: `{__name__="$metric",__name__!~".+_(total|sum|count|bucket)",instance=~"$instance"} or rate({__name__="$metric",__name__=~".+_(total|sum|count|bucket)",instance=~"$instance"}[$__rate_interval])`, legend: "value {{instance}}"},
				},
				0, false, false, noScore,
			},
			{
				graph, "Score", "Above the line at 1 the series is anomalous. It falls slowly after a peak, and is 0 while the series warms up.", scores, units.NoUnit, 24, 7,
				[]query{{expr: `foreshock_anomaly_score` + ofMetric, legend: "{{instance}}"}},
				1, false, false, noScore,
			},
		}},
		{"Foreseen", []panel{
			{
				graph, "Forecast", "What the series is foreseen to be after the horizon of its forecast rule, with the interval of its confidence, drawn when it was said.", scores, units.Short, 16, 9,
				[]query{
					{expr: `foreshock_forecast_lower` + ofMetric, legend: "lower {{instance}}"},
					{expr: `foreshock_forecast_upper` + ofMetric, legend: "upper {{instance}}", band: true},
					{expr: `foreshock_forecast` + ofMetric, legend: "in {{horizon}} {{instance}}"},
				},
				0, false, false, "no forecast rule selects it",
			},
			{
				graph, "Time to its limit", "Seconds until it crosses the limit of its forecast rule; no line where it will not.", scores, units.Seconds, 8, 9,
				[]query{{expr: `foreshock_time_to_threshold_seconds` + ofMetric, legend: "{{instance}}"}},
				0, false, false, "no limit in sight",
			},
		}},
	},
}

var forecasts = page{
	name: "forecasts", title: "Foreshock forecasts and capacity",
	about:     "What will cross a limit and when, what to scale by, and how far forecasts can be trusted.",
	variables: []variable{{"metric", "Metric", "for", "foreshock_forecast", false}, {"instance", "Instance", "instance", `foreshock_forecast{for="$metric"}`, true}},
	rows: []row{
		{"Limits", []panel{
			{
				number, "Will cross a limit", "Series foreseen to cross the limit of a forecast rule.", scores, units.Short, 6, 5,
				[]query{{expr: `count(foreshock_time_to_threshold_seconds) or vector(0)`}},
				1, false, true, "",
			},
			{
				number, "The first in", "When the first of them does.", scores, units.Seconds, 6, 5,
				[]query{{expr: `min(foreshock_time_to_threshold_seconds)`}},
				4 * 3600, true, false, "none in sight",
			},
			{
				list, "Next", "Series by when they cross their limit, the soonest first.", scores, units.Seconds, 12, 10,
				[]query{{expr: `foreshock_time_to_threshold_seconds`, legend: "in"}},
				4 * 3600, true, false, "none in sight",
			},
			{
				graph, "Time to the limits", "The ten soonest. A line that falls by a second a second is a forecast that holds.", scores, units.Seconds, 12, 9,
				[]query{{expr: `bottomk(10, foreshock_time_to_threshold_seconds)`, legend: "{{for}} {{instance}}"}},
				0, false, false, "none in sight",
			},
			{
				graph, "Forecast of $metric", "What it is foreseen to be after the rule's horizon, with the interval of its confidence, drawn when it was said.", scores, units.Short, 12, 9,
				[]query{
					{expr: `foreshock_forecast_lower` + ofMetric, legend: "lower {{instance}}"},
					{expr: `foreshock_forecast_upper` + ofMetric, legend: "upper {{instance}}", band: true},
					{expr: `foreshock_forecast` + ofMetric, legend: "in {{horizon}} {{instance}}"},
				},
				0, false, false, "no forecast rule selects it",
			},
		}},
		{"Scaling", []panel{
			{
				graph, "What to scale by", "Rules with scale_horizon: the load, or what it will not be above nine times in ten after that horizon, whichever is greater.", scores, units.Short, 12, 8,
				[]query{{expr: `foreshock_forecast_scale`, legend: "{{for}} {{instance}}"}},
				0, false, false, "no rule has scale_horizon",
			},
			{
				graph, "Error of what to scale by", "How far forecasts to scale by were off, beside how far off the present value was: above the line at 1 they are worth less than that.", scores, units.NoUnit, 12, 8,
				[]query{{expr: `foreshock_forecast_error_ratio`, legend: "{{for}} {{instance}}"}},
				1, false, false, "no rule has scale_horizon",
			},
		}},
		{"Trust", []panel{
			{
				graph, "Forecasts that held", "Of those whose horizon is over, how many lay within their interval: the rule's confidence, 0.95 unless it says otherwise, is what it should be.", health, units.PercentUnit, 12, 8,
				[]query{{expr: `foreshock_detector_forecast_coverage_ratio`, legend: "{{rule}}"}},
				0, false, false, "no forecast is due yet",
			},
			{
				graph, "Forecasts due", "How many forecasts came to their horizon, and were held against what was.", health, units.Short, 12, 8,
				[]query{{expr: `sum by (rule) (increase(foreshock_detector_forecasts_due_total[$__rate_interval]))`, legend: "{{rule}}"}},
				0, false, true, "not scraped",
			},
		}},
	},
}
