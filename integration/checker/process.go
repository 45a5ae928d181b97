// Copyright The Parti Authors
// SPDX-License-Identifier: Apache-2.0

package checker

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"
)

// States that a process is in without an identity.
const (
	initial  = "Init"
	claiming = "ClaimingID"
	shutdown = "Shutdown"
)

// process is one life of one worker, as its hooks tell it.
type process struct {
	name      string
	dead      bool
	died      time.Time
	frozen    bool
	thawed    time.Time
	state     string
	identity  string // the worker ID it acts under, "" while it has none
	named     time.Time
	nameless  time.Time // when it told of a state for which it had no identity; zero: never, or that was a late notice
	stale     bool      // its identity was taken over while it was frozen, or while the store had forgotten it
	runs      map[string]*run
	call      *Call // the one being made
	called    time.Time
	cancelled time.Time
	returned  time.Time     // from the call before
	ignoring  time.Time     // when the context of that one was cancelled, if it was
	busy      time.Duration // time that its calls have taken
	term      uint64
	version   int64
}

// run is a partition in the hands of a process.
type run struct {
	epoch int64
	stale bool // given to another one while this process was frozen, or while it held what a restored store forgot
	lost  time.Time
	taken time.Time

	handled   bool      // by a handler of its own, and not by the hook
	cancelled time.Time // when the context of that was cancelled
}

// Call is one call of the assignment hook, with what the process' own view said when it was made.
type Call struct {
	Worker         string
	Term           uint64
	Version        int64
	Epochs         map[string]int64
	Added, Removed []string // partition IDs
}

// Began starts the life of a process. Names are never used again.
func (c *Checker) Began(name string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.procs[name] = &process{name: name, state: initial, runs: make(map[string]*run)}
	c.log("%s: began", name)
}

// Died says that a process ended without goodbye: it runs nothing from now on, and what its hooks say does not count.
func (c *Checker) Died(name string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	p := c.procs[name]
	p.dead, p.died = true, time.Now()
	for partition := range p.runs {
		c.vacate(p, partition)
	}
	c.log("%s: died as %q, running %d", name, p.identity, len(p.runs))
}

// Ended says that a process is over in the ordinary way: by now it must have given everything up.
func (c *Checker) Ended(name string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	p := c.procs[name]
	if p.dead {
		return
	}
	c.log("%s: ended as %q", name, p.identity)
	c.excuseDeaf(p)
	if p.call == nil && len(p.runs) > 0 {
		c.violate("I1", "%s ended while it still runs %v", name, sorted(p.runs))
	}
	if p.state != shutdown && p.state != initial {
		c.violate("I8", "%s ended in state %s", name, p.state)
	}
	p.dead = true
}

// Froze says that a process is paused: it does nothing, and so runs nothing, until it is thawed.
func (c *Checker) Froze(name string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.procs[name].frozen = true
	c.log("%s: frozen as %q", name, c.procs[name].identity)
}

// Thawed ends a pause. What was given to another process meanwhile is stale: it has to be given up within the grace.
func (c *Checker) Thawed(name string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	p := c.procs[name]
	p.frozen, p.thawed = false, time.Now()
	for partition, r := range p.runs {
		if c.epochs[partition] > r.epoch {
			r.stale, r.lost = true, p.thawed
			c.excuses("%s: %s was given away while it was frozen", name, partition)
		}
	}
	for _, other := range c.procs {
		if other != p && other.acts() && other.identity == p.identity {
			p.stale = true
		}
	}
	c.log("%s: thawed as %q", name, p.identity)
}

// Told says that the assignment hook of a process is about to be called.
func (c *Checker) Told(name string, call Call) {
	c.mu.Lock()
	defer c.mu.Unlock()
	p := c.procs[name]
	if p.dead {
		return
	}
	c.log("%s: told as %s term %d version %d: added %s removed %v",
		name, call.Worker, call.Term, call.Version, call.added(), call.Removed)
	if p.call != nil {
		c.violate("I1", "%s: two calls of the assignment hook at once", name)
	}
	p.call, p.called, p.cancelled = &call, time.Now(), time.Time{}
	if p.returned.Equal(p.called) && !p.ignoring.IsZero() {
		p.called = p.ignoring // it could not be told earlier
	}
	c.calls++
	c.judgeNameless(p)
	c.monotonic(p, call)
	for _, partition := range call.Removed {
		if p.runs[partition] == nil {
			c.violate("I1", "%s: told to give up %s, which it does not run", name, partition)
		}
	}
	for _, partition := range call.Added {
		c.take(p, partition, call)
	}
	told := map[string]bool{}
	for _, partition := range slices.Concat(call.Added, call.Removed) {
		told[partition] = true
	}
	for partition, r := range p.runs {
		if told[partition] {
			continue
		}
		if e, ok := call.Epochs[partition]; ok && e != r.epoch && c.unaware(p.named) {
			r.epoch = e
			c.excuses("%s: the epoch of %s changed while the restore was not noticed", name, partition)
		} else if ok && e != r.epoch {
			c.violate("I2", "%s: the epoch of %s changed from %d to %d while it runs", name, partition, r.epoch, e)
		}
	}
}

