// Copyright The Parti Authors
// SPDX-License-Identifier: Apache-2.0

package model_test

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/parti-go/parti/internal/store"
	"github.com/parti-go/parti/internal/store/model"
)

var start = time.Date(2030, 1, 1, 0, 0, 0, 0, time.UTC)

// world drives a model with random requests and faults, and checks what must always be so.
type world struct {
	t       *testing.T
	rng     *rand.Rand
	m       *model.Store
	now     time.Time
	trace   []string
	asked   map[model.ID]request
	known   map[string]uint64 // the revision that a writer believes in, by bucket and key
	told    map[model.ID]uint64
	winners map[string]model.ID // of a condition
	stopped bool
	copied  *model.Copy
	rolled  bool // revisions may have gone back
}

type request struct {
	kind   model.EventKind
	bucket store.Bucket
	key    string
	over   uint64
	by     time.Time
	batch  []string
}

const within = 2 * time.Second

func newWorld(t *testing.T, seed uint64, replicas int, odds uint16, restores bool) *world {
	cfg := model.Config{Start: start, Replicas: replicas, Latency: time.Millisecond, Jitter: 20 * time.Millisecond, Commit: 10 * time.Millisecond}
	return &world{
		t: t, rng: rand.New(rand.NewPCG(seed, 1)), m: model.New(cfg, model.NewRandom(seed, model.Even(odds))), now: start,
		asked: map[model.ID]request{}, known: map[string]uint64{}, told: map[model.ID]uint64{}, winners: map[string]model.ID{},
		rolled: restores,
	}
}

func name(b store.Bucket, key string) string { return fmt.Sprintf("%d/%s", b, key) }

// step does one random thing, and then lets a random time pass.
func (w *world) step() {
	b, key := store.Bucket(w.rng.IntN(int(store.Buckets))), fmt.Sprintf("worker-%d", w.rng.IntN(5))
	c := model.Client(w.rng.IntN(3))
	switch n := w.rng.IntN(100); {
	case n < 50:
		w.write(c, b, key)
	case n < 56:
		w.batch(c)
	case n < 66:
		w.asked[w.m.Get(w.now, c, b, key, within)] = request{kind: model.Got, bucket: b, key: key, by: w.now.Add(within)}
	case n < 76:
		var keys []string
		if w.rng.IntN(2) == 0 {
			keys = []string{key, "term"}
		}
		w.asked[w.m.List(w.now, c, b, keys, within)] = request{kind: model.Listed, bucket: b, by: w.now.Add(within)}
	case n < 80:
		w.asked[w.m.Info(w.now, c, b, within)] = request{kind: model.Described, bucket: b, by: w.now.Add(within)}
	case n < 88:
		after := w.known[name(b, key)]
		id := w.m.Follow(w.now, c, b, nil, after, time.Second, within)
		w.asked[id] = request{kind: model.Followed, bucket: b, by: w.now.Add(within)}
		w.told[id] = after
	default:
		w.trouble(c, b)
	}
	w.pass(time.Duration(w.rng.IntN(200)) * time.Millisecond)
}

func (w *world) write(c model.Client, b store.Bucket, key string) {
	over := w.known[name(b, key)]
	m := model.Message{Key: key, Value: []byte(fmt.Sprint(len(w.trace))), TTL: time.Duration(w.rng.IntN(4)) * time.Second}
	if w.rng.IntN(6) == 0 {
		m.Kind, m.TTL = store.Deleted, time.Minute
	}
	if w.rng.IntN(8) == 0 {
		over = uint64(w.rng.IntN(50))
	}
	id := w.m.Write(w.now, c, b, m, model.Condition{Revision: over}, within)
	w.asked[id] = request{kind: model.Written, bucket: b, key: key, over: over, by: w.now.Add(within)}
}

func (w *world) batch(c model.Client) {
	var messages []model.Message
	var keys []string
	for i := range 3 {
		key := fmt.Sprintf("batch-%d", i)
		keys = append(keys, key)
		messages = append(messages, model.Message{Key: key, Value: []byte(fmt.Sprint(len(w.trace)))})
	}
	over := w.known[name(store.Assignments, "worker-0")]
	id := w.m.Batch(w.now, c, store.Assignments, messages, model.Condition{Key: "worker-0", Revision: over}, within)
	w.asked[id] = request{kind: model.Written, bucket: store.Assignments, batch: keys, by: w.now.Add(within)}
}

func (w *world) trouble(c model.Client, b store.Bucket) {
	switch n := w.rng.IntN(12); {
	case n < 2:
		w.m.Stall(w.now, c, w.rng.IntN(2) == 0, w.rng.IntN(2) == 0)
	case n < 3:
		w.m.Cut(w.now, c)
	case n < 7:
		w.m.Heal(w.now, c)
	case n < 8:
		w.m.Elect(w.now, b, w.now.Add(time.Duration(w.rng.IntN(3000))*time.Millisecond))
	case n < 9:
		w.m.Purge(w.now, b)
	case n < 10 && w.rng.IntN(4) == 0:
		w.m.Delete(w.now, b)
	case n < 11:
		_ = w.m.Create(w.now, b) // it may exist
	case w.stopped:
		if w.rolled && w.copied != nil {
			require.NoError(w.t, w.m.Restore(w.now, *w.copied))
			w.copied = nil
		}
		w.m.Start(w.now)
		w.stopped = false
	default:
		w.m.Stop(w.now)
		w.stopped = true
		if w.rng.IntN(2) == 0 {
			copied := w.m.Copy()
			w.copied = &copied
		}
	}
}

