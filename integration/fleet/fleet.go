// Copyright The Parti Authors
// SPDX-License-Identifier: Apache-2.0

// Package fleet is a cluster for tests: many workers in one process on a real server in virtual time. Each worker has its own
// connection over its own link, and the checker watches all of them.
//
// A [Process] stands for one operating-system process with one worker in it. A test can do to it what can happen to a process:
// start, stop, crash, freeze, lose the network, and return under its ID.
package fleet

import (
	"context"
	"fmt"
	"log/slog"
	"os"
	"sync"
	"testing"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/parti-go/parti"
	"github.com/parti-go/parti/fsm"
	"github.com/parti-go/parti/integration/checker"
	"github.com/parti-go/parti/internal/bubble"
	"github.com/parti-go/parti/internal/inject"
	"github.com/parti-go/parti/internal/record"
	"github.com/parti-go/parti/strategy"
)

const (
	// Poll lies between two looks at a condition: what is waited for may have happened so much earlier.
	Poll  = 5 * time.Millisecond
	grace = time.Second // for a thawed process to give up what it lost
	// notice is what a process takes to see that the store was restored: reconnect, look twice, end the session; or
	// that its leases run out.
	notice = 3 * time.Second
	// leaveIn bounds the clean stop of every process at the end of a test.
	leaveIn = time.Minute
)

// Fleet is a group of processes that share a server, a source and a checker.
type Fleet struct {
	Server  *bubble.Server
	Checker *checker.Checker
	Source  *Source
	// JS is a connection that no fault touches: for looking at, and meddling with, the store.
	JS jetstream.JetStream

	t       *testing.T
	base    Spec
	level   slog.Level
	reader  *reader
	tap     *tap
	closing chan struct{} // closed when the test is over: hooks that block on purpose return
	work    sync.WaitGroup
	// waiting ends the waits of this package itself, so that a process that never ends fails its test only.
	waiting context.Context
	giveUp  context.CancelFunc

	mu    sync.Mutex
	procs []*Process
	watch func(Event)
}

// Spec is how a process is made. Each process may have its own.
type Spec struct {
	Config   parti.Config
	Source   parti.PartitionSource
	Strategy parti.Strategy
	// OnAssignmentChanged is the user's handler, called between the checker's notes; nil returns at once.
	OnAssignmentChanged func(ctx context.Context, added, removed []parti.Partition) error
	// Run, if not nil, is the user's handler of each partition; the process then has no assignment hook. See [Runs].
	Run            func(ctx context.Context, o *parti.Ownership) error
	OnStateChanged func(ctx context.Context, from, to parti.State) error
	// Mixed makes every second process a later release, whose records have fields that the others do not know.
	Mixed bool
	// Liveness has the checker judge waits and moves as well; only that of the whole fleet counts.
	Liveness bool
	// Format is the newest record format that the process knows, as an earlier release would; 0 for the newest there is.
	Format int
	// Connection replaces parti.ConnectOptions when it is not nil.
	Connection []nats.Option
	// Options are more options of the Manager.
	Options []parti.Option
}

// With changes a spec.
type With func(*Spec)

// Config changes the configuration; all else in it are the defaults.
func Config(change func(*parti.Config)) With { return func(s *Spec) { change(&s.Config) } }

// Strategy replaces the consistent hash.
func Strategy(st parti.Strategy) With { return func(s *Spec) { s.Strategy = st } }

// PreferredID is the ID that a process asks for first.
func PreferredID(id string) With { return Config(func(c *parti.Config) { c.PreferredID = id }) }

// StateDir is where a process leaves its identity to the next one.
func StateDir(path string) With { return Config(func(c *parti.Config) { c.StateDir = path }) }

// Handler sets the user's assignment hook.
func Handler(h func(ctx context.Context, added, removed []parti.Partition) error) With {
	return func(s *Spec) { s.OnAssignmentChanged = h }
}

// SlowHandler is an assignment hook that takes its time, unless its context ends before.
func SlowHandler(d time.Duration) With {
	return Handler(func(ctx context.Context, _, _ []parti.Partition) error {
		select {
		case <-time.After(d):
		case <-ctx.Done():
		}
		return nil
	})
}

