// Copyright The Parti Authors
// SPDX-License-Identifier: Apache-2.0

package fleet

import (
	"context"
	"log/slog"
	"maps"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/parti-go/parti"
	"github.com/parti-go/parti/integration/checker"
	"github.com/parti-go/parti/integration/link"
	"github.com/parti-go/parti/internal/statedir"
)

// Process is one life of one worker.
type Process struct {
	Name    string
	Link    *link.Link
	Conn    *nats.Conn
	Manager *parti.Manager

	fleet    *Fleet
	spec     Spec
	handled  handled
	recorder *parti.Recorder // nil for none
	begun    chan struct{}   // closed when Manager.Start has returned

	mu      sync.Mutex
	started bool
	dead    bool
	gate    chan struct{} // not nil while frozen; closed at the thaw
	thawed  time.Time     // the last one
	lastID  string
	err     error // of Manager.Start
	errs    []error
	jobs    map[string]int64 // what the user's job works on, with the epochs
	sent    map[string]int   // messages into the link, by subject
}

func newProcess(f *Fleet, name string, spec Spec) *Process {
	p := &Process{Name: name, fleet: f, spec: spec, begun: make(chan struct{}), sent: make(map[string]int), jobs: make(map[string]int64)}
	p.Link = link.New(f.Server, p.count)
	opts := spec.Connection
	if opts == nil {
		opts = parti.ConnectOptions()
	}
	own := []nats.Option{nats.Name(name), nats.RetryOnFailedConnect(true)} // the store may be away
	nc, err := nats.Connect("", append(own, append(opts, nats.InProcessServer(p.Link))...)...)
	if err != nil {
		f.t.Fatalf("%s: connect: %v", name, err)
	}
	js, err := jetstream.New(nc)
	if err != nil {
		f.t.Fatalf("%s: jetstream: %v", name, err)
	}
	p.Conn = nc
	hooks := parti.Hooks{OnStateChanged: p.stateChanged, OnError: p.failed}
	p.recorder = recorder()
	options := append([]parti.Option{parti.WithRecorder(p.recorder)}, spec.Options...)
	if spec.Run != nil {
		options = append(options, parti.WithHandler(parti.HandlerFunc(p.run)))
	} else {
		hooks.OnAssignmentChanged = p.assigned
	}
	log := slog.New(slog.NewTextHandler(lines(p.log), &slog.HandlerOptions{Level: f.level, ReplaceAttr: untimed}))
	p.Manager, err = parti.NewManager(spec.Config, js, spec.Source, spec.Strategy,
		append(options, parti.WithHooks(hooks), parti.WithLogger(log))...)
	if err != nil {
		f.t.Fatalf("%s: new manager: %v", name, err)
	}
	return p
}

// Start begins the process in the background; see [Process.Begun].
func (p *Process) Start() {
	p.mu.Lock()
	p.started = true
	p.mu.Unlock()
	p.fleet.Checker.Began(p.Name)
	p.fleet.work.Go(func() {
		err := p.Manager.Start(p.fleet.waiting)
		p.mu.Lock()
		p.err = err
		p.mu.Unlock()
		p.fleet.Checker.Note("%s: Start returned %v", p.Name, err)
		close(p.begun)
	})
	p.fleet.work.Go(p.awaitEnd)
	p.fleet.work.Go(p.work)
}

// work is the user's job: it writes each second to a store that refuses older epochs, and after a pause at once, as a
// write that was under way would arrive.
func (p *Process) work() {
	for {
		select {
		case <-time.After(time.Second):
		case <-p.Manager.Done():
			return
		}
		p.pass()
		p.mu.Lock()
		jobs := maps.Clone(p.jobs)
		p.mu.Unlock()
		for _, partition := range slices.Sorted(maps.Keys(jobs)) {
			p.fleet.Checker.Wrote(p.Name, partition, jobs[partition])
		}
	}
}

// works changes what the job works on.
func (p *Process) works(change func(jobs map[string]int64)) {
	p.mu.Lock()
	defer p.mu.Unlock()
	change(p.jobs)
}

// awaitEnd judges the process when it has ended; in the next instant, when its last hook calls have been noted.
func (p *Process) awaitEnd() {
	select {
	case <-p.Manager.Done():
		p.pass()
		<-time.After(time.Nanosecond)
		p.fleet.Checker.Ended(p.Name)
	case <-p.fleet.waiting.Done():
	}
}

