// Copyright The Parti Authors
// SPDX-License-Identifier: Apache-2.0

package integration

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
	"github.com/stretchr/testify/require"

	"github.com/parti-go/parti"
	"github.com/parti-go/parti/integration/fleet"
	"github.com/parti-go/parti/internal/bubble"
	"github.com/parti-go/parti/internal/record"
	"github.com/parti-go/parti/internal/store"
	"github.com/parti-go/parti/strategy"
)

// edition is what a release lists: partitions by number, under a name, with a version.
type edition struct {
	name     string
	from, to int
	version  uint64
}

func (e edition) list() (list []parti.Partition) {
	for i := e.from; i < e.to; i++ {
		list = append(list, parti.Partition{Keys: []string{e.name, fmt.Sprintf("%04d", i)}})
	}
	return list
}

// ListPartitions implements parti.PartitionSource.
func (e edition) ListPartitions(context.Context) ([]parti.Partition, error) { return e.list(), nil }

// SourceVersion implements parti.VersionedSource.
func (e edition) SourceVersion() uint64 { return e.version }

// lists makes a process list this.
func lists(e edition) fleet.With {
	return func(s *fleet.Spec) {
		if s.Source = e; e.version == 0 {
			s.Source = parti.StaticSource(e.list()...)
		}
	}
}

func (e edition) ids() (ids []string) {
	for _, p := range e.list() {
		ids = append(ids, p.ID())
	}
	return ids
}

func storedPlan(t *testing.T, f *fleet.Fleet) record.Plan {
	t.Helper()
	bucket, err := f.JS.KeyValue(background(), parti.DefaultConfig().KVBuckets.Assignment)
	require.NoError(t, err)
	entry, err := bucket.Get(background(), store.PlanKey)
	require.NoError(t, err)
	plan, err := record.DecodePlan(entry.Value())
	require.NoError(t, err)
	return plan
}

func TestASecondApplicationWithTheSameBucketsDoesNotJoin(t *testing.T) {
	bubble.Run(t, func(t *testing.T, s *bubble.Server) {
		f := fleet.New(t, s, 30)
		f.Begin(3)
		f.Rest()
		versions, calls, plans := f.Checker.Versions(), f.Checker.Calls(), len(f.Checker.Plans())
		second := f.Start(1, lists(edition{name: "invoice", to: 7}))[0]
		err := second.Begun()
		require.ErrorIs(t, err, parti.ErrForeignGroup)
		require.ErrorContains(t, err, `bucket "parti-assignment" divides 30 partitions (topic.0000, `)
		require.ErrorContains(t, err, "the source lists 7 partitions (invoice.0000, ")
		<-time.After(time.Minute)
		f.Settle(0)
		require.Equal(t, versions, f.Checker.Versions())
		require.Equal(t, calls, f.Checker.Calls(), "the first application goes on untouched")
		require.Len(t, f.Checker.Plans(), plans)
	})
}

func TestASecondApplicationWithAGroupOfItsOwnRunsBesideTheFirst(t *testing.T) {
	bubble.Run(t, func(t *testing.T, s *bubble.Server) {
		f := fleet.New(t, s, 30)
		f.Begin(3)
		js, err := jetstream.New(s.Connect(append(parti.ConnectOptions(), nats.Name("second"))...))
		require.NoError(t, err)
		cfg := parti.DefaultConfig()
		cfg.Group = "invoices"
		invoices := edition{name: "invoice", to: 7}
		second, err := parti.NewManager(cfg, js, invoices, strategy.NewSticky(), parti.WithLogger(slog.New(slog.DiscardHandler)))
		require.NoError(t, err)
		require.NoError(t, second.Start(background()))
		require.Len(t, second.Assignment().Partitions, 7)
		require.NoError(t, second.Stop(background()))
		js.Conn().Close()
		f.Settle(0)
	})
}

// TestOfTwoApplicationsThatStartTogetherOneEndsBeforeItRunsAnything: there is no plan yet that could warn the second.
func TestOfTwoApplicationsThatStartTogetherOneEndsBeforeItRunsAnything(t *testing.T) {
	bubble.Run(t, func(t *testing.T, s *bubble.Server) {
		f := fleet.New(t, s, 30)
		var mu sync.Mutex
		given := map[string]bool{} // to which application, partitions of which
		note := func(application string) fleet.With {
			return fleet.Handler(func(_ context.Context, added, _ []parti.Partition) error {
				mu.Lock()
				defer mu.Unlock()
				for _, p := range added {
					given[application+" runs "+p.Keys[0]] = true
				}
				return nil
			})
		}
		invoices := edition{name: "invoice", to: 7}
		firsts := f.Start(3, note("topic"))
		seconds := f.Start(2, note("invoice"), lists(invoices))
		ended, other := seconds, f.Source.IDs()
		f.Wait(coldStart+time.Second, "a leader", func() bool { return f.Leader() != nil })
		for _, p := range seconds {
			if p == f.Leader() {
				ended, other = firsts, invoices.ids()
			}
		}
		for _, p := range ended {
			require.ErrorIs(t, p.Begun(), parti.ErrForeignGroup)
		}
		f.Wait(time.Minute, "the leader's application has everything", func() bool { return f.Checker.Complete(other) == nil })
		mu.Lock()
		defer mu.Unlock()
		require.Len(t, given, 1, "%v", given)
	})
}

