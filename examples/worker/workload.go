package main

import (
	"context"
	"log/slog"
	"time"

	"github.com/parti-go/parti"
)

// workload runs one goroutine for each partition that this worker owns. It needs no lock: the hook is called one call
// at a time.
type workload struct {
	log        *slog.Logger
	assignment func() parti.Assignment
	running    map[string]job
}

// job is one running goroutine.
type job struct {
	cancel context.CancelFunc
	ended  chan time.Time // of its last unit of work
}

// assigned begins what is added and ends what is removed. When it returns, what was removed may be given to others: so
// it waits until the goroutines have returned. The context that it is given ends when this worker cannot trust its
// leases any more, and so do the jobs that are derived from it: at once, before everything is removed.
func (w *workload) assigned(ctx context.Context, added, removed []parti.Partition) error {
	now := w.assignment()
	w.log.Debug("hook called", "term", now.Term, "version", now.Version, "epochs", now.Epochs,
		"added", ids(added), "removed", ids(removed))
	defer w.log.Debug("hook returns")
	for _, p := range removed {
		w.running[p.ID()].cancel() // all at once,
	}
	for _, p := range removed {
		worked := <-w.running[p.ID()].ended // then wait for all
		delete(w.running, p.ID())
		w.log.Info("ended", "partition", p.ID(), "worked", worked)
	}
	for _, p := range added {
		jobCtx, cancel := context.WithCancel(ctx)
		j := job{cancel, make(chan time.Time, 1)}
		w.running[p.ID()] = j
		w.log.Info("begun", "partition", p.ID(), "epoch", now.Epochs[p.ID()])
		go func() { j.ended <- w.work(jobCtx) }()
	}
	return nil
}

// work stands for what a real worker would do. Whatever it writes elsewhere should carry the epoch, so that the other
// side can refuse a lower one. It returns when it last did a unit of work.
func (w *workload) work(ctx context.Context) (worked time.Time) {
	tick := time.NewTicker(100 * time.Millisecond)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return worked
		case <-tick.C: // a unit of work
			worked = time.Now()
		}
	}
}

func ids(partitions []parti.Partition) []string {
	names := make([]string, len(partitions))
	for i, p := range partitions {
		names[i] = p.ID()
	}
	return names
}
