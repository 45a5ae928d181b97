// Copyright The Parti Authors
// SPDX-License-Identifier: Apache-2.0

// Mutants puts bugs into the library, one at a time, and checks that the tests notice them:
//
//	go run ./integration/mutants [-run pattern] [-list] [-j n] [-seeds n] [-sim n [-both]] [-required n] [-write]
//
// Run it in the root of the module. It does not touch the tree: each mutated file is in a temporary directory, and `go test
// -overlay` uses it in place of the original. The tests of the mutated package run first, then those of the library, then all
// scenarios of the fleet, and at last simulated lives. A mutant of a room that decides meets lives on the store in memory after
// the tests of its package. With -sim n it meets only that many of these lives and nothing else. With -both it meets these
// lives even if a test has caught it.
//
// With -write the table of docs/verification.md gets each verdict.
//
// A mutant is caught by a test that fails with it and passes without it. A test that hangs catches only a mutant that is marked
// as one that spins; other timeouts are counted separately. A mutant that does not compile, or whose text is not found exactly
// once, is an error of this program, which then ends with exit code 2. Exit code 1 means that fewer mutants than required are
// caught.
package main

import (
	"cmp"
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"regexp"
	"strings"
	"sync"
	"time"
)

func main() {
	run := flag.String("run", "", "only the mutants whose names match")
	show := flag.Bool("list", false, "list the mutants and run none; those that are stale or do not compile are named")
	workers := flag.Int("j", 1, "mutants at a time")
	seeds := flag.Int("seeds", 60, "simulated lives for those that no other test catches; 0 for none")
	sim := flag.Int("sim", 0, "only the mutants of the rooms that decide: their tests, and for what these do not notice so many lives on the store in memory")
	both := flag.Bool("both", false, "with -sim: live the lives with what the tests notice as well")
	required := flag.Int("required", 0, "how many must be caught; 0 for all but those known to be equivalent")
	write := flag.Bool("write", false, "put each verdict into the table of "+page)
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	code, err := mutate(ctx, os.Stdout, options{*run, *show, *workers, *seeds, *sim, *both, *required, *write})
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		code = 2
	}
	stop()
	os.Exit(code) // nothing is deferred but stop, which is called
}

type options struct {
	run      string
	list     bool
	workers  int
	seeds    int
	sim      int
	both     bool
	required int
	write    bool
}

func mutate(ctx context.Context, out io.Writer, o options) (code int, err error) {
	chosen, err := choose(o.run, o.sim > 0)
	if err != nil {
		return 0, err
	}
	for _, m := range chosen {
		if _, err := m.apply(); err != nil {
			return 0, err
		}
	}
	if o.list {
		return 0, list(ctx, out, chosen)
	}
	l, err := newLaboratory(o)
	if err != nil {
		return 0, err
	}
	defer l.close()
	began := time.Now()
	results, err := l.testAll(ctx, chosen, o)
	if err != nil {
		return 0, err
	}
	report(out, results)
	n := count(results)
	required := cmp.Or(o.required, len(results)-n.equivalent)
	fmt.Fprintf(out, "\n%d of %d caught, %d by tests, %d by lives on the store in memory; %d timed out and not caught, %d cannot be; required: %d\n%s, %s of processor time\n",
		n.caught, len(results), n.tests, n.lives, n.timeouts, n.equivalent, required, time.Since(began).Round(time.Second), time.Duration(l.used.Load()).Round(time.Second))
	if n.caught < required {
		code = 1
	}
	return code, n.broken
}

// counts are how many mutants were caught by what, and how many were not.
type counts struct {
	caught, tests, lives, timeouts, equivalent int
	broken                                     error
}

func count(results []result) (n counts) {
	for _, r := range results {
		if r.test != "" {
			n.tests++
		}
		if r.life != "" {
			n.lives++
		}
		switch {
		case r.broken != nil:
			n.broken = errors.Join(n.broken, fmt.Errorf("mutant %s: %w", r.mutant.name, r.broken))
		case r.caught():
			n.caught++
		case r.timeout != "":
			n.timeouts++
		case r.mutant.equivalent != "":
			n.equivalent++
		}
	}
	return n
}

// list prints the mutants, and names those that do not compile.
func list(ctx context.Context, out io.Writer, chosen []mutant) error {
	c, err := newChecker(ctx, "./...")
	if err != nil {
		return err
	}
	for _, m := range chosen {
		fmt.Fprintf(out, "%-34s %-28s %s\n", m.name, m.file, m.breaks)
		err = errors.Join(err, c.check(m))
	}
	return err
}

func choose(pattern string, decide bool) ([]mutant, error) {
	matches, err := regexp.Compile(pattern)
	if err != nil {
		return nil, fmt.Errorf("-run: %w", err)
	}
	var chosen []mutant
	names := map[string]bool{}
	for _, m := range all() {
		if names[m.name] {
			return nil, fmt.Errorf("two mutants have the name %q", m.name)
		}
		names[m.name] = true
		if matches.MatchString(m.name) && (!decide || m.decides()) {
			chosen = append(chosen, m)
		}
	}
	if len(chosen) == 0 {
		return nil, fmt.Errorf("-run: no mutant matches %q", pattern)
	}
	return chosen, nil
}

// testAll runs the mutants, some at a time. The first error ends all.
func (l *laboratory) testAll(ctx context.Context, chosen []mutant, o options) ([]result, error) {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	results := make([]result, len(chosen))
	next := make(chan int)
	var wait sync.WaitGroup
	for range max(o.workers, 1) {
		wait.Go(func() {
			for n := range next {
				r, err := l.test(ctx, chosen[n])
				if err != nil {
					cancel(fmt.Errorf("mutant %s: %w", chosen[n].name, err))
					return
				}
				fmt.Fprintf(os.Stderr, "%3d/%d %-34s %s (%s)\n", n+1, len(chosen), r.mutant.name, r.verdicts(verdicts{}), r.took.Round(time.Second))
				results[n] = r
				if o.write && r.broken == nil {
					if err := l.writes(r); err != nil {
						cancel(err)
						return
					}
				}
			}
		})
	}
feeding:
	for n := range chosen {
		select {
		case next <- n:
		case <-ctx.Done():
			break feeding
		}
	}
	close(next)
	wait.Wait()
	return results, context.Cause(ctx)
}

func report(out io.Writer, results []result) {
	for _, r := range results {
		fmt.Fprintf(out, "%-34s %-70s %s\n", r.mutant.name, strings.TrimSuffix(r.mutant.breaks, "."), r.verdict())
	}
}
