package main

import "github.com/grafana/grafana-foundation-sdk/go/units"

// The dashboards about what Foreshock does, from what is scraped from it.

const notScraped = "Foreshock is not scraped"

var remediation = page{
	name: "remediation", title: "Foreshock remediation",
	about: "What Foreshock did or would do, whether it helped, and what held it back.",
	rows: []row{
		{"Now", []panel{
			{
				number, "Paused", "1 where a person has paused remedies: none starts.", health, units.NoUnit, 4, 4,
				[]query{{expr: `max(foreshock_remediation_paused)`}},
				1, false, true, notScraped,
			},
			{
				number, "Wait for approval", "Plans that a person must approve or deny before they expire.", health, units.Short, 4, 4,
				[]query{{expr: `sum(foreshock_remediation_pending_plans)`}},
				1, false, true, notScraped,
			},
			{
				number, "Run", "Actions that run now.", health, units.Short, 4, 4,
				[]query{{expr: `sum(foreshock_remediation_running_actions)`}},
				0, false, true, notScraped,
			},
			{
				number, "Open breakers", "Actions that failed too often and run no more until a person closes them.", health, units.Short, 4, 4,
				[]query{{expr: `sum(foreshock_remediation_open_breakers)`}},
				1, false, true, notScraped,
			},
			{
				number, "Hold the lease", "Instances that may act. More than one is wrong; none means that no remedy runs.", health, units.Short, 4, 4,
				[]query{{expr: `sum(foreshock_remediation_lease_held)`}},
				2, false, true, notScraped,
			},
			{
				number, "Not recorded", "Times the ledger could not be written: what cannot be recorded is not run.", health, units.Short, 4, 4,
				[]query{{expr: `sum(increase(foreshock_remediation_ledger_failures_total[1d]))`}},
				1, false, true, notScraped,
			},
		}},
		{"What was done", []panel{
			{
				graph, "Plans by what became of them", "States that plans reached: suggested, waiting, approved, running, succeeded, failed and so on.", health, units.Short, 12, 9,
				[]query{{expr: `sum by (state) (increase(foreshock_remediation_transitions_total[$__rate_interval]))`, legend: "{{state}}"}},
				0, false, true, notScraped,
			},
			{
				graph, "What held plans back", "Guards that refused, by reason: docs/remediation.md says what each looks at.", health, units.Short, 12, 9,
				[]query{{expr: `sum by (reason) (increase(foreshock_remediation_refusals_total[$__rate_interval])) > 0 or vector(0)`, legend: "{{reason}}"}},
				0, false, true, notScraped,
			},
		}},
		{"Whether it helped", []panel{
			{
				list, "Outcomes", "Since each instance started: whether the series that fired recovered after the action.", health, units.Short, 12, 9,
				[]query{{expr: `sum by (rule, action, outcome) (foreshock_remediation_outcomes_total)`, legend: "times"}},
				0, false, false, notScraped,
			},
			{
				graph, "Success of remedies", "Share of actions after which the series that fired recovered.", health, units.PercentUnit, 6, 9,
				[]query{{expr: `foreshock_remediation_success_ratio`, legend: "{{rule}} {{action}}"}},
				0, false, false, "nothing was verified yet",
			},
			{
				graph, "Duration of actions", "The mean, and what all but one of a hundred take at most.", health, units.Seconds, 6, 9,
				[]query{
					{expr: `sum(rate(foreshock_remediation_action_duration_seconds_sum[$__rate_interval])) / sum(rate(foreshock_remediation_action_duration_seconds_count[$__rate_interval]))`, legend: "mean"},
					{expr: `histogram_quantile(0.99, sum by (le) (rate(foreshock_remediation_action_duration_seconds_bucket[$__rate_interval])))`, legend: "99th percentile"},
				},
				0, false, false, "nothing ran",
			},
		}},
		{"Who asked", []panel{
			{
				graph, "Alerts that came by webhook", "From Alertmanager, by status.", health, units.Short, 12, 8,
				[]query{{expr: `sum by (status) (increase(foreshock_remediation_alerts_total[$__rate_interval]))`, legend: "{{status}}"}},
				0, false, true, notScraped,
			},
			{
				graph, "Refused at the door", "Webhooks or decisions without the right token, and notifications that are none.", health, units.Short, 12, 8,
				[]query{
					{expr: `sum(increase(foreshock_remediation_unauthorized_total[$__rate_interval]))`, legend: "without the token"},
					{expr: `sum(increase(foreshock_remediation_notifications_rejected_total[$__rate_interval]))`, legend: "no notification"},
				},
				0, false, true, notScraped,
			},
		}},
	},
}

