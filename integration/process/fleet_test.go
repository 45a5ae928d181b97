// Copyright The Parti Authors
// SPDX-License-Identifier: Apache-2.0

//go:build process

package process

import (
	"context"
	"fmt"
	"log/slog"
	"os"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/nats-io/nats.go/jetstream"
	"github.com/stretchr/testify/require"

	"github.com/parti-go/parti"
	"github.com/parti-go/parti/fsm"
	"github.com/parti-go/parti/integration/checker"
	"github.com/parti-go/parti/integration/fleet"
	"github.com/parti-go/parti/strategy"
)

// group is a fleet of workers in this process, each with a connection of its own, under the checker.
type group struct {
	t       *testing.T
	config  parti.Config
	url     string
	domain  string // of the store, as the workers see it; "" for that of the server they connect to
	checker *checker.Checker
	source  []parti.Partition
	reader  *reader
	// slow is how long each call of a hook that takes something away lasts.
	slow time.Duration
	// revoked is sent to, if somebody waits there, when a hook is told to give something up.
	revoked chan struct{}

	mu          sync.Mutex
	workers     []*worker
	fenced      int // sessions that ended without having been asked to
	emergencies int
	calls       int
	gaps        *gaps
}

// worker is one manager of a group.
type worker struct {
	name    string
	group   *group
	js      jetstream.JetStream
	manager *parti.Manager

	mu   sync.Mutex
	id   string // last known
	dead bool
}

// newGroup returns a group without workers. When the test ends every worker is stopped and the last judgement is taken.
func newGroup(t *testing.T, url string, config parti.Config, partitions int) *group {
	t.Helper()
	g := &group{t: t, config: config, url: url, revoked: make(chan struct{}), gaps: newGaps()}
	for i := range partitions {
		g.source = append(g.source, fleet.Partition(i))
	}
	g.checker = newChecker(t, config)
	g.reader = read(t, connect(t, "reader", url), config.KVBuckets, g.checker)
	t.Cleanup(g.close)
	return g
}

// newChecker returns a checker for workers in real time, on a busy machine.
func newChecker(t *testing.T, config parti.Config) *checker.Checker {
	var done sync.Once
	c := checker.New(checker.Config{
		Allowed: func(from, to string) bool { return fsm.Allowed(fsm.State(from), fsm.State(to)) },
		Margin:  config.HeartbeatTTL / 4,
		Lease:   config.HeartbeatTTL,
		Grace:   config.HeartbeatTTL / 4,
		Report:  func(violation string) { t.Error(violation) },
	})
	t.Cleanup(func() {
		done.Do(func() {
			if file := os.Getenv("PARTITEST_EVENTS"); file != "" {
				_ = os.WriteFile(file+"."+strings.ReplaceAll(t.Name(), "/", "."), []byte(c.Events()), 0o600)
			}
		})
	})
	return c
}

// start begins n workers at once and does not wait for them.
func (g *group) start(n int, preferred ...string) []*worker {
	g.t.Helper()
	var begun []*worker
	for i := range n {
		config := g.config
		if i < len(preferred) {
			config.PreferredID = preferred[i]
		}
		g.mu.Lock()
		w := &worker{name: fmt.Sprintf("p%d", len(g.workers)+1), group: g}
		g.workers = append(g.workers, w)
		g.mu.Unlock()
		w.js = connect(g.t, w.name, g.url)
		if g.domain != "" {
			js, err := jetstream.NewWithDomain(w.js.Conn(), g.domain)
			require.NoError(g.t, err)
			w.js = js
		}
		log := slog.New(slog.NewTextHandler(noted(func(line string) { g.checker.Note("%s: %s", w.name, line) }), nil))
		var err error
		w.manager, err = parti.NewManager(config, w.js, parti.StaticSource(g.source...), strategy.NewConsistentHash(),
			parti.WithLogger(log), parti.WithHooks(parti.Hooks{
				OnAssignmentChanged: w.assigned,
				OnStateChanged:      w.stateChanged,
				OnError:             func(_ context.Context, err error) { g.checker.Note("%s: OnError: %v", w.name, err) },
			}))
		require.NoError(g.t, err)
		g.checker.Began(w.name)
		begun = append(begun, w)
	}
	for _, w := range begun {
		go func() {
			if err := w.manager.Start(context.Background()); err != nil && !w.isDead() {
				g.checker.Note("%s: Start returned %v", w.name, err)
			}
		}()
	}
	return begun
}

// live returns the workers that are neither dead nor over.
func (g *group) live() []*worker {
	g.mu.Lock()
	defer g.mu.Unlock()
	var live []*worker
	for _, w := range g.workers {
		if !w.isDead() {
			live = append(live, w)
		}
	}
	return live
}

// settle waits until every live worker is stable and every partition has one live owner.
func (g *group) settle(within time.Duration) time.Duration {
	g.t.Helper()
	began := time.Now()
	for {
		err := g.unsettled()
		if err == nil {
			return time.Since(began)
		}
		if time.Since(began) >= within {
			g.t.Fatalf("not settled after %s: %v\nrecent events:\n%s", within, err, g.checker.Events())
		}
		<-time.After(poll)
	}
}

func (g *group) unsettled() error {
	for _, w := range g.live() {
		if s := w.manager.State(); s != parti.StateStable {
			return fmt.Errorf("%s is %s", w.name, s)
		}
	}
	return g.checker.Complete(ids(g.source))
}

// answered waits until the store answers every live worker.
func (g *group) answered() {
	g.t.Helper()
	eventually(g.t, settleIn, "the store answers everybody", func() bool {
		return !slices.ContainsFunc(g.live(), func(w *worker) bool { return w.manager.Degraded() })
	})
}

