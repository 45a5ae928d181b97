// Copyright The Parti Authors
// SPDX-License-Identifier: Apache-2.0

package life

import (
	"context"
	"slices"
	"strings"
	"time"

	"github.com/parti-go/parti/integration/fleet"
	"github.com/parti-go/parti/integration/link"
)

// longestFault is how long a cut, a stall, a pause or an outage lasts at most: longer than every lease.
const longestFault = 16 * time.Second

// longestDrain is how long a drain goes on at most before it becomes a stop.
const longestDrain = 40 * time.Second

// faults are what can befall a process, each as often as it stands here.
var faults = []func(l *Life, p *fleet.Process){
	(*Life).crash, (*Life).crash, (*Life).crashAndRestart, (*Life).crashAndRestart,
	(*Life).stop, (*Life).stopAndRestart, (*Life).stopAndRestart,
	(*Life).scale, (*Life).scale,
	(*Life).drain, (*Life).drain, (*Life).cordon, (*Life).cordon,
	(*Life).cut, (*Life).cut, (*Life).stall, (*Life).stallOneWay, (*Life).stallOneWay, (*Life).slow, (*Life).flap,
	(*Life).freeze, (*Life).freeze,
	(*Life).outage, (*Life).restore,
	(*Life).panics, (*Life).panics,
	(*Life).source, (*Life).source,
	(*Life).overwrite,
	(*Life).ambush, (*Life).ambush,
	(*Life).mute, (*Life).mute, (*Life).headless, (*Life).stopAndCut, (*Life).stopAndCut,
}

func (l *Life) fault() {
	p := l.someone()
	if p == nil || len(l.Fleet.Live()) < 2 {
		l.start(1)
		return
	}
	faults[l.rng.IntN(len(faults))](l, p)
}

// someone is a random live process, often the leader.
func (l *Life) someone() *fleet.Process {
	leader, i := l.rng.IntN(3) == 0, l.rng.Uint64()
	if p := l.Fleet.Leader(); leader && p != nil {
		return p
	}
	live := l.Fleet.Live()
	if len(live) == 0 {
		return nil
	}
	return live[i%uint64(len(live))]
}

func (l *Life) crash(p *fleet.Process) {
	l.note("crash %s", p.Name)
	p.Crash()
}

func (l *Life) crashAndRestart(p *fleet.Process) {
	l.crash(p)
	as := l.character()
	if l.rng.IntN(2) == 0 {
		l.restart(p, as)
		return
	}
	l.later(longestFault, func() { l.restart(p, as) })
}

func (l *Life) stop(p *fleet.Process) {
	l.note("stop %s", p.Name)
	l.undone.Go(func() { _ = p.Stop() })
}

// drain drains a process, and often another in the same instant, for a while that may be too short or too long.
func (l *Life) drain(p *fleet.Process) {
	for _, p := range []*fleet.Process{p, l.someone()}[:1+l.rng.IntN(2)] {
		most := l.between(0, longestDrain)
		l.note("drain %s for %s", p.Name, most)
		l.undone.Go(func() {
			ctx, cancel := context.WithTimeout(context.Background(), most)
			defer cancel()
			_ = p.Drain(ctx)
		})
	}
}

// cordon cordons a process, or takes that back.
func (l *Life) cordon(p *fleet.Process) {
	if l.rng.IntN(2) == 0 {
		l.note("cordon %s", p.Name)
		p.Manager.Cordon()
		return
	}
	l.note("uncordon %s", p.Name)
	p.Manager.Uncordon()
}

// stopAndCut cuts a process off while it stops, one that has something to give up: the trust ends while its hooks do.
func (l *Life) stopAndCut(p *fleet.Process) {
	after, live := l.between(0, time.Second), l.Fleet.Live()
	l.rng.Shuffle(len(live), func(i, j int) { live[i], live[j] = live[j], live[i] })
	if holds := slices.IndexFunc(live, func(p *fleet.Process) bool { return !p.Frozen() && len(p.Running()) > 0 }); holds >= 0 {
		p = live[holds]
	}
	l.stop(p)
	l.undone.Go(func() {
		l.wait(after)
		l.note("cut %s", p.Name)
		p.Link.Cut()
	})
}

