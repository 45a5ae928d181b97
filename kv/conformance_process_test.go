// Copyright The Parti Authors
// SPDX-License-Identifier: Apache-2.0

//go:build process

package kv

import (
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/parti-go/parti/internal/store"
	"github.com/parti-go/parti/internal/store/model"
	"github.com/parti-go/parti/internal/store/storetest"
)

// TestAClusterDoesWhatEachCaseAllows in real time, on three servers: each case has buckets of its own.
func TestAClusterDoesWhatEachCaseAllows(t *testing.T) {
	cluster := startCluster(t)
	for i, c := range storetest.Cases() {
		if !c.Runs(true, storetest.Elect, storetest.Delete, storetest.Create, storetest.Purge) {
			continue
		}
		t.Run(c.Name, func(t *testing.T) {
			t.Logf("seen: %s", c.Try(t, onCluster(t, cluster, fmt.Sprintf("case-%d-", i))))
		})
	}
}

func onCluster(t *testing.T, c cluster, prefix string) *real {
	cfg := clusterConfig()
	for _, name := range []*string{&cfg.StableID, &cfg.Election, &cfg.Heartbeat, &cfg.Assignment} {
		*name = prefix + *name
	}
	r := &real{t: t, late: model.LateReplicated, told: map[model.ID][]model.Event{}}
	for i := range r.stores {
		js := c.connect(t)
		require.NoError(t, again(func() (err error) {
			r.stores[i], err = Open(t.Context(), js, cfg)
			if err != nil {
				err = fmt.Errorf("%w: %w", ErrNotDone, err)
			}
			return err
		}))
	}
	s := r.stores[1]
	r.suffer = func(what storetest.Trouble, _ model.Client, b store.Bucket) {
		ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
		defer cancel()
		switch what {
		case storetest.Elect:
			_, err := s.js.Conn().RequestWithContext(ctx, "$JS.API.STREAM.LEADER.STEPDOWN."+s.stream(b), nil)
			require.NoError(t, err)
		case storetest.Delete:
			require.NoError(t, s.js.DeleteStream(ctx, s.stream(b)))
		case storetest.Create:
			_, err := s.js.CreateStream(ctx, s.wanted(b))
			require.NoError(t, err)
		case storetest.Purge:
			stream, err := s.js.Stream(ctx, s.stream(b))
			require.NoError(t, err)
			require.NoError(t, stream.Purge(ctx))
		default:
			t.Fatalf("trouble %d cannot be made here", what)
		}
	}
	t.Cleanup(func() {
		for b := range store.Buckets {
			_ = s.js.DeleteStream(context.Background(), s.stream(b)) // so many streams slow the machine down
		}
	})
	return r
}
