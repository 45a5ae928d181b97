// Copyright The Parti Authors
// SPDX-License-Identifier: Apache-2.0

package deployment

import (
	"encoding/hex"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/nats-io/nats-server/v2/server"
	"github.com/stretchr/testify/require"

	"github.com/parti-go/parti"
	"github.com/parti-go/parti/internal/record"
	"github.com/parti-go/parti/internal/store"
	"github.com/parti-go/parti/kv"
)

// noise is a name that does not compress to less than half.
func noise(length int, random *rand.Rand) string {
	b := make([]byte, length/2)
	for i := range b {
		b[i] = byte(random.Uint32())
	}
	return hex.EncodeToString(b)
}

func TestWithoutTheRightToPublishPartsOnlyWhatNeedsThemIsRefused(t *testing.T) {
	b := parti.DefaultConfig().KVBuckets
	random := rand.New(rand.NewPCG(1, 2))
	var owned []record.Owned
	for range 25_000 {
		owned = append(owned, record.Owned{Partition: noise(100, random), Weight: 100, Epoch: 1})
	}
	for name, more := range map[string][]string{"without": nil, "with": {"$KV." + b.Assignment + ".*.*"}} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := serve(t, func(o *server.Options) {
				o.Users = []*server.User{
					{Username: "operator", Password: "operator"},
					user("worker", append(workerMayPublish(b), more...), workerMaySubscribe(b)),
				}
			})
			createBuckets(t, as(t, s, "operator"), b)
			buckets, err := kv.Open(t.Context(), as(t, s, "worker"), kv.Config{
				StableID: b.StableID, Election: b.Election, Heartbeat: b.Heartbeat, Assignment: b.Assignment,
				IDPrefix: "worker", WorkerIDTTL: time.Minute, HeartbeatTTL: time.Minute, LeaderTTL: time.Minute,
			})
			require.NoError(t, err)
			fence, err := buckets.BeginTerm(t.Context(), record.Term{Worker: "worker-0"}, 0, func() bool { return true })
			require.NoError(t, err)
			w := store.PlanWrite{
				Assignments: []record.Assignment{{Worker: "worker-0", Owned: owned}}, Format: record.Newest,
				Plan: record.Plan{Version: 1, Phase: record.PhaseIdle, Lifecycle: record.Stable},
			}
			err = buckets.WritePlan(t.Context(), fence, w)
			if len(more) > 0 {
				require.NoError(t, err)
				return
			}
			require.ErrorIs(t, err, kv.ErrTooLarge)
			require.ErrorContains(t, err, "assignment of worker-0 with 25000 partitions")
			require.ErrorContains(t, err, `may not publish to "$KV.`+b.Assignment+`.worker-0.1"`)
			w.Assignments[0].Owned = owned[:5_000]
			require.NoError(t, buckets.WritePlan(t.Context(), fence, w), "one message is enough")
		})
	}
}
