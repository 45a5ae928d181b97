package integration

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/nats-io/nats.go"

	"github.com/parti-go/parti"
	"github.com/parti-go/parti/integration/fleet"
	"github.com/parti-go/parti/internal/bubble"
	"github.com/parti-go/parti/strategy"
)

var (
	seeds = flag.Int("seeds", 5, "how many lives of a fleet to simulate")
	seed  = flag.Uint64("seed", 0, "simulate this one only")
)

// TestSimulatedLives: one seed is one life of a fleet, with everything random in it (sizes, strategy, hooks, faults and
// their times) drawn from the seed; at its end comes a calm, in which everything must get an owner again. The checker
// judges throughout. `go test ./integration -run Simulated -seed N` repeats the schedule of one.
func TestSimulatedLives(t *testing.T) {
	first, n := uint64(1), uint64(*seeds)
	if *seed != 0 {
		first, n = *seed, 1
	}
	for s := first; s < first+n; s++ {
		t.Run(fmt.Sprint(s), func(t *testing.T) {
			bubble.Run(t, func(t *testing.T, server *bubble.Server) {
				l := newLife(t, server, s)
				l.live()
				if t.Failed() {
					t.Logf("seed %d: %v", s, l.done)
				}
			})
		})
	}
}

type life struct {
	rng    *rand.Rand
	server *bubble.Server
	fleet  *fleet.Fleet
	done   []string
	next   int // partition
}

func newLife(t *testing.T, server *bubble.Server, seed uint64) *life {
	t.Helper()
	l := &life{rng: rand.New(rand.NewPCG(seed, 0)), server: server}
	l.next = 1 + l.rng.IntN(120)
	with := []fleet.With{fleet.Strategy([]parti.Strategy{strategy.NewConsistentHash(), strategy.NewRoundRobin()}[l.rng.IntN(2)])}
	if l.rng.IntN(3) == 0 {
		// The client's own defaults, with the buffer that sends ghosts, but pings that notice a dead link.
		with = append(with, func(s *fleet.Spec) {
			s.Connection = []nats.Option{nats.MaxReconnects(-1), nats.PingInterval(2 * time.Second)}
		})
	}
	switch l.rng.IntN(4) {
	case 0:
		with = append(with, fleet.SlowHandler(time.Duration(l.rng.IntN(4000))*time.Millisecond))
	case 1:
		with = append(with, fleet.Handler(func(context.Context, []parti.Partition, []parti.Partition) error { return errors.New("a failing hook") }))
	case 2:
		with = append(with, fleet.Handler(func(context.Context, []parti.Partition, []parti.Partition) error { panic("a panicking hook") }))
	}
	l.fleet = fleet.New(t, server, l.next, with...)
	return l
}

func (l *life) live() {
	l.fleet.Start(2 + l.rng.IntN(8))
	<-time.After(time.Duration(l.rng.IntN(45_000)) * time.Millisecond)
	for range 4 + l.rng.IntN(12) {
		l.fault()
		<-time.After(time.Duration(l.rng.ExpFloat64()*6000) * time.Millisecond)
	}
	l.calm()
}

func (l *life) note(format string, args ...any) {
	what := fmt.Sprintf(format, args...)
	l.done = append(l.done, what)
	l.fleet.Checker.Note("fault: %s", what)
}

// someone is a random live process, often the leader.
func (l *life) someone() *fleet.Process {
	if leader := l.fleet.Leader(); leader != nil && l.rng.IntN(3) == 0 {
		return leader
	}
	live := l.fleet.Live()
	if len(live) == 0 {
		return nil
	}
	return live[l.rng.IntN(len(live))]
}

func (l *life) fault() {
	p := l.someone()
	if p == nil || len(l.fleet.Live()) < 2 {
		l.note("start one")
		l.fleet.Start(1)
		return
	}
	switch l.rng.IntN(13) {
	case 0:
		l.note("crash %s", p.Name)
		p.Crash()
	case 1:
		l.note("crash %s and restart", p.Name)
		p.Crash()
		l.fleet.Restart(p)
	case 2, 3:
		l.note("stop %s", p.Name)
		_ = p.Stop()
		if l.rng.IntN(2) == 0 {
			<-time.After(time.Duration(l.rng.IntN(12_000)) * time.Millisecond)
			l.note("restart %s", p.Name)
			l.fleet.Restart(p)
		}
	case 4, 5:
		l.note("start")
		l.fleet.Start(1 + l.rng.IntN(2))
	case 6:
		l.note("cut %s", p.Name)
		p.Link.Cut()
		l.after(p)
	case 7:
		l.note("stall %s", p.Name)
		p.Link.Stall()
		l.after(p)
	case 8:
		l.note("slow %s", p.Name)
		p.Link.Slow(time.Duration(l.rng.IntN(600)) * time.Millisecond)
	case 9:
		l.note("freeze %s", p.Name)
		p.Freeze()
		<-time.After(time.Duration(l.rng.IntN(15_000)) * time.Millisecond)
		p.Thaw()
	case 10:
		l.note("store away")
		l.server.Stop()
		<-time.After(time.Duration(l.rng.IntN(20_000)) * time.Millisecond)
		l.server.Start()
	case 11:
		kinds := []string{"manager", "claimer", "heartbeat", "elector", "calculator", "follower"}
		kind := kinds[l.rng.IntN(len(kinds))]
		l.note("panic in the %s of %s", kind, p.Name)
		p.Panic(kind)
	case 12:
		list := l.fleet.Source.List()
		if l.rng.IntN(2) == 0 && len(list) > 1 {
			list = list[1:]
		} else {
			list = append(list, fleet.Partition(l.next))
			l.next++
		}
		l.note("%d partitions", len(list))
		l.fleet.Source.Set(list...)
		ctx, cancel := context.WithTimeout(background(), 3*time.Second)
		defer cancel()
		_ = p.Manager.RefreshPartitions(ctx)
	}
}

// after heals a link some time later, or leaves that to the calm.
func (l *life) after(p *fleet.Process) {
	if l.rng.IntN(3) > 0 {
		<-time.After(time.Duration(l.rng.IntN(14_000)) * time.Millisecond)
		p.Link.Heal()
	}
}

// calm ends all faults. Everyone who lives comes back, within the expiry of an own dead claim, the longest window, the
// cooldown and the slowest hooks; a refresh that failed is asked for again.
func (l *life) calm() {
	l.note("calm")
	for _, p := range l.fleet.Live() {
		p.Thaw()
		p.Link.Heal()
		p.Link.Slow(0)
	}
	if len(l.fleet.Live()) == 0 {
		l.fleet.Start(1)
	}
	ctx, cancel := context.WithTimeout(background(), time.Minute)
	defer cancel()
	for refreshed := false; !refreshed; {
		for _, p := range l.fleet.Live() { // the first may be about to end, or have no store yet
			refreshed = refreshed || p.Manager.RefreshPartitions(ctx) == nil
		}
		if ctx.Err() != nil {
			l.fleet.Fatalf("no refresh in the calm")
		}
		<-time.After(time.Second)
	}
	l.fleet.Settle(4 * time.Minute)
}
