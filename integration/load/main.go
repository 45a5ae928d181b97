// Copyright The Parti Authors
// SPDX-License-Identifier: Apache-2.0

// Load runs a fleet in real time and says what it costs: worker processes of many workers each, one connection for each
// worker, and a NATS server in a process of its own.
//
//	go run ./integration/load -workers 200 -partitions 100000
//
// It starts all workers at once, or over some time (-ramp), leaves them alone for a while, and then crashes a follower, the leader, and a tenth of
// those that are left. One table says for each of these steps how long partitions were without an owner, what the leader,
// the other workers and the server spent on it, and what was sent. Virtual time, in which the other fleets live, hides the
// cost: there a calculation takes no time.
//
// A worker crashes by losing its connection for good: it says no goodbye, and its hooks count no more. Where each process
// holds one worker (-procs as large as -workers), the process is killed instead.
//
// How the figures are made:
//
//   - The parent keeps a table of who owns what. Each worker process reports what its hooks are told, with the time of the
//     machine's clock, which all processes share. "Re-owned after" counts from the crash until every partition has a live
//     owner for the first time.
//   - CPU is what the system charges to each process, from the crash until the watch ends. The leader shares its process
//     with other workers. Its own part is what its process used, less what so many workers use in the other processes.
//     With one worker for each process nothing has to be subtracted. A process that was killed is left out.
//   - Messages are counted by the server: in is what workers send, out is what they are sent.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"syscall"
)

func main() {
	if role := os.Getenv(roleVariable); role != "" {
		os.Exit(play(role))
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	err := load(ctx, os.Args[1:])
	switch {
	case errors.Is(err, flag.ErrHelp):
		os.Exit(2)
	case err != nil:
		fmt.Fprintln(os.Stderr, "load:", err)
		os.Exit(1)
	}
}

func load(ctx context.Context, args []string) error {
	set, err := parse(args, os.Stderr)
	if err != nil {
		return err
	}
	result, err := run(ctx, set)
	if err != nil {
		return err
	}
	if set.json {
		return result.writeJSON(os.Stdout)
	}
	_, err = fmt.Fprint(os.Stdout, result.markdown())
	return err
}

// roleVariable tells this binary to be one of the processes of a run, instead of running one. The rest comes by standard input.
const roleVariable = "PARTITEST_LOAD_ROLE"

// The roles.
const (
	roleServer   = "server"
	roleCrew     = "crew"
	roleObserver = "observer"
)

// play is one process of a run, until its standard input ends. It returns the exit code.
func play(role string) int {
	var err error
	switch role {
	case roleServer:
		err = serve(os.Stdin, os.Stdout)
	case roleCrew:
		err = man(os.Stdin, os.Stdout)
	case roleObserver:
		err = watch(os.Stdin, os.Stdout)
	default:
		err = fmt.Errorf("%s is %q, allowed: %q, %q and %q", roleVariable, role, roleServer, roleCrew, roleObserver)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "load:", role, "process:", err)
		return 1
	}
	return 0
}
