// Copyright The Parti Authors
// SPDX-License-Identifier: Apache-2.0

package measure

// Kind is the kind of an instrument.
type Kind string

// The kinds. The values of several workers may be added up for an up-down counter, but not for a gauge.
const (
	Counter       Kind = "counter"
	UpDownCounter Kind = "up-down counter"
	Gauge         Kind = "gauge"
	Histogram     Kind = "histogram"
)

// Instrument describes one instrument. Each measurement has the attribute parti.group besides its own.
type Instrument struct {
	Name        string
	Kind        Kind
	Unit        string
	Description string
	Attribute   string // "" for none
}

// The names of the instruments.
const (
	workerState       = "parti.worker.state"
	partitionOwned    = "parti.partition.owned"
	partitionUnowned  = "parti.partition.unowned"
	handoffPending    = "parti.handoff.pending"
	handoffDuration   = "parti.handoff.duration"
	ownerlessDuration = "parti.ownerless.duration"
	planMoves         = "parti.plan.moves"
	planVersion       = "parti.plan.version"
	planDuration      = "parti.plan.duration"
	leaseRemaining    = "parti.lease.remaining"
	leaseSlack        = "parti.lease.slack"
	heartbeatDuration = "parti.heartbeat.duration"
	handlerRestarts   = "parti.handler.restarts"
	term              = "parti.term"
	leaders           = "parti.leader"
	failures          = "parti.error"
	waits             = "parti.wait"
)

// The attributes. None of them names a partition or a worker, so the number of series depends on neither.
const (
	attributeGroup = "parti.group"
	attributeState = "parti.state"
	attributeLease = "parti.lease"
	attributeError = "error.type"
)

// Instruments lists all instruments. docs/metrics.md has the same table.
func Instruments() []Instrument {
	return []Instrument{
		{workerState, UpDownCounter, "{worker}", "Workers by state: 1 for the state in which the worker is, 0 for each other.", attributeState},
		{partitionOwned, UpDownCounter, "{partition}", "Partitions that the worker owns.", ""},
		{partitionUnowned, Gauge, "{partition}", "Listed partitions that nobody owns, as the leader sees it. Only the leader reports it.", ""},
		{handoffPending, Gauge, "{partition}", "Partitions that a worker was asked to let go and has not. Only the leader reports it.", ""},
		{handoffDuration, Histogram, "s", "Time from the request to let a partition go until its worker has let it go.", ""},
		{ownerlessDuration, Histogram, "s", "Time that a partition was without an owner between two owners.", ""},
		{planMoves, Counter, "{partition}", "Partitions that were granted to another worker than the one that had them before.", ""},
		{planVersion, Gauge, "{version}", "The version of the newest plan that the worker knows.", ""},
		{planDuration, Histogram, "s", "Time that the strategy took to answer.", ""},
		{leaseRemaining, Gauge, "s", "Time for which a lease may still be acted on. Nothing is reported for a lease that is not held.", attributeLease},
		{leaseSlack, Histogram, "1", "Part of the trust in a heartbeat that was left when the next one was acknowledged.", ""},
		{heartbeatDuration, Histogram, "s", "Time from the send of a heartbeat to its answer.", attributeError},
		{handlerRestarts, Counter, "{restart}", "Handlers that were begun again after a failure.", ""},
		{term, Gauge, "{term}", "The highest leader's term that the worker has seen.", ""},
		{leaders, UpDownCounter, "{worker}", "1 while the worker leads, otherwise 0.", ""},
		{failures, Counter, "{error}", "Errors that the worker survived or ended with, by sentinel.", attributeError},
		{waits, UpDownCounter, "{wait}", "Waits of the worker that are past their deadlines.", ""},
	}
}

// The boundaries of the histograms, in seconds except for the one of fractions. Answers of a store take milliseconds, handoffs
// up to minutes.
var (
	parts   = []float64{.05, .1, .2, .3, .4, .5, .6, .7, .8, .9}
	answers = []float64{.001, .0025, .005, .01, .025, .05, .1, .25, .5, 1, 2.5, 5, 10}
	moments = []float64{.01, .05, .1, .25, .5, 1, 2.5, 5, 7.5, 10, 15, 20, 30, 60, 120, 300, 600}
)

func boundaries(name string) []float64 {
	switch name {
	case leaseSlack:
		return parts
	case heartbeatDuration, planDuration:
		return answers
	}
	return moments
}
