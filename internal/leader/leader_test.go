// Copyright The Parti Authors
// SPDX-License-Identifier: Apache-2.0

package leader

import (
	"flag"
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/parti-go/parti/strategy"
)

var lives = flag.Uint64("lives", 400, "how many lives a leader lives")

// life leads a world by chance and judges what its leader does.
type life struct {
	*world
	rng     *rand.Rand
	session uint64
	next    int // partition
	writes  int
	moved   time.Time // when the strategy was last asked for moves
	group   time.Time // when the group, or this leader's term, began
	calm    bool

	versioned bool
}

func newLife(t *testing.T, seed uint64) *life {
	l := &life{world: newWorld(t), rng: rand.New(rand.NewPCG(seed, 7)), session: 10, versioned: seed%2 == 1}
	l.cfg.Topology.EmergencyGracePeriod = time.Duration(l.rng.IntN(3)) * 2 * time.Second
	l.cfg.Topology.FlapBackoff = time.Duration(l.rng.IntN(2)) * 20 * time.Second
	for range 1 + l.rng.IntN(12) {
		l.grow()
	}
	l.show = l.judge
	return l
}

// edit says that the list is about to change. In every second life the source is versioned; in the others the first
// partition stays, because a list that has nothing in common with the one before is taken for another application's.
func (l *life) edit() {
	if l.versioned {
		l.before, l.version = slices.Clone(l.source), l.version+1
	}
}

func (l *life) grow() {
	l.edit()
	l.next++
	l.source = append(l.source, fmt.Sprintf("p%02d", l.next))
}

// somebodyStays says that a member is there that does not leave.
func (l *life) somebodyStays() bool {
	return slices.ContainsFunc(l.leader.draft.members, func(id string) bool {
		w, here := l.leader.roster.live[id]
		return here && !w.leaving
	})
}

// judge holds an effect against what a leader promises.
func (l *life) judge(e Effect) {
	switch e := e.(type) {
	case *Write:
		l.writes++
		require.False(l.t, l.calm, "a write without need: %s", e)
		for _, g := range e.proposal.Grants {
			require.False(l.t, l.leader.roster.live[g.Worker].leaving && l.somebodyStays(), "%s, which leaves", g)
		}
	case *Ask:
		if !e.Moves {
			require.Contains(l.t, e.Question.Previous, strategy.None, "asked to place what has no owner, and there is nothing")
			return
		}
		gathers := !l.leader.draft.planned || l.now.Sub(l.group) <= l.cfg.Topology.ColdStartWindow
		if !gathers && !l.leader.anew { // otherwise a member came back while the strategy was asked, and its answer does not count
			require.GreaterOrEqual(l.t, l.now.Sub(l.moved), l.cfg.Topology.RebalanceCooldown, "moves inside the cooldown")
		}
		if l.failing == "" {
			l.moved = l.now
		}
	case *End:
		require.Equal(l.t, LostSight, e.Reason)
	}
}

func (l *life) someone() string { return string(rune('a' + l.rng.IntN(7))) }

func (l *life) alive() (ids []string) {
	for _, id := range slices.Sorted(maps.Keys(l.members)) {
		if !l.members[id].silent {
			ids = append(ids, id)
		}
	}
	return ids
}

func (l *life) rise(id string) {
	l.session++
	m := l.up(id, l.session)
	m.deaf, m.failed = l.rng.IntN(8) == 0, l.rng.IntN(8) == 0
	m.capacity = int64(l.rng.IntN(3)) * 100
}

