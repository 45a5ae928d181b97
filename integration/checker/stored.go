// Copyright The Parti Authors
// SPDX-License-Identifier: Apache-2.0

package checker

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"
)

// Bucket says which of the four an entry is from.
type Bucket string

// The four buckets.
const (
	StableID   Bucket = "stable ID"
	Election   Bucket = "election"
	Heartbeat  Bucket = "heartbeat"
	Assignment Bucket = "assignment"
)

// Entry is one message of a bucket's stream, in stream order.
type Entry struct {
	Bucket Bucket
	Key    string
	Seq    uint64
	At     time.Time // when the server stored it
	Value  []byte
	Gone   bool // a marker: deleted or expired
	// Expired says that the marker is that of an expiry.
	Expired bool
}

// Plan is a stored plan.
type Plan struct {
	At         time.Time `json:"-"`
	Term       uint64
	Version    int64
	Phase      string
	Lifecycle  string
	Members    []string
	Partitions int
	Digest     string // of the source
	Workers    string // of what the members say of themselves
}

// Term is a stored term.
type Term struct {
	At      time.Time `json:"-"`
	Number  uint64
	Worker  string
	Session uint64
}

type claim struct {
	Session uint64
	Token   string
	At      time.Time `json:"-"` // when it was stored last
}

type heartbeat struct {
	Session uint64
	Applied struct {
		Term    uint64
		Version int64
	}
	Holding  []string // taken away, and its handler has not returned
	Leaving  bool
	Cordoned bool
	Capacity int64
	Labels   map[string]string
}

type record struct {
	Worker  string
	Session uint64
	Term    uint64
	Version int64
	Owned   []struct {
		Partition string
		Epoch     int64
	}
	Releasing []struct {
		Partition string
		Epoch     int64
		Since     int64
	}
}

// beat is what a heartbeat bucket's message says of a session: it applied a version, or it is over.
type beat struct {
	at      time.Time
	session uint64
	applied int64
	holding []string
	gone    bool
	expired bool // gone, by expiry
	leaving bool
	foreign bool // nobody's heartbeat was stored in its place
}

// stored is what the streams have shown so far.
type stored struct {
	term      uint64
	written   uint64 // highest term that a plan or record bears
	terms     []Term
	paces     map[uint64][]time.Time // when terms were stored in the last LeaderTTL, by session
	plans     []Plan
	versions  map[string]int64
	sessions  map[string]uint64 // by worker, from the heartbeats
	claims    map[string]claim  // live ones
	holdings  map[string]holding
	grants    []grant
	takeovers []takeover
	beats     map[string][]beat // by worker
	seqs      map[Bucket]uint64
	planned   map[int64]bool     // versions of records
	changed   map[int64][]change // what records of a version grant and revoke, until its journal or its plan is there
	journals  int                // entries of the journal
	ghosts    map[string]bool    // IDs whose claim was overwritten by one from before the restore
	lastAt    map[Bucket]time.Time
	unread    map[Bucket][]span // overwritten before it was read
}

type span struct{ from, to time.Time }

func newStored() stored {
	return stored{
		versions: make(map[string]int64), sessions: make(map[string]uint64), claims: make(map[string]claim),
		holdings: make(map[string]holding), beats: make(map[string][]beat), seqs: make(map[Bucket]uint64),
		paces: make(map[uint64][]time.Time), planned: make(map[int64]bool), changed: make(map[int64][]change), ghosts: make(map[string]bool), lastAt: make(map[Bucket]time.Time), unread: make(map[Bucket][]span),
	}
}

// Stored says that a bucket's stream holds one more message.
func (c *Checker) Stored(e Entry) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if e.Seq <= c.stored.seqs[e.Bucket] {
		return // the reader was restarted: seen already
	}
	if last := c.stored.seqs[e.Bucket]; e.Seq != last+1 {
		if e.Bucket == StableID {
			// What was overwritten unread may have been the end of any claim.
			clear(c.stored.claims)
		}
		c.live.since = time.Now()
		if last != 0 {
			c.stored.unread[e.Bucket] = append(c.stored.unread[e.Bucket], span{c.stored.lastAt[e.Bucket], e.At})
		}
	}
	c.stored.seqs[e.Bucket], c.stored.lastAt[e.Bucket] = e.Seq, e.At
	value := string(e.Value)
	if e.Gone {
		value = "gone"
	}
	if e.Bucket != Heartbeat && e.Bucket != Election || e.Gone {
		c.log("stored: %s %s #%d %.300s", e.Bucket, e.Key, e.Seq, value)
	}
	switch e.Bucket {
	case StableID:
		c.storedClaim(e)
	case Heartbeat:
		c.storedHeartbeat(e)
	case Assignment:
		c.storedAssignment(e)
	case Election: // who should try is nobody's promise
	}
}

