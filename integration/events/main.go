// Copyright The Parti Authors
// SPDX-License-Identifier: Apache-2.0

// Events measures what the usual events cost a group of 20 workers and 1,000 partitions with the default configuration, in
// virtual time. It prints the table in docs/verification.md. It runs TestWhatTheUsualEventsCost, because only a test has
// virtual time.
//
//	go run ./integration/events
//	go run ./integration/events -run crash
package main

import (
	"bufio"
	"context"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"strings"
)

const header = `| event | partitions moved | least for an even share | ownerless partition-seconds | longest without an owner |
| --- | --- | --- | --- | --- |`

func main() {
	run := flag.String("run", "", "only the events whose names match")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	if err := measure(ctx, *run); err != nil {
		fmt.Fprintln(os.Stderr, "events:", err)
		os.Exit(1)
	}
}

// measure prints the lines of the table as they come, and everything else that the test says to stderr.
func measure(ctx context.Context, run string) error {
	// The names of subtests have underscores for spaces.
	pattern := "^TestWhatTheUsualEventsCost$/" + "(" + strings.ReplaceAll(run, " ", "_") + ")"
	cmd := exec.CommandContext(ctx, "go", "test", "./integration", "-count=1", "-timeout=1h", "-v", "-run", pattern, "-events")
	out, err := cmd.StdoutPipe()
	if err != nil {
		return fmt.Errorf("read the output: %w", err)
	}
	cmd.Stderr = os.Stderr
	if err := cmd.Start(); err != nil {
		return fmt.Errorf("start the test: %w", err)
	}
	fmt.Println(header)
	lines := bufio.NewScanner(out)
	lines.Buffer(nil, 1<<24)
	for lines.Scan() {
		if strings.HasPrefix(lines.Text(), "| ") {
			fmt.Println(lines.Text())
		} else if !strings.HasPrefix(strings.TrimSpace(lines.Text()), "=== ") {
			fmt.Fprintln(os.Stderr, lines.Text())
		}
	}
	if err := cmd.Wait(); err != nil {
		return fmt.Errorf("the test: %w", err)
	}
	return nil
}
