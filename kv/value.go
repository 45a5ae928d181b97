package kv

import "github.com/parti-go/parti/internal/store"

// What is asked of the store and what it answers.
type (
	// Bucket is one of the four buckets of a group.
	Bucket = store.Bucket
	// Kind is what an entry is.
	Kind = store.Kind
	// Entry is what is stored under a key.
	Entry = store.Entry
	// Lease is a hold on an entry that ends by itself.
	Lease = store.Lease
	// Snapshot is the content of a bucket up to a sequence of its stream.
	Snapshot = store.Snapshot
	// UpdateKind is what an update tells.
	UpdateKind = store.UpdateKind
	// Update is one thing that a feed tells.
	Update = store.Update
	// Fence is a stored term: what a leader writes is stored only while this is the revision of the entry "term".
	Fence = store.Fence
	// PlanWrite is one version of a plan: the records that change, those that go, and the plan itself.
	PlanWrite = store.PlanWrite
	// ClaimOptions say which ID is wanted and how.
	ClaimOptions = store.ClaimOptions
	// Watched is a claim as it was first seen.
	Watched = store.Watched
)

// The buckets, each a stream of its own.
const (
	StableIDs   = store.StableIDs   // worker ID: who holds it
	Election    = store.Election    // leader: who leads, or tries to
	Heartbeats  = store.Heartbeats  // worker ID: alive, and what it has applied
	Assignments = store.Assignments // term, plan, and one record per worker

	buckets = store.Buckets // how many there are
)

// The keys that are not worker IDs.
const (
	LeaderKey = store.LeaderKey // in Election
	TermKey   = store.TermKey   // in Assignments
	PlanKey   = store.PlanKey   // in Assignments
)

// The kinds of entries.
const (
	Put     = store.Put     // a value
	Deleted = store.Deleted // the marker of a deletion
	Expired = store.Expired // the marker of an expiry
)

// The kinds of updates.
const (
	UpdatePut     = store.UpdatePut     // a value
	UpdateDeleted = store.UpdateDeleted // its holder deleted it
	UpdateExpired = store.UpdateExpired // its TTL ran out
	UpdateGone    = store.UpdateGone    // it is gone and left no marker
	UpdateSynced  = store.UpdateSynced  // everything up to UpTo has been told
	UpdateBlind   = store.UpdateBlind   // nothing has been seen since Since: what was told may be out of date
	UpdateStale   = store.UpdateStale   // changes come, but no snapshot has confirmed them since Since
)
