// Copyright The Parti Authors
// SPDX-License-Identifier: Apache-2.0

package model_test

import (
	"fmt"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/parti-go/parti/internal/store"
	"github.com/parti-go/parti/internal/store/model"
)

// plain is what the benign model must be: a map, and a counter. It knows lifetimes, and nothing of networks.
type plain struct {
	last    uint64
	entries map[string]plainEntry
}

type plainEntry struct {
	revision uint64
	kind     store.Kind
	value    string
	expires  time.Time // zero for never
}

// end lets everything expire that is over at now, in the order in which it is.
func (p *plain) end(now time.Time) {
	for {
		first := ""
		for key, e := range p.entries {
			if e.expires.IsZero() || e.expires.After(now) {
				continue
			}
			f, ok := p.entries[first]
			if !ok || e.expires.Before(f.expires) || e.expires.Equal(f.expires) && e.revision < f.revision {
				first = key
			}
		}
		e, ok := p.entries[first]
		if !ok {
			return
		}
		if e.kind != store.Put {
			delete(p.entries, first)
			continue
		}
		p.last++
		p.entries[first] = plainEntry{revision: p.last, kind: store.Expired, expires: e.expires.Add(time.Hour)}
	}
}

func (p *plain) write(now time.Time, messages []model.Message, key string, revision uint64) (model.Outcome, uint64) {
	if p.entries[key].revision != revision {
		return model.Refused, 0
	}
	for _, m := range messages {
		p.last++
		e := plainEntry{revision: p.last, kind: m.Kind, value: string(m.Value)}
		if m.TTL > 0 {
			e.expires = now.Add(m.TTL)
		}
		p.entries[m.Key] = e
	}
	return model.Applied, p.last
}

func (p *plain) line(key string) string {
	e, ok := p.entries[key]
	if !ok {
		return "nothing"
	}
	return fmt.Sprintf("%s@%d %d %q", key, e.revision, e.kind, e.value)
}

// TestTheBenignModelIsAMapWithRevisions: a random script gives what the plain map gives.
func TestTheBenignModelIsAMapWithRevisions(t *testing.T) {
	for seed := range uint64(200) {
		rng, now := rand.New(rand.NewPCG(seed, 2)), start
		m := model.New(model.Config{Start: start}, model.Benign{})
		p := &plain{last: uint64(start.UnixMilli()) - 1, entries: map[string]plainEntry{}}
		one := func(id model.ID) (answer model.Event) {
			for _, e := range m.Advance(now, nil) {
				require.Equal(t, id, e.ID)
				answer = e
			}
			return answer
		}
		for step := range 500 {
			now = now.Add(time.Duration(rng.IntN(900)) * time.Millisecond)
			require.Empty(t, m.Advance(now, nil))
			p.end(now)
			key := fmt.Sprintf("key-%d", rng.IntN(6))
			if rng.IntN(4) == 0 {
				e := one(m.Get(now, 0, store.Assignments, key, 0))
				got := "nothing"
				if !e.None {
					got = fmt.Sprintf("%s@%d %d %q", key, e.Entry.Revision, e.Entry.Kind, e.Entry.Value)
				}
				require.Equal(t, p.line(key), got, "seed %d, step %d", seed, step)
				continue
			}
			when := model.Condition{Revision: p.entries[key].revision}
			if rng.IntN(3) == 0 {
				when.Revision += uint64(rng.IntN(3)) - 1
			}
			messages := []model.Message{{Key: key, Value: fmt.Append(nil, step), TTL: time.Duration(rng.IntN(4)) * time.Second}}
			if rng.IntN(5) == 0 {
				messages[0] = model.Message{Key: key, Kind: store.Deleted, TTL: 5 * time.Second}
			}
			var e model.Event
			if rng.IntN(4) == 0 {
				when.Key = "key-0"
				when.Revision = p.entries["key-0"].revision
				messages[0].Key = "key-1"
				messages = append(messages, model.Message{Key: "key-2"}, model.Message{Key: "key-3"})
				e = one(m.Batch(now, 0, store.Assignments, messages, when, 0))
			} else {
				e = one(m.Write(now, 0, store.Assignments, messages[0], when, 0))
			}
			if when.Key == "" {
				when.Key = key
			}
			outcome, revision := p.write(now, messages, when.Key, when.Revision)
			require.Equal(t, outcome, e.Outcome, "seed %d, step %d", seed, step)
			require.Equal(t, revision, e.Revision, "seed %d, step %d", seed, step)
		}
	}
}

func BenchmarkRenewals(b *testing.B) {
	for _, replicas := range []int{1, 3} {
		b.Run(fmt.Sprintf("replicas=%d", replicas), func(b *testing.B) { benchmark(b, replicas, 0) })
	}
	b.Run("followed", func(b *testing.B) { benchmark(b, 1, 1) })
}

// benchmark renews a thousand heartbeats, one after the other, as often as it goes.
func benchmark(b *testing.B, replicas, feeds int) {
	const n = 1000
	m := model.New(model.Config{Start: start, Replicas: replicas}, model.Benign{})
	now := start
	var keys [n]string
	var revisions [n]uint64
	for i := range keys {
		keys[i] = fmt.Sprintf("worker-%d", i)
	}
	for range feeds {
		m.Follow(now, 1, store.Heartbeats, nil, 0, time.Second, 0)
	}
	out := m.Advance(now, nil)
	b.ReportAllocs()
	b.ResetTimer()
	for i := range b.N {
		k := i % n
		now = now.Add(time.Millisecond)
		out = m.Advance(now, out[:0])
		m.Write(now, model.Client(k), store.Heartbeats, model.Message{Key: keys[k], TTL: 6 * time.Second}, model.Condition{Revision: revisions[k]}, 0)
		out = m.Advance(now, out[:0])
		for j := range out {
			if out[j].Kind != model.Written {
				continue
			}
			if out[j].Outcome != model.Applied {
				b.Fatal(out[j])
			}
			revisions[k] = out[j].Revision
		}
	}
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "ops/s")
}
