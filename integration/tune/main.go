// Copyright The Parti Authors
// SPDX-License-Identifier: Apache-2.0

// Tune measures the trade-off of each duration in the configuration, in virtual time, and prints the tables of
// docs/tuning.md. The measurements are the tests of this package whose names begin with TestSweep, because only a test has
// virtual time.
//
//	go run ./integration/tune
//	go run ./integration/tune -run 'Heartbeat|Leader'
//	go run ./integration/tune -write docs/tuning.md
//
// Several processes measure at once, one sweep each. With -write the tables replace those between the markers of the document.
package main

import (
	"bytes"
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
)

const prefix = "TestSweep"

func main() {
	run := flag.String("run", "", "only the sweeps whose names match")
	jobs := flag.Int("j", runtime.NumCPU(), "how many processes at once")
	write := flag.String("write", "", "the document whose tables are written anew; without one they are printed")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	if err := tune(ctx, *run, *jobs, *write); err != nil {
		fmt.Fprintln(os.Stderr, "tune:", err)
		os.Exit(1)
	}
}

// tune builds the tests once and runs every sweep.
func tune(ctx context.Context, run string, jobs int, write string) error {
	dir, err := os.MkdirTemp("", "tune")
	if err != nil {
		return fmt.Errorf("make a folder: %w", err)
	}
	defer func() { _ = os.RemoveAll(dir) }()
	binary := filepath.Join(dir, "tune.test")
	if out, err := exec.CommandContext(ctx, "go", "test", "-c", "-o", binary, "./integration/tune").CombinedOutput(); err != nil {
		return fmt.Errorf("build: %w\n%s", err, out)
	}
	list, err := exec.CommandContext(ctx, binary, "-test.list", "^"+prefix+".*("+run+")").Output()
	if err != nil {
		return fmt.Errorf("list the sweeps: %w", err)
	}
	names := strings.Fields(string(list))
	tables, errs := make([]string, len(names)), make([]error, len(names))
	next := make(chan int)
	var running sync.WaitGroup
	var writing sync.Mutex
	for range jobs {
		running.Go(func() {
			for i := range next {
				tables[i], errs[i] = sweep(ctx, binary, names[i])
				if errs[i] == nil && write != "" { // at once, so that an interrupted run is not for nothing
					writing.Lock()
					errs[i] = document(write, names[i], tables[i])
					writing.Unlock()
				}
				fmt.Fprintln(os.Stderr, "measured:", names[i])
			}
		})
	}
	for i := range names {
		next <- i
	}
	close(next)
	running.Wait()
	if write == "" {
		for i, name := range names {
			fmt.Printf("%s\n\n%s\n", section(name), tables[i])
		}
	}
	return errors.Join(errs...)
}

// section is the name of a sweep in the document.
func section(test string) string { return "tune:" + strings.ToLower(strings.TrimPrefix(test, prefix)) }

// sweep runs one test and returns the lines of its table.
func sweep(ctx context.Context, binary, name string) (string, error) {
	cmd := exec.CommandContext(ctx, binary, "-test.run=^"+name+"$", "-test.timeout=30m", "-sweep")
	cmd.Env = append(os.Environ(), "GOMAXPROCS=1", "GOGC=400")
	if info, err := os.Stat("/dev/shm"); err == nil && info.IsDir() {
		cmd.Env = append(cmd.Env, "TMPDIR=/dev/shm") // the servers' files need to outlive no more than a measurement
	}
	out, err := cmd.CombinedOutput()
	var table, rest bytes.Buffer
	for line := range strings.Lines(string(out)) {
		if strings.HasPrefix(line, "| ") {
			table.WriteString(line)
		} else {
			rest.WriteString(line)
		}
	}
	if err != nil {
		return table.String(), fmt.Errorf("%s: %w\n%s", name, err, rest.String())
	}
	return table.String(), nil
}

// document puts a table between its markers.
func document(file, name, table string) error {
	text, err := os.ReadFile(filepath.Clean(file))
	if err != nil {
		return err
	}
	begin, end := "<!-- "+section(name)+":begin -->\n", "<!-- "+section(name)+":end -->"
	before, rest, found := strings.Cut(string(text), begin)
	_, after, closed := strings.Cut(rest, end)
	if !found || !closed {
		return fmt.Errorf("%s has no section %s", file, section(name))
	}
	whole := before + begin + table + end + after
	return os.WriteFile(filepath.Clean(file), []byte(whole), 0o644) //nolint:gosec // a document for everyone to read
}
