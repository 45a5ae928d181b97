// Copyright The Parti Authors
// SPDX-License-Identifier: Apache-2.0

package sim

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/parti-go/parti/internal/record"
	"github.com/parti-go/parti/internal/store"
	"github.com/parti-go/parti/internal/store/model"
)

// TestTheMarkerOfAnEntryThatWasReleasedLateEndsNothingOfTheNextHolder: the server decides to mark an entry whose time is over, its
// holder deletes it, another one writes, and then the marker is stored.
func TestTheMarkerOfAnEntryThatWasReleasedLateEndsNothingOfTheNextHolder(t *testing.T) {
	for _, b := range []store.Bucket{store.StableIDs, store.Heartbeats} {
		l := NewLoop(model.Config{Start: Begin, Latency: time.Millisecond})
		l.Store = model.New(model.Config{Start: Begin, Latency: time.Millisecond}, model.Script{model.Late: {16, 0, 16}, model.Overtaken: {1}})
		f := NewFleet(l, Defaults(2, 1))
		a, z := f.Start().client, f.Start().client
		f.Workers[0].dead, f.Workers[1].dead = true, true // only their clients act
		acquire := func(c *client) (got store.Lease) {
			c.acquire(b, "worker-1", record.Heartbeat{}, f.now.Add(2*time.Second), nil, func(l store.Lease, err error) {
				require.NoError(t, err)
				got = l
			})
			f.Run(f.now.Add(100 * time.Millisecond))
			return got
		}
		for n := range store.Buckets {
			a.created[n], z.created[n] = Begin, Begin
		}
		held := acquire(a)
		f.Run(held.Sent.Add(held.TTL + 5*time.Millisecond))
		released := false
		a.release(held, f.now.Add(2*time.Second), func(err error) { released = true })
		f.Run(f.now.Add(50 * time.Millisecond))
		for !released {
			f.Run(f.now.Add(50 * time.Millisecond))
		}
		next := acquire(z)
		f.Run(f.now.Add(time.Second))
		z.get(b, "worker-1", f.now.Add(time.Second), func(e store.Entry, err error) {
			require.NoError(t, err)
			require.Equal(t, store.Put, e.Kind, "%s", b)
			require.Equal(t, next.Revision, e.Revision)
		})
		f.Run(f.now.Add(time.Second))
	}
}

// TestALateRenewalOfADeadProcessIsNotTakenOverBeforeTheMarkerOfTheClaimBeforeIt: the server decides to mark a claim whose time is
// over, a renewal arrives that the process sent before it died, the next process takes that over, and then the marker is stored.
func TestALateRenewalOfADeadProcessIsNotTakenOverBeforeTheMarkerOfTheClaimBeforeIt(t *testing.T) {
	l := NewLoop(model.Config{Start: Begin, Latency: time.Millisecond})
	l.Store = model.New(model.Config{Start: Begin, Latency: time.Millisecond}, model.Script{model.Late: {16, 0, 16}, model.Overtaken: {1}})
	f := NewFleet(l, Defaults(2, 1))
	a, z := f.Start().client, f.Start().client
	f.Workers[0].dead, f.Workers[1].dead = true, true // only their clients act
	for n := range store.Buckets {
		a.created[n], z.created[n] = Begin, Begin
	}
	claim := func(c *client, o store.ClaimOptions) (got store.Lease) {
		c.claimID([]string{"worker-1"}, record.Claim{}, o, f.now.Add(10*time.Second), func(l store.Lease, err error) {
			require.NoError(t, err)
			got = l
		})
		for got.Revision == 0 && f.now.Before(Begin.Add(time.Minute)) {
			f.Run(f.now.Add(time.Millisecond))
		}
		return got
	}
	held := claim(a, store.ClaimOptions{})
	f.Run(held.Sent.Add(held.TTL + 2*time.Millisecond))
	renewed := model.Message{Key: held.Key, TTL: held.TTL, Token: held.Chain + "late"}
	stored := false
	a.put(store.StableIDs, renewed, model.Condition{Revision: held.Revision}, f.now.Add(time.Second), func(_ uint64, err error) {
		require.NoError(t, err)
		stored = true
	})
	f.Run(f.now.Add(10 * time.Millisecond))
	require.True(t, stored)
	next := claim(z, store.ClaimOptions{Prefer: []string{held.Key}, Only: true, Dead: []record.Token{held.Chain}})
	f.Run(f.now.Add(2 * time.Second))
	z.get(store.StableIDs, held.Key, f.now.Add(time.Second), func(e store.Entry, err error) {
		require.NoError(t, err)
		require.Equal(t, store.Put, e.Kind)
		require.Equal(t, next.Revision, e.Revision)
	})
	f.Run(f.now.Add(time.Second))
}
