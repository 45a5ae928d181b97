// Copyright The Parti Authors
// SPDX-License-Identifier: Apache-2.0

package sim

import (
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/parti-go/parti/internal/store"
	"github.com/parti-go/parti/internal/store/model"
)

const (
	resyncEvery = 30 * time.Second
	suspicion   = 2 * time.Second
	blindAfter  = 2 * time.Second
	crowd       = 200 * time.Millisecond
)

// patienceOf is how long the feed of a bucket can hear nothing before it suspects that it is blind.
func patienceOf(b store.Bucket) time.Duration {
	if b == store.Heartbeats {
		return 900 * time.Millisecond
	}
	return 1900 * time.Millisecond
}

// feed tells what is stored under some keys and every change of it, until it is stopped or the store is another.
type feed struct {
	*client
	bucket    store.Bucket
	keys      []string
	emit      func(store.Update)
	over      func(error)
	told      map[string]uint64
	live      map[string]bool
	corrupt   map[string]sighting
	upTo      uint64
	id        model.ID // of the consumer; 0 for none
	busy      bool
	due       timer
	blindDue  timer
	suspected time.Time
	seen      time.Time
	ended     bool
}

// follow begins a feed. over is called when the store is not the one it was; the feed has ended then.
func (c *client) follow(b store.Bucket, keys []string, atLeast uint64, emit func(store.Update), over func(error)) (stop func()) {
	f := &feed{
		client: c, bucket: b, keys: keys, emit: emit, over: over, told: map[string]uint64{}, live: map[string]bool{}, corrupt: map[string]sighting{}, upTo: atLeast,
		seen: c.now,
	}
	f.watchBlindness()
	f.relist()
	return f.end
}

func (f *feed) end() {
	f.ended = true
	f.due.stop()
	f.blindDue.stop()
	f.drop()
}

func (f *feed) drop() {
	if f.id != 0 {
		f.Store.Unfollow(f.now, f.id)
		delete(f.feeds, f.id)
		f.id = 0
	}
}

func (f *feed) watchBlindness() {
	f.blindDue.stop()
	since := f.seen
	f.blindDue = f.At(f.now.Add(blindAfter), func() {
		if f.id == 0 && !f.ended {
			f.emit(store.Update{Kind: store.UpdateBlind, Since: since})
		}
	})
}

func (f *feed) later(d time.Duration) {
	f.due.stop()
	f.due = f.After(d, f.relist)
}

// relist takes a snapshot, tells what is new in it, and makes a consumer where there is none.
func (f *feed) relist() {
	if f.busy || f.ended {
		return
	}
	f.busy = true
	by := f.now.Add(f.timeout)
	failed := func(err error) {
		f.busy = false
		f.failed(err)
	}
	f.info(f.bucket, by, func(i model.Info, err error) {
		if err == nil && i.Last < f.upTo {
			err = fmt.Errorf("%w: the %s bucket is at sequence %d, but sequence %d was read before", store.ErrRolledBack, f.bucket, i.Last, f.upTo)
		}
		if err != nil || f.ended {
			failed(err)
			return
		}
		f.list(f.bucket, f.keys, max(f.upTo, i.Last), by, func(s store.Snapshot, err error) {
			if err != nil || f.ended {
				failed(err)
				return
			}
			f.suspected = time.Time{}
			f.listed(s)
		})
	})
}

func (f *feed) failed(err error) {
	switch {
	case f.ended:
		return
	case !errors.Is(err, store.ErrRolledBack):
		f.suspected = time.Time{}
	case f.suspected.IsZero():
		f.suspected = f.now
	case f.now.Sub(f.suspected) >= suspicion:
		f.end()
		f.over(err)
		return
	}
	f.later(100*time.Millisecond + f.Spread(crowd))
}

func (f *feed) listed(s store.Snapshot) {
	there := map[string]bool{}
	for _, e := range s.Entries {
		there[e.Key] = e.Kind == store.Put
		f.tell(e)
	}
	var gone []string
	for key := range f.live {
		if !there[key] && f.told[key] <= s.UpTo {
			gone = append(gone, key)
		}
	}
	slices.Sort(gone)
	for _, key := range gone {
		delete(f.live, key)
		f.emit(store.Update{Kind: store.UpdateGone, Entry: store.Entry{Bucket: f.bucket, Key: key}})
	}
	f.expireCorrupt(s.Entries)
	f.upTo = max(f.upTo, s.UpTo)
	if f.ended {
		return
	}
	f.emit(store.Update{Kind: store.UpdateSynced, UpTo: f.upTo})
	f.seen = f.now
	if f.id != 0 || f.ended {
		f.busy = false
		f.later(resyncEvery)
		return
	}
	f.await(f.Store.Follow(f.now, f.client.id, f.bucket, f.keys, f.upTo, patienceOf(f.bucket), 5*time.Second), hears(func(e *model.Event) {
		f.busy = false
		switch {
		case e.Outcome != model.Applied:
			f.failed(store.ErrNotDone)
		case f.ended:
			f.Store.Unfollow(f.now, e.ID)
		default:
			f.id = e.ID
			f.feeds[e.ID] = waiter{f, f.ice}
			f.later(resyncEvery)
		}
	}))
}

// expireCorrupt ends a heartbeat that is no record, a TTL after a snapshot showed it: nobody renews it.
func (f *feed) expireCorrupt(entries []store.Entry) {
	for _, e := range entries {
		if e.Kind != store.Put || e.Token != "" || !f.live[e.Key] || f.told[e.Key] != e.Revision || f.bucket != store.Heartbeats {
			continue
		}
		switch first := f.corrupt[e.Key]; {
		case first.revision != e.Revision:
			f.corrupt[e.Key] = sighting{e.Revision, f.now}
		case f.now.Sub(first.at) >= f.ttl[f.bucket]:
			delete(f.live, e.Key)
			f.emit(store.Update{
				Kind: store.UpdateExpired, Entry: store.Entry{Bucket: f.bucket, Key: e.Key, Revision: e.Revision, Kind: store.Expired}, UpTo: e.Revision,
			})
		}
	}
}

// sighting is when a snapshot first showed a heartbeat that is no record.
type sighting struct {
	revision uint64
	at       time.Time
}

// hear takes what the consumer tells.
func (f *feed) hear(e *model.Event) {
	if e.Kind == model.Lost {
		delete(f.feeds, f.id)
		f.id, f.seen = 0, f.now
		f.watchBlindness()
		f.later(f.Spread(crowd))
		return
	}
	f.tell(e.Entry)
	f.upTo = max(f.upTo, e.Entry.Revision)
}

// tell passes an entry on if it is newer than what was told of its key.
func (f *feed) tell(e store.Entry) {
	if e.Revision <= f.told[e.Key] || f.ended {
		return
	}
	f.told[e.Key] = e.Revision
	if f.bucket == store.Assignments && e.Key == store.PlanKey {
		f.planSeen = max(f.planSeen, e.Revision)
	}
	u := store.Update{Kind: store.UpdatePut, Entry: f.known(e), UpTo: e.Revision}
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
