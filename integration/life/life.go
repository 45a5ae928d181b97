// Copyright The Parti Authors
// SPDX-License-Identifier: Apache-2.0

// Package life derives the life of a fleet from a seed: the number of workers and partitions, their configuration, and what
// happens to them and when. All random decisions come from the seed. The scheduling of the goroutines does not, so a rare
// failure may need several runs of its seed.
package life

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/nats-io/nats.go"

	"github.com/parti-go/parti"
	"github.com/parti-go/parti/integration/fleet"
	"github.com/parti-go/parti/internal/bubble"
	"github.com/parti-go/parti/strategy"
)

const (
	mostWorkers    = 12
	mostPartitions = 200
	slowestHook    = 4 * time.Second
	longestHook    = 20 * time.Second // that returns when its context ends: longer than every heartbeat
	longestBlock   = 40 * time.Second
)

// judged says whether the checker judges waits and moves as well.
const judged = true

// Life is one life of a fleet.
type Life struct {
	Fleet *fleet.Fleet

	rng    *rand.Rand
	server *bubble.Server
	config parti.Config
	length time.Duration
	began  time.Time
	end    time.Time // of the faults
	hooks  func(rng *rand.Rand) fleet.With
	next   int // partition
	copied string
	// restores are among the faults.
	restores bool
	quiet    bool           // nobody asks for a refresh in the calm, if it can do without
	undone   sync.WaitGroup // faults whose end is under way
	calm     chan struct{}  // closed when all faults are over
	took     time.Duration
	promise  time.Duration // for that
	revived  time.Time     // when the last worker that was left had given up, and another was started
	fails    bool          // the strategy does, now and then
	// versioned says that the source is. Otherwise its first partition stays: a list that has nothing in common with the one
	// before is taken for another application's.
	versioned bool

	mu      sync.Mutex
	over    bool // no fault begins any more
	done    []string
	changed int       // how often the source was changed
	listed  int       // the last of these changes that a leader is known to have listed
	blocked time.Time // until when a hook or a strategy may block
}

// New draws a life. Most are short: two to four virtual minutes, one in eight up to ten.
func New(t *testing.T, server *bubble.Server, seed uint64, restores bool) *Life {
	t.Helper()
	l := &Life{rng: rand.New(rand.NewPCG(seed, 0)), server: server, calm: make(chan struct{}), began: time.Now(), restores: restores}
	l.length = l.between(2*time.Minute, 4*time.Minute)
	if l.rng.IntN(8) == 0 {
		l.length = l.between(4*time.Minute, 10*time.Minute)
	}
	l.end = l.began.Add(l.length)
	l.next = 1 + l.rng.IntN(mostPartitions)
	l.quiet = l.rng.IntN(2) == 0
	with := []fleet.With{fleet.Strategy(l.drawStrategy())}
	if l.rng.IntN(2) == 0 {
		with = append(with, fleet.Config(l.configure))
	}
	if l.rng.IntN(3) == 0 {
		// The client's own defaults, with the buffer that sends ghosts, but pings that notice a dead link.
		with = append(with, func(s *fleet.Spec) {
			s.Connection = []nats.Option{nats.MaxReconnects(-1), nats.PingInterval(2 * time.Second)}
		})
	}
	if l.rng.IntN(4) == 0 {
		with = append(with, func(s *fleet.Spec) { s.Mixed = true })
	}
	if l.versioned = seed%2 == 1; l.versioned {
		with = append(with, fleet.Versioned())
	}
	with = append(with, func(s *fleet.Spec) { l.config, s.Liveness = s.Config, judged })
	l.hooks = l.drawHooks()
	if l.rng.IntN(3) == 0 {
		l.hooks = l.drawHandlers()
	}
	l.Fleet = fleet.New(t, server, l.next, with...)
	return l
}

// configure draws a configuration within its legal ranges.
func (l *Life) configure(c *parti.Config) {
	c.HeartbeatTTL = l.seconds(3, 10)
	c.HeartbeatInterval = l.between(c.HeartbeatTTL/6, c.HeartbeatTTL/2)
	c.LeaderTTL = l.seconds(2, 8)
	c.WorkerIDTTL = l.seconds(5, 40)
	c.PlannedScaleWindow = l.between(100*time.Millisecond, 12*time.Second)
	c.ColdStartWindow = l.between(c.PlannedScaleWindow, 30*time.Second)
	c.EmergencyGracePeriod = time.Duration(l.rng.IntN(2)) * l.between(0, 5*time.Second)
	c.RestartDetectionRatio = 0.1 + 0.9*l.rng.Float64()
	c.MassLossRatio = 0.1 + 0.9*l.rng.Float64()
	c.RebalanceCooldown = l.between(100*time.Millisecond, 12*time.Second)
	c.FlapBackoff = time.Duration(l.rng.IntN(3)) * 30 * time.Second
	c.HandoffTimeout = l.between(time.Second, 40*time.Second)
	c.OperationTimeout = l.between(2*time.Second, 10*time.Second)
	c.ShutdownTimeout = l.between(2*time.Second, 30*time.Second)
	c.Assignment.MinRebalanceThreshold = 0.01 + 0.99*l.rng.Float64()
	c.Assignment.HomeRetention = l.between(time.Millisecond, 5*time.Minute)
	c.StartupTimeout = c.ColdStartWindow + c.ElectionTimeout + l.between(20*time.Second, 60*time.Second)
	if l.rng.IntN(4) == 0 {
		c.ExpectedWorkers = 1 + l.rng.IntN(mostWorkers)
	}
}

