// Copyright The Parti Authors
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"runtime/debug"
	"sync"
	"sync/atomic"
	"time"

	"github.com/parti-go/parti/internal/sim"
)

// shrinkLives is how many lives the search for the simplest form of a failure takes at most: about a minute.
const shrinkLives = 3000

// shrunkMost is how many failures are shrunk; of later ones only the seed is printed.
const shrunkMost = 10

// modelled is what the lives on the store in memory came to.
type modelled struct {
	began         time.Time
	lived, steps  atomic.Int64
	failed        atomic.Int64
	kept          string
	once          sync.Mutex // one failure is shrunk and printed at a time
	shrunkAlready int
}

// model lives lives of the deciders on the store in memory, in this process. It prints how far it is, each failure in its simplest form,
// and how many lives a minute and steps a second there were.
func model(ctx context.Context, base uint64, seeds, jobs int) (failed bool, err error) {
	debug.SetGCPercent(-1) // little of a life lives long, so what is left of many of them is collected at once
	debug.SetMemoryLimit(768 << 20)
	m := &modelled{began: time.Now()}
	if m.kept, err = os.MkdirTemp("", "simulate"); err != nil {
		return false, fmt.Errorf("make a folder: %w", err)
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	next := make(chan uint64)
	var workers sync.WaitGroup
	for range max(jobs, 1) {
		workers.Go(func() {
			for seed := range next {
				m.live(seed)
			}
		})
	}
	var teller sync.WaitGroup
	done := make(chan struct{})
	teller.Go(func() { m.tell(done) })
feeding:
	for seed := base + 1; seed <= base+uint64(seeds); seed++ {
		select {
		case next <- seed:
		case <-ctx.Done():
			break feeding
		}
	}
	close(next)
	workers.Wait()
	close(done)
	teller.Wait()
	fmt.Printf("\nseeds %d to %d: %s\n", base+1, base+uint64(m.lived.Load()), m)
	if m.failed.Load() == 0 {
		_ = os.RemoveAll(m.kept)
	}
	return m.failed.Load() > 0, ctx.Err()
}

func (m *modelled) live(seed uint64) {
	s := sim.Expand(seed)
	f := sim.Live(s)
	m.lived.Add(1)
	m.steps.Add(int64(f.Steps))
	if len(f.Broken) == 0 {
		return
	}
	m.failed.Add(1)
	m.once.Lock()
	defer m.once.Unlock()
	fmt.Printf("FAILED seed %d: %s\n%s", seed, f.Broken[0], f.Stack)
	if m.shrunkAlready++; m.shrunkAlready > shrunkMost {
		return
	}
	golden := sim.Golden(fmt.Sprintf("Seed %d: what must be true is to be written here.", seed), sim.Shrink(s, shrinkLives))
	file := filepath.Join(m.kept, fmt.Sprintf("%d.txt", seed))
	if err := os.WriteFile(file, []byte(golden), 0o600); err != nil {
		fmt.Fprintln(os.Stderr, "keep the script:", err)
	}
	fmt.Printf("%s\nkept in %s, to be moved to internal/sim/testdata\n", golden, file)
}

// tell says now and then how far it is.
func (m *modelled) tell(done <-chan struct{}) {
	ticker := time.NewTicker(10 * time.Second)
	defer ticker.Stop()
	for {
		select {
		case <-done:
			return
		case <-ticker.C:
			fmt.Println(m)
		}
	}
}

func (m *modelled) String() string {
	took := time.Since(m.began)
	return fmt.Sprintf("%d lived, %d failed; %.0f lives a minute, %.0f steps a second",
		m.lived.Load(), m.failed.Load(), float64(m.lived.Load())/took.Minutes(), float64(m.steps.Load())/took.Seconds())
}
