// Copyright The Parti Authors
// SPDX-License-Identifier: Apache-2.0

package ledger

import (
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/parti-go/parti/strategy"
)

func list(n int) []strategy.Partition {
	var l []strategy.Partition
	for i := range n {
		l = append(l, strategy.Partition{Keys: []string{fmt.Sprintf("p%02d", i)}})
	}
	return l
}

// dice say what happens next: a random number generator, or bytes that a fuzzer chooses.
type dice interface{ IntN(n int) int }

// world is a model of workers that obey their records, and of a store, for the ledger to lead. It is the oracle: at each
// step it asks that nothing runs twice and that epochs and versions grow.
type world struct {
	t       *testing.T
	dice    dice
	ledger  *Ledger
	store   map[string]Record
	session map[string]uint64 // live
	ended   map[string]uint64 // over, and the ledger has not heard
	next    uint64
	runs    map[string]string // partition: worker/session that runs it
	epochs  map[string]int64  // partition: the highest that a worker was told
	granted map[string]int64  // partition: the highest that is stored
	applied map[string]int64
	holding map[string][]string // partitions that a worker was asked to let go and still runs
	eager   bool                // handlers return at once
	pending *Write
	stored  int // how many messages of the pending write are in the store; the ledger hears of it after the last
	parts   int
	term    uint64
	version int64
}

func newWorld(t *testing.T, d dice) *world {
	w := &world{
		t: t, dice: d, ledger: New(1, 0), store: map[string]Record{}, session: map[string]uint64{}, ended: map[string]uint64{},
		runs: map[string]string{}, epochs: map[string]int64{}, granted: map[string]int64{}, applied: map[string]int64{}, holding: map[string][]string{}, parts: 6,
	}
	w.ledger.SetPartitions(list(w.parts))
	return w
}

func (w *world) workerName() string { return fmt.Sprintf("w%d", w.dice.IntN(5)) }

func (w *world) step() {
	id := w.workerName()
	before := w.ledger.Version()
	switch w.dice.IntN(15) {
	case 0: // a new session, after which the old one does not run
		w.kill(id)
		w.begin(id)
	case 1: // a death
		w.kill(id)
		w.hear(id)
	case 2: // old news
		if s := uint64(1 + w.dice.IntN(int(w.next)+1)); s < w.session[id] {
			w.ledger.SessionSeen(id, s, 1<<40)
		}
	case 3, 4, 5, 6: // a worker reads its record, obeys, reports
		w.obey(id)
	case 7:
		w.target()
	case 8:
		w.parts = 1 + w.dice.IntN(12)
		w.ledger.SetPartitions(list(w.parts))
	case 9:
		w.takeover()
	case 10: // a death that the ledger does not hear of yet
		w.kill(id)
	case 11:
		w.hear(id)
	default:
		w.write()
	}
	if w.ledger.Version() < before { // cheaper than to require it, with each of millions of steps
		w.t.Fatalf("the version falls from %d to %d", before, w.ledger.Version())
	}
	if err := w.ledger.valid(); err != nil {
		w.t.Fatal(err)
	}
}

func (w *world) begin(id string) {
	w.next++
	w.session[id], w.applied[id], w.holding[id] = w.next, 0, nil
	delete(w.ended, id) // a higher session ends the lower ones
	w.ledger.SessionSeen(id, w.next, 0)
}

func (w *world) hear(id string) {
	if s, ok := w.ended[id]; ok {
		delete(w.ended, id)
		w.ledger.SessionEnded(id, s)
	}
}

func (w *world) kill(id string) {
	for p, who := range w.runs {
		if who == w.who(id) {
			delete(w.runs, p)
		}
	}
	if s, ok := w.session[id]; ok {
		w.ended[id] = s
	}
	delete(w.session, id)
}

func (w *world) who(id string) string { return fmt.Sprintf("%s/%d", id, w.session[id]) }

func (w *world) obey(id string) {
	s, live := w.session[id]
	r, ok := w.store[id]
	if !live || !ok || r.Session != s {
		return
	}
	me, owned := w.who(id), map[string]bool{}
	for _, o := range r.Owned {
		owned[o.Partition] = true
	}
	for _, p := range slices.Sorted(maps.Keys(w.runs)) {
		if w.runs[p] == me && !owned[p] && (w.eager || w.dice.IntN(4) > 0) {
			delete(w.runs, p)
		}
	}
	for _, o := range r.Owned {
		if who, running := w.runs[o.Partition]; running {
			if who != me {
				w.t.Fatalf("%s runs twice: for %s and for %s", o.Partition, who, me)
			}
			continue
		}
		require.Greater(w.t, o.Epoch, w.epochs[o.Partition], "epoch of %s", o.Partition)
		w.runs[o.Partition], w.epochs[o.Partition] = me, o.Epoch
	}
	w.applied[id] = r.Version
	w.holding[id] = nil
	for p, who := range w.runs {
		if who == me && !owned[p] {
			w.holding[id] = append(w.holding[id], p)
		}
	}
	slices.Sort(w.holding[id])
	w.ledger.SessionSeen(id, s, r.Version, w.holding[id]...)
}