// take records that a process runs a partition from now on.
func (c *Checker) take(p *process, partition string, call Call) {
	if p.runs[partition] != nil {
		c.violate("I1", "%s: told to take %s, which it already runs", p.name, partition)
		return
	}
	r := &run{epoch: call.Epochs[partition], taken: time.Now()}
	p.runs[partition] = r
	c.occupy(partition)
	highest := c.epochs[partition]
	switch {
	case r.epoch > highest:
	case c.fresh(p):
		r.stale, r.lost = true, p.thawed // the pause was between the decision and the call: only the epoch helps here
		c.excuses("%s: took %s with epoch %d, after epoch %d, as it was thawed", p.name, partition, r.epoch, highest)
		return
	case r.epoch < highest && time.Since(c.restored) <= c.notice:
		r.stale, r.lost = true, c.restored // a grant of before the restore, of which this process does not know yet
		c.excuses("%s: took %s with epoch %d, after epoch %d, and did not know of the restore", p.name, partition, r.epoch, highest)
		return
	default:
		c.violate("I2", "%s: told to take %s with epoch %d, after epoch %d", p.name, partition, r.epoch, highest)
	}
	for _, other := range c.procs {
		if other != p && other.holds(partition) {
			if r := other.runs[partition]; c.excused(other, partition, r) {
				r.stale = true
				c.excuses("%s: took %s, which %s has not let go", p.name, partition, other.name)
				continue
			}
			c.violate("I1", "%s: told to take %s, which %s runs since epoch %d", p.name, partition,
				other.name, other.runs[partition].epoch)
		}
	}
	c.epochs[partition] = max(highest, r.epoch)
	if last, ok := c.owner[partition]; ok && last != call.Worker {
		c.moves++
	}
	c.owner[partition], c.grants[partition] = call.Worker, time.Now()
}

// Cancelled says that the context of the call being made has been cancelled.
func (c *Checker) Cancelled(name string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if p := c.procs[name]; p.call != nil && p.cancelled.IsZero() && !p.dead {
		p.cancelled = time.Now()
		c.log("%s: the context of its call is cancelled", name)
	}
}

// Returned says that the hook has returned (or panicked): what was removed is let go.
func (c *Checker) Returned(name string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	p := c.procs[name]
	if p.dead || p.call == nil {
		return
	}
	p.returned, p.ignoring = time.Now(), p.cancelled
	p.busy += time.Since(p.called)
	for _, partition := range p.call.Removed {
		if r := p.runs[partition]; r != nil && r.stale && time.Since(r.lost) > c.allowance(p, r) {
			c.violate("I1", "%s: kept %s for %s after it was lost", name, partition, time.Since(r.lost))
		}
		delete(p.runs, partition)
		c.vacate(p, partition)
	}
	c.log("%s: returned, running %d", name, len(p.runs))
	p.call = nil
}

// State says that a process was told of a change of its state.
func (c *Checker) State(name, worker, from, to string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	p := c.procs[name]
	if p.dead {
		return
	}
	c.log("%s: %s -> %s as %q", name, from, to, worker)
	if over := to == claiming || to == shutdown; over && time.Since(p.nameless) == 0 {
		p.nameless = time.Time{} // the session was over when the notice of its begin was read
	}
	c.judgeNameless(p)
	if from != p.state {
		c.violate("I8", "%s: a change from %s, but the last one went to %s", name, from, p.state)
	}
	if !c.cfg.Allowed(from, to) {
		c.violate("I8", "%s: %s -> %s is no edge of the table", name, from, to)
	}
	p.state = to
	switch {
	case to == claiming || to == shutdown:
		p.identity, p.stale = "", false
	case p.identity == "":
		p.identity, p.named = worker, time.Now()
		c.identify(p)
	}
}

// identify looks for another process that acts under the same worker ID.
func (c *Checker) identify(p *process) {
	if p.identity == "" {
		if !c.woken(p) { // else: a notice that waited until its session was over
			p.nameless = time.Now()
		}
		return
	}
	for _, other := range c.procs {
		if other != p && other.acts() && other.identity == p.identity {
			// A process that is thawed in this very moment has done nothing yet.
			if c.unaware(other.named) || c.stored.ghosts[p.identity] || other.thawed.Equal(p.named) {
				other.stale = true
				continue
			}
			c.violate("I5", "%s: acts as %s, as %s does", p.name, p.identity, other.name)
		}
	}
}

