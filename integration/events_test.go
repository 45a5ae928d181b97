// Copyright The Parti Authors
// SPDX-License-Identifier: Apache-2.0

package integration

import (
	"context"
	"flag"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/parti-go/parti/integration/fleet"
	"github.com/parti-go/parti/internal/bubble"
)

var events = flag.Bool("events", false, "measure what the usual events cost, one line of a table each")

// The group that the usual events befall.
const (
	eventWorkers    = 20
	eventPartitions = 1000
	onNode          = 4 // workers on one node
	inZone          = 7 // workers in one of three zones
	loopLasts       = 5 * time.Minute
	loopBack        = time.Second // a process that crashes in a loop is back after
)

// event is something usual that befalls a group. It returns the fewest partitions that could have moved.
type event struct {
	name    string
	happens func(t *testing.T, f *fleet.Fleet) (least int)
}

// TestWhatTheUsualEventsCost prints a line of the table in docs/verification.md for each of them; `go run
// ./integration/events` prints the table.
func TestWhatTheUsualEventsCost(t *testing.T) {
	if !*events {
		t.Skip("-events")
	}
	for _, e := range usualEvents() {
		t.Run(e.name, func(t *testing.T) {
			bubble.Run(t, func(t *testing.T, s *bubble.Server) {
				f := fleet.New(t, s, eventPartitions)
				f.Begin(eventWorkers)
				f.Rest()
				c := begin(f)
				least := e.happens(t, f)
				f.Settle(recovery)
				<-time.After(time.Minute)
				f.Settle(recovery)
				moves, sum, longest := c.end()
				fmt.Printf("| %s | %d | %d | %.0f | %s |\n", e.name, moves, least, sum.Seconds(), longest.Round(10*time.Millisecond))
			})
		})
	}
}

// cost counts what something costs a fleet from begin on.
type cost struct {
	f     *fleet.Fleet
	began time.Time
	moves int
}

func begin(f *fleet.Fleet) cost { return cost{f, time.Now(), f.Checker.Moves()} }

// end returns the moves, the time that partitions were without an owner, summed up, and the longest such time.
func (c cost) end() (moves int, sum, longest time.Duration) {
	for _, v := range c.f.Checker.Vacancies(c.began) {
		d := v.To.Sub(latest(v.From, c.began))
		sum, longest = sum+d, max(longest, d)
	}
	return c.f.Checker.Moves() - c.moves, sum, longest
}

func latest(a, b time.Time) time.Time {
	if b.After(a) {
		return b
	}
	return a
}

func usualEvents() []event {
	all := []event{
		{"scale-out, 20 to 21", func(_ *testing.T, f *fleet.Fleet) int { return joins(f, 1) }},
		{"scale-out, 20 to 25 at once", func(_ *testing.T, f *fleet.Fleet) int { return joins(f, 5) }},
		{"scale-in, 20 to 19", func(t *testing.T, f *fleet.Fleet) int { return leave(t, f.Followers()[:1]) }},
		{"half the fleet leaves, 20 to 10", func(t *testing.T, f *fleet.Fleet) int { return leave(t, f.Followers()[:10]) }},
	}
	for _, back := range []time.Duration{time.Second, 6 * time.Second, 15 * time.Second} {
		all = append(all,
			event{fmt.Sprintf("rolling restart, one by one, back after %s", back), func(t *testing.T, f *fleet.Fleet) int {
				rolls(t, f, back, 0)
				return givenAway(back)
			}},
			event{fmt.Sprintf("rolling restart, one every 5 s, back after %s", back), func(t *testing.T, f *fleet.Fleet) int {
				rolls(t, f, back, 5*time.Second)
				return givenAway(back)
			}},
		)
	}
	all = append(all,
		event{"deploy under new IDs, one every 5 s, new one first", deploys},
		event{"crash of a follower", func(_ *testing.T, f *fleet.Fleet) int { return crash(f.Followers()[:1]) }},
		event{"crash of the leader", func(_ *testing.T, f *fleet.Fleet) int { return crash([]*fleet.Process{f.Leader()}) }},
	)
	for _, period := range []time.Duration{5 * time.Second, 15 * time.Second, 40 * time.Second} {
		for _, same := range []bool{true, false} {
			name := map[bool]string{true: "the same ID", false: "new IDs"}[same]
			all = append(all, event{fmt.Sprintf("crash loop of %s under %s, 5 min", period, name), func(_ *testing.T, f *fleet.Fleet) int {
				return loops(f, period, same)
			}})
		}
	}
	return append(append(all, nodesAndZones()...), event{"refresh: 50 more partitions, 50 fewer", func(t *testing.T, f *fleet.Fleet) int {
		list := f.Source.List()[50:]
		for i := range 50 {
			list = append(list, fleet.Partition(eventPartitions+i))
		}
		f.Source.Set(list...)
		require.NoError(t, f.Leader().Refresh())
		return 0
	}})
}

