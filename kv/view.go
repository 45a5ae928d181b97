// Copyright The Parti Authors
// SPDX-License-Identifier: Apache-2.0

package kv

import (
	"errors"
	"fmt"
	"time"

	"github.com/parti-go/parti/internal/record"
	"github.com/parti-go/parti/internal/store"
)

// view remembers what a feed has emitted, so that the feed emits only what is newer.
type view struct {
	store   *Store
	bucket  store.Bucket
	emit    func(store.Update)
	told    map[string]write // the newest told, by key
	live    map[string]bool  // keys whose last told update was a value
	corrupt map[string]sighting
	upTo    uint64 // everything up to here is told
}

// write is one write of a key.
type write struct {
	revision uint64
	token    record.Token
}

// sighting is the time at which a snapshot first showed a revision.
type sighting struct {
	revision uint64
	at       time.Time
}

func newView(s *Store, b store.Bucket, upTo uint64, emit func(store.Update)) view {
	return view{store: s, bucket: b, emit: emit, told: map[string]write{}, live: map[string]bool{}, corrupt: map[string]sighting{}, upTo: upTo}
}

// compare emits what a snapshot shows and the feed has not emitted yet. The snapshot may have been taken while changes were
// emitted, so it says nothing about a key that was emitted with a later revision. An error proves that the store was replaced
// or restored; nothing is emitted then.
func (f *view) compare(snapshot store.Snapshot) error {
	there := make(map[string]bool, len(snapshot.Entries))
	for _, e := range snapshot.Entries {
		there[e.Key] = true
		told := f.told[e.Key]
		if e.Revision < told.revision && told.revision <= snapshot.UpTo || e.Revision == told.revision && e.Token != told.token {
			// The snapshot is complete up to what was emitted, so this is not a replica that lags.
			return fmt.Errorf("%w: %q of bucket %q is at revision %d, but revision %d was read before", ErrRolledBack, e.Key, f.store.cfg.bucket(f.bucket), e.Revision, told.revision)
		}
	}
	gone := func(key string) bool {
		return f.live[key] && !there[key] && f.told[key].revision <= snapshot.UpTo
	}
	if f.bucket == store.Assignments && (gone(store.TermKey) || gone(store.PlanKey)) {
		// No worker deletes one of them, and a deletion by somebody else leaves a marker. So the stream was purged.
		return fmt.Errorf("%w: bucket %q was emptied", ErrRolledBack, f.store.cfg.bucket(f.bucket))
	}
	for _, e := range snapshot.Entries {
		f.tell(e)
	}
	for key := range f.live {
		if gone(key) {
			delete(f.live, key)
			f.emit(store.Update{Kind: store.UpdateGone, Entry: store.Entry{Bucket: f.bucket, Key: key}})
		}
	}
	f.expireCorrupt(snapshot.Entries)
	f.upTo = max(f.upTo, snapshot.UpTo)
	return nil
}

// expireCorrupt reports a heartbeat that is not a record, or a copy of one, as expired, a TTL after it was first seen. Its writer need
// not have given it a TTL, and nobody renews it, so its worker would seem to live for good. The worker's own last heartbeat is older,
// so it is over by then in any case.
func (f *view) expireCorrupt(entries []store.Entry) {
	if f.bucket != store.Heartbeats {
		return
	}
	for _, e := range entries {
		if e.Kind != store.Put || !f.live[e.Key] || f.told[e.Key].revision != e.Revision {
			continue
		}
		if _, err := record.DecodeHeartbeat(e.Value); !e.Endless && !errors.Is(err, ErrCorrupt) {
			continue
		}
		first := f.corrupt[e.Key]
		switch {
		case first.revision != e.Revision:
			f.corrupt[e.Key] = sighting{e.Revision, time.Now()}
		case time.Since(first.at) >= f.store.TTL(f.bucket):
			delete(f.live, e.Key)
			delete(f.corrupt, e.Key)
			f.emit(store.Update{Kind: store.UpdateExpired, Entry: store.Entry{Bucket: f.bucket, Key: e.Key, Revision: e.Revision, Kind: store.Expired}, UpTo: e.Revision})
		}
	}
}

// tell emits an entry if it is newer than what was emitted for its key.
func (f *view) tell(e store.Entry) {
	if e.Revision <= f.told[e.Key].revision {
		return
	}
	f.told[e.Key] = write{e.Revision, e.Token}
	if f.bucket == store.Assignments && e.Key == store.PlanKey {
		f.store.sawPlan(e.Revision)
	}
	u := store.Update{Kind: store.UpdatePut, Entry: e, UpTo: e.Revision}
	switch e.Kind {
	case store.Put:
		f.live[e.Key] = true
		f.emit(u)
		return
	case store.Deleted:
		u.Kind = store.UpdateDeleted
	case store.Expired:
		u.Kind = store.UpdateExpired
	}
	delete(f.live, e.Key)
	f.emit(u)
}
