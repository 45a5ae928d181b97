// Copyright The Parti Authors
// SPDX-License-Identifier: Apache-2.0

// Compare does the same work with consume.Stream and with pcgroups, the partitioned consumer groups of orbit.go. Members and
// the server are processes, the publisher is steady, and the fleet grows, shrinks, and loses a member to kill -9.
//
//	go run . -partitions 32 -rate 10 -length 30s
//
// Members report to a sink what they have handled before they acknowledge it, over the same connection. The sink counts
// messages that come twice, come behind a later message of their partition, or never come, and measures the longest time in
// which nothing new of a partition came.
//
// pcgroups is used as its documentation describes: an elastic group, one message at a time (MaxAckPending 1), the default
// AckWait; an administrator adds and drops members; and for a member that is killed, a second process of the same member is
// ready. With Parti nobody does any of that. Parti has its default configuration, but begins as soon as two workers are there.
// A worker that leaves for good drains.
package main

import (
	"context"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"syscall"
	"time"

	"github.com/synadia-io/orbit.go/pcgroups"

	"github.com/parti-go/parti"
	"github.com/parti-go/parti/consume/compare/process"
)

const (
	partiRole    = "parti"
	pcgroupsRole = "pcgroups"
)

func main() {
	process.Play(roles())
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := compare(ctx, os.Stdout); err != nil {
		fmt.Fprintln(os.Stderr, "compare:", err)
		os.Exit(1)
	}
}

func roles() map[string]func(string) error {
	return map[string]func(string) error{
		partiRole:    func(s string) error { return member(s, joinParti) },
		pcgroupsRole: func(s string) error { return member(s, joinPCGroups) },
	}
}

func compare(ctx context.Context, out io.Writer) error {
	set := settings{config: parti.DefaultConfig()}
	set.config.ExpectedWorkers = 2
	flag.IntVar(&set.partitions, "partitions", 32, "how many partitions")
	flag.Float64Var(&set.rate, "rate", 10, "messages a second for each partition")
	flag.DurationVar(&set.length, "length", 30*time.Second, "how long each part lasts")
	flag.DurationVar(&set.ackWait, "ackwait", 0, "the AckWait of pcgroups; 0 for its default, which is 5s; its own tool has 2s")
	flag.BoolVar(&set.stop, "stop", false, "let a worker of Parti leave by Stop, which keeps its place, instead of Drain")
	only := flag.String("only", "", "the one library to run, parti or pcgroups; empty for both")
	flag.Parse()
	if err := set.validate(); err != nil {
		return err
	}
	_, _ = fmt.Fprint(out, header)
	for _, p := range []peer{withParti(), withPCGroups()} {
		if *only != "" && *only != p.name {
			continue
		}
		res, err := play(ctx, p, set)
		if err != nil {
			return fmt.Errorf("%s: %w", p.name, err)
		}
		res.print(out, p.name)
	}
	return nil
}

const header = "| library | part | handled | twice | out of order | longest without progress (s) |\n" +
	"| --- | --- | --- | --- | --- | --- |\n"

func (r result) print(out io.Writer, name string) {
	for _, row := range r.rows {
		_, _ = fmt.Fprintf(out, "| %s | %s | %d | %d | %d | %.2f |\n",
			name, row.name, row.handled, row.repeated, row.unordered, row.longest.Seconds())
	}
	_, _ = fmt.Fprintf(out, "| %s | all | %d published | | | %d lost |\n", name, r.published, r.lost)
}

func withParti() peer {
	return peer{
		name: "parti", role: partiRole,
		prepare: func(context.Context, *run) error { return nil },
		joins:   func(context.Context, *run, ...string) error { return nil },
		leaves:  func(context.Context, *run, string) error { return nil },
	}
}

// dropped is how long a member that was dropped goes on: it has to see that, and to remove its consumer. Where the process
// ends before, the others wait until the server forgets the consumer.
const dropped = 2 * time.Second

// withPCGroups is pcgroups with its administrator.
func withPCGroups() peer {
	return peer{
		name: "pcgroups", role: pcgroupsRole, standby: true,
		prepare: func(ctx context.Context, r *run) error {
			_, err := pcgroups.CreateElastic(ctx, r.js, inStream, group, uint(r.partitions),
				[]pcgroups.PartitioningFilter{{Filter: "in.*", PartitioningWildcards: []int{1}}}, 0, 0)
			return err
		},
		joins: func(ctx context.Context, r *run, names ...string) error {
			_, err := pcgroups.AddMembers(ctx, r.js, inStream, group, names)
			return err
		},
		leaves: func(ctx context.Context, r *run, name string) error {
			_, err := pcgroups.DeleteMembers(ctx, r.js, inStream, group, []string{name})
			if err != nil {
				return err
			}
			return pause(ctx, dropped)
		},
	}
}