// nodesAndZones are the events of a cluster of machines. A replacement starts when its worker is asked to leave, and is there after
// the time that a pod needs for it.
func nodesAndZones() (all []event) {
	for _, back := range []time.Duration{6 * time.Second, 15 * time.Second} {
		all = append(all, event{fmt.Sprintf("node with 4 workers: all stop, back after %s", back), func(t *testing.T, f *fleet.Fleet) int {
			procs := f.Followers()[:onNode]
			had := leave(t, procs)
			returns(f, procs, back)
			if back <= window {
				return 0
			}
			return had
		}})
	}
	return append(all,
		event{"node with 4 workers: all drain, 4 new ones after 6s", emptied},
		event{"zone with 7 workers: all crash, back after 2m", func(_ *testing.T, f *fleet.Fleet) int {
			procs := append([]*fleet.Process{f.Leader()}, f.Followers()[:inZone-1]...)
			had := crash(procs)
			returns(f, procs, 2*time.Minute)
			return 2 * had
		}},
	)
}

// returns starts workers again under their IDs after some time.
func returns(f *fleet.Fleet, procs []*fleet.Process, after time.Duration) {
	<-time.After(after)
	for _, p := range procs {
		f.Restart(p)
	}
}

// emptied drains a node: its workers drain in the same instant, and others start elsewhere meanwhile. What they have has to
// move, and the new ones need as much again.
func emptied(t *testing.T, f *fleet.Fleet) int {
	procs, had := f.Followers()[:onNode], 0
	var leaving sync.WaitGroup
	for _, p := range procs {
		had += len(p.Running())
		leaving.Go(func() {
			ctx, cancel := context.WithTimeout(t.Context(), recovery)
			defer cancel()
			assert.NoError(t, p.Drain(ctx))
		})
	}
	<-time.After(6 * time.Second)
	f.Start(onNode)
	leaving.Wait()
	return had + eventPartitions*onNode/eventWorkers
}

// joins adds workers; the least is what they need for an even share.
func joins(f *fleet.Fleet, n int) int {
	procs := f.Start(n)
	for _, p := range procs {
		f.Wait(recovery, "everybody has a share", func() bool { return len(p.Running()) > 0 })
	}
	return eventPartitions * n / (eventWorkers + n)
}

func leave(t *testing.T, procs []*fleet.Process) (had int) {
	for _, p := range procs {
		had += len(p.Running())
	}
	for _, p := range procs {
		require.NoError(t, p.Stop())
	}
	return had
}

func crash(procs []*fleet.Process) (had int) {
	for _, p := range procs {
		had += len(p.Running())
		p.Crash()
	}
	return had
}

// rolls restarts every worker under its ID, one after the other once the group is whole again, or one in each interval.
func rolls(t *testing.T, f *fleet.Fleet, back, every time.Duration) {
	for _, p := range f.Live() {
		require.NoError(t, p.Stop())
		if every > 0 {
			time.AfterFunc(back, func() { f.Restart(p) })
			<-time.After(every)
			continue
		}
		<-time.After(back)
		f.Restart(p)
		f.Settle(recovery)
	}
	<-time.After(back)
}

// givenAway is what has to move while every worker is away for some time, once each: nothing within the window.
func givenAway(back time.Duration) int {
	if back <= window {
		return 0
	}
	return eventPartitions
}

// deploys replaces every worker by one of another ID, which is there a second before the old one leaves.
func deploys(t *testing.T, f *fleet.Fleet) int {
	for i, p := range f.Live() {
		f.Start(1, fleet.PreferredID(fmt.Sprintf("worker-%d", eventWorkers+i)))
		<-time.After(time.Second)
		require.NoError(t, p.Stop())
		<-time.After(4 * time.Second)
	}
	return eventPartitions
}

// loops has one worker crash again and again; what it has can move once.
func loops(f *fleet.Fleet, period time.Duration, same bool) int {
	p := f.Followers()[0]
	had := len(p.Running())
	loop(f, p, period, same)
	return had
}

// loop has a worker crash again and again, and stay away in the end.
func loop(f *fleet.Fleet, p *fleet.Process, period time.Duration, same bool) {
	for n, began := 0, time.Now(); ; n++ {
		p.Crash()
		if time.Since(began) >= loopLasts {
			return
		}
		<-time.After(loopBack)
		id := p.LastID()
		if !same {
			id = fmt.Sprintf("worker-%d", 50+n%50)
		}
		p = f.Start(1, fleet.PreferredID(id))[0]
		<-time.After(period - loopBack)
	}
}
