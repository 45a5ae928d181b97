// Copyright The Parti Authors
// SPDX-License-Identifier: Apache-2.0

// Package checker watches a fleet and reports each broken promise.
//
// It is independent on purpose. It knows only what the hooks of each process were told, what the streams of the four buckets
// hold, message by message, and its own clock. It shares no code with the rooms that decide (the ledger, the store's records).
// Only the table of legal state changes is the library's own; it is passed in as a function.
//
// The promises, by the numbers in the reports:
//
//	I1 exclusive     one live process runs a partition: from just before its hook is told, until that hook has
//	                 returned from giving it up. No partition is given twice, or taken without having been given; one
//	                 call at a time.
//	I2 fenced        epochs strictly grow from one grant to the next, in the hooks and in the stored records.
//	I3 complete      every partition has exactly one live owner: asked for with [Checker.Complete].
//	I4 monotonic     terms and versions never fall: for each process, and in the stored history.
//	I5 one identity  one live process acts under a worker ID; sessions of an ID never go back.
//	I6 one writer    after a term is stored, no write of an earlier one is stored.
//	I7 calm          counted: [Checker.Moves]. Judged if deadlines are given: no plan takes a partition from a live worker
//	                 without a reason.
//	I9 urgent first  if deadlines are given: a partition without an owner gets one in time, see [Checker.Look].
//	I10 told         if deadlines are given: the leader reports a worker that does not let go in time.
//	drain            no record grants anything to a session that has said that it leaves, once the leader must know it.
//	terms            one session stores few of them in a LeaderTTL: see [Config.LeaderTTL].
//	I8 legal         each state change is an edge of the table, and starts where the last one ended.
//	fencing          a store of the user's that refuses older epochs refuses only writes that are left from a pause, from a
//	                 handler that ignores its context, or from a store restored from an older copy: see [Checker.Wrote].
//	handoff          no record grants a partition that a live session holds and has not acknowledged letting go:
//	                 [Checker.Finish] judges this over the whole stored history.
package checker

import (
	"fmt"
	"strings"
	"sync"
	"time"
)

const (
	logged      = 400 // events that a report shows
	maxReported = 5   // violations reported in full, later ones are only counted
)

// Config is what a checker has to know beforehand.
type Config struct {
	// Allowed says whether a state change is legal.
	Allowed func(from, to string) bool
	// Margin is how long a handler may still run after its context was cancelled (HeartbeatTTL/4). A handler that
	// ignores its context for longer may overlap with the next owner: that is documented, and no violation of I1.
	Margin time.Duration
	// Lease is how long a session can live that was heard of for the last time (HeartbeatTTL). It counts where somebody
	// overwrote the heartbeat, so that no expiry tells its end.
	Lease time.Duration
	// LeaderTTL is the lifetime of the lease on leadership. One session begins at most four terms in so long: two at once,
	// then one in each third of it. Two more may be stored in that time: one that a slow link held up, and one that its
	// sender no longer waits for. More than six are a violation; zero judges none.
	LeaderTTL time.Duration
	// Grace is how long a thawed process may need to give up what it lost while it was frozen.
	Grace time.Duration
	// Notice is how long a process may need to see that the store was restored from an older copy, and to give up.
	Notice time.Duration
	// Deadlines are those of the waits that [Checker.Look] judges, and of needless moves; nil judges none of these.
	Deadlines *Deadlines
	// Report receives each violation together with the recent events.
	Report func(violation string)
}

// Checker is fed with events, from any goroutine.
type Checker struct {
	cfg   Config
	began time.Time

	mu         sync.Mutex
	events     []string
	violations []string

	procs  map[string]*process
	epochs map[string]int64  // highest epoch told, by partition
	owner  map[string]string // worker ID that was last given a partition
	moves  int
	calls  int
	grants map[string]time.Time // when a partition was last given to anyone
	vacant map[string]time.Time // partitions that nobody runs, since when
	excuse int                  // overlaps with a handler that ignored its context, or of a thawed process

	vacancies []Vacancy // that are over
	stored    stored
	live      liveness
	restored  time.Time // when the store last became an older copy of itself
	notice    time.Duration

	writes  map[string]int64 // highest epoch of a write to the external store, by partition
	refused int
}