// pass lets time pass, event by event.
func (w *world) pass(d time.Duration) {
	for until := w.now.Add(d); ; {
		at, ok := w.m.Next()
		if !ok || at.After(until) {
			at = until
		}
		require.False(w.t, at.Before(w.now), "time goes back")
		w.now = at
		for _, e := range w.m.Advance(w.now, nil) {
			w.trace = append(w.trace, e.String())
			w.heard(e)
		}
		if !at.Before(until) {
			return
		}
	}
}

func (w *world) heard(e model.Event) {
	require.Equal(w.t, w.now, e.At, e.String())
	switch e.Kind {
	case model.Delivered:
		require.Greater(w.t, e.Entry.Revision, w.told[e.ID], "a feed goes back: %s", e)
		w.told[e.ID] = e.Entry.Revision
		return
	case model.Lost:
		require.Contains(w.t, w.told, e.ID, "a feed that was lost twice, or never began: %s", e)
		delete(w.told, e.ID)
		return
	case model.Written, model.Got, model.Listed, model.Described, model.Followed:
	}
	r, ok := w.asked[e.ID]
	require.True(w.t, ok, "an answer without a request, or a second one: %s", e)
	require.Equal(w.t, r.kind, e.Kind)
	require.False(w.t, e.At.After(r.by), "an answer after the deadline: %s", e)
	delete(w.asked, e.ID)
	switch {
	case e.Outcome != model.Applied:
		if e.Kind == model.Followed {
			delete(w.told, e.ID)
		}
	case e.Kind == model.Written:
		w.written(r, e)
	case e.Kind == model.Got && !e.None:
		w.known[name(e.Bucket, e.Entry.Key)] = e.Entry.Revision
	case e.Kind == model.Got:
		w.known[name(r.bucket, r.key)] = 0
	case e.Kind == model.Listed:
		require.True(w.t, slices.IsSortedFunc(e.Entries, func(a, b store.Entry) int { return int(a.Revision) - int(b.Revision) }))
		for _, entry := range e.Entries {
			require.LessOrEqual(w.t, entry.Revision, e.Revision, "a listing shows more than it knows: %s", e)
		}
	}
}

// written: a revision is the condition of one write only, and no write has a revision that another one has.
func (w *world) written(r request, e model.Event) {
	if r.batch != nil {
		for i, key := range r.batch {
			w.known[name(r.bucket, key)] = e.Revision - uint64(len(r.batch)-1-i)
		}
		return
	}
	w.known[name(r.bucket, r.key)] = e.Revision
	if w.rolled {
		return
	}
	require.Greater(w.t, e.Revision, r.over)
	if r.over > 0 {
		won := fmt.Sprint(name(r.bucket, r.key), "@", r.over)
		require.NotContains(w.t, w.winners, won, "two writes over one revision: %s", e)
		w.winners[won] = e.ID
	}
	made := fmt.Sprint(r.bucket, "=", e.Revision)
	require.NotContains(w.t, w.winners, made, "a revision is used twice: %s", e)
	w.winners[made] = e.ID
}

// TestWhateverHappensEveryRequestIsAnsweredOnceAndConditionsHold lives random lives with every fault.
func TestWhateverHappensEveryRequestIsAnsweredOnceAndConditionsHold(t *testing.T) {
	for seed := range uint64(150) {
		w := newWorld(t, seed, 1+2*int(seed%2), uint16(seed%7)*3000, seed%5 == 0)
		for range 300 {
			w.step()
		}
		w.pass(time.Minute)
		require.Empty(t, w.asked, "seed %d: requests that were never answered", seed)
	}
}

func TestTheSameSeedGivesTheSameEventsByteForByte(t *testing.T) {
	for seed := range uint64(8) {
		var traces [2]string
		for i := range traces {
			w := newWorld(t, seed, 3, 8000, true)
			for range 500 {
				w.step()
			}
			w.pass(time.Minute)
			traces[i] = strings.Join(w.trace, "\n")
		}
		require.NotEmpty(t, traces[0])
		require.Equal(t, traces[0], traces[1], "seed %d", seed)
	}
}

// TestABatchIsWholeForEveryReader: no listing and no feed ever shows messages of two batches.
func TestABatchIsWholeForEveryReader(t *testing.T) {
	keys, whole := []string{"a", "b", "c"}, 0
	for seed := range uint64(60) {
		cfg := model.Config{Start: start, Replicas: 3, Latency: time.Millisecond, Jitter: 30 * time.Millisecond, Commit: 20 * time.Millisecond, Window: 3 * len(keys)}
		m, now := model.New(cfg, model.NewRandom(seed, model.Even(20000))), start
		m.Write(now, 0, store.Assignments, model.Message{Key: "term"}, model.Condition{}, 0)
		for i := range 200 {
			now = now.Add(7 * time.Millisecond)
			for _, e := range m.Advance(now, nil) {
				if e.Kind != model.Listed || e.None || e.Outcome != model.Applied {
					continue
				}
				require.Contains(t, []int{0, len(keys)}, len(e.Entries), "seed %d: %s", seed, e)
				for _, entry := range e.Entries {
					require.Equal(t, e.Entries[0].Value, entry.Value, "seed %d: %s", seed, e)
				}
				whole++
			}
			var messages []model.Message
			for _, key := range keys {
				messages = append(messages, model.Message{Key: key, Value: []byte(fmt.Sprint(i))})
			}
			term := uint64(start.UnixMilli())
			m.Batch(now, model.Client(i%4), store.Assignments, messages, model.Condition{Key: "term", Revision: term}, 0)
			m.List(now, 9, store.Assignments, keys, 0)
		}
	}
	require.Greater(t, whole, 500, "nothing was seen")
}
