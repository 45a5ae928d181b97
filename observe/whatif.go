// Copyright The Parti Authors
// SPDX-License-Identifier: Apache-2.0

package observe

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/parti-go/parti"
	"github.com/parti-go/parti/strategy"
	"github.com/parti-go/parti/strategy/whatif"
)

// WhatIf says what a change would do to the group as it is now. It changes nothing. Pass the strategy that the group plans
// with. With nil, WhatIf uses the strategy that the plan names, if [strategy.Named] knows it. The times in the answer
// follow from the configuration that the observer was opened with, so it must be the workers' configuration.
func (o *Observer) WhatIf(c whatif.Change, s strategy.Strategy) (whatif.Answer, error) {
	g := o.Group()
	if s == nil && c.Strategy == nil {
		var err error
		if s, err = g.strategy(); err != nil {
			return whatif.Answer{}, err
		}
	}
	a, err := whatif.Ask(g.Fleet(o.group, time.Now()), c, s)
	if err != nil {
		return whatif.Answer{}, fmt.Errorf("observe: what if: %w", err)
	}
	return a, nil
}

// strategy returns the strategy that the plan names.
func (g Group) strategy() (strategy.Strategy, error) {
	s, err := strategy.Named(g.Plan.Strategy)
	if err != nil {
		return nil, fmt.Errorf("observe: the plan names a strategy that has to be given, or another one to be chosen: %w", err)
	}
	return s, nil
}

// Fleet returns the group in the form that [whatif.Ask] needs. cfg is the configuration of the workers.
func (g Group) Fleet(cfg parti.Config, now time.Time) whatif.Fleet {
	f := whatif.Fleet{
		IDs: whatif.IDs{Prefix: cfg.WorkerIDPrefix, Min: cfg.WorkerIDMin, Max: cfg.WorkerIDMax},
		Timing: whatif.Timing{
			HeartbeatInterval: cfg.HeartbeatInterval, HeartbeatTTL: cfg.HeartbeatTTL, EmergencyGracePeriod: cfg.EmergencyGracePeriod,
			PlannedScaleWindow: cfg.PlannedScaleWindow, MassLossRatio: cfg.MassLossRatio, MinRebalanceThreshold: cfg.Assignment.MinRebalanceThreshold,
		},
	}
	holders := map[string]holder{}
	for _, w := range g.Workers {
		takes, standing := g.standing(w, now)
		switch {
		case takes:
			f.Workers = append(f.Workers, standing)
		case w.Live || w.Process != 0: // it has a claim
			f.IDs.Taken = append(f.IDs.Taken, w.ID)
		}
		for _, p := range w.Partitions {
			if h, taken := holders[p.ID]; !taken || h.Epoch <= p.Epoch {
				holders[p.ID] = holder{p, w.ID, takes && !standing.Joining}
			}
		}
	}
	for id, h := range holders {
		if h.Unlisted {
			continue
		}
		p := whatif.Partition{Partition: strategy.Partition{Keys: strings.Split(id, "."), Weight: h.Weight}}
		if h.counts {
			p.Owner = h.worker
		}
		if h.Releasing {
			f.Moving++
		}
		f.Partitions = append(f.Partitions, p)
	}
	slices.SortFunc(f.Partitions, func(a, b whatif.Partition) int { return compare(a.ID(), b.ID()) })
	f.Unseen = max(g.Plan.Partitions-len(f.Partitions), 0)
	return f
}

// holder is who has a partition by the newest record that names it.
type holder struct {
	Partition
	worker string
	counts bool // the leader heeds it
}

// standing says how a worker stands with its leader, and whether it takes part at all.
func (g Group) standing(w Worker, now time.Time) (takes bool, standing whatif.Worker) {
	_, member := slices.BinarySearch(g.Plan.Members, w.ID)
	standing = whatif.Worker{
		Worker: strategy.Worker{ID: w.ID, Capacity: w.Capacity, Labels: w.Labels, Cordoned: w.Cordoned},
		Away:   !w.Live, Leaving: w.Live && w.Leaving, Joining: w.Live && !w.Leaving && !member,
	}
	switch {
	case member:
		return true, standing
	case standing.Leaving:
		return len(w.Partitions) > 0, standing
	}
	return standing.Joining && !w.Damped.After(now), standing
}
