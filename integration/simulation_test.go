// Copyright The Parti Authors
// SPDX-License-Identifier: Apache-2.0

package integration

import (
	"flag"
	"fmt"
	"testing"
	"time"

	"github.com/parti-go/parti/integration/fleet"
	"github.com/parti-go/parti/integration/life"
	"github.com/parti-go/parti/internal/bubble"
)

var (
	seeds = flag.Int("seeds", 0, "how many lives of a fleet to simulate; 0 for 8, under the race detector for 4")
	base  = flag.Uint64("base", 0, "the seed before the first; by default another one each day")
	seed  = flag.Uint64("seed", 0, "simulate this one only")
	// restores are not among the faults of an ordinary run: what a write that was under way across a restore may do no
	// rule prevents, and which of its consequences the checker has to excuse is not settled.
	restores = flag.Bool("restores", false, "have the store restored from older copies as well")
)

// TestSimulatedLives: one seed is one life of a fleet, with everything random in it drawn from the seed; at its end comes
// a calm, in which everything must get an owner again within what is promised. The checker judges throughout.
// `go test ./integration -run Simulated -seed N` repeats the schedule of one.
func TestSimulatedLives(t *testing.T) {
	before, n := *base, *seeds
	if before == 0 {
		before = uint64(time.Now().UTC().Unix()/86_400) * 1_000_000
	}
	if n == 0 {
		n = 8
		if fleet.RaceDetector {
			n = 4
		}
	}
	if *seed != 0 {
		before, n = *seed-1, 1
	}
	t.Logf("seeds %d to %d", before+1, before+uint64(n))
	began, refused := time.Now(), 0
	var slowest float64
	for s := before + 1; s <= before+uint64(n); s++ {
		t.Run(fmt.Sprint(s), func(t *testing.T) {
			bubble.Run(t, func(t *testing.T, server *bubble.Server) {
				l := life.New(t, server, s, *restores)
				defer func() {
					if t.Failed() {
						t.Logf("seed %d: %s", s, l)
					}
				}()
				l.Live()
				refused += l.Fleet.Checker.Refused()
				slowest = max(slowest, l.Slowness())
			})
		})
	}
	t.Logf("%d lives, %.0f a minute; epochs refused %d writes; the slowest recovery took %.0f %% of what is promised",
		n, float64(n)/time.Since(began).Minutes(), refused, 100*slowest)
}
