// Copyright The Parti Authors
// SPDX-License-Identifier: Apache-2.0

package partitest

import (
	"context"
	"encoding/json"
	"errors"
	"testing"
	"time"

	"github.com/nats-io/nats.go/jetstream"
	"github.com/stretchr/testify/require"

	"github.com/parti-go/parti"
)

// counter is a handler that counts seconds in a KV bucket, each write conditional on the one before, so that a stale owner's
// write is refused.
type counter struct{ js jetstream.JetStream }

type count struct {
	Epoch   int64
	Seconds int
}

func (c counter) Run(ctx context.Context, o *parti.Ownership) error {
	bucket, err := c.js.KeyValue(ctx, "counts")
	if err != nil {
		return err
	}
	id := o.Partition().ID()
	var now count
	var revision uint64
	switch e, err := bucket.Get(ctx, id); {
	case errors.Is(err, jetstream.ErrKeyNotFound):
	case err != nil:
		return err
	default:
		if err := json.Unmarshal(e.Value(), &now); err != nil {
			return err
		}
		revision = e.Revision()
	}
	now.Epoch = o.Epoch()
	for {
		value, err := json.Marshal(now)
		if err != nil {
			return err
		}
		if revision, err = bucket.Update(ctx, id, value, revision); err != nil {
			return err
		}
		select {
		case <-time.After(time.Second):
			now.Seconds++
		case <-ctx.Done():
			return nil
		}
	}
}

func TestAFleetGoesOnThroughCrashFreezeAndOutage(t *testing.T) {
	Fleet(t, 3, func(t *testing.T, fl *FleetHandle) {
		fl.SetPartitions("city.oslo", "city.rome", "city.lima", "city.bern")
		fl.Configure(func(c *parti.Config) { c.PlannedScaleWindow = 2 * time.Second })
		bucket, err := fl.JetStream().CreateKeyValue(t.Context(), jetstream.KeyValueConfig{Bucket: "counts"})
		require.NoError(t, err)
		counted := func(id string) (c count) {
			e, err := bucket.Get(t.Context(), id)
			require.NoError(t, err)
			require.NoError(t, json.Unmarshal(e.Value(), &c))
			return c
		}
		fl.Start(func(w *FleetWorker) parti.Handler { return counter{w.JetStream()} })
		require.Len(t, fl.Live(), 3)
		require.NotNil(t, fl.Leader())
		<-time.After(10 * time.Second)

		victim := fl.Owner("city.oslo")
		before := counted("city.oslo")
		require.Positive(t, before.Seconds)
		victim.Crash()
		fl.Settle(time.Minute)
		require.NotSame(t, victim, fl.Owner("city.oslo"))
		fl.Wait(time.Minute, "the successor counts on", func() bool {
			now := counted("city.oslo")
			return now.Epoch > before.Epoch && now.Seconds > before.Seconds
		})

		again := victim.Restart()
		fl.Settle(time.Minute)
		require.Equal(t, victim.ID(), again.ID())

		frozen := fl.Owner("city.rome")
		before = counted("city.rome")
		frozen.Freeze()
		fl.Wait(time.Minute, "somebody else counts", func() bool { return counted("city.rome").Epoch > before.Epoch })
		frozen.Thaw()
		fl.Settle(time.Minute)

		fl.StopServer()
		<-time.After(3 * time.Second)
		fl.StartServer()
		fl.Settle(time.Minute)

		fl.Add()
		fl.SetPartitions(append(Partitions(8), "city.oslo", "city.rome", "city.lima", "city.bern")...)
		fl.Settle(time.Minute)
		require.NotNil(t, fl.Owner("p.0007"))
		require.NoError(t, fl.Live()[0].Drain(t.Context()))
		fl.Settle(time.Minute)
	})
}
