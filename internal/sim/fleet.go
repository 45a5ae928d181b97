// Copyright The Parti Authors
// SPDX-License-Identifier: Apache-2.0

package sim

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/parti-go/parti/internal/leader"
	"github.com/parti-go/parti/internal/member"
	"github.com/parti-go/parti/internal/record"
	"github.com/parti-go/parti/internal/store"
	"github.com/parti-go/parti/internal/store/model"
	"github.com/parti-go/parti/internal/topology"
	"github.com/parti-go/parti/strategy"
)

// Fleet is some workers on one store, and a judge who sees what each of them runs.
type Fleet struct {
	*Loop
	Workers []*Worker
	// Broken is what was promised and not kept, in words.
	Broken []string
	// Seen counts what happened.
	Seen map[string]int
	// Stack is that of a panic.
	Stack string

	cfg      Config
	block    int // of the script
	rules    []func(*Fleet) error
	source   source
	mixed    bool        // processes are of more than one release
	calm     bool        // no fault begins any more
	copy     *model.Copy // of the store
	excuses  excuses     // of the judge
	stranger *client
	wits     wits                         // of the strategy
	outdated map[string]store.Entry       // what another release wrote over in the assignments
	copied   map[string]store.Entry       // the same, when the store was copied
	recorded map[string]record.Assignment // what the judge knew then
	thinks   time.Duration                // how long a strategy takes at most
	clients  model.Client
	judge    *judge
	epochs   map[string]handed   // the highest epoch of each partition
	wrote    func(*leader.Write) // told of each version that a leader has stored; nil for nobody
}

// handed is an epoch and the session that it was handed to.
type handed struct {
	epoch   int64
	worker  *Worker
	session uint64
}

// Defaults is the default configuration of the library for some workers and partitions.
func Defaults(workers, partitions int) Config {
	c := Config{
		Member: member.Config{
			HeartbeatTTL: 6 * time.Second, WorkerIDTTL: 30 * time.Second, OperationTimeout: 10 * time.Second, HandoffTimeout: 30 * time.Second,
			StartupTimeout: time.Minute, ShutdownTimeout: 10 * time.Second, IDs: "sim",
		},
		Topology: topology.Config{
			ColdStartWindow: 30 * time.Second, PlannedScaleWindow: 10 * time.Second, RestartDetectionRatio: 0.5, MassLossRatio: 0.2,
			HeartbeatInterval: 2 * time.Second, HeartbeatTTL: 6 * time.Second, RebalanceCooldown: 10 * time.Second, FlapBackoff: 5 * time.Minute,
		},
		LeaderTTL: 3 * time.Second, ElectionTimeout: 5 * time.Second, HomeRetention: 10 * time.Minute, PreferredIDWait: 7 * time.Second, Rebalance: 0.15, Confirmations: 3,
		Hook:     300 * time.Millisecond,
		Strategy: strategy.NewSticky(),
	}
	for n := range workers {
		c.IDs = append(c.IDs, fmt.Sprintf("worker-%d", n))
	}
	c.Member.FirstID, c.Member.LastID = c.IDs[0], c.IDs[workers-1]
	c.partitions = partitions
	return c
}

// NewFleet returns a fleet without workers.
func NewFleet(l *Loop, cfg Config) *Fleet {
	f := &Fleet{Loop: l, cfg: cfg, epochs: map[string]handed{}, outdated: map[string]store.Entry{}, Seen: map[string]int{}}
	f.judge = newJudge(f)
	var list []strategy.Partition
	for range cfg.partitions {
		list = append(list, f.source.name())
	}
	f.clients++
	f.stranger = newClient(l, f.clients, "stranger", cfg)
	f.source.editions = [][]strategy.Partition{list}
	return f
}

// Start starts one more process.
func (f *Fleet) Start() *Worker {
	return f.start(f.cfg)
}