var itself = page{
	name: "itself", title: "Foreshock itself",
	about: "Whether samples arrive and are judged in time, what it costs, and what is lost. rules/mixin/foreshock.yml alerts on the same.",
	rows: []row{
		{"Input", []panel{
			{
				graph, "Samples", "Taken in and scored, a second. The rest is warming up, repeated, late or stale.", health, units.CountsPerSecond, 8, 8,
				[]query{
					{expr: `sum by (instance) (rate(foreshock_receiver_samples_total[$__rate_interval]))`, legend: "taken in {{instance}}"},
					{expr: `sum by (instance) (rate(foreshock_detector_samples_scored_total[$__rate_interval]))`, legend: "scored {{instance}}"},
				},
				0, false, false, notScraped,
			},
			{
				graph, "Refused", "What was sent and not taken, by what it was and why. Requests answered 4xx are not sent again.", health, units.CountsPerSecond, 8, 8,
				[]query{{expr: `sum by (what, reason) (rate(foreshock_receiver_refused_total[$__rate_interval])) > 0 or vector(0)`, legend: "{{what}} {{reason}}"}},
				0, false, false, notScraped,
			},
			{
				graph, "Behind the clock", "How old the newest sample is that was judged.", health, units.Seconds, 8, 8,
				[]query{{expr: `time() - (foreshock_detector_clock_timestamp_seconds > 0)`, legend: "{{instance}}"}},
				300, false, false, "no samples yet",
			},
		}},
		{"Series and memory", []panel{
			{
				graph, "Series", "Known, those of them that warm up, and how many there may be.", health, units.Short, 8, 8,
				[]query{
					{expr: `foreshock_detector_series`, legend: "known {{instance}}"},
					{expr: `foreshock_detector_series_warming`, legend: "warming up {{instance}}"},
					{expr: `foreshock_detector_series_limit`, legend: "limit {{instance}}"},
				},
				0, false, true, notScraped,
			},
			{
				graph, "Memory of the detector", "By what it holds.", health, units.BytesIEC, 8, 8,
				[]query{{expr: `sum by (kind) (foreshock_detector_memory_bytes)`, legend: "{{kind}}"}},
				0, false, false, notScraped,
			},
			{
				graph, "Memory of the process", "Resident, as the operating system counts it.", health, units.BytesIEC, 8, 8,
				[]query{{expr: `process_resident_memory_bytes and on (instance, job) foreshock_build_info`, legend: "{{instance}}"}},
				0, false, false, notScraped,
			},
		}},
		{"Work", []panel{
			{
				graph, "CPU", "Cores at work.", health, units.Short, 8, 8,
				[]query{{expr: `rate(process_cpu_seconds_total[$__rate_interval]) and on (instance, job) foreshock_build_info`, legend: "{{instance}}"}},
				0, false, false, notScraped,
			},
			{
				graph, "Requests", "Duration of remote-write requests: the mean, and what all but one of a hundred take at most.", health, units.Seconds, 8, 8,
				[]query{
					{expr: `sum(rate(foreshock_receiver_request_duration_seconds_sum[$__rate_interval])) / sum(rate(foreshock_receiver_request_duration_seconds_count[$__rate_interval]))`, legend: "mean"},
					{expr: `histogram_quantile(0.99, sum by (le) (rate(foreshock_receiver_request_duration_seconds_bucket[$__rate_interval])))`, legend: "99th percentile"},
				},
				0, false, false, notScraped,
			},
			{
				graph, "Queue", "Samples that wait to be scored, of the room there is.", health, units.PercentUnit, 8, 8,
				[]query{{expr: `foreshock_detector_queue_samples / foreshock_detector_queue_capacity_samples`, legend: "{{instance}}"}},
				0.8, false, false, notScraped,
			},
		}},
		{"Output", []panel{
			{
				graph, "Written back", "Samples a second that each remote write accepted, refused or lost.", health, units.CountsPerSecond, 8, 8,
				[]query{
					{expr: `sum by (destination) (rate(foreshock_emitter_samples_sent_total[$__rate_interval]))`, legend: "accepted {{destination}}"},
					{expr: `sum by (destination) (rate(foreshock_emitter_samples_failed_total[$__rate_interval]))`, legend: "refused {{destination}}"},
					{expr: `sum by (destination) (rate(foreshock_emitter_samples_dropped_total{reason!="relabeled"}[$__rate_interval]))`, legend: "lost {{destination}}"},
				},
				0, false, false, "no remote_write",
			},
			{
				graph, "Waiting to be written back", "Samples in memory and on disk, by destination.", health, units.Short, 8, 8,
				[]query{{expr: `foreshock_emitter_samples_pending`, legend: "{{destination}}"}},
				0, false, true, "no remote_write",
			},
			{
				graph, "Told to Alertmanager", "Alerts sent, resends included, and those that could not be.", health, units.Short, 8, 8,
				[]query{
					{expr: `sum by (alertmanager) (increase(prometheus_notifications_sent_total[$__rate_interval]) and on (instance, job) foreshock_build_info)`, legend: "sent {{alertmanager}}"},
					{expr: `sum by (alertmanager) (increase(prometheus_notifications_errors_total[$__rate_interval]) and on (instance, job) foreshock_build_info)`, legend: "failed {{alertmanager}}"},
				},
				0, false, false, "no Alertmanager",
			},
		}},
		{"Disk and rules", []panel{
			{
				graph, "Log on disk", "Bytes since the latest checkpoint, and the checkpoint.", health, units.BytesIEC, 8, 8,
				[]query{
					{expr: `foreshock_journal_size_bytes`, legend: "log {{instance}}"},
					{expr: `foreshock_app_checkpoint_size_bytes`, legend: "checkpoint {{instance}}"},
				},
				0, false, false, "no storage",
			},
			{
				graph, "Not written", "Appends to a log that failed, by log: what comes meanwhile would be lost by a crash.", health, units.Short, 8, 8,
				[]query{{expr: `sum by (journal) (increase(foreshock_journal_append_failures_total[$__rate_interval]))`, legend: "{{journal}}"}},
				0, false, true, "no storage",
			},
			{
				graph, "Expressions of rules", "Seconds of work a second that evaluating each rule's expression takes.", health, units.PercentUnit, 8, 8,
				[]query{{expr: `sum by (rule) (rate(foreshock_query_rule_evaluation_seconds_total[$__rate_interval]))`, legend: "{{rule}}"}},
				0, false, false, "no rule has an expression",
			},
		}},
	},
}