// leader returns the live worker that leads; nil if there is none.
func (g *group) leader() *worker {
	for _, w := range g.live() {
		if w.manager.IsLeader() {
			return w
		}
	}
	return nil
}

// follower returns a live worker that does not lead.
func (g *group) follower() *worker {
	g.t.Helper()
	for _, w := range g.live() {
		if !w.manager.IsLeader() {
			return w
		}
	}
	g.t.Fatal("every worker leads")
	return nil
}

// calm is what may not change while nothing moves and nobody is judged dead.
type calm struct{ moves, calls, fenced, emergencies int }

func (g *group) calm() calm {
	g.mu.Lock()
	defer g.mu.Unlock()
	return calm{g.checker.Moves(), g.calls, g.fenced, g.emergencies}
}

// names are the worker IDs of the live workers.
func (g *group) names() map[string]string {
	names := map[string]string{}
	for _, w := range g.live() {
		names[w.name] = w.lastID()
	}
	return names
}

// progress is the highest term and version that any live worker has seen.
func (g *group) progress() (term uint64, version int64) {
	for _, w := range g.live() {
		a := w.manager.Assignment()
		term, version = max(term, a.Term), max(version, a.Version)
	}
	return term, version
}

// close stops every worker and takes the last judgement.
func (g *group) close() {
	var all sync.WaitGroup
	for _, w := range g.live() {
		all.Go(func() {
			if err := w.stop(); err != nil {
				g.checker.Note("%s: the last stop: %v", w.name, err)
			}
		})
	}
	all.Wait()
	g.reader.close()
	g.checker.Finish()
}

// stop leaves the group cleanly.
func (w *worker) stop() error {
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	err := w.manager.Stop(ctx)
	select {
	case <-w.manager.Done():
		w.group.checker.Ended(w.name)
	case <-ctx.Done():
		w.group.t.Errorf("%s has not ended a minute after it was stopped", w.name)
	}
	w.die()
	w.js.Conn().Close()
	return err
}

// crash ends the worker without goodbye: its connection is gone, and what its hooks are told does not count.
func (w *worker) crash() {
	w.die()
	w.group.gaps.lost(w.group.checker.Running(w.name))
	w.group.checker.Died(w.name)
	w.js.Conn().Close()
	go func() { _ = w.manager.Stop(context.Background()) }()
}

func (w *worker) die() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.dead = true
}

func (w *worker) isDead() bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.dead
}

// lastID is the worker ID that the worker has or had last.
func (w *worker) lastID() string {
	w.mu.Lock()
	defer w.mu.Unlock()
	if id := w.manager.WorkerID(); id != "" {
		w.id = id
	}
	return w.id
}

func (w *worker) assigned(ctx context.Context, added, removed []parti.Partition) error {
	g := w.group
	a := w.manager.Assignment()
	g.checker.Told(w.name, checker.Call{
		Worker: w.lastID(), Term: a.Term, Version: a.Version, Epochs: a.Epochs, Added: ids(added), Removed: ids(removed),
	})
	defer g.checker.Returned(w.name)
	stop := context.AfterFunc(ctx, func() { g.checker.Cancelled(w.name) })
	defer stop()
	if w.isDead() {
		return nil
	}
	g.mu.Lock()
	g.calls++
	g.mu.Unlock()
	g.gaps.found(ids(added))
	if len(removed) > 0 {
		select {
		case g.revoked <- struct{}{}:
		default:
		}
		if g.slow > 0 {
			select {
			case <-time.After(g.slow):
			case <-ctx.Done():
			}
		}
		defer g.gaps.lost(ids(removed))
	}
	return nil
}

func (w *worker) stateChanged(_ context.Context, from, to parti.State) error {
	g := w.group
	g.checker.State(w.name, w.lastID(), from.String(), to.String())
	if w.isDead() {
		return nil
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	if to == parti.StateClaimingID && from != parti.StateInit {
		g.fenced++
	}
	if to == parti.StateEmergency {
		g.emergencies++
	}
	return nil
}

// gaps are the times for which partitions have had no owner.
type gaps struct {
	mu    sync.Mutex
	since map[string]time.Time // without an owner
	owned map[string]bool
	times []time.Duration
	twice int // given to someone before it was given up
}

func newGaps() *gaps { return &gaps{since: map[string]time.Time{}, owned: map[string]bool{}} }

func (g *gaps) lost(partitions []string) {
	g.mu.Lock()
	defer g.mu.Unlock()
	for _, p := range partitions {
		g.since[p] = time.Now()
		delete(g.owned, p)
	}
}

func (g *gaps) found(partitions []string) {
	g.mu.Lock()
	defer g.mu.Unlock()
	for _, p := range partitions {
		if g.owned[p] {
			g.twice++
		}
		g.owned[p] = true
		if since, ok := g.since[p]; ok {
			g.times = append(g.times, time.Since(since))
			delete(g.since, p)
		}
	}
}

// take returns what was measured since it was called last.
func (g *gaps) take() (times []time.Duration, twice int) {
	g.mu.Lock()
	defer g.mu.Unlock()
	times, twice = g.times, g.twice
	g.times, g.twice = nil, 0
	return times, twice
}

// noted is a writer of log lines.
type noted func(line string)

func (n noted) Write(b []byte) (int, error) {
	n(strings.TrimRight(string(b), "\n"))
	return len(b), nil
}

func ids(partitions []parti.Partition) []string {
	names := make([]string, len(partitions))
	for i, p := range partitions {
		names[i] = p.ID()
	}
	return names
}
