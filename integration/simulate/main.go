// Copyright The Parti Authors
// SPDX-License-Identifier: Apache-2.0

// Simulate runs the lives of many fleets. It runs TestSimulatedLives in several processes at once, because the clock of a
// simulation belongs to its process.
//
//	go run ./integration/simulate -seeds 10000
//	go run ./integration/simulate -model -seeds 100000
//
// It prints its progress, the seeds that failed, and at the end the lives per minute and the slowest recovery. It keeps the
// output of a failed life in a file and prints the file's name. It exits with 1 if a life failed.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"regexp"
	"runtime"
	"strconv"
	"sync"
	"time"
)

// chunk is how many lives one process lives: few enough that its garbage does not matter, and its beginning neither.
const chunk = 50

// A failed life is a line "--- FAIL: TestSimulatedLives/SEED".
var (
	failure = regexp.MustCompile(`--- FAIL: TestSimulatedLives/(\d+)`)
	summary = regexp.MustCompile(`epochs refused (\d+) writes; the slowest recovery took (\d+) %`)
)

type tally struct {
	mu      sync.Mutex
	began   time.Time
	lived   int
	failed  []string
	refused int
	slowest int
}

type runner struct {
	binary, kept string
	restores     bool
	tally        tally
}

func main() {
	seeds := flag.Int("seeds", 1000, "how many lives")
	base := flag.Uint64("base", uint64(time.Now().UTC().Unix()/86_400)*1_000_000, "the seed before the first; by default another one each day")
	jobs := flag.Int("j", runtime.NumCPU(), "how many processes at once")
	restores := flag.Bool("restores", false, "have the store restored from older copies as well")
	inMemory := flag.Bool("model", false, "live on the store in memory: the deciders alone, thousands of lives a minute")
	counted := flag.Int("rules", 0, "with -model: live so many lives once more with counters in the deciders, and say how often each rule mattered")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	live := func() (bool, error) { return simulate(ctx, *base, *seeds, *jobs, *restores) }
	if *inMemory {
		live = func() (bool, error) {
			failed, err := model(ctx, *base, *seeds, *jobs)
			if err == nil && *counted > 0 {
				err = reach(ctx, *base, *counted)
			}
			return failed, err
		}
	}
	failed, err := live()
	if err != nil {
		fmt.Fprintln(os.Stderr, "simulate:", err)
	}
	if err != nil || failed {
		os.Exit(1)
	}
}

func simulate(ctx context.Context, base uint64, seeds, jobs int, restores bool) (failed bool, err error) {
	r := &runner{restores: restores, tally: tally{began: time.Now()}}
	if r.kept, err = os.MkdirTemp("", "simulate"); err != nil {
		return false, fmt.Errorf("make a folder: %w", err)
	}
	r.binary = filepath.Join(r.kept, "lives.test")
	if out, err := exec.CommandContext(ctx, "go", "test", "-c", "-o", r.binary, "./integration").CombinedOutput(); err != nil {
		return false, fmt.Errorf("build: %w\n%s", err, out)
	}
	firsts := make(chan uint64)
	var workers sync.WaitGroup
	for range jobs {
		workers.Go(func() {
			for first := range firsts {
				r.live(ctx, first, min(chunk, int(base+uint64(seeds)-first)))
			}
		})
	}
	for first := base; first < base+uint64(seeds) && ctx.Err() == nil; first += chunk {
		firsts <- first
	}
	close(firsts)
	workers.Wait()
	t := &r.tally
	fmt.Printf("\n%d lives from seed %d on, %d failed %v; %.0f a minute; epochs refused %d writes; the slowest recovery took %d %% of what is promised\n",
		t.lived, base+1, len(t.failed), t.failed, float64(t.lived)/time.Since(t.began).Minutes(), t.refused, t.slowest)
	if len(t.failed) == 0 {
		_ = os.RemoveAll(r.kept)
	}
	return len(t.failed) > 0, ctx.Err()
}

// live runs one process.
func (r *runner) live(ctx context.Context, first uint64, n int) {
	args := []string{"-test.run=^TestSimulatedLives$", "-test.v", "-test.timeout=1h", "-base", strconv.FormatUint(first, 10), "-seeds", strconv.Itoa(n)}
	if r.restores {
		args = append(args, "-restores")
	}
	cmd := exec.CommandContext(ctx, r.binary, args...)
	cmd.Dir = "integration"
	cmd.Env = append(os.Environ(), "GOMAXPROCS=1", "GOGC=400")
	if info, err := os.Stat("/dev/shm"); err == nil && info.IsDir() {
		cmd.Env = append(cmd.Env, "TMPDIR=/dev/shm") // the servers' files need to outlive no more than a life
	}
	out, err := cmd.CombinedOutput()
	if ctx.Err() != nil {
		return
	}
	t := &r.tally
	t.mu.Lock()
	defer t.mu.Unlock()
	t.lived += n
	for _, m := range failure.FindAllSubmatch(out, -1) {
		t.failed = append(t.failed, string(m[1]))
	}
	if m := summary.FindSubmatch(out); m != nil {
		refused, _ := strconv.Atoi(string(m[1]))
		slowest, _ := strconv.Atoi(string(m[2]))
		t.refused, t.slowest = t.refused+refused, max(t.slowest, slowest)
	}
	var exit *exec.ExitError
	if err != nil {
		if failure.Find(out) == nil || !errors.As(err, &exit) {
			t.failed = append(t.failed, fmt.Sprintf("somewhere from %d on", first+1))
		}
		file := filepath.Join(r.kept, fmt.Sprintf("%d.log", first+1))
		if err := os.WriteFile(file, out, 0o600); err != nil {
			fmt.Fprintln(os.Stderr, "keep the output:", err)
		}
		fmt.Println("FAILED, see", file)
	}
	fmt.Printf("%d lived, %d failed, %.0f a minute\n", t.lived, len(t.failed), float64(t.lived)/time.Since(t.began).Minutes())
}