// judgeNameless reports a process that acts without an ID. A hook that tells of a state reads the ID for itself, and by
// then the session may be over: then the notice of that end waits behind this one, and comes in the same instant.
func (c *Checker) judgeNameless(p *process) {
	if !p.nameless.IsZero() && time.Since(p.nameless) > 0 {
		p.nameless = time.Time{}
		c.violate("I5", "%s: acts (%s) without a worker ID", p.name, p.state)
	}
}

// monotonic compares a call's term and version with the ones that the process saw before.
func (c *Checker) monotonic(p *process, call Call) {
	if call.Term < p.term || call.Version < p.version {
		c.violate("I4", "%s: saw term %d version %d after term %d version %d", p.name,
			call.Term, call.Version, p.term, p.version)
	}
	p.term, p.version = max(p.term, call.Term), max(p.version, call.Version)
}

// namedMissing is how many partitions an answer of [Checker.Complete] names: it is asked each few milliseconds.
const namedMissing = 10

// Complete says what is missing for I3: each of the partitions is run by exactly one live process, and no other
// partition by any.
func (c *Checker) Complete(partitions []string) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	owners := make(map[string]int, len(partitions))
	for _, partition := range partitions {
		owners[partition] = 0
	}
	for _, p := range c.procs {
		for partition := range p.runs {
			if !p.holds(partition) {
				continue
			}
			if _, ok := owners[partition]; !ok {
				return fmt.Errorf("%s runs %s, which is not in the source", p.name, partition)
			}
			owners[partition]++
		}
	}
	var errs []error
	for _, partition := range partitions {
		if owners[partition] != 1 && len(errs) < namedMissing {
			errs = append(errs, fmt.Errorf("%s has %d owners", partition, owners[partition]))
		}
	}
	return errors.Join(errs...)
}

// Running returns the partitions that a process runs, sorted.
func (c *Checker) Running(name string) []string {
	c.mu.Lock()
	defer c.mu.Unlock()
	p := c.procs[name]
	if p.dead {
		return nil
	}
	return sorted(p.runs)
}

// excused says that only an epoch can keep a run of a partition from doing harm, and since when.
func (c *Checker) excused(p *process, partition string, r *run) bool {
	switch {
	case c.deaf(p, partition):
		r.lost = time.Now()
	case c.woken(p):
		r.lost = p.thawed
	case c.forgotten(p, r):
		r.lost = c.restored
	default:
		return false
	}
	return true
}

// deaf says that the process has been told to let go of a partition and ignores its cancelled context for longer than
// the margin. A call that takes the partition away told so when it began; any other one, when its context ended.
func (c *Checker) deaf(p *process, partition string) bool {
	if r := p.runs[partition]; r != nil && r.handled {
		return !r.cancelled.IsZero() && time.Since(r.cancelled) >= c.cfg.Margin
	}
	if p.call == nil || p.cancelled.IsZero() {
		return false
	}
	since := p.cancelled
	if slices.Contains(p.call.Removed, partition) {
		since = p.called
	}
	return time.Since(since) >= c.cfg.Margin
}

// forgotten says that a partition was taken in a session from before the store was restored from an older copy, and that
// this was not long ago: its holder needs a moment to notice.
func (c *Checker) forgotten(p *process, r *run) bool { return c.unaware(r.taken) || c.unaware(p.named) }

func (c *Checker) unaware(since time.Time) bool {
	return since.Before(c.restored) && time.Since(c.restored) <= c.notice
}

// woken says that the process was thawed so recently that the pause has taken the time which its handlers have to return.
func (c *Checker) woken(p *process) bool {
	return !p.thawed.IsZero() && time.Since(p.thawed) <= c.cfg.Margin
}

// allowance is how long a process may take to give up a partition that it lost without being told; calls that take
// their time hold it up.
func (c *Checker) allowance(p *process, r *run) time.Duration {
	if !c.restored.IsZero() && r.lost.Equal(c.restored) {
		return c.notice + p.busy
	}
	return c.cfg.Grace + p.busy
}

// fresh says that the process was thawed within the grace.
func (c *Checker) fresh(p *process) bool {
	return !p.thawed.IsZero() && time.Since(p.thawed) <= c.cfg.Grace
}

func (p *process) holds(partition string) bool {
	r := p.runs[partition]
	return r != nil && !r.stale && !p.dead && !p.frozen
}

func (p *process) acts() bool {
	return p.identity != "" && !p.dead && !p.frozen && !p.stale
}

func (call Call) added() string {
	var s strings.Builder
	for _, p := range call.Added {
		fmt.Fprintf(&s, " %s@%d", p, call.Epochs[p])
	}
	return "[" + s.String() + "]"
}

func sorted[V any](m map[string]V) []string { return slices.Sorted(maps.Keys(m)) }
