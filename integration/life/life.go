// Package life draws the life of a fleet from a seed: how many workers and partitions, how they are configured, what
// befalls them and when. Everything random comes from the seed; what the goroutines make of it does not, so a rare
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
	longestBlock   = 40 * time.Second
	strategyRetry  = 30 * time.Second // the longest that a leader waits before it asks a strategy again that failed
)

// judged says whether the checker judges waits and moves as well.
const judged = false

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
	undone   sync.WaitGroup // faults whose end is under way
	calm     chan struct{}  // closed when all faults are over
	took     time.Duration

	mu   sync.Mutex
	done []string
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
	with = append(with, func(s *fleet.Spec) { l.config, s.Liveness = s.Config, judged })
	l.hooks = l.drawHooks()
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
	c.HandoffTimeout = l.between(time.Second, 40*time.Second)
	c.OperationTimeout = l.between(2*time.Second, 10*time.Second)
	c.ShutdownTimeout = l.between(2*time.Second, 10*time.Second)
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
		select {
		case <-time.After(takes):
		case <-s.life.Fleet.Closing():
		}
	}
	return next, err
}

// drawHooks decides what the assignment hooks of this fleet are like, until the calm.
func (l *Life) drawHooks() func(rng *rand.Rand) fleet.With {
	kind := l.rng.IntN(6)
	return func(rng *rand.Rand) fleet.With {
		return fleet.Handler(func(ctx context.Context, _, _ []parti.Partition) error {
			select {
			case <-l.calm:
				return nil
			default:
			}
			switch kind {
			case 0: // slow
				select {
				case <-time.After(time.Duration(rng.Int64N(int64(slowestHook)))):
				case <-ctx.Done():
				}
			case 1:
				return errors.New("a failing hook")
			case 2:
				panic("a panicking hook")
			case 3: // deaf to its context, now and then
				if rng.IntN(4) == 0 {
					select {
					case <-time.After(time.Duration(rng.Int64N(int64(longestBlock)))):
					case <-l.Fleet.Closing():
					}
				}
			}
			return nil
		})
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

// Slowness is how long the recovery in the calm took, as a part of what was allowed.
func (l *Life) Slowness() float64 { return l.took.Seconds() / l.allowed().Seconds() }

// String lists what was done.
func (l *Life) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return fmt.Sprintf("%s of faults, configuration %+v\n  %s", l.length, l.config, strings.Join(l.done, "\n  "))
}

// allowed is how long everything may take to get an owner once all faults are over. What can come one after the other:
// a worker waits for its own dead claim or backs off, the leases of the last leader and of lost workers run out (those
// of many are held for one heartbeat TTL more), an operation under way times out, a strategy that failed is asked again, a campaign is repeated, a group that
// restarts gets its window, another change its own and the cooldown, and hooks that block have to return.
func (l *Life) allowed() time.Duration {
	c := l.config
	return c.WorkerIDTTL + 2*c.HeartbeatTTL + c.LeaderTTL + c.EmergencyGracePeriod + 3*c.OperationTimeout + c.ElectionTimeout +
		c.ColdStartWindow + 2*(c.PlannedScaleWindow+c.RebalanceCooldown) + longestBlock + strategyRetry + 10*time.Second
}

// settle ends all faults; everything must get an owner within the bound.
func (l *Life) settle() {
	l.undone.Wait()
	close(l.calm)
	l.Fleet.Watch(nil)
	l.note("calm")
	for _, p := range l.Fleet.Live() {
		p.Thaw()
		p.Link.Heal()
		p.Link.Slow(0)
	}
	began := time.Now()
	if len(l.Fleet.Live()) == 0 {
		l.start(1)
	}
	l.refresh()
	for !l.settled(began) {
		l.wait(5 * time.Millisecond)
	}
	l.took = time.Since(began)
}

// settled says that everything has an owner, and fails when that takes too long. A worker that had no assignment within
// its StartupTimeout gives up, as it should; when that was the last one, another is started.
func (l *Life) settled(began time.Time) bool {
	err := l.Fleet.Unsettled()
	if err != nil && time.Since(began) >= l.allowed() {
		l.Fleet.Fatalf("not settled after %s: %v", l.allowed(), err)
	}
	if len(l.Fleet.Live()) == 0 {
		l.start(1)
	}
	return err == nil
}

// refresh has the leader list the source until it has: an earlier refresh may have met a fault.
func (l *Life) refresh() {
	ctx, cancel := context.WithTimeout(context.Background(), l.allowed())
	defer cancel()
	for {
		for _, p := range l.Fleet.Live() { // the first may be about to end, or have no store yet
			attempt, stop := context.WithTimeout(ctx, 10*time.Second)
			err := p.Manager.RefreshPartitions(attempt)
			stop()
			if err == nil {
				return
			}
		}
		if ctx.Err() != nil {
			l.Fleet.Fatalf("no refresh in the calm")
		}
		if len(l.Fleet.Live()) == 0 { // the last one gave up
			l.start(1)
		}
		l.wait(time.Second)
	}
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
