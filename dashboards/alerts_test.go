// Copyright The Parti Authors
// SPDX-License-Identifier: Apache-2.0

package dashboards_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/parti-go/parti"
	"github.com/parti-go/parti/integration/fleet"
	"github.com/parti-go/parti/integration/link"
	"github.com/parti-go/parti/strategy"
)

func TestAHealthyGroupFiresNothing(t *testing.T) {
	clustered := parti.ClusteredConfig()
	clustered.KVBuckets.Replicas = 1 // there is one server
	for name, cfg := range map[string]parti.Config{"default": parti.DefaultConfig(), "clustered": clustered} {
		t.Run(name, func(t *testing.T) {
			live(t, 30, eventfulAndWell, fleet.Config(func(c *parti.Config) { *c = cfg })).only(t, 0, nil)
		})
	}
}

// eventfulAndWell is what a group goes through and mends by itself.
func eventfulAndWell(l *life) {
	pods := l.begin(4)
	for i, p := range pods { // a rolling restart
		id := p.Manager.WorkerID()
		l.stop(p)
		pods[i] = l.start(p.address, fleet.PreferredID(id))
		pass(20 * time.Second)
	}
	l.fleet.Settle(time.Minute)
	pods = append(pods, l.start("orders-4:9090"), l.start("orders-5:9090"))
	l.fleet.Settle(time.Minute)
	pass(2 * time.Minute)
	leads, follows := l.leader(pods)
	id := follows.Manager.WorkerID()
	l.crash(follows)
	pass(30 * time.Second)
	back := l.start(follows.address, fleet.PreferredID(id))
	l.fleet.Settle(time.Minute)
	pass(5 * time.Minute)
	l.crash(leads)
	l.fleet.Settle(time.Minute)
	pass(2 * time.Minute)
	require.NoError(l.t, back.Drain(context.Background()))
	l.fleet.Settle(time.Minute)
	l.fleet.Source.Set(append(l.fleet.Source.List(), fleet.Partition(30), fleet.Partition(31))...)
	l.fleet.Wait(10*time.Second, "a leader, which may have drained", func() bool { return l.fleet.Leader() != nil })
	require.NoError(l.t, l.fleet.Leader().Refresh())
	l.fleet.Settle(time.Minute)
	l.fleet.Server.Stop() // and a restart of the server
	pass(3 * time.Second)
	l.fleet.Server.Start()
	l.fleet.Settle(3 * time.Minute)
	pass(5 * time.Minute)
}

// refuses makes nobody take what a worker sends about some buckets.
func refuses(buckets ...string) func(subject string) link.Fault {
	return func(subject string) link.Fault {
		for _, bucket := range buckets {
			api := strings.HasPrefix(subject, "$JS.API.") && strings.Contains(subject, "KV_"+bucket)
			if api || strings.HasPrefix(subject, "$KV."+bucket+".") {
				return link.Refused
			}
		}
		return link.None
	}
}

func TestAGroupWithoutALeaderFires(t *testing.T) {
	live(t, 30, func(l *life) {
		pods := l.begin(3)
		l.fault()
		for _, p := range pods {
			p.Link.Fail(refuses(l.fleet.Config().KVBuckets.Election))
		}
		pass(5 * time.Minute)
		for _, p := range pods {
			p.Link.Heal()
		}
		l.heal()
		pass(5 * time.Minute)
	}).only(t, time.Minute, map[string]time.Duration{"PartiNoLeader": 2 * time.Minute, "PartiWaitStuck": 2 * time.Minute})
}

func TestAStoreThatIsAwayFires(t *testing.T) {
	live(t, 30, func(l *life) {
		l.begin(3)
		l.fault()
		l.fleet.Server.Stop()
		pass(5 * time.Minute)
		l.fleet.Server.Start()
		l.heal()
		pass(8 * time.Minute)
	}).only(t, 3*time.Minute, map[string]time.Duration{"PartiNoLeader": 2 * time.Minute, "PartiWaitStuck": 2 * time.Minute})
}

