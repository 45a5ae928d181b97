// Copyright The Parti Authors
// SPDX-License-Identifier: Apache-2.0

package web

import (
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/parti-go/parti"
	"github.com/parti-go/parti/internal/record"
	"github.com/parti-go/parti/observe"
)

// replica is a group as a page has it: kept up to date by events alone.
type replica struct {
	seq        float64
	head       map[string]any
	workers    map[string]map[string]any
	partitions map[string]map[string][]any // by worker and ID
}

// begin takes a whole group.
func (r *replica) begin(g map[string]any) {
	*r = replica{seq: g["seq"].(float64), head: maps.Clone(g)}
	r.workers, r.partitions = map[string]map[string]any{}, map[string]map[string][]any{}
	delete(r.head, "workers")
	for _, one := range g["workers"].([]any) {
		w := maps.Clone(one.(map[string]any))
		id := w["id"].(string)
		rows := map[string][]any{}
		for _, p := range w["partitions"].([]any) {
			row := p.([]any)
			rows[row[0].(string)] = row[1:]
		}
		delete(w, "partitions")
		r.workers[id], r.partitions[id] = w, rows
	}
}

// apply takes a delta, in whichever order its parts are.
func (r *replica) apply(d map[string]any) error {
	if d["seq"].(float64) != r.seq+1 {
		return fmt.Errorf("delta %v after %v", d["seq"], r.seq)
	}
	r.seq++
	for _, k := range []string{"seq", "at", "leader", "stale", "unowned", "plan"} {
		if v, given := d[k]; given {
			r.head[k] = v
		}
	}
	list := func(k string) []any { l, _ := d[k].([]any); return l }
	for _, one := range list("workers") {
		w := one.(map[string]any)
		id := w["id"].(string)
		if r.workers[id] == nil {
			r.partitions[id] = map[string][]any{}
		}
		r.workers[id] = w
	}
	for _, id := range list("gone") {
		delete(r.workers, id.(string))
		delete(r.partitions, id.(string))
	}
	for _, one := range list("set") {
		row := one.([]any)
		r.partitions[row[1].(string)][row[0].(string)] = row[2:]
	}
	for _, one := range list("unset") {
		row := one.([]any)
		rows := r.partitions[row[1].(string)]
		if rows[row[0].(string)] == nil {
			return errors.New("what is not there is taken away: " + fmt.Sprint(row))
		}
		delete(rows, row[0].(string))
	}
	return nil
}

func decoded(t *testing.T, b []byte) (v map[string]any) {
	t.Helper()
	require.NoError(t, json.Unmarshal(b, &v), "%s", b)
	return v
}

// chance makes random groups.
type chance struct{ *rand.Rand }

func (c chance) group() observe.Group {
	g := observe.Group{Name: "orders", Bucket: "parti-orders-assignment", Plan: c.plan()}
	for i := range c.IntN(5) {
		g.Workers = append(g.Workers, c.worker(fmt.Sprintf("worker-%d", i)))
	}
	g.Unowned = c.IntN(5)
	return g
}

func (c chance) plan() observe.Plan {
	return observe.Plan{
		Term: 1, Version: int64(c.IntN(3)), Phase: "idle", Strategy: fmt.Sprint(c.IntN(2)), Members: []string{"worker-0"},
		Certificate: record.Certificate{Imbalance: 1.5},
	}
}

func (c chance) worker(id string) observe.Worker {
	w := observe.Worker{
		ID: id, Host: `h"<ö>`, Session: uint64(c.IntN(2)), State: parti.StateStable, Live: c.IntN(2) == 0,
		Ended: time.UnixMilli(int64(1 + c.IntN(2))), Clean: c.IntN(2) == 0,
		Labels: map[string]string{"zone": fmt.Sprint(c.IntN(2))},
	}
	if c.IntN(3) == 0 {
		w.Stuck = []string{"hook since 12:00"}
	}
	for i := range 8 {
		if c.IntN(2) == 0 {
			w.Partitions = append(w.Partitions, c.partition(i))
		}
	}
	return w
}