func (w *world) target() {
	target := map[string]string{}
	for _, p := range list(w.parts) {
		if w.dice.IntN(8) > 0 {
			target[p.ID()] = w.workerName()
		}
	}
	w.ledger.SetTarget(target)
	var members []string
	for i := range 5 {
		if w.dice.IntN(4) > 0 {
			members = append(members, fmt.Sprintf("w%d", i))
		}
	}
	w.ledger.SetMembers(members)
}

// write takes the next step of a write: propose, store message by message, hear that it is stored. Other steps may come
// between.
func (w *world) write() {
	if w.pending != nil {
		if total := len(w.pending.Records) + len(w.pending.Remove); w.stored < total {
			w.put(1 + w.dice.IntN(total-w.stored))
			return
		}
		w.ledger.Stored(*w.pending)
		w.pending, w.stored = nil, 0
		return
	}
	if p, ok := w.ledger.Propose(); ok {
		require.Greater(w.t, p.Version, w.version)
		again, _ := w.ledger.Propose()
		require.Equal(w.t, p, again)
		for _, g := range p.Grants {
			require.NotContains(w.t, w.runs, g.Partition, "granted to %s while it runs", g.Worker)
		}
		w.pending = &p
	}
}

// put stores the next messages of the pending write. The last of them stores the plan. What only removes records is
// stored whole: no group is so large that it would not be.
func (w *world) put(messages int) {
	p := w.pending
	if len(p.Records) == 0 && messages > 0 {
		messages = len(p.Remove)
	}
	for range messages {
		if w.stored < len(p.Records) {
			r := p.Records[w.stored]
			before := w.store[r.Worker]
			w.store[r.Worker] = r
			for _, o := range r.Owned {
				if before.Session == r.Session && slices.Contains(before.Owned, o) {
					continue // not a grant: that of a session that has ended may have gone on to another since
				}
				require.GreaterOrEqual(w.t, o.Epoch, w.granted[o.Partition], "epoch of %s", o.Partition)
				w.granted[o.Partition] = o.Epoch
			}
		} else {
			delete(w.store, p.Remove[w.stored-len(p.Records)])
		}
		w.stored++
	}
	if w.stored == len(p.Records)+len(p.Remove) {
		w.version = p.Version
	}
}

// takeover restores a new ledger from the store. A write under way is lost, or was stored as far as it got without the
// old leader learning of it.
func (w *world) takeover() {
	if w.pending != nil {
		if left := len(w.pending.Records) + len(w.pending.Remove) - w.stored; left > 0 {
			w.put(w.dice.IntN(left + 1))
		}
	}
	w.pending, w.stored = nil, 0
	w.term++
	w.ledger = New(w.term, w.version)
	for _, r := range w.store {
		w.ledger.Restore(r)
	}
	w.ledger.SetPartitions(list(w.parts))
	for id, s := range w.session {
		w.ledger.SessionSeen(id, s, w.applied[id], w.holding[id]...)
	}
	for id, r := range w.store {
		if w.session[id] != r.Session {
			w.ledger.SessionEnded(id, r.Session)
		}
	}
	clear(w.ended)
}

func TestNoPartitionEverRunsTwiceAndEverythingIsOwnedInTheEnd(t *testing.T) {
	for seed := range uint64(3000) {
		w := newWorld(t, rand.New(rand.NewPCG(seed, 1)))
		for range 150 {
			w.step()
		}
		w.calm(fmt.Sprintf("seed %d", seed))
	}
}

// bytesDice takes each decision from one byte, and the first of each choice when there are no more.
type bytesDice struct{ left []byte }

func (d *bytesDice) IntN(n int) int {
	if len(d.left) == 0 {
		return 0
	}
	b := d.left[0]
	d.left = d.left[1:]
	return int(b) % n
}

// FuzzNoPartitionEverRunsTwice leads the same world by bytes.
func FuzzNoPartitionEverRunsTwice(f *testing.F) {
	for seed := range uint64(8) {
		rng := rand.New(rand.NewPCG(seed, 2))
		events := make([]byte, 300)
		for i := range events {
			events[i] = byte(rng.IntN(256))
		}
		f.Add(events)
	}
	f.Fuzz(func(t *testing.T, events []byte) {
		d := &bytesDice{events[:min(len(events), 2000)]}
		w := newWorld(t, d)
		for len(d.left) > 0 {
			w.step()
		}
		w.calm(fmt.Sprintf("%d bytes", len(events)))
	})
}

// calm lets everybody live and obey, and asks that everything has its target for owner.
func (w *world) calm(life string) {
	w.eager = true
	target, members := map[string]string{}, []string{"w0", "w1", "w2"}
	for i, p := range list(w.parts) {
		target[p.ID()] = members[i%3]
	}
	for i := range 5 {
		w.hear(fmt.Sprintf("w%d", i))
	}
	for _, m := range members {
		if _, ok := w.session[m]; !ok {
			w.begin(m)
		}
	}
	w.ledger.SetTarget(target)
	w.ledger.SetMembers(members)
	for range 60 {
		w.write()
		for i := range 5 {
			w.obey(fmt.Sprintf("w%d", i))
		}
	}
	_, more := w.ledger.Propose()
	require.False(w.t, more, life)
	require.Empty(w.t, w.ledger.Pending(), life)
	require.Len(w.t, w.runs, w.parts, life)
	for p, who := range w.runs {
		require.Equal(w.t, w.who(target[p]), who, life)
	}
}