// TestAFirstRecordWaitsUntilSourceAndGroupAreCompared: the lists overlap, so the worker stays, and a source that fails just
// then is asked again.
func TestAFirstRecordWaitsUntilSourceAndGroupAreCompared(t *testing.T) {
	bubble.Run(t, func(t *testing.T, s *bubble.Server) {
		f := fleet.New(t, s, 30)
		f.Start(1)
		f.Wait(coldStart, "it leads", func() bool { return f.Leader() != nil })
		var asked atomic.Int64
		cause := errors.New("the database is down")
		late := f.Start(1, func(spec *fleet.Spec) {
			spec.Source = parti.SourceFunc(func(context.Context) ([]parti.Partition, error) {
				if asked.Add(1) == 2 { // the first time is before it claims its ID
					return nil, cause
				}
				return edition{"topic", 29, 40, 0}.list(), nil
			})
		})[0]
		f.Settle(coldStart + 5*time.Second)
		require.NoError(t, late.Begun())
		require.True(t, late.Saw(cause))
		require.NotEmpty(t, late.Running())
		require.EqualValues(t, 3, asked.Load())
	})
}

func TestALeaderWhoseSourceSuddenlyListsSomethingElseKeepsTheGroup(t *testing.T) {
	bubble.Run(t, func(t *testing.T, s *bubble.Server) {
		f := fleet.New(t, s, 30)
		f.Begin(4)
		f.Rest()
		list, calls := f.Source.List(), f.Checker.Calls()
		invoices := edition{name: "invoice", to: 7}
		f.Source.Set(invoices.list()...)
		err := f.Followers()[0].Refresh()
		require.ErrorIs(t, err, parti.ErrRefused)
		require.ErrorContains(t, err, "invoice.0000")
		<-time.After(time.Minute)
		require.True(t, f.Leader().Saw(parti.ErrForeignGroup))
		require.Equal(t, calls, f.Checker.Calls())
		f.Leader().Crash() // the next one has never listed anything else
		f.Wait(heartbeatTTL+time.Second, "what the group has divided", func() bool {
			return f.Leader() != nil && f.Checker.Complete(fleetIDs(list)) == nil
		})
		require.True(t, f.Leader().Saw(parti.ErrForeignGroup))
		f.Source.Set(list...)
		require.NoError(t, f.Followers()[0].Refresh())
		f.Settle(time.Second)
	})
}

func fleetIDs(list []parti.Partition) (ids []string) {
	for _, p := range list {
		ids = append(ids, p.ID())
	}
	return ids
}

// tally counts how often each partition was given to anybody.
type tally struct {
	mu    sync.Mutex
	given map[string]int
}

func (c *tally) hook(_ context.Context, added, _ []parti.Partition) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, p := range added {
		c.given[p.ID()]++
	}
	return nil
}

func (c *tally) now() map[string]int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return maps.Clone(c.given)
}