// event is one thing that happens.
func (l *life) event() {
	id := l.someone()
	m := l.members[id]
	switch n := l.rng.IntN(16); {
	case m == nil || m.silent:
		l.rise(id)
	case n < 3 && id != l.cfg.Worker:
		l.down(id)
	case n < 5 && id != l.cfg.Worker:
		l.leave(id)
	case n == 5:
		m.leaving = !m.leaving
	case n == 6:
		m.cordoned = !m.cordoned
	case n == 7:
		m.deaf = !m.deaf
	case n == 8:
		l.grow()
		l.tell(&RefreshAsked{uint64(l.next)})
	case n == 9 && len(l.source) > 1:
		l.edit()
		at := 1 + l.rng.IntN(len(l.source)-1)
		if l.versioned {
			at = l.rng.IntN(len(l.source))
		}
		l.source = slices.Delete(l.source, at, at+1)
		l.tell(&RefreshAsked{uint64(l.next)})
	case n == 10:
		l.failing = []string{"", "slow", "fails", "hangs"}[l.rng.IntN(4)]
	case n == 11:
		l.refusing = []string{"", "", "refuses", "too large"}[l.rng.IntN(4)]
	case n == 12:
		l.unlisted = l.rng.IntN(3) == 0
	case n == 13:
		l.rise(id) // a new session without goodbye
	case n == 15:
		l.lose()
	case n == 14:
		l.stale = l.versioned && l.rng.IntN(3) == 0
		l.takeOver()
	}
}

// lose has the source list a few of its partitions for a while, and tells the leader each time.
func (l *life) lose() {
	whole := l.source
	few := 1 + l.rng.IntN(max(len(whole)/2, 1))
	for range 1 + l.rng.IntN(4) {
		l.source = whole[:few]
		l.tell(&SourceChanged{})
		l.run(time.Duration(l.rng.IntN(4000)) * time.Millisecond)
		if l.rng.IntN(2) == 0 {
			l.source = whole
			l.tell(&SourceChanged{})
			l.run(time.Duration(l.rng.IntN(2000)) * time.Millisecond)
		}
	}
	l.source = whole
	l.tell(&SourceChanged{})
}

// takeOver ends the term; another worker, or the same, begins the next.
func (l *life) takeOver() {
	if ids := l.alive(); len(ids) > 0 {
		l.cfg.Worker = ids[l.rng.IntN(len(ids))]
	}
	if l.members[l.cfg.Worker] == nil || l.members[l.cfg.Worker].silent {
		l.rise(l.cfg.Worker)
	}
	l.cfg.Session = l.members[l.cfg.Worker].session
	l.cfg.Term++
	l.cfg.Floor = l.plan.Version
	l.group, l.moved = l.now, time.Time{}
	l.unanswered, l.timers, l.wake, l.facts = nil, nil, time.Time{}, nil
	l.lead()
}

// settle ends all trouble: within what the configuration promises everything has one owner, and then nothing more is
// written.
func (l *life) settle() {
	l.failing, l.refusing, l.unlisted, l.stale = "", "", false, false
	for _, id := range slices.Sorted(maps.Keys(l.members)) {
		m := l.members[id]
		m.deaf, m.leaving, m.failed = false, false, false
		if id == l.cfg.Worker && m.silent {
			l.rise(id)
			l.members[id].deaf, l.members[id].failed = false, false
		}
	}
	if l.members[l.cfg.Worker] == nil {
		l.rise(l.cfg.Worker)
		l.members[l.cfg.Worker].deaf = false
	}
	t := l.cfg.Topology
	if l.leader.source.newest == nil || !slices.Equal(l.leader.source.newest.ids, l.source) {
		l.tell(&RefreshAsked{99}) // the last one met a source that failed
	}
	l.run(beatEvery)
	urgent := 2*beatTTL + t.EmergencyGracePeriod + t.ColdStartWindow + l.cfg.OperationTimeout + tooLargeMost + relistMost
	l.run(urgent)
	require.Len(l.t, l.runs, len(l.source), "without an owner after %s: %s\n%s", urgent, l.owners(), l.leader.topo.Decide(l.now).Why)
	l.run(2*time.Minute + t.FlapBackoff + strategyRetryMost)
	l.calm = true
	l.run(5 * time.Minute)
	require.Empty(l.t, l.leader.ledger.Pending())
	require.Equal(l.t, l.alive(), l.leader.draft.members)
	require.Empty(l.t, l.leader.source.waiting, "refreshes that nobody answered")
}

func TestWhateverHappensTheLeaderKeepsItsPromises(t *testing.T) {
	for seed := range *lives {
		t.Run(fmt.Sprint(seed), func(t *testing.T) {
			l := newLife(t, seed)
			l.cfg.Worker = "a"
			l.rise("a")
			l.takeOver()
			for range 60 {
				l.event()
				l.run(time.Duration(l.rng.ExpFloat64() * float64(3*time.Second)))
			}
			l.settle()
		})
	}
}