func (c *Checker) storedClaim(e Entry) {
	if e.Gone {
		delete(c.stored.claims, e.Key)
		return
	}
	now, ok := decode[claim](c, e)
	if !ok {
		return
	}
	if now.Session == 0 {
		now.Session = e.Seq
	}
	now.At = e.At
	last, live := c.stored.claims[e.Key]
	if live && last.Session != now.Session && holder(last.Token) != holder(now.Token) && !c.ghosts(e) {
		c.stored.takeovers = append(c.stored.takeovers, takeover{e.Key, e.At, last, now})
	}
	c.stored.claims[e.Key] = now
}

func (c *Checker) storedHeartbeat(e Entry) {
	b := beat{at: e.At, gone: e.Gone, expired: e.Expired}
	if !e.Gone {
		h, ok := decode[heartbeat](c, e)
		if !ok {
			b.foreign = true
			c.stored.beats[e.Key] = append(c.stored.beats[e.Key], b)
			return
		}
		b.session, b.applied, b.holding, b.leaving = h.Session, h.Applied.Version, h.Holding, h.Leaving
		c.words(e, fmt.Sprint(h.Cordoned, h.Capacity, h.Labels))
		if b.session < c.stored.sessions[e.Key] && c.ghosts(e) {
			return
		}
		if b.session < c.stored.sessions[e.Key] {
			c.violate("I5", "%s: a heartbeat of session %d was stored after session %d", e.Key, b.session,
				c.stored.sessions[e.Key])
		}
		c.stored.sessions[e.Key] = max(b.session, c.stored.sessions[e.Key])
	}
	if all := c.stored.beats[e.Key]; len(all) > 0 {
		last := all[len(all)-1]
		if last.session == b.session && last.applied == b.applied && last.gone == b.gone && last.leaving == b.leaving && !last.foreign &&
			slices.Equal(last.holding, b.holding) {
			return // nothing new
		}
	}
	c.stored.beats[e.Key] = append(c.stored.beats[e.Key], b)
	c.live.reason = c.live.reason || b.gone // what it was promised goes to others
	c.noteStayers()
	c.lookForRestart(time.Now())
}

func (c *Checker) storedAssignment(e Entry) {
	if e.Gone {
		return
	}
	if strings.HasPrefix(e.Key, "journal.") {
		c.storedJournal(e)
		return
	}
	switch e.Key {
	case "term":
		t, ok := decode[Term](c, e)
		if !ok {
			return
		}
		if t.Number <= c.stored.term || t.Number <= c.stored.written {
			c.violate("I4", "term %d was stored after term %d", t.Number, max(c.stored.term, c.stored.written))
		}
		t.At, c.stored.term = e.At, max(t.Number, c.stored.term)
		c.stored.terms = append(c.stored.terms, t)
		c.paced(t)
		c.leaderBegins(e.At)
	case "plan":
		p, ok := decode[Plan](c, e)
		if !ok {
			return
		}
		c.written(e, p.Term, p.Version)
		p.At = e.At
		c.stored.plans = append(c.stored.plans, p)
		delete(c.stored.changed, p.Version)
		c.planStored(p)
	default:
		r, ok := decode[record](c, e)
		if !ok {
			return
		}
		if r.Worker != "" && r.Worker != e.Key {
			c.violate("I6", "the record of %s is stored under %s", r.Worker, e.Key)
		}
		r.Worker = e.Key
		c.written(e, r.Term, r.Version)
		c.stored.planned[r.Version] = true
		c.stored.changed[r.Version] = append(c.stored.changed[r.Version], r.changes()...)
		c.holdings(e.At, r)
	}
}

// afterRestore is how long after a restore a write may turn up that was under way before it: sequences are used again,
// and with them the one that its fence asks for.
const afterRestore = time.Minute

// ghosts says that an entry may be such a write.
func (c *Checker) ghosts(e Entry) bool {
	if c.restored.IsZero() || time.Since(c.restored) > afterRestore {
		return false
	}
	c.excuses("stored: %s %s #%d was under way since before the restore", e.Bucket, e.Key, e.Seq)
	if e.Bucket == StableID {
		c.stored.ghosts[e.Key] = true
	}
	return true
}