// EarlierRelease makes the process one that reads and writes only records of the first format.
func EarlierRelease() With { return func(s *Spec) { s.Format = record.Oldest } }

// DefaultConnection gives the process the options that nats.go has by default, with the reconnect buffer: writes that
// timed out while it was disconnected are sent after the reconnect.
func DefaultConnection() With {
	return func(s *Spec) { s.Connection = []nats.Option{nats.MaxReconnects(-1)} }
}

// New returns an empty fleet with a source of n partitions. When the test ends, everything that lives is stopped, and
// the checker's last judgement is taken.
func New(t *testing.T, server *bubble.Server, n int, with ...With) *Fleet {
	t.Helper()
	f := &Fleet{Server: server, t: t, closing: make(chan struct{}), Source: newSource(n)}
	f.waiting, f.giveUp = context.WithCancel(context.Background())
	f.base = Spec{Config: parti.DefaultConfig(), Source: f.Source, Strategy: strategy.NewConsistentHash()}
	for _, w := range with {
		w(&f.base)
	}
	if os.Getenv("PARTITEST_DEBUG") != "" {
		f.level = slog.LevelDebug
	}
	f.Checker = checker.New(checker.Config{
		Allowed: func(from, to string) bool { return fsm.Allowed(fsm.State(from), fsm.State(to)) },
		Margin:  f.base.Config.HeartbeatTTL / 4,
		Lease:   f.base.Config.HeartbeatTTL,
		Grace:   grace,
		Notice:  f.base.Config.HeartbeatTTL + notice,
		Report:  func(v string) { t.Error(v) },

		LeaderTTL: f.base.Config.LeaderTTL,
		Deadlines: f.base.deadlines(),
	})
	f.Source.told = f.Checker.Listed
	f.Checker.Listed(f.Source.IDs())
	if f.base.Liveness {
		f.work.Go(f.look)
	}
	nc := server.Connect(nats.MaxReconnects(-1), nats.ReconnectWait(10*time.Millisecond))
	js, err := jetstream.New(nc)
	if err != nil {
		t.Fatalf("jetstream: %v", err)
	}
	f.JS = js
	f.reader = newReader(js, f.base.Config.KVBuckets, f.entryStored)
	f.tap = newTap(f)
	encode := f.encode
	inject.Encode.Store(&encode)
	format := f.format
	inject.Format.Store(&format)
	t.Cleanup(f.close)
	return f
}

// Start begins n processes in the same instant and does not wait for them.
func (f *Fleet) Start(n int, with ...With) []*Process {
	f.t.Helper()
	procs := make([]*Process, n)
	for i := range procs {
		procs[i] = f.Make(with...)
	}
	for _, p := range procs {
		p.Start()
	}
	return procs
}

// Begin starts n processes and waits until the cold start is over and everything has an owner.
func (f *Fleet) Begin(n int, with ...With) []*Process {
	f.t.Helper()
	procs := f.Start(n, with...)
	f.Settle(f.base.Config.ColdStartWindow + 10*time.Second)
	return procs
}

// Rest waits for twice the pause after a rebalance: what a settled group did last does not matter any more. It waits no longer,
// because a group at rest renews leases, and each renewal costs the test something, under the race detector most of all.
func (f *Fleet) Rest() { <-time.After(2 * f.base.Config.RebalanceCooldown) }