func (l *Life) stopAndRestart(p *fleet.Process) {
	l.stop(p)
	as := l.character()
	l.later(longestFault, func() { l.restart(p, as) })
}

func (l *Life) scale(*fleet.Process) {
	if len(l.Fleet.Live()) < mostWorkers {
		l.start(1 + l.rng.IntN(2))
	}
}

func (l *Life) cut(p *fleet.Process) {
	l.note("cut %s", p.Name)
	p.Link.Cut()
	l.heal(p)
}

func (l *Life) stall(p *fleet.Process) {
	l.note("stall %s", p.Name)
	p.Link.Stall()
	l.heal(p)
}

// stallOneWay lets requests arrive and answers not, or the reverse.
func (l *Life) stallOneWay(p *fleet.Process) {
	way := link.Direction(l.rng.IntN(2))
	l.note("stall %s in direction %d", p.Name, way)
	p.Link.Stall(way)
	l.heal(p)
}

// mute makes the requests of a process about one stream fail, its writes or all of them, while others work.
func (l *Life) mute(p *fleet.Process) {
	b := l.config.KVBuckets
	bucket := []string{b.StableID, b.Election, b.Heartbeat, b.Assignment}[l.rng.IntN(4)]
	which := bucket
	if l.rng.IntN(2) == 0 {
		which = "$KV." + bucket + "."
	}
	l.fail(p, which)
	l.heal(p)
}

// headless crashes a process, while the heartbeats of all others fail for about as long as an election takes: the next
// leader begins with the one that follows its term.
func (l *Life) headless(p *fleet.Process) {
	over := l.between(l.config.LeaderTTL/2, 2*l.config.LeaderTTL)
	for _, other := range l.Fleet.Live() {
		if other == p || other.Frozen() {
			continue
		}
		l.fail(other, "$KV."+l.config.KVBuckets.Heartbeat+".")
		l.undone.Go(func() {
			l.wait(over)
			other.Link.Fail(nil)
		})
	}
	l.crash(p)
}

// fail makes the requests fail whose subjects contain a text.
func (l *Life) fail(p *fleet.Process, which string) {
	fault := []link.Fault{link.Lost, link.Unheard, link.Refused}[l.rng.IntN(3)]
	l.note("requests of %s about %q fail in way %d", p.Name, which, fault)
	p.Link.Fail(func(subject string) link.Fault {
		if strings.Contains(subject, which) {
			return fault
		}
		return link.None
	})
}

// heal heals a link some time later, or leaves that to the calm.
func (l *Life) heal(p *fleet.Process) {
	if l.rng.IntN(4) == 0 {
		return
	}
	l.later(longestFault, func() {
		if !p.Frozen() && p.Lives() {
			l.note("heal %s", p.Name)
			p.Link.Heal()
		}
	})
}

func (l *Life) slow(p *fleet.Process) {
	latency := l.between(0, 600*time.Millisecond)
	l.note("slow %s by %s", p.Name, latency)
	p.Link.Slow(latency)
}

func (l *Life) flap(p *fleet.Process) {
	times, down, up := 2+l.rng.IntN(6), l.between(time.Millisecond, 2*time.Second), l.between(time.Millisecond, 2*time.Second)
	l.note("flap %s %d times", p.Name, times)
	l.undone.Go(func() {
		for range times {
			if !p.Lives() || p.Frozen() {
				return
			}
			p.Link.Flap(1, down, up)
		}
	})
}

func (l *Life) freeze(p *fleet.Process) {
	if p.Frozen() {
		return
	}
	l.note("freeze %s", p.Name)
	p.Freeze()
	l.later(longestFault, func() {
		l.note("thaw %s", p.Name)
		p.Thaw()
	})
}

