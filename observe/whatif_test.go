// Copyright The Parti Authors
// SPDX-License-Identifier: Apache-2.0

package observe

import (
	"cmp"
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/parti-go/parti"
	"github.com/parti-go/parti/internal/record"
	"github.com/parti-go/parti/internal/store"
	"github.com/parti-go/parti/strategy"
	"github.com/parti-go/parti/strategy/whatif"
)

// groupOf is a group of live workers in which a leader has planned for members.
func groupOf(members ...string) *feedOf {
	f := &feedOf{m: newModel()}
	f.put(store.Assignments, store.TermKey, record.Term{Number: 1, Worker: members[0], Session: 1})
	f.plan(record.Plan{Version: 1, Members: members, Partitions: 2 * len(members), Strategy: "sticky"})
	for i, id := range members {
		f.put(store.StableIDs, id, record.Claim{Session: 1, Host: "host", Process: 1})
		f.put(store.Heartbeats, id, record.Heartbeat{Session: 1, Capacity: 100})
		f.grant(id, 1, 1, fmt.Sprintf("p.%d", 2*i), fmt.Sprintf("p.%d", 2*i+1))
	}
	f.synced()
	return f
}

func (f *feedOf) plan(p record.Plan) {
	p.Term, p.Phase, p.Lifecycle = 1, "idle", cmp.Or(p.Lifecycle, "stable")
	f.put(store.Assignments, store.PlanKey, p)
}

func (f *feedOf) group() Group {
	g, _ := f.m.group()
	return g
}

func TestAGroupIsTheFleetThatItsLeaderSees(t *testing.T) {
	f := groupOf("worker-0", "worker-1", "worker-2", "worker-3")
	f.put(store.Heartbeats, "worker-1", record.Heartbeat{Session: 1, Capacity: 300, Labels: map[string]string{"zone": "a"}, Cordoned: true})
	f.put(store.Heartbeats, "worker-2", record.Heartbeat{Session: 1, Capacity: 100, Leaving: true})
	f.expire("worker-3")
	f.put(store.Heartbeats, "worker-4", record.Heartbeat{Session: 9, Capacity: 100})
	f.put(store.StableIDs, "worker-5", record.Claim{Session: 1, Process: 7}) // it is about to join
	f.put(store.Assignments, "worker-6", record.Assignment{Worker: "worker-6", Session: 3, Version: 1, Owned: []record.Owned{{Partition: "lost", Epoch: 1, Weight: 7}}})
	now := time.Unix(1000, 0)
	fleet := f.group().Fleet(parti.DefaultConfig(), now)
	worker := func(n int) strategy.Worker { return strategy.Worker{ID: fmt.Sprintf("worker-%d", n), Capacity: 100} }
	require.Equal(t, []whatif.Worker{
		{Worker: worker(0)},
		{Worker: strategy.Worker{ID: "worker-1", Capacity: 300, Labels: map[string]string{"zone": "a"}, Cordoned: true}},
		{Worker: worker(2), Leaving: true},
		{Worker: worker(3), Away: true},
		{Worker: worker(4), Joining: true},
	}, fleet.Workers)
	require.Equal(t, whatif.IDs{Prefix: "worker", Max: 99, Taken: []string{"worker-5"}}, fleet.IDs)
	require.Equal(t, whatif.Timing{
		HeartbeatInterval: 2 * time.Second, HeartbeatTTL: 6 * time.Second, PlannedScaleWindow: 10 * time.Second, MassLossRatio: 0.2, MinRebalanceThreshold: 0.15,
	}, fleet.Timing)
	require.Equal(t, whatif.Partition{Partition: strategy.Partition{Keys: []string{"lost"}, Weight: 7}}, fleet.Partitions[0], "its worker is no member")
	require.Equal(t, whatif.Partition{Partition: strategy.Partition{Keys: []string{"p", "7"}}, Owner: "worker-3"}, fleet.Partitions[8], "its place is kept")
	require.Len(t, fleet.Partitions, 9)
	require.Zero(t, fleet.Unseen)

	f.plan(record.Plan{
		Version: 2, Members: []string{"worker-0"}, Partitions: 20, Damped: []record.Damped{{Worker: "worker-4", Until: now.Add(time.Second)}},
	})
	f.put(store.Assignments, "worker-0", record.Assignment{
		Worker: "worker-0", Session: 1, Version: 2, Owned: []record.Owned{{Partition: "p.7", Epoch: 2}}, Releasing: []record.Releasing{{Partition: "p.0", Epoch: 1, Weight: 5}},
	})
	fleet = f.group().Fleet(parti.DefaultConfig(), now)
	require.Contains(t, fleet.IDs.Taken, "worker-4", "it is held back, and its ID is taken")
	require.Equal(t, 1, fleet.Moving)
	owners := map[string]string{}
	for _, p := range fleet.Partitions {
		owners[p.ID()] = p.Owner
	}
	require.Equal(t, "worker-0", owners["p.7"], "the higher epoch counts")
	require.Equal(t, "worker-0", owners["p.0"])
	require.Equal(t, 20-len(fleet.Partitions), fleet.Unseen)
}