// Make returns a process that is not started.
func (f *Fleet) Make(with ...With) *Process {
	f.t.Helper()
	spec := f.base
	for _, w := range with {
		w(&spec)
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	p := newProcess(f, fmt.Sprintf("p%d", len(f.procs)+1), spec)
	f.procs = append(f.procs, p)
	return p
}

// format is the newest record format that the process of a name knows.
func (f *Fleet) format(name string) int {
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, p := range f.procs {
		if p.Name == name && p.spec.Format != 0 {
			return p.spec.Format
		}
	}
	return record.Newest
}

// Restart begins a new process that asks for the ID which the other one has, or had. If that one has a StateDir, the new
// process learns the ID there.
func (f *Fleet) Restart(old *Process, with ...With) *Process {
	f.t.Helper()
	if dir := old.spec.Config.StateDir; dir != "" {
		return f.Start(1, append([]With{StateDir(dir)}, with...)...)[0]
	}
	return f.Start(1, append([]With{PreferredID(old.LastID())}, with...)...)[0]
}

// Live returns the processes that are started and neither dead nor over.
func (f *Fleet) Live() []*Process {
	f.mu.Lock()
	defer f.mu.Unlock()
	var live []*Process
	for _, p := range f.procs {
		if p.Lives() {
			live = append(live, p)
		}
	}
	return live
}

// Leader returns the live process that leads, nil if there is none.
func (f *Fleet) Leader() *Process {
	for _, p := range f.Live() {
		if !p.Frozen() && p.Manager.IsLeader() {
			return p
		}
	}
	return nil
}

// Followers returns the live processes that do not lead.
func (f *Fleet) Followers() []*Process {
	var followers []*Process
	for _, p := range f.Live() {
		if !p.Manager.IsLeader() {
			followers = append(followers, p)
		}
	}
	return followers
}

// Wait waits in virtual time until the condition holds, and returns how long that took. It fails the test when the
// condition does not hold in time.
func (f *Fleet) Wait(within time.Duration, what string, condition func() bool) time.Duration {
	f.t.Helper()
	began := time.Now()
	for !condition() {
		if time.Since(began) >= within {
			f.Fatalf("after %s still not: %s", within, what)
		}
		<-time.After(Poll)
	}
	return time.Since(began)
}

// Settle waits until every live process is Stable and every partition of the source has exactly one live owner.
func (f *Fleet) Settle(within time.Duration) time.Duration {
	f.t.Helper()
	began := time.Now()
	for {
		err := f.Unsettled()
		if err == nil {
			return time.Since(began)
		}
		if time.Since(began) >= within {
			f.Fatalf("not settled after %s: %v", within, err)
		}
		<-time.After(Poll)
	}
}

// Unsettled says what is missing for [Fleet.Settle].
func (f *Fleet) Unsettled() error {
	live := f.Live()
	if len(live) == 0 {
		return fmt.Errorf("nobody lives")
	}
	for _, p := range live {
		if s := p.Manager.State(); s != parti.StateStable {
			return fmt.Errorf("%s (%s) is %s", p.Name, p.Manager.WorkerID(), s)
		}
	}
	return f.Checker.Complete(f.Source.IDs())
}

// RestoreFrom replaces the store, or some streams of it, with an older copy, made with [bubble.Server.Copy].
func (f *Fleet) RestoreFrom(copied string, streams ...string) {
	f.Server.Stop()
	f.reader.stop()
	f.Checker.Restored()
	f.Server.Restore(copied, streams...)
	f.Server.Start()
	f.reader.start()
}

// Fatalf fails the test with the recent events.
func (f *Fleet) Fatalf(format string, args ...any) {
	f.t.Helper()
	f.t.Fatalf("%s\nrecent events:\n%s", fmt.Sprintf(format, args...), f.Checker.Events())
}

// Closing is closed when the test is over; a hook that blocks on purpose has to return then.
func (f *Fleet) Closing() <-chan struct{} { return f.closing }

// Blocks is an assignment hook that returns only at the end of the test, whatever its context says.
func (f *Fleet) Blocks(context.Context, []parti.Partition, []parti.Partition) error {
	<-f.closing
	return nil
}

// close stops everything and takes the last judgement.
func (f *Fleet) close() {
	close(f.closing)
	f.mu.Lock()
	procs := f.procs
	f.mu.Unlock()
	var ending sync.WaitGroup
	for _, p := range procs {
		ending.Go(p.finish)
	}
	ending.Wait()
	f.giveUp()
	f.work.Wait()
	f.tap.close()
	inject.Encode.Store(nil)
	inject.Format.Store(nil)
	f.reader.stop()
	f.Checker.Finish()
	for _, p := range procs {
		p.replay()
	}
}
