// Copyright The Parti Authors
// SPDX-License-Identifier: Apache-2.0

package observe

import (
	"time"

	"github.com/parti-go/parti"
	"github.com/parti-go/parti/internal/record"
)

// Group is the view of a group at one moment. It never changes: treat its slices and maps as read-only.
type Group struct {
	// Name is the group's name in the configuration; "" for a group without one. Bucket is the assignment bucket, which
	// identifies the group on its server.
	Name, Bucket string
	// Workers are the live workers and those that still have records, sorted by ID.
	Workers []Worker
	// Leader is the worker with the newest term; "" for none.
	Leader string
	Plan   Plan
	// Unowned is the number of partitions of the plan without a live owner. A partition on its way to another worker counts
	// once its former owner has let go.
	Unowned int
	// Stale is the time since which this view may be out of date, because the store does not answer; the zero time if it
	// does answer.
	Stale time.Time

	seq   uint64
	model *model
}

// Plan is the newest plan of a group.
type Plan struct {
	Term       uint64
	Version    int64
	Phase      string
	Lifecycle  string
	Members    []string
	Partitions int
	// Stored is when the plan was stored, by the clock of the server.
	Stored      time.Time
	Certificate record.Certificate
	// Strategy describes the strategy of the leader that stored the plan, see [strategy.Describe]; "" if that leader runs an
	// earlier release.
	Strategy string
}

// Worker is one worker of a group.
type Worker struct {
	ID      string
	Host    string
	Process int
	// Session is the number of the worker's newest known session; 0 for none.
	Session uint64
	// State is the worker's state according to the records: ClaimingID while its session has no heartbeat yet, then the
	// state that follows from the phase of the plan, and Shutdown when its session is over. The worker itself may be a step
	// ahead: only its own Status is certain.
	State parti.State
	// Live is true while the worker has a heartbeat in the store.
	Live bool
	// Ended is the time at which the heartbeat of a dead worker ended, by the clock of the server; zero if it ended before
	// the observer began. Clean is true if the worker deleted its heartbeat itself, as in a clean stop.
	Ended    time.Time
	Clean    bool
	Leader   bool
	Leaving  bool // it drains or stops
	Cordoned bool // it takes nothing new
	Capacity int64
	Labels   map[string]string
	// Stuck is what the worker waits for past its deadline, a sentence for each.
	Stuck []string
	// Applied is the version that the worker has applied.
	Applied int64
	// Damped is the time until which the worker gets nothing, because it failed again and again.
	Damped time.Time
	// Partitions are the partitions that are granted to the worker or being released by it, sorted by ID. The worker owns
	// them only while the session of the grant is live; see [Observer.Owner].
	Partitions []Partition
}

// Partition is a partition that a worker has.
type Partition struct {
	ID     string
	Weight int64
	Epoch  int64
	// Since is the time of the grant, by the clock of the server; zero if it was before the observer began.
	Since time.Time
	// Releasing is true once the leader has asked the worker to let go.
	Releasing bool
	// Unlisted is true if the source does not list the partition any more. Releasing is true then as well, and nobody gets the
	// partition next.
	Unlisted bool
}

// Owner names the owner of a partition, its session and its epoch.
type Owner struct {
	Worker  string
	Host    string
	Session uint64
	Epoch   int64
	// Since is the time of the grant; zero if it was before the observer began.
	Since time.Time
	// Releasing is true once the leader has asked the owner to let go. The owner may already have done so.
	Releasing bool
}
