// Copyright The Parti Authors
// SPDX-License-Identifier: Apache-2.0

package whatif

import "time"

// storeLag is how late the store may end a heartbeat, another worker lead where it was the leader's, and the plan reach the
// next owner, without the latency of the network.
const storeLag = 400 * time.Millisecond

// ownerless estimates for how long the partitions have no owner whose workers go, and those that are handed over.
func (p *planner) ownerless() []Ownerless {
	counts, handed := map[departure]int{}, 0
	for _, m := range p.moves {
		switch how := p.how[m.From]; {
		case m.From == "":
		case how == lost, how == stopped:
			counts[how]++
		default:
			handed++
		}
	}
	out := []Ownerless{}
	add := func(what string, n int, least, typical, most time.Duration, why string) {
		if n > 0 {
			out = append(out, Ownerless{what, n, least, typical, most, float64(n) * typical.Seconds(), why})
		}
	}
	least, typical, most, why := p.detection()
	add("crash", counts[lost], least, typical, most, why)
	window := p.fleet.Timing.PlannedScaleWindow
	add("stop", counts[stopped], window, window, window, "after a clean stop the leader waits PlannedScaleWindow for the worker to come back")
	add("handoff", handed, 0, 0, 0,
		"the next owner begins as soon as the handler of the one before has returned: some round trips to the store")
	return out
}

// detection is how long a crash goes unnoticed and unanswered.
func (p *planner) detection() (least, typical, most time.Duration, why string) {
	t := p.fleet.Timing
	typical, why = t.HeartbeatTTL-t.HeartbeatInterval/2, "the heartbeat expires HeartbeatTTL after it was last sent, which is up to HeartbeatInterval before the crash"
	least, most = t.HeartbeatTTL-t.HeartbeatInterval, t.HeartbeatTTL+storeLag
	add := func(d time.Duration) { least, typical, most = least+d, typical+d, most+d }
	if t.EmergencyGracePeriod > 0 {
		add(t.EmergencyGracePeriod)
		why += ", and EmergencyGracePeriod follows"
	}
	if p.massLoss() {
		add(t.HeartbeatTTL)
		why += "; so many losses at once look like a fault of the store, so the leader waits for another HeartbeatTTL"
	}
	return least, typical, most, why
}

// massLoss says that so many members are lost at once that the leader suspects the store.
func (p *planner) massLoss() bool {
	gone, members := 0, 0
	for _, w := range p.fleet.Workers {
		if w.Joining || w.Leaving {
			continue
		}
		members++
		if p.how[w.ID] == lost && !w.Away {
			gone++
		}
	}
	return float64(gone) > max(2, p.fleet.Timing.MassLossRatio*float64(members))
}
