package kv

import (
	"time"

	"github.com/nats-io/nats.go/jetstream"
)

// Store is the four buckets of a group, opened. It has nothing to close. Its methods may be called from any goroutine,
// but one lease (and one fence) is written by one goroutine at a time.
type Store struct {
	cfg     Config
	js      jetstream.JetStream
	prefix  string // of JetStream API subjects, with its final dot
	writes  string // in front of a subject that is written: the prefix when it is not the default one
	holder  *holder
	created [buckets]time.Time // of the streams
}

// TTL returns the lifetime of the entries of a bucket; 0 for assignments, which do not expire.
func (s *Store) TTL(b Bucket) time.Duration { return s.cfg.ttl(b) }

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

	token token
}

// Lease is a hold on an entry that ends by itself.
type Lease struct {
	Bucket   Bucket
	Key      string
	Revision uint64        // of the last acknowledged write
	Sent     time.Time     // just before it
	TTL      time.Duration // that it gave the entry

	chain token
}

// TrustedUntil returns the time from which the holder must not believe in the lease any more: Sent + TTL − TTL/4.
func (l Lease) TrustedUntil() time.Time { return l.Sent.Add(l.TTL - l.TTL/4) }

// Snapshot is the content of a bucket up to a sequence of its stream.
type Snapshot struct {
	Entries []Entry // values only, sorted by key
	UpTo    uint64  // everything that was stored up to here is in it, or was replaced by something newer that is in it
}

// UpdateKind is what an update tells.
type UpdateKind int

// The kinds of updates.
const (
	UpdatePut     UpdateKind = iota // a value
	UpdateDeleted                   // its holder deleted it
	UpdateExpired                   // its TTL ran out
	UpdateGone                      // it is gone and left no marker
	UpdateSynced                    // everything up to UpTo has been told
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
	default:
		return "unknown"
	}
}

// Update is one thing that a feed tells.
type Update struct {
	Kind  UpdateKind
	Entry Entry  // unless synced; of a gone entry only Bucket and Key
	UpTo  uint64 // of synced: the sequence; of the others their revision, 0 if gone
}
