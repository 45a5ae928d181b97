// Copyright The Parti Authors
// SPDX-License-Identifier: Apache-2.0

package topology

import (
	"fmt"
	"maps"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// bytesDice takes each decision from one byte, and the first of each choice when there are no more.
type bytesDice struct{ left []byte }

func (d *bytesDice) IntN(n int) int {
	if len(d.left) == 0 {
		return 0
	}
	b := d.left[0]
	d.left = d.left[1:]
	return int(b) % n
}

func (d *bytesDice) worker() string { return string(rune('a' + d.IntN(7))) }

// group is a leader's topology, and beside it a second one that is told the same: what it decides must not depend on
// anything else. live is who beats.
type group struct {
	t       *testing.T
	cfg     Config
	now     time.Time
	topo    *Topology
	twin    *Topology
	live    map[string]bool
	silent  map[string]bool // who beats no more, and is not known to be lost
	members []string
	acts    int
	hold    bool // handoffs stay open
}

func newGroup(t *testing.T, cfg Config, members []string, planned bool) *group {
	now := time.Date(2000, 1, 1, 0, 0, 0, 0, time.UTC)
	return &group{
		t: t, cfg: cfg, now: now, live: map[string]bool{}, silent: map[string]bool{}, members: members,
		topo: New(cfg, now, members, planned), twin: New(cfg, now, members, planned),
	}
}

// config draws the settings.
func config(d *bytesDice) Config {
	return Config{
		ColdStartWindow: 30 * time.Second, PlannedScaleWindow: 10 * time.Second, RestartDetectionRatio: 0.5, MassLossRatio: 0.2,
		HeartbeatInterval: 2 * time.Second, HeartbeatTTL: 6 * time.Second,
		RebalanceCooldown:    time.Duration(d.IntN(4)) * 5 * time.Second,
		EmergencyGracePeriod: time.Duration(d.IntN(3)) * 2 * time.Second,
		ExpectedWorkers:      d.IntN(2) * d.IntN(8),
		FlapBackoff:          time.Duration(d.IntN(3)) * 20 * time.Second,
	}
}

// tell passes a fact on, and does what follows from it.
func (g *group) tell(fact func(*Topology)) {
	fact(g.topo)
	fact(g.twin)
	g.decide()
}

func (g *group) seen(w string) {
	g.live[w] = true
	delete(g.silent, w)
	g.tell(func(t *Topology) { t.Seen(g.now, w) })
}

func (g *group) left(w string) {
	delete(g.live, w)
	delete(g.silent, w)
	g.tell(func(t *Topology) { t.Left(g.now, w, 0) })
}

func (g *group) lost(w string) {
	delete(g.live, w)
	delete(g.silent, w)
	g.tell(func(t *Topology) { t.Lost(g.now, w) })
}

// decide carries out what is decided until there is nothing to do, and returns when to ask again.
func (g *group) decide() Decision {
	for range 20 {
		first := g.topo.Decide(g.now)
		require.Equal(g.t, first, g.twin.Decide(g.now), "a twin that was told the same decides the same")
		require.NoError(g.t, g.topo.Valid())
		g.nothingIsLate(first)
		if first.Act {
			g.act(first)
			continue
		}
		// A restart window that ends because all are back opens the window for what else is new when asked again.
		d := g.topo.Decide(g.now)
		g.twin.Decide(g.now)
		require.Equal(g.t, d, g.topo.Decide(g.now), "asking again changes nothing")
		if !d.Act {
			require.True(g.t, d.Wake.IsZero() || d.Wake.After(g.now), "a wake that is not in the future would spin")
			require.False(g.t, d.Phase == Scaling && d.Wake.IsZero(), "a window that nobody closes")
			return d
		}
		g.act(d)
	}
	g.t.Fatal("acting for ever")
	return Decision{}
}

// nothingIsLate holds that whoever is past its deadline has no place in a plan, and that a plan which may not move anything
// admits nobody before its time.
func (g *group) nothingIsLate(d Decision) {
	for m, a := range g.topo.absent {
		if !a.due.After(g.now) && g.topo.living() > 0 && g.topo.gathering.kind == None {
			require.True(g.t, d.Act, "%s is overdue since %s", m, a.due)
			require.NotContains(g.t, d.Members, m)
		}
	}
	for w, n := range g.topo.newcomers {
		if d.Act && n.due.After(g.now) && g.topo.living() > 0 && g.cfg.ExpectedWorkers == 0 && g.topo.gathering.kind == None {
			require.NotContains(g.t, d.Members, w, "it has not lived through its window")
		}
	}
}

// act checks and carries out a plan.
func (g *group) act(d Decision) {
	g.acts++
	require.True(g.t, slices.IsSorted(d.Members))
	require.True(g.t, slices.ContainsFunc(d.Members, func(m string) bool { return g.live[m] || g.silent[m] }), "a plan for nobody")
	for _, m := range d.Members {
		require.True(g.t, g.live[m] || g.silent[m] || slices.Contains(g.members, m), "%s is planned for and was never there", m)
	}
	g.members = d.Members
	for _, t := range []*Topology{g.topo, g.twin} {
		t.Planned(g.now, d)
		if !g.hold {
			t.Settled()
		}
	}
}

// run lets time pass: who lives beats, and the leader asks whenever it was told to.
func (g *group) run(d time.Duration) {
	until := g.now.Add(d)
	beat := g.now.Add(g.cfg.HeartbeatInterval)
	for g.now.Before(until) {
		next := sooner(beat, until)
		if wake := g.decide().Wake; wake.After(g.now) {
			next = sooner(next, wake)
		}
		g.now = next
		if !g.now.Before(beat) {
			for _, w := range slices.Sorted(maps.Keys(g.live)) {
				g.seen(w)
			}
			beat = g.now.Add(g.cfg.HeartbeatInterval)
		}
	}
	g.decide()
}

func (g *group) event(d *bytesDice) {
	switch d.IntN(14) {
	case 0, 1, 2:
		g.seen(d.worker())
	case 3:
		g.left(d.worker())
	case 4, 5:
		g.lost(d.worker())
	case 6: // silence, and not lost yet
		if w := d.worker(); g.live[w] {
			delete(g.live, w)
			g.silent[w] = true
		}
	case 7:
		kind := Partitions + Kind(d.IntN(3))
		if kind > Weights {
			g.tell(func(t *Topology) { t.MembersAltered(g.now, true) })
			return
		}
		g.tell(func(t *Topology) { t.PartitionsChanged(g.now, kind) })
	case 8:
		g.tell(func(t *Topology) { t.Unplanned() })
	case 9:
		w, leaves := d.worker(), d.IntN(2) == 1
		if g.live[w] {
			g.tell(func(t *Topology) { t.Leaving(g.now, w, leaves) })
		}
	case 10:
		uneven := d.IntN(2) == 1
		g.tell(func(t *Topology) { t.Uneven(g.now, uneven) })
	case 11:
		g.hold = d.IntN(2) == 1
		if !g.hold {
			g.tell(func(t *Topology) { t.Settled() })
		}
	default:
		g.run(time.Duration(1+d.IntN(40)) * time.Second / 2)
	}
}

// settle has those beat who live, everyone else be known as lost, and all windows come to their end.
func (g *group) settle() {
	g.hold = false
	for i := range 7 {
		if w := string(rune('a' + i)); !g.live[w] {
			g.lost(w)
		}
	}
	g.tell(func(t *Topology) { t.Settled() })
	for i := range 7 {
		g.tell(func(t *Topology) { t.Leaving(g.now, string(rune('a'+i)), false) })
	}
	g.run(2 * time.Minute)
}

// FuzzWindowsEnd: whatever happened, once nothing more happens every window ends, and what is planned for is who lives.
func FuzzWindowsEnd(f *testing.F) {
	f.Add([]byte{0, 0, 0, 3, 1, 0, 1, 2, 40, 5, 1, 10, 30, 7, 0, 3, 2, 11, 12})
	f.Add([]byte{2, 1, 1, 3, 0, 7, 4, 0, 4, 1, 4, 2, 4, 3, 10, 9, 0, 0, 0, 1, 8, 10, 20})
	f.Add([]byte("a window that turns into another, and a member who comes back in the last moment"))
	f.Fuzz(func(t *testing.T, events []byte) {
		d := &bytesDice{events[:min(len(events), 400)]}
		cfg := config(d)
		var members []string
		for i := range d.IntN(8) {
			members = append(members, string(rune('a'+i)))
		}
		g := newGroup(t, cfg, members, len(members) > 0)
		for range d.IntN(8) {
			g.seen(d.worker())
		}
		for range d.IntN(3) {
			w := d.worker()
			g.tell(func(t *Topology) { t.Replaced(w) })
		}
		require.Zero(t, g.acts, "nothing follows before everything is known")
		g.tell(func(t *Topology) { t.Begin(g.now, false) })
		for len(d.left) > 0 {
			g.event(d)
		}
		g.seen("a")
		g.settle()

		decision := g.decide()
		require.Equal(t, Idle, decision.Phase, decision.Why)
		require.Zero(t, decision.Wake, "nothing is left to wait for")
		require.Equal(t, slices.Sorted(maps.Keys(g.live)), g.members)
		acts := g.acts
		g.run(5 * time.Minute)
		require.Equal(t, acts, g.acts, "a settled group is left alone")
	})
}

// FuzzAnUndoneChangeMovesNothing: workers of a settled group leave, new ones come, and before the window of that is over
// everything is as it was.
func FuzzAnUndoneChangeMovesNothing(f *testing.F) {
	f.Add([]byte{1, 0, 0, 4, 0, 1, 0, 1, 1, 1, 3, 1})
	f.Add([]byte{0, 2, 0, 2, 1, 6, 0, 0, 3, 7, 0, 1, 0, 2})
	f.Add([]byte("one goes and comes, two come and go"))
	f.Fuzz(func(t *testing.T, events []byte) {
		d := &bytesDice{events[:min(len(events), 60)]}
		cfg := config(d)
		cfg.ExpectedWorkers = 0 // who is expected ends a window early, as it should
		g := newGroup(t, cfg, nil, false)
		for i := range 1 + d.IntN(6) {
			g.seen(string(rune('a' + i)))
		}
		g.tell(func(t *Topology) { t.Begin(g.now, false) })
		g.run(time.Minute)
		g.settle()
		before, acts := maps.Clone(g.live), g.acts
		require.Equal(t, slices.Sorted(maps.Keys(before)), g.members)
		require.NotZero(t, acts)

		began := g.now
		for len(d.left) > 0 && g.now.Sub(began) < cfg.PlannedScaleWindow-time.Second {
			switch w := d.worker(); d.IntN(3) {
			case 0:
				g.seen(w)
			case 1:
				g.left(w)
			default:
				g.run(time.Duration(d.IntN(4)) * 250 * time.Millisecond)
			}
		}
		for i := range 7 {
			if w := fmt.Sprintf("%c", 'a'+i); before[w] {
				g.seen(w)
			} else if g.live[w] {
				g.left(w)
			}
		}
		g.run(2 * time.Minute)
		require.Equal(t, acts, g.acts, "what has undone itself is not acted on")
		require.Equal(t, Idle, g.decide().Phase)
	})
}
