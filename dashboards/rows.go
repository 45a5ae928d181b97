// Copyright The Parti Authors
// SPDX-License-Identifier: Apache-2.0

package dashboards

import "github.com/grafana/grafana-foundation-sdk/go/dashboard"

// The colours of the numbers. Where there should be none of something, one is too many.
var (
	noneIsGood = []dashboard.Threshold{{Color: good}, {Color: bad, Value: at(1)}}
	oneIsGood  = []dashboard.Threshold{{Color: bad}, {Color: good, Value: at(1)}, {Color: odd, Value: at(2)}}
	anyIsGood  = []dashboard.Threshold{{Color: bad}, {Color: good, Value: at(1)}}
	neutral    = []dashboard.Threshold{{Color: "blue"}}
)

const (
	good = "green"
	odd  = "orange"
	bad  = "red"
)

func at(value float64) *float64 { return &value }

// group is whether a group is well: somebody leads, and everything has an owner.
func group() []panel {
	return []panel{
		{
			title: "Leaders",
			about: "1 is right. Without a leader nothing moves, and what a crashed worker had gets no owner. 2 may show for a moment.",
			width: 4, thresholds: oneIsGood,
			queries: []query{{`sum by (job, parti_group) (parti_leader%g)`, "{{parti_group}}"}},
		},
		{
			title: "Workers",
			about: "Workers that are scraped.",
			width: 4, thresholds: anyIsGood,
			queries: []query{{`count by (job, parti_group) (parti_leader%g)`, "{{parti_group}}"}},
		},
		{
			title: "Partitions without an owner",
			about: "As the leader sees it. It returns to 0 after each crash.",
			width: 4, thresholds: noneIsGood,
			queries: []query{{`max by (job, parti_group) (parti_partition_unowned%g)`, "{{parti_group}}"}},
		},
		{
			title: "Waits past their deadlines",
			about: "What the workers wait for in vain. Manager.Status and the log say what it is.",
			width: 4, thresholds: noneIsGood,
			queries: []query{{`sum by (job, parti_group) (parti_wait%g)`, "{{parti_group}}"}},
		},
		{
			title: "Term",
			about: "Each change of leader begins a term.",
			width: 4, thresholds: neutral,
			queries: []query{{`max by (job, parti_group) (parti_term%g)`, "{{parti_group}}"}},
		},
		{
			title: "Plan version",
			about: "The newest that any worker knows. It grows with each change of owners.",
			width: 4, thresholds: neutral,
			queries: []query{{`max by (job, parti_group) (parti_plan_version%g)`, "{{parti_group}}"}},
		},
		{
			title: "Partitions without an owner",
			about: "As the leader sees it.",
			width: 8, steps: true,
			queries: []query{{`max by (job, parti_group) (parti_partition_unowned%g)`, "{{parti_group}}"}},
		},
		{
			title:   "Partitions that moved",
			about:   "Granted to another worker than the one that had them before, in a minute.",
			width:   8,
			queries: []query{{`sum by (job, parti_group) (rate(parti_plan_moves_total%g[$__rate_interval])) * 60`, "{{parti_group}}"}},
		},
		{
			title: "New plans",
			about: "How often a worker came to know another version, and the term another number, in an hour.",
			width: 8,
			queries: []query{
				{`max by (job, parti_group) (changes(parti_plan_version%g[1h]))`, "plans of {{parti_group}}"},
				{`max by (job, parti_group) (changes(parti_term%g[1h]))`, "terms of {{parti_group}}"},
			},
		},
	}
}