// drawStrategy takes one of the library's. In one life of six it fails now and then, until the calm.
func (l *Life) drawStrategy() parti.Strategy {
	strategies := []parti.Strategy{strategy.NewConsistentHash(), strategy.NewSticky(), strategy.NewRoundRobin(), strategy.NewRendezvous()}
	s := strategies[l.rng.IntN(len(strategies))]
	if l.rng.IntN(6) > 0 {
		return s
	}
	l.fails = true
	return &failing{Strategy: s, life: l, rng: rand.New(rand.NewPCG(l.rng.Uint64(), 0))}
}

// failing is a strategy of a user's that has its moments.
type failing struct {
	parti.Strategy
	life *Life
	mu   sync.Mutex
	rng  *rand.Rand
}

func (s *failing) Assign(workers []strategy.Worker, partitions []strategy.Partition, previous []int) ([]int, error) {
	s.mu.Lock()
	kind, takes := s.rng.IntN(12), time.Duration(s.rng.Int64N(int64(15*time.Second)))
	s.mu.Unlock()
	next, err := s.Strategy.Assign(workers, partitions, previous)
	select {
	case <-s.life.calm:
		return next, err
	default:
	}
	switch kind {
	case 0:
		return nil, errors.New("a failing strategy")
	case 1:
		panic("a panicking strategy")
	case 2:
		next[0] = len(workers)
	case 3:
		next = next[1:]
	case 4:
		s.life.blocks(takes)
		select {
		case <-time.After(takes):
		case <-s.life.Fleet.Closing():
		}
	}
	return next, err
}

// drawHooks decides what the assignment hooks of this fleet are like, until the calm.
func (l *Life) drawHooks() func(rng *rand.Rand) fleet.With {
	kind := l.rng.IntN(8)
	return func(rng *rand.Rand) fleet.With {
		return fleet.Handler(func(ctx context.Context, _, removed []parti.Partition) error {
			select {
			case <-l.calm:
				return nil
			default:
			}
			switch kind {
			case 0: // slow
				l.lasts(ctx, time.Duration(rng.Int64N(int64(slowestHook))))
			case 1:
				return errors.New("a failing hook")
			case 2:
				panic("a panicking hook")
			case 3: // deaf to its context, now and then
				if rng.IntN(4) == 0 {
					block := time.Duration(rng.Int64N(int64(longestBlock)))
					l.blocks(block)
					select {
					case <-time.After(block):
					case <-l.Fleet.Closing():
					}
				}
			case 4, 5: // in no hurry to give up, and slower than leases last
				if len(removed) > 0 && rng.IntN(4) > 0 {
					l.lasts(ctx, time.Duration(rng.Int64N(int64(longestHook))))
				}
			}
			return nil
		})
	}
}

// lasts is a hook that takes its time, unless its context ends before.
func (l *Life) lasts(ctx context.Context, d time.Duration) {
	l.blocks(d)
	select {
	case <-time.After(d):
	case <-ctx.Done():
	}
}

// blocks notes that something of the user's takes this long.
func (l *Life) blocks(d time.Duration) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if until := time.Now().Add(d); until.After(l.blocked) {
		l.blocked = until
	}
}

// Live lives the life and its calm.
func (l *Life) Live() {
	l.start(2 + l.rng.IntN(mostWorkers-1))
	l.wait(l.between(0, 45*time.Second))
	for time.Now().Before(l.end) {
		l.fault()
		if l.rng.IntN(4) == 0 {
			l.fault() // two in one instant
		}
		l.wait(time.Duration(l.rng.ExpFloat64() * float64(7*time.Second)))
	}
	l.settle()
}

// Slowness is how long the recovery in the calm took, as a part of what is promised.
func (l *Life) Slowness() float64 { return float64(l.took) / float64(max(l.promise, 1)) }

// String lists what was done.
func (l *Life) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return fmt.Sprintf("%s of faults, configuration %+v\n  %s", l.length, l.config, strings.Join(l.done, "\n  "))
}

func (l *Life) note(format string, args ...any) {
	what := fmt.Sprintf(format, args...)
	l.mu.Lock()
	l.done = append(l.done, fmt.Sprintf("%8.3fs %s", time.Since(l.began).Seconds(), what))
	l.mu.Unlock()
	l.Fleet.Checker.Note("fault: %s", what)
}

// character gives a new process hooks with a chance of their own, and now and then another capacity, or a cordon.
func (l *Life) character() fleet.With {
	hooks := l.hooks(rand.New(rand.NewPCG(l.rng.Uint64(), 1)))
	cordoned, capacity := l.rng.IntN(12) == 0, int64(100)
	if l.rng.IntN(4) == 0 {
		capacity = 50 + 50*l.rng.Int64N(4)
	}
	return func(s *fleet.Spec) {
		hooks(s)
		s.Config.Cordoned, s.Config.Capacity = cordoned, capacity
	}
}

func (l *Life) start(n int) {
	procs := make([]*fleet.Process, n)
	for i := range procs {
		procs[i] = l.Fleet.Make(l.character())
	}
	for _, p := range procs {
		l.note("start %s", p.Name)
		p.Start()
	}
}

func (l *Life) restart(p *fleet.Process, as fleet.With) {
	q := l.Fleet.Restart(p, as)
	l.note("restart %s as %s", p.Name, q.Name)
}

func (l *Life) wait(d time.Duration) { <-time.After(d) }

// later does something after a time that is drawn now, while other faults go on.
func (l *Life) later(most time.Duration, do func()) {
	after := l.between(0, most)
	l.undone.Go(func() {
		l.wait(after)
		do()
	})
}

func (l *Life) between(least, most time.Duration) time.Duration {
	return least + time.Duration(l.rng.Int64N(int64(most-least)+1))
}

func (l *Life) seconds(least, most int) time.Duration {
	return time.Duration(least+l.rng.IntN(most-least+1)) * time.Second
}