func (c chance) partition(i int) observe.Partition {
	ids := []string{"a", "b", "c", `d"\`, "e", "f", "g", "ü"}
	return observe.Partition{ID: ids[i], Epoch: int64(c.IntN(2)), Since: time.UnixMilli(int64(1 + c.IntN(2))), Releasing: c.IntN(2) == 0}
}

// change makes a group that differs a little. Lists that stay are the same in memory, as those of an Observer are.
func (c chance) change(g observe.Group) observe.Group {
	g.Workers = slices.Clone(g.Workers)
	for range 1 + c.IntN(3) {
		switch at := c.IntN(len(g.Workers) + 1); {
		case at == len(g.Workers):
			g = c.join(g)
		case c.IntN(4) == 0:
			g.Workers = slices.Delete(g.Workers, at, at+1)
		case c.IntN(2) == 0:
			g.Workers[at].Partitions = c.worker("").Partitions
		default:
			partitions := g.Workers[at].Partitions
			g.Workers[at] = c.worker(g.Workers[at].ID)
			g.Workers[at].Partitions = partitions
		}
	}
	if c.IntN(3) == 0 {
		g.Plan = c.plan()
	}
	if c.IntN(4) == 0 {
		g.Stale = time.UnixMilli(int64(1000 + c.IntN(3)))
	}
	if c.IntN(4) == 0 && len(g.Workers) > 0 {
		g.Leader = g.Workers[0].ID
	}
	return g
}

func (c chance) join(g observe.Group) observe.Group {
	w := c.worker(fmt.Sprintf("worker-%d", c.IntN(9)))
	at, there := slices.BinarySearchFunc(g.Workers, w.ID, func(o observe.Worker, id string) int {
		if o.ID < id {
			return -1
		} else if o.ID > id {
			return 1
		}
		return 0
	})
	if !there {
		g.Workers = slices.Insert(g.Workers, at, w)
	}
	return g
}

// require compares a replica with the whole group of the same number.
func (r *replica) require(t *testing.T, whole []byte) {
	t.Helper()
	var fresh replica
	fresh.begin(decoded(t, whole))
	require.Equal(t, fresh, *r)
}

func TestAGroupAndItsDeltasMakeTheNextGroup(t *testing.T) {
	for seed := range uint64(300) {
		c := chance{rand.New(rand.NewPCG(seed, 1))}
		g := c.group()
		var r replica
		r.begin(decoded(t, encodeGroup(g, 1, 1)))
		for seq := uint64(2); seq < 12; seq++ {
			next := c.change(g)
			d := difference(g, next)
			require.NoError(t, r.apply(decoded(t, d.encode(seq, int64(seq)))), "seed %d", seed)
			r.require(t, encodeGroup(next, seq, int64(seq)))
			same := string(encodeGroup(g, 0, 0)) == string(encodeGroup(next, 0, 0))
			require.Equal(t, same, d.empty(), "seed %d: a difference is empty only where nothing differs", seed)
			g = next
		}
	}
}

func TestWhatHasNotChangedIsNotSaid(t *testing.T) {
	g := sized(3, 30)
	next := g
	next.Workers = slices.Clone(g.Workers)
	next.Workers[1].Partitions = slices.Clone(g.Workers[1].Partitions)
	next.Workers[1].Partitions[4].Epoch++
	d := difference(g, next)
	require.JSONEq(t, `{"seq":2,"at":5,"leader":"worker-000","stale":0,"unowned":0,"set":[["orders.00013","worker-001",2,1764150000000,0]]}`,
		string(d.encode(2, 5)))
	require.False(t, d.empty())
	d = difference(g, g)
	require.True(t, d.empty())
}

// sized is a group of many workers that share many partitions.
func sized(workers, partitions int) observe.Group {
	plan := observe.Plan{Term: 3, Version: 12, Phase: "idle", Lifecycle: "stable", Partitions: partitions}
	g := observe.Group{Name: "orders", Leader: "worker-000", Plan: plan}
	for w := range workers {
		one := observe.Worker{
			ID: fmt.Sprintf("worker-%03d", w), Host: fmt.Sprintf("host-%d", w), Process: w, Session: 9, State: parti.StateStable, Live: true,
			Leader: w == 0, Capacity: 100,
		}
		for p := w; p < partitions; p += workers {
			held := observe.Partition{ID: fmt.Sprintf("orders.%05d", p), Epoch: 1, Since: time.UnixMilli(1764150000000)}
			one.Partitions = append(one.Partitions, held)
		}
		g.Workers = append(g.Workers, one)
	}
	return g
}
