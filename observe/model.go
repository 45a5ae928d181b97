// Copyright The Parti Authors
// SPDX-License-Identifier: Apache-2.0

package observe

import (
	"maps"
	"slices"
	"sync"
	"time"

	"github.com/parti-go/parti/internal/record"
	"github.com/parti-go/parti/internal/store"
)

// model is the content of the feeds. An update costs as much as it changes. A Group is built when somebody asks for it.
type model struct {
	name, bucket string // of the group

	mu      sync.RWMutex
	workers map[string]*worker
	owners  map[string]holding // by partition
	plan    Plan
	damped  map[string]time.Time
	term    record.Term
	granted int // partitions of live sessions that are listed
	synced  [4]bool
	stale   [4]time.Time
	failed  time.Time // since when there is no feed at all
	ready   chan struct{}

	seq     uint64
	changed chan struct{} // closed with the next change
	last    *Group        // of seq; nil for none
}

// worker is a worker with its records. A record counts while its session may live.
type worker struct {
	id         string
	claim      record.Claim
	claimed    uint64 // the session of the claim; 0 for none
	beat       record.Heartbeat
	live       bool
	heard      time.Time // when the newest heartbeat was stored
	ended      time.Time // when it was last live; zero where that is not known
	clean      bool      // it ended by itself
	gone       uint64    // the highest session of which a complete list shows no heartbeat
	session    uint64    // of the record
	partitions []Partition
	counts     bool
}

// holding is the newest record that names a partition.
type holding struct {
	worker *worker
	at     int // in its partitions
}

func newModel() *model {
	return &model{
		workers: map[string]*worker{}, owners: map[string]holding{}, ready: make(chan struct{}), changed: make(chan struct{}),
	}
}

// counted reports whether the grants of the record count as owned. A feed may deliver a heartbeat later than the record that
// grants partitions to its session, so a session without a heartbeat so far counts. A session that has ended does not count.
func (w *worker) counted() bool {
	if w.live {
		return w.session >= w.beat.Session
	}
	return w.session > max(w.beat.Session, w.gone)
}

// told applies one update of a feed.
func (m *model) told(u store.Update, b store.Bucket) {
	m.mu.Lock()
	defer m.mu.Unlock()
	changed := false
	switch u.Kind {
	case store.UpdateSynced:
		changed = m.sync(b)
	case store.UpdateBlind, store.UpdateStale:
		m.stale[b], changed = u.Since, true
	default:
		switch b {
		case store.StableIDs:
			changed = m.claimed(u)
		case store.Heartbeats:
			changed = m.beat(u)
		case store.Assignments:
			changed = m.assigned(u)
		default: // who should try to lead is nobody's promise: only a term makes a leader
		}
	}
	if changed {
		m.change()
	}
}

func (m *model) change() {
	m.seq++
	m.last = nil
	close(m.changed)
	m.changed = make(chan struct{})
}

// sync notes that a bucket was listed completely.
func (m *model) sync(b store.Bucket) (changed bool) {
	before := m.stale[b]
	m.stale[b], m.failed = time.Time{}, time.Time{}
	first := !m.synced[b]
	m.synced[b] = true
	if m.synced[store.Heartbeats] && (first || b == store.Heartbeats) {
		for _, w := range m.workers {
			if !w.live && w.session > w.gone {
				w.gone, changed = w.session, true
				m.recount(w)
			}
		}
	}
	if first && m.synced[store.StableIDs] && m.synced[store.Heartbeats] && m.synced[store.Assignments] {
		close(m.ready)
	}
	return changed || first || !before.IsZero()
}

func (m *model) worker(id string) *worker {
	w := m.workers[id]
	if w == nil {
		w = &worker{id: id}
		m.workers[id] = w
	}
	return w
}

// recount notes whether the partitions of a worker count.
func (m *model) recount(w *worker) {
	counts := w.counted()
	if counts == w.counts {
		return
	}
	by := -1
	if w.counts = counts; counts {
		by = 1
	}
	for i, p := range w.partitions {
		if h := m.owners[p.ID]; h.worker == w && h.at == i && !p.Unlisted {
			m.granted += by
		}
	}
}

func (m *model) claimed(u store.Update) bool {
	w := m.worker(u.Entry.Key)
	var c record.Claim
	var session uint64
	if u.Kind == store.UpdatePut {
		var err error
		if c, err = record.DecodeClaim(u.Entry.Value); err != nil {
			return false
		}
		if session = c.Session; session == 0 { // the first claim: its revision is the number
			session = u.Entry.Revision
		}
	}
	changed := c != w.claim || session != w.claimed
	w.claim, w.claimed = c, session
	m.forget(w)
	return changed
}

// forget drops a worker of which nothing is left.
func (m *model) forget(w *worker) {
	if !w.live && w.partitions == nil && w.claimed == 0 {
		delete(m.workers, w.id)
	}
}