func TestAGroupOfWhichNobodyIsLeftFires(t *testing.T) {
	live(t, 30, func(l *life) {
		pods := l.begin(3)
		l.fault()
		for _, p := range pods {
			l.crash(p)
		}
		pass(5 * time.Minute)
		for _, p := range pods {
			l.start(p.address)
		}
		l.heal()
		l.fleet.Settle(2 * time.Minute)
		pass(5 * time.Minute)
	}).only(t, time.Minute, map[string]time.Duration{"PartiGroupGone": 2 * time.Minute})
}

func TestPartitionsThatNoWorkerMayHaveFire(t *testing.T) {
	label := func(value string) fleet.With {
		return fleet.Config(func(c *parti.Config) { c.Labels = map[string]string{"pool": value} })
	}
	first := fleet.Partition(0).ID()
	pools := strategy.NewPools(strategy.NewSticky(), "pool", func(p parti.Partition) string {
		if p.ID() == first {
			return "gpu"
		}
		return ""
	})
	live(t, 30, func(l *life) {
		special := l.start("orders-9:9090", label("gpu"))
		l.begin(3)
		l.crash(special)
		l.fault()
		pass(5 * time.Minute)
		l.start("orders-9:9090", label("gpu"))
		l.heal()
		pass(5 * time.Minute)
	}, fleet.Strategy(pools)).only(t, time.Minute, map[string]time.Duration{"PartiPartitionsWithoutOwner": 3 * time.Minute})
}

// hanging is an assignment hook that does not return while it hangs.
type hanging struct {
	hangs atomic.Bool
	free  chan struct{}
}

func (h *hanging) hook(context.Context, []parti.Partition, []parti.Partition) error {
	if h.hangs.Load() {
		<-h.free
	}
	return nil
}

func TestAHandoffThatIsStuckFires(t *testing.T) {
	live(t, 30, func(l *life) {
		h := &hanging{free: make(chan struct{})}
		l.begin(3, fleet.Handler(h.hook))
		h.hangs.Store(true)
		l.start("orders-3:9090")
		l.fault()
		pass(5 * time.Minute)
		close(h.free)
		l.heal()
		pass(5 * time.Minute)
	}).only(t, time.Minute, map[string]time.Duration{"PartiHandoffStuck": 4 * time.Minute, "PartiWaitStuck": 3 * time.Minute})
}

func TestAHookThatHangsFires(t *testing.T) {
	live(t, 30, func(l *life) {
		h := &hanging{free: make(chan struct{})}
		h.hangs.Store(true)
		l.begin(3)
		// The hook may hang in the first assignment that the worker reads: an empty record comes first, but may be replaced by then.
		patient := fleet.Config(func(c *parti.Config) { c.StartupTimeout = time.Hour })
		l.start("orders-3:9090", fleet.Handler(h.hook), patient)
		l.fault()
		pass(5 * time.Minute)
		close(h.free)
		l.heal()
		pass(5 * time.Minute)
	}).only(t, time.Minute, map[string]time.Duration{"PartiWaitStuck": 3 * time.Minute})
}

func TestAWorkerThatFailsAgainAndAgainFires(t *testing.T) {
	live(t, 30, func(l *life) {
		_, victim := l.leader(l.begin(4))
		l.fault()
		for range 2 { // the second failure is the first that is reported
			l.crash(victim)
			pass(time.Second)
			victim = l.start(victim.address)
			l.fleet.Wait(2*time.Minute, "it has its share", func() bool { return len(victim.Running()) > 0 })
		}
		l.heal()
		pass(20 * time.Minute)
	}).only(t, 11*time.Minute, map[string]time.Duration{"PartiFlapping": 3 * time.Minute})
}