// Begun waits until Manager.Start has returned and returns its error.
func (p *Process) Begun() error {
	<-p.begun
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.err
}

// Lives says that the process is started, has not crashed, and its manager has not ended.
func (p *Process) Lives() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	if !p.started || p.dead {
		return false
	}
	select {
	case <-p.Manager.Done():
		return false
	default:
		return true
	}
}

// LastID is the worker ID that the process has or had last.
func (p *Process) LastID() string {
	if id := p.Manager.WorkerID(); id != "" {
		return id
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.lastID
}

// Running returns what the process runs, as its hooks were told, sorted.
func (p *Process) Running() []string { return p.fleet.Checker.Running(p.Name) }

// Stop leaves the group cleanly and ends the process.
func (p *Process) Stop() error {
	p.fleet.Checker.Note("%s: stop", p.Name)
	ctx, cancel := context.WithTimeout(context.Background(), leaveIn)
	defer cancel()
	p.LastIDKept()
	began := time.Now()
	err := p.Manager.Stop(ctx)
	p.inTime(began)
	p.Conn.Close()
	return err
}

// Drain hands everything over and ends the process; see [parti.Manager.Drain].
func (p *Process) Drain(ctx context.Context) error {
	p.fleet.Checker.Note("%s: drain", p.Name)
	p.LastIDKept()
	err := p.Manager.Drain(ctx)
	p.Conn.Close()
	return err
}

// inTime judges a stop that has returned: it keeps to ShutdownTimeout, unless the process was frozen meanwhile.
func (p *Process) inTime(began time.Time) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if took := time.Since(began); took > p.spec.Config.ShutdownTimeout && p.gate == nil && p.thawed.Before(began) {
		p.fleet.t.Errorf("%s: Stop took %s, allowed: ShutdownTimeout %s", p.Name, took, p.spec.Config.ShutdownTimeout)
	}
}

// LastIDKept remembers the present ID for after the end.
func (p *Process) LastIDKept() {
	if id := p.Manager.WorkerID(); id != "" {
		p.mu.Lock()
		p.lastID = id
		p.mu.Unlock()
	}
}

// Crash ends the process without clean-up or goodbye: its link is cut for good, and what its hooks are told from now on
// does not count. What is left of its manager is stopped in the background.
//
// Its lock on the StateDir cannot be released without it knowing, as the end of a real process would. So the file is
// copied, as it is at the crash, into a directory that nobody has locked, and [Fleet.Restart] goes on there.
func (p *Process) Crash() {
	p.LastIDKept()
	if dir := p.spec.Config.StateDir; dir != "" {
		p.spec.Config.StateDir = p.fleet.t.TempDir()
		if err := statedir.Copy(dir, p.spec.Config.StateDir); err != nil {
			p.fleet.t.Errorf("%s: copy the state directory: %v", p.Name, err)
		}
	}
	p.mu.Lock()
	p.dead = true
	p.mu.Unlock()
	p.fleet.Checker.Died(p.Name)
	p.Link.Cut()
	p.Thaw()
	p.fleet.work.Go(func() {
		p.Conn.Close()
		ctx, cancel := context.WithTimeout(context.Background(), leaveIn)
		defer cancel()
		_ = p.Manager.Stop(ctx)
	})
}

// Freeze pauses the process as a debugger, a hypervisor or a garbage collector would: nothing comes or goes through its
// link, its hooks do not return and are not called, its actors handle no message.
//
// What it cannot show: goroutines cannot be paused one by one, so timers of the library still fire, calls under way
// still time out, and a pause between a check and the very next statement is not reached.
func (p *Process) Freeze() {
	p.mu.Lock()
	p.gate = make(chan struct{})
	p.mu.Unlock()
	p.fleet.tap.active.Add(1)
	p.fleet.Checker.Froze(p.Name)
	p.Link.Stall()
}

// Thaw ends a pause: everything that was under way arrives.
func (p *Process) Thaw() {
	p.mu.Lock()
	gate, dead := p.gate, p.dead
	p.gate = nil
	if gate != nil {
		p.thawed = time.Now()
	}
	p.mu.Unlock()
	if gate == nil {
		return
	}
	p.fleet.tap.active.Add(-1)
	if !dead {
		p.fleet.Checker.Thawed(p.Name)
		p.Link.Heal()
	}
	close(gate)
}

