// Copyright The Parti Authors
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"slices"
	"time"
)

// measurement is what every process has used so far.
type measurement struct {
	server   sample
	observer sample   // the zero value before there is one
	crews    []sample // the zero value for a process that was killed
	leader   int      // the worker that leads, none if nobody does
}

const none = -1

func (f *fleet) measure(ctx context.Context) (measurement, error) {
	m := measurement{crews: make([]sample, len(f.crews)), leader: none}
	var err error
	if m.server, err = f.server.sample(ctx); err != nil {
		return m, err
	}
	if f.observer != nil {
		if m.observer, err = f.observer.sample(ctx); err != nil {
			return m, err
		}
	}
	for i, c := range f.crews {
		if c.killed {
			continue
		}
		if m.crews[i], err = c.sample(ctx); err != nil {
			return m, err
		}
		if leaders := m.crews[i].Leaders; len(leaders) > 0 {
			m.leader = leaders[0]
		}
	}
	return m, nil
}

// measureLed measures when somebody leads.
func (f *fleet) measureLed(ctx context.Context) (measurement, error) {
	for {
		m, err := f.measure(ctx)
		if err != nil || m.leader != none {
			return m, err
		}
		if err := wait(ctx, time.After(100*time.Millisecond)); err != nil {
			return m, err
		}
	}
}

// part is what a process used, and how many live workers it has.
type part struct {
	used    float64
	workers int
}

// divide tells apart what the leader used: its process's part, less what its neighbours there use if they are like the
// workers of the other processes. follower is what one of those uses.
func divide(leading part, others []part) (leader, follower float64) {
	used, workers := 0.0, 0
	for _, p := range others {
		used += p.used
		workers += p.workers
	}
	if workers > 0 {
		follower = used / float64(workers)
	}
	return max(leading.used-follower*float64(leading.workers-1), 0), follower
}

// split divides a quantity of all worker processes.
func (f *fleet) split(leader int, used func(crew int) float64) (ofLeader, ofFollower, ofAll float64) {
	parts := make([]part, len(f.crews))
	for w, home := range f.homes {
		if !f.crashed[w] {
			parts[home].workers++
		}
	}
	for i := range parts {
		if parts[i].workers > 0 {
			parts[i].used = used(i)
			ofAll += parts[i].used
		}
	}
	home := f.homes[leader]
	ofLeader, ofFollower = divide(parts[home], slices.Delete(slices.Clone(parts), home, home+1))
	return ofLeader, ofFollower, ofAll
}

// summary puts together what a step has cost.
func (f *fleet) summary(before, after measurement, from, to time.Time) step {
	f.mu.Lock()
	lost, problems := f.lost, f.problems
	f.mu.Unlock()
	o := f.board.outcome(from, to)
	s := step{
		Watched: to.Sub(from).Seconds(), Lost: o.lost, Reowned: o.reowned.Seconds(), Ownerless: o.ownerless, Given: o.given,
		ServerCPU: after.server.CPU - before.server.CPU, ServerMemory: after.server.Memory, ObserverMemory: after.observer.Memory, Observed: after.observer.Seen, SessionsLost: lost, Problems: problems,
		NewLeader: before.leader != none && before.leader != after.leader,
	}
	for _, crashed := range f.crashed {
		if !crashed {
			s.Workers++
		}
	}
	s.LeaderCPU, s.FollowerCPU, s.FleetCPU = f.split(after.leader, func(i int) float64 { return after.crews[i].CPU - before.crews[i].CPU })
	home, others := f.homes[after.leader], 0
	for i, c := range after.crews {
		s.FleetMemory += c.Memory
		if i != home && !f.crews[i].killed {
			others++
		}
	}
	s.LeaderMemory = after.crews[home].Memory
	s.OtherMemory = ratio(s.FleetMemory-s.LeaderMemory, float64(others))
	t := after.server.Traffic.less(before.server.Traffic)
	rate := func(n int64) float64 { return float64(n) / s.Watched / float64(s.Workers) }
	s.MessagesIn, s.MessagesOut, s.BytesIn, s.BytesOut = rate(t.MessagesIn), rate(t.MessagesOut), rate(t.BytesIn), rate(t.BytesOut)
	for _, now := range after.server.Streams {
		row := stream(now)
		for _, then := range before.server.Streams {
			if then.Name == now.Name {
				row.Written -= then.Written
			}
		}
		s.Streams = append(s.Streams, row)
	}
	return s
}