// workers is how each worker is.
func workers() []panel {
	return []panel{
		{
			title: "Workers by state",
			about: "Stable is where a worker should be. ClaimingID: it has no ID. Scaling: a window is open.",
			width: 12, steps: true, stacked: true,
			queries: []query{{`sum by (parti_state) (parti_worker_state%w) > 0`, "{{parti_state}}"}},
		},
		{
			title: "Owned partitions",
			about: "Of each worker.",
			width: 12, steps: true,
			queries: []query{{`parti_partition_owned%w`, "{{instance}}"}},
		},
		{
			title: "Session trusted for",
			about: "For how long each worker may still act. A worker without a line holds no session.",
			unit:  "s", width: 8,
			queries: []query{{`parti_lease_remaining_seconds{parti_lease="session", %W}`, "{{instance}}"}},
		},
		{
			title: "Trust left at renewal",
			about: "Part of the trust in a heartbeat that was left when the next one was acknowledged: the lowest tenth.",
			unit:  "percentunit", width: 8,
			queries: []query{{
				`histogram_quantile(0.1, sum by (instance, le) (rate(parti_lease_slack_bucket%w[$__rate_interval])))`, "{{instance}}",
			}},
		},
		{
			title: "Heartbeats",
			about: "Time from the send to the answer. The last row counts those that failed.",
			unit:  "s", width: 8,
			queries: []query{
				{`histogram_quantile(0.5, sum by (le) (rate(parti_heartbeat_duration_seconds_bucket%w[$__rate_interval])))`, "median"},
				{`histogram_quantile(0.99, sum by (le) (rate(parti_heartbeat_duration_seconds_bucket%w[$__rate_interval])))`, "99 %"},
			},
		},
	}
}

// handoffs is how partitions change hands.
func handoffs() []panel {
	return []panel{
		{
			title: "Handoffs under way",
			about: "Partitions that a worker was asked to let go and has not. It returns to 0 within HandoffTimeout.",
			width: 6, steps: true,
			queries: []query{{`max by (job, parti_group) (parti_handoff_pending%g)`, "{{parti_group}}"}},
		},
		{
			title: "Time of a handoff",
			about: "From the request until the worker has let go: as long as your hook or handler takes.",
			unit:  "s", width: 6,
			queries: quantiles("parti_handoff_duration_seconds"),
		},
		{
			title: "Time without an owner",
			about: "Between two owners. After a crash it includes HeartbeatTTL.",
			unit:  "s", width: 6,
			queries: quantiles("parti_ownerless_duration_seconds"),
		},
		{
			title: "Time of a plan",
			about: "How long the strategy took to answer.",
			unit:  "s", width: 6,
			queries: quantiles("parti_plan_duration_seconds"),
		},
	}
}

func quantiles(histogram string) []query {
	rate := `sum by (le) (rate(` + histogram + `_bucket%g[$__rate_interval])))`
	return []query{{`histogram_quantile(0.5, ` + rate, "median"}, {`histogram_quantile(0.99, ` + rate, "99 %"}}
}

// troubles is what goes wrong.
func troubles() []panel {
	return []panel{
		{
			title:   "Errors",
			about:   "What OnError was told, by sentinel, in a minute.",
			width:   8,
			queries: []query{{`sum by (error_type) (rate(parti_error_total%w[$__rate_interval])) * 60`, "{{error_type}}"}},
		},
		{
			title: "Failed heartbeats",
			about: "By sentinel, in a minute.",
			width: 8,
			queries: []query{{
				`sum by (error_type) (rate(parti_heartbeat_duration_seconds_count{error_type!="", %W}[$__rate_interval])) * 60`, "{{error_type}}",
			}},
		},
		{
			title: "Waits past their deadlines",
			about: "Of each worker.",
			width: 8, steps: true,
			queries: []query{{`parti_wait%w`, "{{instance}}"}},
		},
		{
			title:   "Handlers that were begun again",
			about:   "After a failure, in a minute.",
			width:   12,
			queries: []query{{`sum by (instance) (rate(parti_handler_restarts_total%w[$__rate_interval])) * 60`, "{{instance}}"}},
		},
		{
			title: "Leadership trusted for",
			about: "For how long the leader may still act as one.",
			unit:  "s", width: 12,
			queries: []query{{`parti_lease_remaining_seconds{parti_lease="leadership", %W}`, "{{instance}}"}},
		},
	}
}
