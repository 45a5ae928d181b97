// Copyright The Parti Authors
// SPDX-License-Identifier: Apache-2.0

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
	unit       time.Duration
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
	stop := context.AfterFunc(ctx, func() { w.log.Debug("hook's context ended") })
	defer stop()
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
// side can refuse a lower one. A unit that is begun is finished: it has to be shorter than a quarter of HeartbeatTTL, or
// to watch the context as well. It returns when it last finished one.
func (w *workload) work(ctx context.Context) (worked time.Time) {
	for ctx.Err() == nil {
		<-time.After(w.unit)
		worked = time.Now()
	}
	return worked
}

func ids(partitions []parti.Partition) []string {
	names := make([]string, len(partitions))
	for i, p := range partitions {
		names[i] = p.ID()
	}
	return names
}
