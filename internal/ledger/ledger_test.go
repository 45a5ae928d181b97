package ledger

import (
	"fmt"
	"math/rand/v2"
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

// world is a model of workers that obey their records, and of a store, for the ledger to lead.
type world struct {
	t       *testing.T
	rng     *rand.Rand
	ledger  *Ledger
	store   map[string]Record
	session map[string]uint64 // live
	next    uint64
	runs    map[string]string // partition: worker/session that runs it
	epochs  map[string]int64
	applied map[string]int64
	pending *Write
	stored  bool // the pending write is in the store, and the ledger has not heard
	parts   int
	term    uint64
	version int64
}

func (w *world) workerName() string { return fmt.Sprintf("w%d", w.rng.IntN(5)) }

func (w *world) step() {
	id := w.workerName()
	switch w.rng.IntN(13) {
	case 0: // a new session, after which the old one does not run
		w.kill(id)
		w.next++
		w.session[id], w.applied[id] = w.next, 0
		w.ledger.SessionSeen(id, w.next, 0)
	case 1: // a death
		if s, ok := w.session[id]; ok {
			w.kill(id)
			w.ledger.SessionEnded(id, s)
		}
	case 2: // old news
		if w.next > 0 {
			if s := 1 + w.rng.Uint64N(w.next); s < w.session[id] {
				w.ledger.SessionSeen(id, s, 1<<40)
			}
		}
	case 3, 4, 5, 6: // a worker reads its record, obeys, reports
		w.obey(id)
	case 7:
		w.target()
	case 8:
		w.parts = 1 + w.rng.IntN(12)
		w.ledger.SetPartitions(list(w.parts))
	case 9:
		w.takeover()
	default:
		w.write()
	}
	require.NoError(w.t, w.ledger.valid())
}

func (w *world) kill(id string) {
	for p, who := range w.runs {
		if who == w.who(id) {
			delete(w.runs, p)
		}
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
	owned := map[string]bool{}
	for _, o := range r.Owned {
		owned[o.Partition] = true
	}
	for p, who := range w.runs {
		if who == w.who(id) && !owned[p] {
			delete(w.runs, p)
		}
	}
	for _, o := range r.Owned {
		if who, running := w.runs[o.Partition]; running {
			require.Equal(w.t, w.who(id), who, "%s runs twice", o.Partition)
			continue
		}
		require.Greater(w.t, o.Epoch, w.epochs[o.Partition], "epoch of %s", o.Partition)
		w.runs[o.Partition], w.epochs[o.Partition] = w.who(id), o.Epoch
	}
	w.applied[id] = r.Version
	w.ledger.SessionSeen(id, s, r.Version)
}

func (w *world) target() {
	target := map[string]string{}
	for _, p := range list(w.parts) {
		if w.rng.IntN(8) > 0 {
			target[p.ID()] = w.workerName()
		}
	}
	w.ledger.SetTarget(target)
	var members []string
	for i := range 5 {
		if w.rng.IntN(4) > 0 {
			members = append(members, fmt.Sprintf("w%d", i))
		}
	}
	w.ledger.SetMembers(members)
}

// write takes the next step of a write: propose, store, hear that it is stored. Other steps may come between.
func (w *world) write() {
	if w.pending != nil {
		if !w.stored {
			w.put(*w.pending)
			w.stored = true
			return
		}
		w.ledger.Stored(*w.pending)
		w.pending, w.stored = nil, false
		return
	}
	if p, ok := w.ledger.Propose(); ok {
		require.Greater(w.t, p.Version, w.version)
		again, _ := w.ledger.Propose()
		require.Equal(w.t, p, again)
		w.pending = &p
	}
}

func (w *world) put(p Write) {
	w.version = p.Version
	for _, r := range p.Records {
		w.store[r.Worker] = r
	}
	for _, id := range p.Remove {
		delete(w.store, id)
	}
}

// takeover restores a new ledger from the store. A write under way is lost, or was stored without the old leader
// learning of it.
func (w *world) takeover() {
	if w.pending != nil && !w.stored && w.rng.IntN(2) == 0 {
		w.put(*w.pending)
	}
	w.pending, w.stored = nil, false
	w.term++
	w.ledger = New(w.term, w.version)
	for _, r := range w.store {
		w.ledger.Restore(r)
	}
	w.ledger.SetPartitions(list(w.parts))
	for id, s := range w.session {
		w.ledger.SessionSeen(id, s, w.applied[id])
	}
	for id, r := range w.store {
		if w.session[id] != r.Session {
			w.ledger.SessionEnded(id, r.Session)
		}
	}
}

func TestNoPartitionEverRunsTwiceAndEverythingIsOwnedInTheEnd(t *testing.T) {
	for seed := range uint64(3000) {
		w := &world{
			t: t, rng: rand.New(rand.NewPCG(seed, 1)), ledger: New(1, 0), store: map[string]Record{}, session: map[string]uint64{},
			runs: map[string]string{}, epochs: map[string]int64{}, applied: map[string]int64{}, parts: 6,
		}
		w.ledger.SetPartitions(list(w.parts))
		for range 150 {
			w.step()
		}
		w.calm(seed)
	}
}

// calm lets everybody live and obey, and asks that everything has its target for owner.
func (w *world) calm(seed uint64) {
	target, members := map[string]string{}, []string{"w0", "w1", "w2"}
	for i, p := range list(w.parts) {
		target[p.ID()] = members[i%3]
	}
	for _, m := range members {
		if _, ok := w.session[m]; !ok {
			w.next++
			w.session[m] = w.next
			w.ledger.SessionSeen(m, w.next, 0)
		}
	}
	w.ledger.SetTarget(target)
	w.ledger.SetMembers(members)
	for range 40 {
		w.write()
		for i := range 5 {
			w.obey(fmt.Sprintf("w%d", i))
		}
	}
	_, more := w.ledger.Propose()
	require.False(w.t, more, "seed %d", seed)
	require.Len(w.t, w.runs, w.parts, "seed %d", seed)
	for p, who := range w.runs {
		require.Equal(w.t, w.who(target[p]), who, "seed %d", seed)
	}
}
