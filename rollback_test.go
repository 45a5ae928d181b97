// Copyright The Parti Authors
// SPDX-License-Identifier: Apache-2.0

package parti_test

import (
	"context"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/parti-go/parti"
	"github.com/parti-go/parti/strategy"
)

// running counts who runs what, in real time.
type running struct {
	mu     sync.Mutex
	owners map[string]int
	twice  bool
}

func (r *running) hooks() parti.Hooks {
	return parti.Hooks{OnAssignmentChanged: func(_ context.Context, added, removed []parti.Partition) error {
		r.mu.Lock()
		defer r.mu.Unlock()
		for _, p := range added {
			r.owners[p.ID()]++
			r.twice = r.twice || r.owners[p.ID()] > 1
		}
		for _, p := range removed {
			r.owners[p.ID()]--
		}
		return nil
	}}
}

func (r *running) complete() bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.owners["a"] == 1 && r.owners["b"] == 1
}

func TestABucketDeletedUnderTheGroupEndsItsSessionsAndBeginsAnew(t *testing.T) {
	b := parti.DefaultConfig().KVBuckets
	for _, name := range []string{b.StableID, b.Heartbeat} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			js := connect(t)
			cfg := parti.Config{
				HeartbeatInterval: 300 * time.Millisecond, HeartbeatTTL: 2 * time.Second, LeaderTTL: time.Second,
				WorkerIDTTL: 3 * time.Second, ColdStartWindow: time.Second, PlannedScaleWindow: time.Second, ExpectedWorkers: 2,
			}
			r := &running{owners: map[string]int{}}
			var starts sync.WaitGroup
			var workers [2]*parti.Manager
			for i := range workers {
				m, err := parti.NewManager(cfg, js, source(), strategy.NewRoundRobin(), quiet(), parti.WithHooks(r.hooks()))
				require.NoError(t, err)
				workers[i] = m
				starts.Go(func() { require.NoError(t, m.Start(t.Context())) })
			}
			starts.Wait()
			ids := [2]string{workers[0].WorkerID(), workers[1].WorkerID()}
			require.NotEqual(t, ids[0], ids[1])
			require.NoError(t, js.DeleteStream(t.Context(), "KV_"+name))
			gone := func() bool { return workers[0].WorkerID() == "" || workers[1].WorkerID() == "" || !r.complete() }
			require.Eventually(t, gone, 20*time.Second, time.Millisecond, "sessions end")
			whole := func() bool {
				return r.complete() && workers[0].State() == parti.StateStable && workers[1].State() == parti.StateStable
			}
			require.Eventually(t, whole, 30*time.Second, 5*time.Millisecond, "and begin anew")
			for _, m := range workers {
				require.NoError(t, m.Stop(context.Background()))
			}
			require.False(t, r.twice, "a partition had two owners")
		})
	}
}
