// Copyright The Parti Authors
// SPDX-License-Identifier: Apache-2.0

package observe

import (
	"encoding/json"
	"fmt"
	"runtime"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/parti-go/parti/internal/record"
	"github.com/parti-go/parti/internal/store"
)

// feedOf feeds a model without a store.
type feedOf struct {
	m        *model
	revision uint64
}

func (f *feedOf) put(b store.Bucket, key string, rec any) {
	value, err := json.Marshal(rec)
	if err != nil {
		panic(err)
	}
	f.revision++
	value = append([]byte(`{"format":1,`), value[1:]...)
	f.m.told(store.Update{Kind: store.UpdatePut, Entry: store.Entry{Bucket: b, Key: key, Value: value, Revision: f.revision, Created: time.Unix(int64(f.revision), 0)}}, b)
}

func (f *feedOf) expire(key string) {
	f.m.told(store.Update{Kind: store.UpdateExpired, Entry: store.Entry{Bucket: store.Heartbeats, Key: key}}, store.Heartbeats)
}

func (f *feedOf) synced() {
	for _, b := range []store.Bucket{store.StableIDs, store.Heartbeats, store.Assignments} {
		f.m.told(store.Update{Kind: store.UpdateSynced}, b)
	}
}

func (f *feedOf) grant(worker string, session uint64, version int64, partitions ...string) {
	a := record.Assignment{Worker: worker, Session: session, Term: 1, Version: version}
	for _, p := range partitions {
		a.Owned = append(a.Owned, record.Owned{Partition: p, Epoch: version})
	}
	f.put(store.Assignments, worker, a)
}

func (f *feedOf) owner(partition string) string {
	o, ok := f.m.owner(partition)
	if !ok {
		return ""
	}
	return fmt.Sprintf("%s/%d@%d", o.Worker, o.Session, o.Epoch)
}

func TestARecordCountsWhileItsSessionMayLive(t *testing.T) {
	f := &feedOf{m: newModel()}
	f.grant("worker-0", 7, 1, "a")
	require.Equal(t, "worker-0/7@1", f.owner("a"), "its heartbeat may be told later")
	f.synced()
	require.Empty(t, f.owner("a"), "the complete list shows none")
	f.put(store.Heartbeats, "worker-0", record.Heartbeat{Session: 7})
	require.Equal(t, "worker-0/7@1", f.owner("a"), "it was only late")
	f.put(store.Heartbeats, "worker-0", record.Heartbeat{Session: 9})
	require.Empty(t, f.owner("a"), "a newer session has none of it")
	f.grant("worker-0", 9, 2, "a")
	require.Equal(t, "worker-0/9@2", f.owner("a"))
	f.expire("worker-0")
	require.Empty(t, f.owner("a"))
	f.grant("worker-0", 11, 3, "a")
	require.Equal(t, "worker-0/11@3", f.owner("a"), "granted to a session whose heartbeat is still to come")
	f.grant("worker-0", 11, 4)
	require.Empty(t, f.owner("a"))
}

func TestAHeartbeatThatSaysNothingNewIsHeardAndChangesNoGroup(t *testing.T) {
	f := &feedOf{m: newModel()}
	f.put(store.Heartbeats, "worker-0", record.Heartbeat{Session: 7})
	before, _ := f.m.group()
	first := f.m.heard("worker-0")
	require.False(t, first.IsZero())
	f.put(store.Heartbeats, "worker-0", record.Heartbeat{Session: 7})
	after, _ := f.m.group()
	require.Equal(t, before.seq, after.seq)
	require.True(t, f.m.heard("worker-0").After(first))
	require.Zero(t, f.m.heard("worker-9"))
}

func TestOfTwoRecordsThatNameAPartitionTheHigherEpochCounts(t *testing.T) {
	f := &feedOf{m: newModel()}
	for i, order := range [][]string{{"worker-0", "worker-1"}, {"worker-1", "worker-0"}} {
		id := fmt.Sprint(i)
		versions := map[string]int64{"worker-0": 1, "worker-1": 2}
		for _, w := range order {
			f.grant(w, 5, versions[w], id)
		}
		require.Equal(t, "worker-1/5@2", f.owner(id))
		f.grant("worker-0", 5, 3)
		require.Equal(t, "worker-1/5@2", f.owner(id), "the other gives up what is not its own any more")
	}
	require.Zero(t, f.m.granted-1, "each is counted once: %d", f.m.granted)
}

