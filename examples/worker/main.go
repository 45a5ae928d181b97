// Copyright The Parti Authors
// SPDX-License-Identifier: Apache-2.0

// Command worker is one worker process for a real NATS server. Start it several times and watch the processes divide the work.
// It pretends to work on its partitions, one goroutine for each. That shows the pattern that a real worker needs: begin what is
// added, end what is removed, and return from the hook only when it has ended.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"log/slog"
	"os"
	"os/signal"
	"syscall"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/parti-go/parti"
	"github.com/parti-go/parti/strategy"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	go func() {
		<-ctx.Done()
		stop() // a second signal ends the process at once
	}()
	refresh := make(chan os.Signal, 1)
	signal.Notify(refresh, syscall.SIGHUP)
	err := run(ctx, os.Args[1:], os.Stdout, refresh)
	switch {
	case errors.Is(err, flag.ErrHelp):
		os.Exit(2)
	case err != nil:
		fmt.Fprintln(os.Stderr, "worker:", err)
		os.Exit(1)
	}
}

// run is one worker from its start to its clean leave, which the end of ctx asks for.
func run(ctx context.Context, args []string, out io.Writer, refresh <-chan os.Signal) error {
	set, err := parse(args)
	if err != nil {
		return err
	}
	log := set.logger(out)
	nc, err := set.connect()
	if err != nil {
		return err
	}
	defer nc.Close()
	js, err := jetstream.New(nc)
	if err != nil {
		return err
	}
	w := &workload{log: log, unit: set.unit, running: map[string]job{}}
	var manager *parti.Manager
	manager, err = parti.NewManager(set.config, js, set.source(), strategy.NewConsistentHash(), parti.WithLogger(log),
		parti.WithHooks(parti.Hooks{
			OnAssignmentChanged: w.assigned,
			OnStateChanged: func(_ context.Context, from, to parti.State) error {
				log.Info("state", "from", from, "to", to, "worker", manager.WorkerID())
				return nil
			},
		}))
	if err != nil {
		return err
	}
	w.assignment = manager.Assignment
	if set.http != "" {
		end, err := probes(set.http, manager, log)
		if err != nil {
			return err
		}
		defer end()
	}
	return serve(ctx, manager, log, set, refresh)
}

// serve runs the worker until ctx ends, then leaves cleanly; or until the worker ends by itself.
func serve(ctx context.Context, manager *parti.Manager, log *slog.Logger, set settings, refresh <-chan os.Signal) error {
	if err := manager.Start(ctx); err != nil {
		if ctx.Err() != nil {
			return nil // asked to end before it had begun
		}
		return err
	}
	log.Info("ready", "worker", manager.WorkerID(), "leader", manager.IsLeader())
	for {
		select {
		case <-refresh:
			refreshCtx, cancel := context.WithTimeout(ctx, set.config.OperationTimeout)
			log.Info("partitions listed again", "error", manager.RefreshPartitions(refreshCtx))
			cancel()
		case <-manager.Done():
			return manager.Err()
		case <-ctx.Done():
			return leave(manager, log, set)
		}
	}
}

// leave ends the worker: one that is told that it will not come back hands everything over first.
func leave(manager *parti.Manager, log *slog.Logger, set settings) error {
	log.Info("leaving", "worker", manager.WorkerID(), "drain", set.drain)
	if set.drain > 0 {
		ctx, cancel := context.WithTimeout(context.Background(), set.drain)
		defer cancel()
		return manager.Drain(ctx)
	}
	ctx, cancel := context.WithTimeout(context.Background(), 2*set.config.ShutdownTimeout)
	defer cancel()
	return manager.Stop(ctx)
}