func TestWhatTheListHasDroppedGoesToNobody(t *testing.T) {
	f := groupOf("worker-0", "worker-1")
	f.plan(record.Plan{Version: 2, Members: []string{"worker-0", "worker-1"}, Partitions: 4, Strategy: "sticky"})
	f.expire("worker-1")
	f.put(store.Assignments, "worker-1", record.Assignment{
		Worker: "worker-1", Session: 1, Version: 2, Owned: []record.Owned{{Partition: "p.2", Epoch: 1}},
		Releasing: []record.Releasing{{Partition: "p.8", Epoch: 1, Since: 2, Unlisted: true}},
	})
	require.Contains(t, f.group().Workers[1].Partitions, Partition{ID: "p.8", Epoch: 1, Releasing: true, Unlisted: true})
	fleet := f.group().Fleet(parti.DefaultConfig(), time.Unix(1000, 0))
	require.Zero(t, fleet.Moving)
	for _, p := range fleet.Partitions {
		require.NotEqual(t, "p.8", p.ID())
	}
	x := explained(f, "p.8", time.Unix(1000, 0))
	require.Equal(t, Unlisted, x.Standing)
	require.Empty(t, x.Owner)
	require.Equal(t, "The source does not list it any more.", x.Sentences[0])

	f.put(store.Heartbeats, "worker-1", record.Heartbeat{Session: 1, Capacity: 100})
	x = explained(f, "p.8", time.Unix(1000, 0))
	require.Equal(t, Releasing, x.Standing, "its handler may still run")
	require.Equal(t, "The source does not list it any more: worker-1 has been asked to let go of it.", x.Sentences[0])
	require.Empty(t, x.Today)
	require.Equal(t, 1, f.group().Unowned, "of 4 the first worker has 2, and the other one has one that is listed")
}

func TestAStrategyThatThePlanCannotNameHasToBeGiven(t *testing.T) {
	f := groupOf("worker-0", "worker-1")
	f.plan(record.Plan{Version: 2, Members: []string{"worker-0", "worker-1"}, Partitions: 4, Strategy: "*main.mine"})
	o := &Observer{group: parti.DefaultConfig()}
	o.model.Store(f.m)
	_, err := o.WhatIf(whatif.Change{Join: 1}, nil)
	require.ErrorIs(t, err, strategy.ErrUnknownStrategy)
	require.ErrorContains(t, err, "*main.mine")
	a, err := o.WhatIf(whatif.Change{Join: 1}, strategy.NewSticky())
	require.NoError(t, err)
	require.Len(t, a.Moves, 1)
	_, err = o.WhatIf(whatif.Change{Strategy: strategy.NewConsistentHash()}, nil)
	require.NoError(t, err)
	_, err = o.WhatIf(whatif.Change{Lose: []string{"worker-9"}}, strategy.NewSticky())
	require.ErrorIs(t, err, whatif.ErrInvalidChange)
}

// explained explains without a store.
func explained(f *feedOf, partition string, now time.Time, changes ...Change) Explanation {
	cfg := parti.DefaultConfig()
	cfg.EmergencyGracePeriod = time.Minute
	g := f.group()
	return g.explain(g.Fleet(cfg, now), partition, now, strategy.NewSticky(), changes)
}