func TestALeaseThatIsNearlyLostFires(t *testing.T) {
	live(t, 30, func(l *life) {
		_, victim := l.leader(l.begin(3))
		l.fault()
		beats, heartbeats := 0, "$KV."+l.fleet.Config().KVBuckets.Heartbeat+"."
		victim.Link.Fail(func(subject string) link.Fault {
			if !strings.HasPrefix(subject, heartbeats) {
				return link.None
			}
			if beats++; beats%2 == 1 {
				return link.Lost
			}
			return link.None
		})
		pass(5 * time.Minute)
		victim.Link.Heal()
		l.heal()
		pass(15 * time.Minute)
	}).only(t, 10*time.Minute, map[string]time.Duration{"PartiLeaseNearlyLost": time.Minute})
}

// other lists what another application would.
func other() (list []parti.Partition) {
	for i := range 7 {
		list = append(list, parti.Partition{Keys: []string{"invoice", fmt.Sprint(i)}})
	}
	return list
}

// TestASecondApplicationInTheBucketsFires: its worker ends at once, and its process goes on.
func TestASecondApplicationInTheBucketsFires(t *testing.T) {
	live(t, 30, func(l *life) {
		l.begin(3)
		l.fault()
		second := l.start("invoices-0:9090", func(s *fleet.Spec) { s.Source = parti.StaticSource(other()...) })
		require.ErrorIs(t, second.Begun(), parti.ErrForeignGroup)
		pass(5 * time.Minute)
		l.mu.Lock()
		second.down = true
		l.mu.Unlock()
		l.heal()
		pass(15 * time.Minute)
	}).only(t, time.Minute, map[string]time.Duration{"PartiForeignGroup": time.Minute})
}

// TestASourceThatListsAnotherApplicationsPartitionsFires: the leader goes on with what the group has.
func TestASourceThatListsAnotherApplicationsPartitionsFires(t *testing.T) {
	live(t, 30, func(l *life) {
		pods := l.begin(3)
		l.fault()
		list := l.fleet.Source.List()
		l.fleet.Source.Set(other()...)
		require.ErrorIs(t, pods[0].Refresh(), parti.ErrRefused)
		pass(5 * time.Minute)
		l.fleet.Source.Set(list...)
		require.NoError(t, pods[0].Refresh())
		l.heal()
		pass(15 * time.Minute)
	}).only(t, 10*time.Minute, map[string]time.Duration{"PartiForeignGroup": time.Minute})
}

func TestHandlersThatFailAgainAndAgainFire(t *testing.T) {
	live(t, 30, func(l *life) {
		var fails atomic.Bool
		l.begin(3, fleet.Runs(func(ctx context.Context, o *parti.Ownership) error {
			tick := time.NewTicker(time.Second)
			defer tick.Stop()
			for !fails.Load() || o.Partition().ID() != fleet.Partition(0).ID() {
				select {
				case <-tick.C:
				case <-ctx.Done():
					return nil
				}
			}
			return errors.New("the database is down")
		}))
		fails.Store(true)
		l.fault()
		pass(15 * time.Minute)
		fails.Store(false)
		l.heal()
		pass(20 * time.Minute)
	}).only(t, 10*time.Minute, map[string]time.Duration{"PartiHandlersFail": 12 * time.Minute})
}

// alertNames are those of alerts.yaml.
func alertNames(t *testing.T) (names []string) {
	t.Helper()
	rules, err := os.ReadFile("alerts.yaml")
	require.NoError(t, err)
	for line := range strings.Lines(string(rules)) {
		if _, name, is := strings.Cut(strings.TrimSpace(line), "- alert: "); is {
			names = append(names, name)
		}
	}
	require.NotEmpty(t, names)
	return names
}

func TestEveryAlertHasASectionInTheDocumentsAndAFaultThatMakesItFire(t *testing.T) {
	todo, err := os.ReadFile("../docs/troubleshooting.md")
	require.NoError(t, err)
	table, err := os.ReadFile("../docs/metrics.md")
	require.NoError(t, err)
	tests, err := os.ReadFile("alerts_test.go")
	require.NoError(t, err)
	for _, name := range alertNames(t) {
		require.Contains(t, string(todo), "\n### "+name+"\n")
		require.Contains(t, string(table), "\n| `"+name+"` |")
		require.Contains(t, string(tests), `"`+name+`": `)
	}
}
