// Copyright The Parti Authors
// SPDX-License-Identifier: Apache-2.0

package store

import (
	"strconv"
	"time"

	"github.com/parti-go/parti/internal/record"
)

// Bucket is one of the four buckets of a group.
type Bucket int

// The buckets, each a stream of its own.
const (
	StableIDs   Bucket = iota // worker ID: who holds it
	Election                  // leader: who leads, or tries to
	Heartbeats                // worker ID: alive, and what it has applied
	Assignments               // term, plan, and one record per worker
	Buckets                   // how many there are
)

// String says which bucket it is, as the configuration calls it.
func (b Bucket) String() string {
	switch b {
	case StableIDs:
		return "stable ID"
	case Election:
		return "election"
	case Heartbeats:
		return "heartbeat"
	case Assignments:
		return "assignment"
	default:
		return "bucket(" + strconv.Itoa(int(b)) + ")"
	}
}

// The keys that are not worker IDs.
const (
	LeaderKey = "leader" // in Election
	TermKey   = "term"   // in Assignments
	PlanKey   = "plan"   // in Assignments
)

// Kind is what an entry is.
type Kind int

// The kinds of entries.
const (
	Put     Kind = iota // a value
	Deleted             // the marker of a deletion
	Expired             // the marker of an expiry
)

// Entry is what is stored under a key.
type Entry struct {
	Bucket   Bucket
	Key      string
	Value    []byte // nil for markers
	Revision uint64
	Created  time.Time // by the server's clock
	Kind     Kind
	Token    record.Token  // of the write; "" for markers
	Format   int           // in which the record is stored; 0 for markers and for what is no record
	Lifetime time.Duration // that its writer gave it; 0 for none
	Endless  bool          // it is stored without a lifetime where every entry has one: it never expires, and no worker wrote it
	Record   any           // what Value says, from a store that keeps records instead of bytes; nil from any other. See [Decode].
}

// Decode returns the record of an entry: the one that its store kept, or what decode reads in its value. Do not change it,
// because other callers may get the same record.
func Decode[T any](e Entry, decode func([]byte) (T, error)) (T, error) {
	if kept, ok := e.Record.(T); ok {
		return kept, nil
	}
	return decode(e.Value)
}

// Lease is a hold on an entry that ends by itself.
type Lease struct {
	Bucket   Bucket
	Key      string
	Revision uint64        // of the last acknowledged write
	Sent     time.Time     // just before it
	TTL      time.Duration // that it gave the entry
	Chain    record.Token  // the beginning of the tokens of its writes
	Over     uint64        // the revision of the live entry that a first write takes the place of which nobody has acknowledged; 0 for none
	// OverToken is the token of that entry. A store that was restored from an older copy uses revisions again.
	OverToken record.Token
}

// Replaces reports whether an entry is the one that the first write of the hold may still take the place of.
func (l Lease) Replaces(e Entry) bool {
	return l.Over != 0 && e.Revision == l.Over && e.Token == l.OverToken
}

// TrustedUntil returns the time from which the holder must not trust the lease any more: Sent + TTL − TTL/4.
func (l Lease) TrustedUntil() time.Time { return l.Sent.Add(l.TTL - l.TTL/4) }

// Snapshot is the content of a bucket up to a sequence of its stream.
type Snapshot struct {
	Entries []Entry // values only, sorted by key
	UpTo    uint64  // everything that was stored up to here is in it, or was replaced by something newer that is in it
}

// UpdateKind says what an update reports.
type UpdateKind int

// The kinds of updates.
const (
	UpdatePut     UpdateKind = iota // a value
	UpdateDeleted                   // its holder deleted it
	UpdateExpired                   // its TTL ran out
	UpdateGone                      // it is gone and left no marker
	UpdateSynced                    // everything up to UpTo has been told
	UpdateBlind                     // nothing has been seen since Since: what was told may be out of date
	UpdateStale                     // changes come, but no snapshot has confirmed them since Since
)

// String names the kind.
func (k UpdateKind) String() string {
	switch k {
	case UpdatePut:
		return "put"
	case UpdateDeleted:
		return "deleted"
	case UpdateExpired:
		return "expired"
	case UpdateGone:
		return "gone"
	case UpdateSynced:
		return "synced"
	case UpdateBlind:
		return "blind"
	case UpdateStale:
		return "stale"
	default:
		return "unknown"
	}
}

// Update is one report of a feed.
type Update struct {
	Kind  UpdateKind
	Entry Entry     // unless synced, blind or stale; of a gone entry only Bucket and Key
	UpTo  uint64    // of synced: the sequence; of entries their revision, 0 if gone
	Since time.Time // of blind and stale
	Err   error     // of blind and stale: what went wrong last; nil if nothing answered yet
}

// Fence is a stored term. A leader's write is stored only while this is the revision of the entry "term".
type Fence struct {
	Term     uint64
	Revision uint64
}

// PlanWrite is one version of a plan: the changed records, the removed ones, and the plan itself.
type PlanWrite struct {
	Assignments []record.Assignment
	Remove      []string // workers
	Plan        record.Plan
	// Format is the newest record format that every reader knows; 0 is [record.Oldest]. No newer format is written. A record
	// that does not need the newest one is written in the oldest.
	Format int
	// Journal says why the version is written; nil if there is nothing to say.
	Journal *record.Journal
}

// ClaimOptions say which ID is wanted and how.
type ClaimOptions struct {
	// Prefer lists IDs to try first.
	Prefer []string
	// Spread waits up to 50 ms before the first look. So most of many workers that start at the same moment see what the others
	// have taken, and spend few operations on conflicts.
	Spread bool
	// Prior is the claim of this process's last session. While it is trusted, it may be taken over by its revision. After that,
	// nothing is claimed until it has expired in the store, because any other ID would move partitions.
	Prior *Lease
	// Dead lists the prefixes of the tokens of processes that are known to be dead, see kv.Store.Holder. Their claims are taken
	// over.
	Dead []record.Token
	// Only allows nothing but a preferred ID. If none can be claimed, the result is [ErrTaken].
	Only bool
	// Watched is the claim that has kept a preferred ID from being claimed so far. With Only, that claim is taken over once its
	// session is known to be over.
	Watched Watched
}

// Watched is a claim as it was first seen.
type Watched struct {
	Revision uint64
	Since    time.Time // by the own clock, after it was read
}