func TestAnExplanationSaysWhereAPartitionStands(t *testing.T) {
	granted := Change{
		At: time.Unix(5, 0), Partition: "p.0", From: "worker-9", To: "worker-0", Epoch: 1, Version: 1, By: "worker-2", Why: "emergency: lost worker-9",
		Certificate: record.Certificate{Moves: 3, LeastMoves: 2, Imbalance: 1.2, LeastImbalance: 1.1},
	}
	at := func(n int64) time.Time { return time.Unix(n, 0) }
	gone := func(f *feedOf, kind store.UpdateKind) {
		f.m.told(store.Update{Kind: kind, Entry: store.Entry{Bucket: store.Heartbeats, Key: "worker-0", Created: at(100)}}, store.Heartbeats)
	}
	for name, c := range map[string]struct {
		change    func(f *feedOf)
		partition string
		now       time.Time
		want      Standing
		says      []string
		until     time.Time
		today     string
		heir      bool
	}{
		"owned": {
			nil, "p.0", at(200), Owned,
			[]string{
				"worker-0 has it", "in epoch 1.", "worker-0 got it from worker-9 at 1970-01-01T00:00:05Z, in version 1 of leader worker-2, because of: emergency: lost worker-9.",
				"Beyond what had to move, that version moved 3 partitions between workers that stay (least possible: 2).", "That version left the fullest worker at 1.200 times its fair share (at best 1.100)", "it would stay", "If worker-0 crashed, it would go to worker-",
				"The group is stable. Its leader is worker-0, its phase is idle.",
			},
			time.Time{},
			"worker-0", true,
		},
		"releasing": {
			func(f *feedOf) {
				f.put(store.Assignments, "worker-0", record.Assignment{Worker: "worker-0", Session: 1, Version: 2, Releasing: []record.Releasing{{Partition: "p.0", Epoch: 1}}})
			},
			"p.0", at(200), Releasing,
			[]string{"It is on its way: worker-0 has been asked to let go of it"},
			time.Time{},
			"worker-0", true,
		},
		"in two records": {
			func(f *feedOf) { f.grant("worker-0", 1, 5, "p.0"); f.grant("worker-2", 1, 3, "p.0") },
			"p.0", at(200), Owned,
			[]string{"worker-0 has it since 1970", "in epoch 5."},
			time.Time{},
			"worker-0", true,
		},
		"awaited after a crash": {
			func(f *feedOf) { gone(f, store.UpdateExpired) },
			"p.0", at(130), Awaited,
			[]string{"Its owner worker-0 was lost: its heartbeat expired at 1970-01-01T00:01:40Z.", "It waits for worker-0 until 1970-01-01T00:02:40Z"},
			at(160), "worker-0", false,
		},
		"awaited after a stop": {
			func(f *feedOf) { gone(f, store.UpdateDeleted) },
			"p.0", at(105), Awaited,
			[]string{"Its owner worker-0 stopped at", "It waits for worker-0 until 1970-01-01T00:01:50Z"},
			at(110), "worker-0", false,
		},
		"awaited for long enough": {
			func(f *feedOf) { gone(f, store.UpdateDeleted) },
			"p.0", at(111), Awaited,
			[]string{"The leader is about to give it to another worker."},
			at(110), "worker-0", false,
		},
		"unowned": {
			func(f *feedOf) {
				gone(f, store.UpdateExpired)
				f.plan(record.Plan{Version: 2, Members: []string{"worker-1", "worker-2"}, Partitions: 6})
			},
			"p.0", at(200), Unowned,
			[]string{"Nobody has it. worker-0 had it in epoch 1 and is not there any more."},
			time.Time{},
			"worker-", false,
		},
		"unlisted": {
			nil, "q", at(200), Unlisted,
			[]string{"the source does not list it"},
			time.Time{},
			"", false,
		},
		"unlisted or on its way": {
			func(f *feedOf) { f.grant("worker-0", 1, 2, "p.1") },
			"p.0", at(200), Unlisted,
			[]string{"one of the 1 partitions of the plan that have no owner", `from "worker-9" to "worker-0" in version 1`},
			time.Time{},
			"", false,
		},
		"stuck, cordoned and damped": {
			func(f *feedOf) {
				f.put(store.Heartbeats, "worker-0", record.Heartbeat{Session: 1, Capacity: 100, Cordoned: true, Stuck: []string{"waits for a hook"}})
				f.plan(record.Plan{
					Version: 2, Members: []string{"worker-0", "worker-1", "worker-2"}, Partitions: 6, Lifecycle: "post_cold_start", Damped: []record.Damped{{Worker: "worker-0", Until: at(500)}},
				})
			},
			"p.0", at(200), Owned,
			[]string{"worker-0 is stuck: it waits for a hook.", "worker-0 is cordoned: it keeps", "worker-0 is given nothing until 1970-01-01T00:08:20Z", "has just started"},
			time.Time{},
			"worker-0", true,
		},
		"leaving, and all others too": {
			func(f *feedOf) {
				for _, id := range []string{"worker-0", "worker-1"} {
					f.put(store.Heartbeats, id, record.Heartbeat{Session: 2, Capacity: 100, Leaving: true})
				}
				f.expire("worker-2")
			},
			"p.0", at(200), Owned,
			[]string{"worker-0 leaves, and nobody can take over: it keeps the partition until a worker joins.", "it would stay"},
			time.Time{},
			"worker-0", false,
		},
		"leaving, and only a cordoned one stays": {
			func(f *feedOf) {
				f.put(store.Heartbeats, "worker-0", record.Heartbeat{Session: 2, Capacity: 100, Leaving: true})
				f.put(store.Heartbeats, "worker-1", record.Heartbeat{Session: 2, Capacity: 100, Cordoned: true})
				f.expire("worker-2")
			},
			"p.0", at(200), Owned,
			[]string{"worker-0 leaves: everything it has goes to other workers.", "it would go to worker-1"},
			time.Time{},
			"worker-1", true,
		},
		"leaving, without a leader, unseen": {
			func(f *feedOf) {
				f.put(store.Heartbeats, "worker-0", record.Heartbeat{Session: 2, Capacity: 100, Leaving: true})
				f.m.told(store.Update{Kind: store.UpdateBlind, Since: at(150)}, store.Heartbeats)
			},
			"p.0", at(200), Owned,
			[]string{"The store has not answered since 1970-01-01T00:02:30Z", "worker-0 leaves", "would go to worker-", "has no leader now"},
			time.Time{},
			"worker-", true,
		},
	} {
		t.Run(name, func(t *testing.T) {
			f := groupOf("worker-0", "worker-1", "worker-2")
			if c.change != nil {
				c.change(f)
			}
			e := explained(f, c.partition, c.now, Change{Left: 3}, granted)
			text := strings.Join(e.Sentences, "\n")
			require.Equal(t, c.want, e.Standing, text)
			for _, says := range c.says {
				require.Contains(t, text, says)
			}
			require.Equal(t, c.until, e.Until)
			require.True(t, strings.HasPrefix(e.Today, c.today), e.Today)
			require.Equal(t, c.heir, e.Heir != "", text)
		})
	}
}

