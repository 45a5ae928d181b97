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
	log     *slog.Logger
	epochs  func() map[string]int64
	running map[string]job
}

// job is one running goroutine.
type job struct {
	cancel context.CancelFunc
	ended  chan struct{}
}

// assigned begins what is added and ends what is removed. When it returns, what was removed may be given to others: so
// it waits until the goroutines have returned. The context that it is given ends when this worker cannot trust its
// leases any more, and so do the jobs that are derived from it: at once, before everything is removed.
func (w *workload) assigned(ctx context.Context, added, removed []parti.Partition) error {
	for _, p := range removed {
		w.running[p.ID()].cancel() // all at once,
	}
	for _, p := range removed {
		<-w.running[p.ID()].ended // then wait for all
		delete(w.running, p.ID())
		w.log.Info("ended", "partition", p.ID())
	}
	epochs := w.epochs()
	for _, p := range added {
		jobCtx, cancel := context.WithCancel(ctx)
		j := job{cancel, make(chan struct{})}
		w.running[p.ID()] = j
		w.log.Info("begun", "partition", p.ID(), "epoch", epochs[p.ID()])
		go func() {
			defer close(j.ended)
			w.work(jobCtx)
		}()
	}
	return nil
}

// work stands for what a real worker would do. Whatever it writes elsewhere should carry the epoch, so that the other
// side can refuse a lower one.
func (w *workload) work(ctx context.Context) {
	tick := time.NewTicker(100 * time.Millisecond)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C: // a unit of work
		}
	}
}