func TestAGroupDoesNotChangeAndIsPutTogetherOncePerChange(t *testing.T) {
	f := &feedOf{m: newModel()}
	f.put(store.Heartbeats, "worker-0", record.Heartbeat{Session: 7})
	f.grant("worker-0", 7, 1, "a", "b")
	f.synced()
	before, _ := f.m.group()
	f.put(store.Heartbeats, "worker-0", record.Heartbeat{Session: 7})
	same, _ := f.m.group()
	require.Equal(t, before.seq, same.seq, "a heartbeat that says nothing new is no change")
	require.Same(t, &before.Workers[0], &same.Workers[0])
	f.grant("worker-0", 7, 2, "a")
	after, _ := f.m.group()
	require.Len(t, before.Workers[0].Partitions, 2)
	require.Len(t, after.Workers[0].Partitions, 1)
	require.NotEqual(t, before.seq, after.seq)
}

func TestStaleIsTheOldestOfWhatIsNotSeen(t *testing.T) {
	f := &feedOf{m: newModel()}
	f.synced()
	f.m.told(store.Update{Kind: store.UpdateBlind, Since: time.Unix(20, 0)}, store.Heartbeats)
	f.m.told(store.Update{Kind: store.UpdateStale, Since: time.Unix(10, 0)}, store.Assignments)
	require.Equal(t, time.Unix(10, 0), f.m.since())
	f.m.told(store.Update{Kind: store.UpdateSynced}, store.Assignments)
	require.Equal(t, time.Unix(20, 0), f.m.since())
	f.m.told(store.Update{Kind: store.UpdateSynced}, store.Heartbeats)
	require.Zero(t, f.m.since())
}

// large is a group of 1,000 workers and 100,000 partitions.
func large() *feedOf {
	f := &feedOf{m: newModel()}
	for w := range 1000 {
		id := fmt.Sprintf("worker-%d", w)
		f.put(store.StableIDs, id, record.Claim{Session: 5, Host: "host-" + id, Process: w})
		f.put(store.Heartbeats, id, record.Heartbeat{Session: 5, Capacity: 100})
		f.grant(id, 5, 1, partitionsOf(w)...)
	}
	f.synced()
	return f
}

func partitionsOf(w int) (ids []string) {
	for p := range 100 {
		ids = append(ids, fmt.Sprintf("topic.%07d", w*100+p))
	}
	return ids
}

func TestALargeGroupFitsIntoLittleMemory(t *testing.T) {
	var before, after runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&before)
	f := large()
	g, _ := f.m.group()
	runtime.GC()
	runtime.ReadMemStats(&after)
	used := (after.HeapAlloc - min(before.HeapAlloc, after.HeapAlloc)) >> 20
	t.Logf("1,000 workers with 100,000 partitions: %d MB", used)
	require.Len(t, g.Workers, 1000)
	require.Equal(t, 100_000, f.m.granted)
	require.Less(t, used, uint64(300))
	runtime.KeepAlive(f)
}

func BenchmarkOwner(b *testing.B) {
	f := large()
	o := &Observer{}
	o.model.Store(f.m)
	ids := partitionsOf(500)
	i := 0
	b.ReportAllocs()
	for b.Loop() {
		if _, err := o.Owner(ids[i%len(ids)]); err != nil {
			b.Fatal(err)
		}
		i++
	}
}

// BenchmarkUpdate is one record of 100 partitions in a group of 100,000.
func BenchmarkUpdate(b *testing.B) {
	f := large()
	ids := partitionsOf(500)
	i := 0
	for b.Loop() {
		i++
		f.grant("worker-500", 5, int64(1+i%2), ids[:99+i%2]...)
	}
}

func BenchmarkGroupAfterAChange(b *testing.B) {
	f := large()
	ids := partitionsOf(500)
	i := 0
	for b.Loop() {
		i++
		f.grant("worker-500", 5, int64(1+i%2), ids[:99+i%2]...)
		if g, _ := f.m.group(); len(g.Workers) != 1000 {
			b.Fatal(len(g.Workers))
		}
	}
}
