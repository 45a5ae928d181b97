// Copyright The Parti Authors
// SPDX-License-Identifier: Apache-2.0

package trace

import (
	"fmt"
	"reflect"
	"time"

	"github.com/parti-go/parti/internal/leader"
	"github.com/parti-go/parti/internal/member"
)

// Kind names what is recorded.
type Kind string

// The kinds.
const (
	Leader   Kind = "leader"   // one term: [leader.Leader]
	Member   Kind = "member"   // one worker, session after session: [member.Member]
	Election Kind = "election" // its part in one election: [member.Election]
)

// machine is a value that is replayed.
type machine interface {
	// step notes a fact, a pointer to one of the kind's, and returns what is done as text.
	step(now time.Time, fact any) []string
	// value is a pointer to the state.
	value() any
}

// kind is how values of a kind are made.
type kind struct {
	config any                                                    // a pointer to what they are made with
	begin  func(now time.Time, cfg any) (m machine, did []string) // a new one
	empty  func() machine                                         // one whose state is read
	facts  map[string]reflect.Type
}

var kinds = map[Kind]kind{
	Leader: {
		config: &leader.Config{},
		begin: func(_ time.Time, cfg any) (machine, []string) {
			l, effects := leader.New(*cfg.(*leader.Config))
			return stepped[leader.Fact, leader.Effect]{l}, lines(effects)
		},
		empty: func() machine { return stepped[leader.Fact, leader.Effect]{&leader.Leader{}} },
		facts: named(
			leader.Restored{}, leader.Listed{}, leader.RefreshAsked{}, leader.SourceChanged{}, leader.Beat{}, leader.Garbled{}, leader.Gone{}, leader.Synced{},
			leader.Blind{}, leader.Stale{}, leader.LookedUp{}, leader.TargetMade{}, leader.Written{}, leader.Foreign{}, leader.Ticked{},
		),
	},
	Member: {
		config: &member.Config{},
		begin: func(_ time.Time, cfg any) (machine, []string) {
			return stepped[member.Fact, member.Effect]{member.New(*cfg.(*member.Config))}, nil
		},
		empty: func() machine { return stepped[member.Fact, member.Effect]{&member.Member{}} },
		facts: named(
			member.Began{}, member.Opened{}, member.Claimed{}, member.Unclaimed{}, member.Renewed{}, member.Heard{}, member.Missed{}, member.Lost{},
			member.LeaderSeen{}, member.Elected{}, member.Deposed{}, member.FenceLost{}, member.SightLost{}, member.PositionMet{}, member.PhaseMet{},
			member.Vacated{}, member.Showing{}, member.Applied{}, member.FormatMet{}, member.Damped{}, member.Survived{}, member.HookDone{}, member.Deleted{},
			member.Failed{}, member.Stopped{}, member.LeaveAsked{}, member.DrainAsked{}, member.CordonAsked{}, member.Held{}, member.CallBegan{},
			member.CallEnded{}, member.Awaits{}, member.Awaited{}, member.Interrupted{}, member.Ticked{},
		),
	},
	Election: {
		config: &member.ElectionConfig{},
		begin: func(now time.Time, cfg any) (machine, []string) {
			e, effects := member.NewElection(now, *cfg.(*member.ElectionConfig))
			return stepped[member.ElectionFact, member.ElectionEffect]{e}, lines(effects)
		},
		empty: func() machine { return stepped[member.ElectionFact, member.ElectionEffect]{&member.Election{}} },
		facts: named(
			member.ElectionUpdate{}, member.ElectionCampaigned{}, member.ElectionRenewed{}, member.ElectionTermSeen{}, member.ElectionFenceLost{},
			member.ElectionAbstain{}, member.ElectionTicked{},
		),
	},
}

// named are the types of facts by their names.
func named(facts ...any) map[string]reflect.Type {
	types := map[string]reflect.Type{}
	for _, f := range facts {
		types[reflect.TypeOf(f).Name()] = reflect.TypeOf(f)
	}
	return types
}

// stepped is a decider as a machine.
type stepped[F any, E fmt.Stringer] struct {
	of interface {
		Step(now time.Time, f F, out []E) []E
	}
}

func (s stepped[F, E]) step(now time.Time, fact any) []string {
	return lines(s.of.Step(now, fact.(F), nil))
}

func (s stepped[F, E]) value() any { return s.of }