// TestARollingDeployThatChangesTheListNeitherLosesNorSwapsPartitions: the leadership goes back and forth between the
// releases, and the list does not.
func TestARollingDeployThatChangesTheListNeitherLosesNorSwapsPartitions(t *testing.T) {
	bubble.Run(t, func(t *testing.T, s *bubble.Server) {
		before, after := edition{"topic", 0, 30, 1}, edition{"topic", 5, 35, 2}
		count := &tally{given: map[string]int{}}
		f := fleet.New(t, s, 30, fleet.Handler(count.hook), lists(before))
		procs := f.Begin(4)
		f.Rest()
		f.Source.Set(after.list()...) // what the checker expects from now on
		leads := func(p *fleet.Process) {
			for _, q := range procs {
				if q != p && q.Manager.IsLeader() {
					q.Link.Stall()
					f.Wait(leaderTTL+time.Second, "another leader", func() bool { return !q.Manager.IsLeader() })
					q.Link.Heal()
				}
			}
		}
		upgraded := procs[0]
		require.NoError(t, upgraded.Stop())
		procs[0] = f.Restart(upgraded, lists(after))
		require.NoError(t, procs[0].Begun())
		for n := 0; !procs[0].Manager.IsLeader(); n++ {
			require.Less(t, n, 100)
			leads(procs[0])
			<-time.After(10 * time.Second)
		}
		f.Settle(time.Minute)
		require.EqualValues(t, 2, storedPlan(t, f).SourceVersion)
		changes, settled := 0, count.now()
		for range 5 { // now the releases take turns in leading
			leader := f.Leader()
			leads(nil)
			f.Wait(10*time.Second, "another leader", func() bool { return f.Leader() != nil })
			if f.Leader() != leader {
				changes++
			}
			<-time.After(30 * time.Second)
			f.Settle(30 * time.Second)
			require.EqualValues(t, 2, storedPlan(t, f).SourceVersion)
			if f.Leader() != procs[0] {
				require.True(t, f.Leader().Saw(parti.ErrOlderSource), "it goes on with a list that it does not have")
			}
		}
		require.Positive(t, changes)
		require.Equal(t, settled, count.now(), "no partition came, went, or moved")
		for _, p := range procs[1:] {
			if p.Manager.IsLeader() {
				p.Crash()
				f.Settle(time.Minute)
				break
			}
		}
		for i := range 5 {
			id := fleet.Partition(i).ID()
			require.Equal(t, settled[id], count.now()[id], "%s is not listed any more", id)
		}
	})
}

// TestANamingSchemeIsChangedByAHigherVersion: the old names go and the new ones come when a new worker leads; until then
// nobody is hurt, and from then on nobody starts with the old names.
func TestANamingSchemeIsChangedByAHigherVersion(t *testing.T) {
	bubble.Run(t, func(t *testing.T, s *bubble.Server) {
		before, after := edition{"topic", 0, 12, 1}, edition{"shard", 0, 20, 2}
		f := fleet.New(t, s, 12, lists(before))
		old := f.Begin(3)
		f.Rest()
		fresh := f.Start(2, lists(after))
		for _, p := range fresh {
			require.NoError(t, p.Begun())
		}
		for _, p := range old[1:] {
			require.NoError(t, p.Stop())
		}
		f.Source.Set(after.list()...)
		if f.Leader() == old[0] || f.Leader() == nil {
			require.NoError(t, old[0].Stop()) // otherwise it goes on, with the new names
		}
		f.Settle(time.Minute)
		require.EqualValues(t, 2, storedPlan(t, f).SourceVersion)
		late := f.Start(1, lists(before))[0]
		require.ErrorIs(t, late.Begun(), parti.ErrForeignGroup)
		require.ErrorContains(t, late.Begun(), "with version 1, while the group's list has version 2")
		same := f.Start(1, lists(edition{"other", 0, 3, 2}))[0]
		require.ErrorIs(t, same.Begun(), parti.ErrForeignGroup, "the same version is no higher one")
		f.Settle(time.Second)
	})
}

// restless lists under a higher version each time: the one that it has afterwards.
type restless struct {
	edition
	listed *atomic.Uint64
}

func (r restless) ListPartitions(ctx context.Context) ([]parti.Partition, error) {
	r.listed.Add(1)
	return r.edition.ListPartitions(ctx)
}

func (r restless) SourceVersion() uint64 { return r.listed.Load() }

// TestAListIsNotTakenForNewerThanItIs: the version is asked for before the list.
func TestAListIsNotTakenForNewerThanItIs(t *testing.T) {
	bubble.Run(t, func(t *testing.T, s *bubble.Server) {
		f := fleet.New(t, s, 3, func(spec *fleet.Spec) { spec.Source = restless{edition{"topic", 0, 3, 0}, new(atomic.Uint64)} })
		f.Begin(1)
		require.EqualValues(t, 1, storedPlan(t, f).SourceVersion, "the worker listed once when it started, and once to lead")
	})
}

// hasty panics when it is asked for its version.
type hasty struct{ edition }

func (hasty) SourceVersion() uint64 { panic("the version is not loaded yet") }

func TestASourceThatPanicsOverItsVersionEndsItsStart(t *testing.T) {
	bubble.Run(t, func(t *testing.T, s *bubble.Server) {
		f := fleet.New(t, s, 3, func(spec *fleet.Spec) { spec.Source = hasty{edition{"topic", 0, 3, 1}} })
		err := f.Start(1)[0].Begun()
		require.ErrorIs(t, err, parti.ErrSourceFailed)
		require.ErrorContains(t, err, "the version is not loaded yet")
	})
}