// outage takes the store away. It ends before anything else happens: stopping the server wants everything at rest.
func (l *Life) outage(*fleet.Process) {
	l.note("store away")
	l.server.Stop()
	if l.copied == "" || l.rng.IntN(2) == 0 {
		l.copied = l.server.Copy()
		l.note("store copied")
	}
	l.wait(l.between(0, 20*time.Second))
	l.server.Start()
}

// restore brings the store back as the copy that was made in an outage before.
func (l *Life) restore(p *fleet.Process) {
	if l.copied == "" || l.rng.IntN(2) == 0 || !l.restores {
		l.outage(p)
		return
	}
	l.note("store restored")
	l.Fleet.RestoreFrom(l.copied)
}

func (l *Life) panics(p *fleet.Process) {
	kinds := []string{"manager", "claimer", "heartbeat", "elector", "calculator", "follower", "host", "partition"}
	kind := kinds[l.rng.IntN(len(kinds))]
	l.note("panic in the %s of %s", kind, p.Name)
	p.Panic(kind)
}

// source adds or takes a partition, or changes a weight, and tells the leader.
func (l *Life) source(p *fleet.Process) {
	list := l.Fleet.Source.List()
	switch at := l.rng.IntN(len(list)); {
	case l.rng.IntN(4) == 0:
		list[at].Weight = 1 + l.rng.Int64N(1000)
		l.note("another weight for %s", list[at].ID())
	case l.rng.IntN(2) == 0 && len(list) > 1 && (at > 0 || l.versioned):
		l.note("without %s", list[at].ID())
		list = append(list[:at], list[at+1:]...)
	default:
		l.note("with %s", fleet.Partition(l.next).ID())
		list = append(list, fleet.Partition(l.next))
		l.next++
	}
	l.Fleet.Source.Set(list...)
	l.mu.Lock()
	l.changed++
	change := l.changed
	l.mu.Unlock()
	l.undone.Go(func() {
		ctx, cancel := context.WithTimeout(context.Background(), 3*time.Second)
		defer cancel()
		if p.Manager.RefreshPartitions(ctx) == nil {
			l.mu.Lock()
			defer l.mu.Unlock()
			l.listed = max(l.listed, change)
		}
	})
}

// overwrite puts garbage in the place of the lease on leadership: it is free at once, while its holder still trusts it.
func (l *Life) overwrite(*fleet.Process) {
	l.note("garbage in place of the lease on leadership")
	ctx, cancel := context.WithTimeout(context.Background(), time.Second)
	defer cancel()
	_, _ = l.Fleet.JS.Publish(ctx, "$KV."+l.config.KVBuckets.Election+".leader", []byte("garbage"))
}

// ambush waits for a step of a handoff and strikes there: the process whose step it is, or the leader.
func (l *Life) ambush(*fleet.Process) {
	kinds, strikes := fleet.Kinds(), []string{"crash", "cut", "stop and cut"}
	kind, leader, strike := kinds[l.rng.IntN(len(kinds))], l.rng.IntN(2) == 0, strikes[l.rng.IntN(len(strikes))]
	after := l.between(0, 2*time.Second)
	l.note("ambush at %q", kind)
	l.Fleet.Watch(func(e fleet.Event) {
		if e.Kind != kind {
			return
		}
		victim := e.Process
		if leader {
			victim = l.Fleet.Leader()
		}
		if victim == nil || !victim.Lives() || victim.Frozen() {
			return
		}
		l.Fleet.Watch(nil)
		l.mu.Lock()
		defer l.mu.Unlock()
		if l.over {
			return
		}
		l.undone.Go(func() {
			l.note("at %q: %s %s", kind, strike, victim.Name)
			switch strike {
			case "crash":
				victim.Crash()
			case "cut":
				victim.Link.Cut()
			default:
				l.undone.Go(func() { _ = victim.Stop() })
				l.wait(after)
				victim.Link.Cut()
			}
		})
	})
}