// TestAnExplanationCountsOnlyWhatMovedBetweenThoseWhoStay: zero moves right after "got it from" would contradict themselves.
func TestAnExplanationCountsOnlyWhatMovedBetweenThoseWhoStay(t *testing.T) {
	f := groupOf("worker-0", "worker-1")
	granted := Change{Partition: "p.0", From: "worker-9", To: "worker-0", Epoch: 1, Certificate: record.Certificate{Imbalance: 1, LeastImbalance: 1}}
	told := func() string { return strings.Join(explained(f, "p.0", time.Unix(200, 0), granted).Sentences, "\n") }
	require.NotContains(t, told(), "moved")
	require.Contains(t, told(), "That version left the fullest worker at 1.000 times its fair share (at best 1.000).")
	granted.Certificate.Moves = 1
	require.Contains(t, told(), "moved 1 partition between workers that stay (least possible: 0).")
}

func TestAnObserverThatCameLaterKnowsFromTheJournalSinceWhenAPartitionIsOwned(t *testing.T) {
	granted := Change{At: time.Unix(5, 0), Partition: "p.0", To: "worker-0", Epoch: 1, Version: 1}
	for name, c := range map[string]struct {
		epoch int64
		want  time.Time
	}{"the grant of this epoch": {1, time.Unix(5, 0)}, "an earlier one": {7, time.Time{}}} {
		x := explainer{Explanation: Explanation{Partition: "p.0", Owner: Owner{Worker: "worker-0", Epoch: c.epoch}}}
		x.look([]Change{granted})
		require.Equal(t, c.want, x.Owner.Since, name)
	}
	x := explainer{Explanation: Explanation{Partition: "p.0", Owner: Owner{Worker: "worker-0", Epoch: 1, Since: time.Unix(6, 0)}}}
	x.look([]Change{granted})
	require.Equal(t, time.Unix(6, 0), x.Owner.Since, "what it has seen itself")
}

func TestAnExplanationWithoutAReasonSaysSo(t *testing.T) {
	f := groupOf("worker-0", "worker-1", "worker-2")
	before := Change{Partition: "p.0", To: "worker-0", Epoch: 7, Why: "an earlier time"}
	e := explained(f, "p.0", time.Unix(200, 0), before)
	require.Contains(t, strings.Join(e.Sentences, "\n"), "The journal does not say how worker-0 got it")
	require.Zero(t, e.Granted)
	text, err := json.Marshal(e)
	require.NoError(t, err)
	require.Contains(t, string(text), `{"partition":"p.0","at":200000,"standing":"owned","owner":"worker-0","host":"host","session":1,"epoch":1,"since":`)
	require.Contains(t, string(text), `"until":0,"granted":null,"last":{"at":0,"from":"","to":"worker-0","epoch":7,`)
}