// Frozen says that the process is paused.
func (p *Process) Frozen() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.gate != nil
}

// pass waits while the process is frozen.
func (p *Process) pass() {
	for {
		p.mu.Lock()
		gate := p.gate
		p.mu.Unlock()
		if gate == nil {
			return
		}
		<-gate
	}
}

// assigned is the assignment hook: the user's handler between the checker's notes.
func (p *Process) assigned(ctx context.Context, added, removed []parti.Partition) error {
	p.LastIDKept()
	p.pass()
	a := p.Manager.Assignment()
	p.fleet.Checker.Told(p.Name, checker.Call{
		Worker: p.LastID(), Term: a.Term, Version: a.Version, Epochs: a.Epochs, Added: ids(added), Removed: ids(removed),
	})
	p.works(func(jobs map[string]int64) {
		for _, partition := range added {
			jobs[partition.ID()] = a.Epochs[partition.ID()]
		}
	})
	if len(added) > 0 {
		p.fleet.happened(Event{Kind: Told, Process: p})
	}
	stop := context.AfterFunc(ctx, func() { p.fleet.Checker.Cancelled(p.Name) })
	defer p.returned(removed)
	defer p.pass()
	defer stop()
	if h := p.spec.OnAssignmentChanged; h != nil && !p.isDead() {
		return h(ctx, added, removed)
	}
	return nil
}

// returned ends the job for what was removed, and the call.
func (p *Process) returned(removed []parti.Partition) {
	p.works(func(jobs map[string]int64) {
		for _, partition := range removed {
			delete(jobs, partition.ID())
		}
	})
	p.fleet.Checker.Returned(p.Name)
	if len(removed) > 0 {
		p.fleet.happened(Event{Kind: Returned, Process: p})
	}
}

func (p *Process) stateChanged(ctx context.Context, from, to parti.State) error {
	worker := p.Manager.WorkerID()
	p.pass()
	p.fleet.Checker.State(p.Name, worker, from.String(), to.String())
	if h := p.spec.OnStateChanged; h != nil && !p.isDead() {
		return h(ctx, from, to)
	}
	return nil
}

func (p *Process) failed(_ context.Context, err error) {
	p.pass()
	p.fleet.Checker.Reported(p.Name, err)
	p.mu.Lock()
	defer p.mu.Unlock()
	p.errs = append(p.errs, err)
}

// Errors returns what OnError was told.
func (p *Process) Errors() []error {
	p.mu.Lock()
	defer p.mu.Unlock()
	return append([]error(nil), p.errs...)
}

// Sent counts the messages that the process has put into its link whose subject the filter accepts.
func (p *Process) Sent(filter func(subject string) bool) (n int) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for subject, times := range p.sent {
		if filter(subject) {
			n += times
		}
	}
	return n
}

func (p *Process) count(subject string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.sent[subject]++
}

func (p *Process) isDead() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.dead
}

// finish ends whatever is left of the process at the end of the test.
func (p *Process) finish() {
	p.Thaw()
	p.mu.Lock()
	started, dead := p.started, p.dead
	p.mu.Unlock()
	if started && !dead {
		p.Link.Heal()
		if err := p.Stop(); err != nil {
			p.fleet.Checker.Note("%s: the last stop: %v", p.Name, err)
		}
	}
	if started {
		select {
		case <-p.Manager.Done():
		case <-time.After(leaveIn):
			p.fleet.t.Errorf("%s has not ended %s after it was stopped", p.Name, leaveIn)
		}
	}
	p.Conn.Close()
	p.Link.Close()
}

func (p *Process) log(line string) { p.fleet.Checker.Note("%s: %s", p.Name, line) }

// lines is a writer of log lines.
type lines func(line string)

func (l lines) Write(b []byte) (int, error) {
	l(strings.TrimRight(string(b), "\n"))
	return len(b), nil
}

func untimed(groups []string, a slog.Attr) slog.Attr {
	if a.Key == slog.TimeKey && len(groups) == 0 {
		return slog.Attr{}
	}
	return a
}

func ids(partitions []parti.Partition) []string {
	names := make([]string, len(partitions))
	for i, p := range partitions {
		names[i] = p.ID()
	}
	return names
}