func (m *model) beat(u store.Update) bool {
	w := m.worker(u.Entry.Key)
	if u.Kind != store.UpdatePut {
		was := w.live
		w.live = false
		if was {
			w.ended, w.clean = u.Entry.Created, u.Kind == store.UpdateDeleted
		}
		w.gone = max(w.gone, w.beat.Session)
		m.recount(w)
		m.forget(w)
		return was
	}
	h, err := record.DecodeHeartbeat(u.Entry.Value)
	if err != nil {
		return false
	}
	w.heard = u.Entry.Created
	changed := !w.live || !sameBeat(h, w.beat)
	w.live, w.beat, w.ended, w.clean = true, h, time.Time{}, false
	m.recount(w)
	return changed
}

// sameBeat compares what a Group shows of a heartbeat.
func sameBeat(a, b record.Heartbeat) bool {
	return a.Session == b.Session && a.Applied == b.Applied && a.Leaving == b.Leaving && a.Cordoned == b.Cordoned &&
		a.Capacity == b.Capacity && maps.Equal(a.Labels, b.Labels) && slices.Equal(a.Stuck, b.Stuck)
}

func (m *model) assigned(u store.Update) bool {
	put := u.Kind == store.UpdatePut
	switch u.Entry.Key {
	case store.TermKey:
		t, err := record.DecodeTerm(u.Entry.Value)
		if !put || err != nil {
			return false
		}
		m.term = t
		return true
	case store.PlanKey:
		p, err := record.DecodePlan(u.Entry.Value)
		if !put || err != nil {
			return false
		}
		m.planned(p, u.Entry.Created)
		return true
	}
	var a record.Assignment
	if put {
		var err error
		if a, err = record.DecodeAssignment(u.Entry.Value); err != nil || a.Worker != u.Entry.Key {
			return false // of a newer release, damaged, or nobody's: what was told before stands
		}
	}
	m.record(m.worker(u.Entry.Key), a, u.Entry.Created)
	return true
}

func (m *model) planned(p record.Plan, stored time.Time) {
	m.plan = Plan{
		Term: p.Term, Version: p.Version, Phase: string(p.Phase), Lifecycle: string(p.Lifecycle), Members: p.Members,
		Partitions: p.Partitions, Stored: stored, Certificate: p.Certificate, Strategy: p.Strategy,
	}
	m.damped = nil
	for _, d := range p.Damped {
		if m.damped == nil {
			m.damped = map[string]time.Time{}
		}
		m.damped[d.Worker] = d.Until
	}
}

// record replaces the partitions of a worker.
func (m *model) record(w *worker, a record.Assignment, stored time.Time) {
	since := make(map[string]Partition, len(w.partitions))
	for i, p := range w.partitions {
		since[p.ID] = p
		if h := m.owners[p.ID]; h.worker == w && h.at == i {
			m.disown(p, w)
		}
	}
	w.session, w.partitions = a.Session, nil
	if n := len(a.Owned) + len(a.Releasing); n > 0 {
		w.partitions = make([]Partition, 0, n)
	}
	add := func(id string, weight, epoch int64, releasing, unlisted bool) {
		p := Partition{ID: id, Weight: weight, Epoch: epoch, Releasing: releasing, Unlisted: unlisted}
		if before := since[id]; before.Epoch == epoch {
			p.Since, p.ID = before.Since, before.ID
		} else if epoch == a.Version {
			p.Since = stored
		}
		w.partitions = append(w.partitions, p)
	}
	for _, o := range a.Owned {
		add(o.Partition, o.Weight, o.Epoch, false, false)
	}
	for _, o := range a.Releasing {
		add(o.Partition, o.Weight, o.Epoch, true, o.Unlisted)
	}
	slices.SortFunc(w.partitions, func(a, b Partition) int { return compare(a.ID, b.ID) })
	w.counts = w.counted()
	for i, p := range w.partitions {
		m.own(p, w, i)
	}
	m.forget(w)
}

func (m *model) disown(p Partition, w *worker) {
	delete(m.owners, p.ID)
	if w.counts && !p.Unlisted {
		m.granted--
	}
}

// own notes the owner of a partition. If two records name it, the higher epoch counts: a leader has died between two batches.
func (m *model) own(p Partition, w *worker, at int) {
	if h, taken := m.owners[p.ID]; taken {
		before := h.worker.partitions[h.at]
		if before.Epoch > p.Epoch {
			return
		}
		m.disown(before, h.worker)
	}
	m.owners[p.ID] = holding{w, at}
	if w.counts && !p.Unlisted {
		m.granted++
	}
}

func (m *model) heard(worker string) time.Time {
	m.mu.RLock()
	defer m.mu.RUnlock()
	if w := m.workers[worker]; w != nil {
		return w.heard
	}
	return time.Time{}
}

func (m *model) owner(partition string) (Owner, bool) {
	m.mu.RLock()
	defer m.mu.RUnlock()
	h, ok := m.owners[partition]
	if !ok || !h.worker.counts {
		return Owner{}, false
	}
	w, p := h.worker, h.worker.partitions[h.at]
	return Owner{Worker: w.id, Host: w.claim.Host, Session: w.session, Epoch: p.Epoch, Since: p.Since, Releasing: p.Releasing}, true
}
