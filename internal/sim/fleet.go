package sim

import (
	"fmt"
	"time"

	"github.com/parti-go/parti/internal/leader"
	"github.com/parti-go/parti/internal/member"
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

	cfg     Config
	clients model.Client
	epochs  map[string]handed   // the highest epoch of each partition
	wrote   func(*leader.Write) // told of each version that a leader has stored; nil for nobody
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
		LeaderTTL: 3 * time.Second, ElectionTimeout: 5 * time.Second, HomeRetention: 10 * time.Minute, Rebalance: 0.15,
		Hook:     300 * time.Millisecond,
		Strategy: strategy.NewSticky(),
	}
	for n := range workers {
		c.IDs = append(c.IDs, fmt.Sprintf("worker-%d", n))
	}
	c.Member.FirstID, c.Member.LastID = c.IDs[0], c.IDs[workers-1]
	for n := range partitions {
		c.Partitions = append(c.Partitions, strategy.Partition{Keys: []string{fmt.Sprintf("p-%d", n)}, Weight: 1})
	}
	return c
}

// NewFleet returns a fleet without workers.
func NewFleet(l *Loop, cfg Config) *Fleet {
	return &Fleet{Loop: l, cfg: cfg, epochs: map[string]handed{}}
}

// Start starts one more process.
func (f *Fleet) Start() *Worker {
	f.clients++
	w := newWorker(f, fmt.Sprintf("process-%d", f.clients), int(f.clients))
	f.Workers = append(f.Workers, w)
	f.After(0, func() { w.tell(&member.Began{}) })
	return w
}

// granted judges a partition that a worker begins to run: nobody else runs it, and its epoch is higher than that of every session before.
func (f *Fleet) granted(w *Worker, partition string, epoch int64) {
	for _, other := range f.Workers {
		if _, runs := other.Owned[partition]; runs && other != w && !other.overslept() {
			f.breaks("%s runs %s with epoch %d while %s runs it", w.Name, partition, epoch, other.Name)
		}
	}
	now, before := handed{epoch, w, w.session.Number}, f.epochs[partition]
	if epoch < before.epoch || epoch == before.epoch && now != before {
		f.breaks("%s runs %s with epoch %d after %d was handed out", w.Name, partition, epoch, before.epoch)
	}
	f.epochs[partition] = now
}

func (f *Fleet) breaks(format string, args ...any) {
	f.Broken = append(f.Broken, f.now.UTC().Format("15:04:05.000")+": "+fmt.Sprintf(format, args...))
}

// Missing counts the partitions that nobody runs.
func (f *Fleet) Missing() int {
	missing := len(f.cfg.Partitions)
	for _, w := range f.Workers {
		missing -= len(w.Owned)
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
