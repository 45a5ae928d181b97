// Copyright The Parti Authors
// SPDX-License-Identifier: Apache-2.0

package member

import (
	"flag"
	"fmt"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/parti-go/parti/fsm"
	"github.com/parti-go/parti/internal/record"
	"github.com/parti-go/parti/internal/store"
)

var lives = flag.Uint64("lives", 1000, "how many lives a worker lives")

// life leads a world by chance.
type life struct {
	*world
	rng     *rand.Rand
	term    uint64
	version int64
}

func newLife(t *testing.T, seed uint64) *life {
	l := &life{world: newWorld(t), rng: rand.New(rand.NewPCG(seed, 11))}
	l.cfg.KeepServing, l.cfg.Standby, l.cfg.Handled = seed%3 == 0, seed%5 == 0, seed%2 == 0
	l.cfg.StartupTimeout = 10 * time.Minute
	l.early = seed%7 < 4
	return l
}

func (l *life) one(of ...string) string { return of[l.rng.IntN(len(of))] }

// event is one thing that happens.
func (l *life) event() {
	kind := kinds[l.rng.IntN(len(kinds))]
	switch l.rng.IntN(24) {
	case 0:
		l.silent = !l.silent
	case 1:
		l.unclaims = !l.unclaims
	case 2:
		l.store = l.one("", "", "away", "no", "hangs")
		l.open()
	case 3:
		l.hook = l.one("", "", "heeds", "deaf", "lost")
	case 4:
		l.keeps = !l.keeps
		l.delete()
	case 5:
		l.fail(kind, 2*l.rng.Float64()-1)
	case 6:
		l.hangs[kind] = true
	case 7:
		l.from(Claimer, &Lost{[]error{store.ErrLost, store.ErrLate, store.ErrRolledBack}[l.rng.IntN(3)]})
	case 8, 9:
		l.from(Elector, &LeaderSeen{})
	case 10, 11:
		l.term++
		l.from(Elector, &Elected{Fence: store.Fence{Term: l.term, Revision: l.term}})
	case 12:
		l.from(Elector, &Deposed{[]error{nil, store.ErrLost, store.ErrRolledBack}[l.rng.IntN(3)]})
	case 13:
		l.from(Calculator, []Fact{&FenceLost{l.fence, store.ErrDeposed}, &SightLost{store.ErrLost}, &FormatMet{Calculator, record.ErrFormat}}[l.rng.IntN(3)])
	case 14, 15:
		l.version++
		l.from(Follower, &Applied{Position: at(l.term, l.version), Awaited: l.rng.IntN(2) == 0})
	case 16, 17:
		phases := []record.Phase{record.PhaseIdle, record.PhaseScaling, record.PhaseRebalancing, record.PhaseEmergency}
		l.from(Follower, &PhaseMet{phases[l.rng.IntN(4)], record.Newest})
	case 18:
		l.from(Follower, []Fact{&FormatMet{By: Follower}, &FormatMet{Follower, record.ErrFormat}, &Damped{l.now.Add(time.Minute)}}[l.rng.IntN(3)])
	case 19:
		l.holdUp(time.Duration(l.rng.ExpFloat64() * float64(3*time.Second)))
	case 20:
		l.tell([]Fact{&CordonAsked{true}, &CordonAsked{}, &Held{[]string{"p1"}}, &Held{}, &Survived{store.ErrLost}}[l.rng.IntN(5)])
	case 21:
		l.tell([]Fact{&CallBegan{Name: "hook", What: "it returns", Since: l.now}, &CallEnded{"hook"}}[l.rng.IntN(2)])
	case 22:
		l.claim = l.one("worker-0", "worker-0", "worker-1", "")
		if l.claim != "" && !l.silent {
			l.wins()
		}
	case 23:
		l.last()
	}
}

// last is one of what happens seldom.
func (l *life) last() {
	switch l.rng.IntN(12) {
	case 0:
		l.drain(time.Duration(l.rng.IntN(3)) * 7 * time.Second)
	case 1:
		l.from(Follower, &Vacated{l.rng.IntN(2) == 0})
	case 2:
		l.restart()
	case 3:
		l.tell(&LeaveAsked{[]error{nil, store.ErrUnknown}[l.rng.IntN(2)]})
	case 4:
		l.silent = true // the elector fails with a question under way
		l.term++
		l.from(Elector, &Elected{Fence: store.Fence{Term: l.term, Revision: l.term}})
		l.fail(Elector, -1)
		l.run(100 * time.Millisecond)
		l.silent = false
	}
}

// calm ends all trouble: hooks return, what was stopped ends, and the store answers.
func (l *life) calm() {
	l.silent, l.unclaims, l.keeps, l.store, l.hook = false, false, false, "", ""
	l.open()
	for _, k := range kinds {
		for n := l.member.runs[k]; l.hangs[k] && n > 0 && (n > 1 || !l.lives[k]); n-- {
			l.tell(&Stopped{k})
		}
	}
	l.hangs = map[Kind]bool{}
	for id := range l.giving {
		l.returns(id)
	}
	l.delete()
}

// settle ends all trouble: then the worker is in a session again, or has left.
func (l *life) settle() {
	l.calm()
	l.claim = "worker-2"
	l.run(l.cfg.HandoffTimeout)
	l.wins()
	l.run(l.cfg.ShutdownTimeout)
	if l.ended {
		return
	}
	require.False(l.t, l.over, "no session, in state %s", l.member.state)
	require.True(l.t, l.lives[Heartbeat] && l.lives[Elector] && l.lives[Follower], "%v", l.lives)
	l.from(Elector, &LeaderSeen{})
	l.version++
	l.from(Follower, &Applied{Position: at(l.term, l.version), Awaited: true})
	l.from(Follower, &PhaseMet{Phase: record.PhaseIdle})
	require.Equal(l.t, fsm.Stable, l.member.state)
}

func TestWhateverHappensTheWorkerKeepsItsPromises(t *testing.T) {
	var left, held int
	for seed := range *lives {
		t.Run(fmt.Sprint(seed), func(t *testing.T) {
			l := newLife(t, seed)
			l.begin(false)
			for n := 0; n < 80 && !l.ended; n++ {
				l.event()
				l.run(time.Duration(l.rng.ExpFloat64() * float64(2*time.Second)))
			}
			if l.rng.IntN(2) == 0 {
				l.settle()
			}
			if l.ended {
				left++
			} else {
				held++
			}
			// Whatever the trouble, a leave ends by its deadline.
			l.tell(&LeaveAsked{})
			l.run(l.cfg.ShutdownTimeout)
			require.True(t, l.ended, "a leave without end in state %s", l.member.state)
			require.Empty(t, l.member.Step(l.now, &Ticked{l.now}, nil))
		})
	}
	if uint64(left+held) == *lives && *lives > 100 { // otherwise somebody wants to see a few
		require.Positive(t, left)
		require.Positive(t, held)
	}
}