// Restart starts a process in the place of another one: it prefers the same ID.
func (f *Fleet) Restart(w *Worker) *Worker {
	cfg := f.cfg
	cfg.Member.PreferredID = w.status.Worker
	heir := f.start(cfg)
	if f.cfg.StateDir && w.dead {
		heir.heirTo = append(w.heirTo, record.Token(w.client.name+"/"))
	}
	return heir
}

func (f *Fleet) start(cfg Config) *Worker {
	f.clients++
	w := newWorker(f, cfg, fmt.Sprintf("process-%d", f.clients), int(f.clients))
	w.client.ice, w.client.reads = &ice{}, f.release()
	w.edition = len(f.source.editions) - 1
	f.Workers = append(f.Workers, w)
	f.After(0, func() { w.asks(&member.Began{}) })
	return w
}

// granted judges a partition that a worker begins to run: nobody else runs it, and its epoch is higher than that of every session before.
// A session that does not know yet that it is over may begin with an older epoch, which is what shows that it is.
func (f *Fleet) granted(w *Worker, partition string, epoch int64) {
	for _, other := range f.Workers {
		if _, runs := other.Owned[partition]; runs && other != w && !other.user.overstays(partition) && !f.upheld(other) && !other.overslept() {
			f.breaks("I1: %s runs %s with epoch %d while %s runs it", w.Name, partition, epoch, other.Name)
		}
	}
	now, before := handed{epoch, w, w.session.Number}, f.epochs[partition]
	again := before.worker == w && before.session == now.session
	if !f.doubled() && !f.upheld(w) && (epoch < before.epoch || epoch == before.epoch && !again) {
		f.breaks("I2: %s runs %s with epoch %d after %d was handed out", w.Name, partition, epoch, before.epoch)
	}
	if epoch >= before.epoch {
		f.epochs[partition] = now
	}
}

// beginsAnew judges a session that begins with nothing: what still runs of the one before is what its user does not let go.
func (f *Fleet) beginsAnew(w *Worker) {
	for _, p := range slices.Sorted(maps.Keys(w.Owned)) {
		if !w.user.overstays(p) && !w.overslept() {
			f.breaks("I1: %s begins a session and still runs %s", w.Name, p)
			return
		}
	}
}

// told notes that a worker says that something is stuck.
func (f *Fleet) told(w *Worker, err error) {
	switch {
	case errors.Is(err, leader.ErrStuck):
		w.stuckAt = f.now
		f.Seen["stuck"]++
	case errors.Is(err, leader.ErrHandoffTimeout):
		f.Seen["handoff"]++
	}
}

// named is how many handlers that do not return a worker names.
const named = 20

// returned judges a call of the user's code that has returned: one that took too long has been reported.
func (f *Fleet) returned(w *Worker, c *call) {
	took, limit := f.now.Sub(c.began), f.cfg.Member.HandoffTimeout
	if took > limit+time.Second {
		f.Seen["overlong"]++
		if w.stuckAt.Before(c.began.Add(limit)) && !c.crowded && !w.slept(c.began) {
			f.breaks("I10: %s did not say that its user has not returned for %s", w.Name, took)
		}
	}
}

func (f *Fleet) breaks(format string, args ...any) {
	f.Broken = append(f.Broken, f.now.UTC().Format("15:04:05.000")+": "+fmt.Sprintf(format, args...))
}

// rule judges what is to hold at each step.
func (f *Fleet) rule() {
	for _, holds := range f.rules {
		if err := holds(f); err != nil {
			f.breaks("%s", err)
		}
	}
}

// Missing counts the partitions that nobody runs.
func (f *Fleet) Missing() int {
	runs := map[string]bool{}
	for _, w := range f.Workers {
		for p := range w.Owned {
			runs[p] = true
		}
	}
	missing := 0
	for _, p := range f.source.list() {
		if !runs[p.ID()] {
			missing++
		}
	}
	return missing
}

// Leaders counts the workers that say that they lead.
func (f *Fleet) Leaders() (n int) {
	for _, w := range f.Workers {
		if !w.dead && w.status.Leader {
			n++
		}
	}
	return n
}
