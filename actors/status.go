// Copyright The Parti Authors
// SPDX-License-Identifier: Apache-2.0

package actors

import (
	"errors"
	"maps"
	"slices"
	"strconv"
	"strings"
	"sync/atomic"
	"time"

	"github.com/parti-go/parti/fsm"
	"github.com/parti-go/parti/internal/member"
	"github.com/parti-go/parti/internal/record"
	"github.com/parti-go/parti/strategy"
)

// Status is the present state of a worker, by its own knowledge.
type Status struct {
	WorkerID string // "" before the claim
	Session  uint64 // 0 before the claim
	State    fsm.State
	Leader   bool
	// Term, Version and Lifecycle are those of the plan that Assignment stands for.
	Term      uint64
	Version   int64
	Lifecycle record.Lifecycle
	// Ready says that a first assignment was applied in this life of the tree.
	Ready    bool
	Degraded bool // the store does not answer
	Draining bool // the worker hands everything over in order to leave for good
	Cordoned bool // the worker takes nothing new
	// TrustedFor is how long, from the moment of the call, this worker may still act on what the store has acknowledged: 0
	// when that is over. With OnStoreLoss "keep-serving" it goes on at 0.
	TrustedFor time.Duration
	// Partitions is what the worker has, sorted by ID, what a hook is just giving up included.
	Partitions []PartitionStatus
	// Waits is what is waited for past its deadline, the oldest first. It is empty when the worker is healthy.
	Waits []Wait

	Assignment Assignment
}

// PartitionStatus says how the work on one partition of a worker stands.
type PartitionStatus struct {
	Partition strategy.Partition
	Epoch     int64
	Since     time.Time // when it was granted to this session
	Phase     Phase
	Restarts  int   // how often its handler was begun again after a failure
	Err       error // of its handler, the last
}

// Phase says how the work on a partition stands.
type Phase string

// The phases. Where there are hooks alone a partition is starting, running or stopping.
const (
	PhaseStarting Phase = "starting" // granted, and OnAssignmentChanged has not returned, or the handler is not begun
	PhaseRunning  Phase = "running"  // the handler runs, or OnAssignmentChanged has returned
	PhaseIdle     Phase = "idle"     // the handler has returned nil; the partition stays owned
	PhaseFailing  Phase = "failing"  // the handler has failed and will be called again
	PhaseStopping Phase = "stopping" // to be given up, and the hook or the handler has not returned
)

// grant is when a worker was given a partition, and who works on it.
type grant struct {
	partition strategy.Partition
	epoch     int64
	since     time.Time
	handler   *atomic.Pointer[Ownership] // nil where there are hooks alone; it holds nil until the handler is asked to begin
}

// stopping reports whether a handler of what was given up has not returned.
func (g grant) stopping() bool {
	if g.handler == nil {
		return false
	}
	o := g.handler.Load()
	return o != nil && o.held.Err() == nil
}

// grants is the book of them. The hook runner writes a new one with each assignment.
type grants struct{ held, left map[string]grant }

// show publishes a new assignment. The runner calls it before it tells the user.
func (v *View) show(a *Assignment) {
	before, now := v.grants.Load(), time.Now()
	next := &grants{make(map[string]grant, len(a.Partitions)), map[string]grant{}}
	for _, p := range a.Partitions {
		id := p.ID()
		g := grant{partition: p, epoch: a.Epochs[id], since: now}
		if was, held := before.held[id]; held && was.epoch == g.epoch {
			g.since, g.handler = was.since, was.handler
		} else if v.handled {
			g.handler = &atomic.Pointer[Ownership]{}
		}
		next.held[id] = g
	}
	for id, g := range before.left {
		if g.stopping() {
			next.left[id] = g
		}
	}
	for id, g := range before.held {
		if now, held := next.held[id]; !held || now.handler != g.handler {
			next.left[id] = g
		}
	}
	v.grants.Store(next)
	v.assignment.Store(a)
}

// Present returns the present status without Partitions and Assignment, so its cost does not grow with the number of
// partitions.
func (v *View) Present() Status {
	s, now := *v.status.Load(), time.Now()
	a := v.assignment.Load()
	s.Term, s.Version, s.Lifecycle = a.Term, a.Version, a.Lifecycle
	if t := v.trust.Load(); t != nil {
		s.TrustedFor = t.left(now)
	}
	for _, w := range v.overdue(now) {
		s.Waits = append(s.Waits, Wait{w.What, w.Who, w.Since})
	}
	return s
}

// Status returns a copy of the present status.
func (v *View) Status() Status {
	s := v.Present()
	s.Assignment = v.Assignment()
	s.Partitions = v.partitions()
	return s
}

// Healthy returns nil, or one joined error for each wait that is past its deadline.
func (v *View) Healthy() error {
	now := time.Now()
	var stuck []error
	for _, w := range v.overdue(now) {
		stuck = append(stuck, w.Problem(now))
	}
	return errors.Join(stuck...)
}

func (v *View) overdue(now time.Time) (list []member.Wait) {
	select {
	case <-v.done:
		return nil // nobody waits any more
	default:
	}
	for _, w := range *v.waits.Load() {
		if !now.Before(w.Due) {
			list = append(list, w)
		}
	}
	return list
}

// partitions says how each partition stands.
func (v *View) partitions() []PartitionStatus {
	c, book := v.hook.now.Load(), v.grants.Load()
	all := maps.Clone(book.held)
	phase := map[string]Phase{}
	if c != nil {
		for _, p := range c.added {
			phase[p.ID()] = PhaseStarting
		}
		for _, p := range c.removed {
			if g, left := book.left[p.ID()]; left {
				phase[p.ID()], all[p.ID()] = PhaseStopping, g
			}
		}
	}
	for id, g := range book.left {
		if g.stopping() {
			phase[id], all[id] = PhaseStopping, g
		}
	}
	list := make([]PartitionStatus, 0, len(all))
	for id, g := range all {
		p := PartitionStatus{Partition: g.partition, Epoch: g.epoch, Since: g.since, Phase: PhaseRunning}
		if g.handler != nil {
			p.Phase = PhaseStarting
			g.handler.Load().describe(&p)
		}
		if of, is := phase[id]; is {
			p.Phase = of
		}
		list = append(list, p)
	}
	slices.SortFunc(list, func(a, b PartitionStatus) int { return strings.Compare(a.Partition.ID(), b.Partition.ID()) })
	return list
}

// firstOf names the first few partitions of a list.
func firstOf(list []strategy.Partition) string {
	const most = 5
	names := make([]string, 0, most)
	for _, p := range list[:min(len(list), most)] {
		names = append(names, p.ID())
	}
	text := strings.Join(names, ", ")
	if more := len(list) - most; more > 0 {
		text += " and " + strconv.Itoa(more) + " more"
	}
	return text
}