// written checks the term and version of a fenced write.
func (c *Checker) written(e Entry, term uint64, version int64) {
	if (term < c.stored.term || version < c.stored.versions[e.Key]) && c.ghosts(e) {
		return
	}
	if term < c.stored.term {
		c.violate("I6", "%s: a write of term %d was stored after term %d", e.Key, term, c.stored.term)
	}
	if version < c.stored.versions[e.Key] {
		c.violate("I4", "%s: version %d was stored after version %d", e.Key, version, c.stored.versions[e.Key])
	}
	c.stored.written = max(term, c.stored.written)
	c.stored.versions[e.Key] = max(version, c.stored.versions[e.Key])
}

// Finish judges what needs the whole history: each partition that changed hands was let go by its holder before, or
// its holder's session was over; and nothing stale is left of a pause.
func (c *Checker) Finish() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.judgeGrants()
	c.judgeTakeovers()
	c.judgeMoves()
	for _, p := range c.procs {
		if !p.dead {
			c.judgeNameless(p)
		}
		if p.stale && p.named.Before(c.restored) && !p.dead && !p.frozen && time.Since(c.restored) > c.notice {
			c.violate("I5", "%s: still acts as %s, which a restored store forgot", p.name, p.identity)
		}
		for partition, r := range p.runs {
			if r.stale && !p.dead && !p.frozen && time.Since(r.lost) > c.allowance(p, r) {
				c.violate("I1", "%s: still runs %s, which it lost while it was frozen or the store forgot it", p.name, partition)
			}
		}
	}
}

// Restored says that the store is stopped and will come back as an older copy of itself. What it held until now is
// judged; its history begins anew, and whoever ran something may need [Config.Notice] to see that it did. Epochs, as the
// hooks are told them, still have to grow.
func (c *Checker) Restored() { c.Forgot(c.cfg.Notice) }

// Forgot is Restored for a store that lost something in another way, which a process sees within notice.
func (c *Checker) Forgot(notice time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.notice = notice
	c.log("the store is restored from an older copy")
	c.judgeGrants()
	c.judgeTakeovers()
	c.judgeMoves()
	listed := c.live.listed
	c.live = newLiveness()
	c.live.listed = listed
	terms, plans := c.stored.terms, c.stored.plans
	c.stored = newStored()
	c.stored.terms, c.stored.plans = terms, plans
	c.restored = time.Now()
	for _, p := range c.procs {
		p.term, p.version = 0, 0
	}
}

// Terms returns the stored terms, oldest first.
func (c *Checker) Terms() []Term {
	c.mu.Lock()
	defer c.mu.Unlock()
	return append([]Term(nil), c.stored.terms...)
}

// Plans returns the stored plans, oldest first; several may bear one version, with different phases.
func (c *Checker) Plans() []Plan {
	c.mu.Lock()
	defer c.mu.Unlock()
	return append([]Plan(nil), c.stored.plans...)
}

// Versions returns the distinct versions of the stored records, lowest first: one for each plan that changed who owns
// what.
func (c *Checker) Versions() []int64 {
	c.mu.Lock()
	defer c.mu.Unlock()
	return slices.Sorted(maps.Keys(c.stored.planned))
}

// FirstHeartbeat returns when the first heartbeat of a worker was stored; of any worker, if none is named.
func (c *Checker) FirstHeartbeat(workers ...string) (first time.Time) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for worker, beats := range c.stored.beats {
		if len(workers) > 0 && !slices.Contains(workers, worker) {
			continue
		}
		if at := beats[0].at; first.IsZero() || at.Before(first) {
			first = at
		}
	}
	return first
}

// format is the only one that the checker can judge.
const format = 1

// formatHolding is that of a heartbeat that lists what is held, which it reads as well.
const formatHolding = 3

// decode reads a value; one that is no JSON, or of another format, is left to the scenario that put it there.
func decode[V any](c *Checker, e Entry) (V, bool) {
	var v V
	var head struct{ Format int }
	if err := json.Unmarshal(e.Value, &head); err == nil && head.Format > format && (e.Bucket != Heartbeat || head.Format != formatHolding) {
		c.log("stored: %s %s is of format %d", e.Bucket, e.Key, head.Format)
		return v, false
	}
	if err := json.Unmarshal(e.Value, &v); err != nil {
		c.log("stored: %s %s cannot be read: %v", e.Bucket, e.Key, err)
		return v, false
	}
	return v, true
}

// holder is the part of a token that stays the same for one writer.
func holder(token string) string {
	instance, _, _ := strings.Cut(token, "/")
	return instance
}