// New returns a checker; its clock starts now.
func New(cfg Config) *Checker {
	return &Checker{
		cfg: cfg, began: time.Now(),
		procs: make(map[string]*process), epochs: make(map[string]int64),
		owner: make(map[string]string), grants: make(map[string]time.Time), vacant: make(map[string]time.Time),
		stored: newStored(), live: newLiveness(), writes: make(map[string]int64),
	}
}

// Note puts a line into the event log: a fault, or a log line of the library.
func (c *Checker) Note(format string, args ...any) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.log(format, args...)
}

// Violations returns all found so far, without the events.
func (c *Checker) Violations() []string {
	c.mu.Lock()
	defer c.mu.Unlock()
	return append([]string(nil), c.violations...)
}

// Moves counts how often a partition was given to another worker ID than the one that had it before.
func (c *Checker) Moves() int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.moves
}

// Calls counts the calls of all assignment hooks.
func (c *Checker) Calls() int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.calls
}

// Excused counts the overlaps that only an epoch can make harmless: with a handler that ignored its cancelled context
// for longer than the margin, or of a process that was frozen.
func (c *Checker) Excused() int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.excuse
}

// Owners returns the worker ID that was last given each partition.
func (c *Checker) Owners() map[string]string {
	c.mu.Lock()
	defer c.mu.Unlock()
	owners := make(map[string]string, len(c.owner))
	for p, w := range c.owner {
		owners[p] = w
	}
	return owners
}

// Epoch returns the highest epoch that was handed out with a partition.
func (c *Checker) Epoch(partition string) int64 {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.epochs[partition]
}

// LastGrant returns when any of the partitions was last given to anyone.
func (c *Checker) LastGrant(partitions ...string) time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	var last time.Time
	for _, p := range partitions {
		if c.grants[p].After(last) {
			last = c.grants[p]
		}
	}
	return last
}

// Events returns the recent events, one a line.
func (c *Checker) Events() string {
	c.mu.Lock()
	defer c.mu.Unlock()
	return strings.Join(c.events, "\n")
}

// log appends an event. The caller holds the lock.
func (c *Checker) log(format string, args ...any) {
	if len(c.events) >= 2*logged {
		c.events = append(c.events[:0], c.events[len(c.events)-logged:]...)
	}
	at := time.Since(c.began)
	c.events = append(c.events, fmt.Sprintf("%10.3fs  ", at.Seconds())+fmt.Sprintf(format, args...))
}

// excuses counts what would be a violation but for a fault. The caller holds the lock.
func (c *Checker) excuses(format string, args ...any) {
	c.excuse++
	c.log("excused: "+format, args...)
}

// recent returns the events that a report shows. The caller holds the lock.
func (c *Checker) recent() []string {
	return c.events[max(0, len(c.events)-logged):]
}

// violate records a broken promise. The caller holds the lock.
func (c *Checker) violate(invariant, format string, args ...any) {
	c.violateAfter(nil, invariant, format, args...)
}

// violateAfter is violate for what shows later than it happens: events are those before it, nil for those of now. The
// caller holds the lock.
func (c *Checker) violateAfter(events []string, invariant, format string, args ...any) {
	v := fmt.Sprintf("%s violated: %s", invariant, fmt.Sprintf(format, args...))
	c.log("!!! %s", v)
	c.violations = append(c.violations, v)
	if c.cfg.Report == nil || len(c.violations) > maxReported {
		return
	}
	if events == nil {
		events = c.recent()
	}
	c.cfg.Report(v + "\nrecent events:\n" + strings.Join(events, "\n"))
}
