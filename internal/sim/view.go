package sim

import (
	"cmp"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/parti-go/parti/internal/store"
	"github.com/parti-go/parti/internal/store/model"
)

// open makes the buckets that are missing and notes which incarnation each is.
func (c *client) open(by time.Time, done func(error)) {
	b := store.Bucket(0)
	var next func()
	next = func() {
		if b == store.Buckets {
			done(nil)
			return
		}
		c.await(c.Store.Info(c.now, c.id, b, c.patience(by)), func(e model.Event) {
			switch {
			case e.Outcome != model.Applied && !c.now.Before(by):
				done(fmt.Errorf("%w: open the %s bucket", store.ErrNotDone, b))
				return
			case e.Outcome != model.Applied:
				c.After(20*time.Millisecond, next)
				return
			case e.None:
				_ = c.Store.Create(c.now, b) // another worker may be faster
				next()
				return
			}
			c.created[b] = e.Info.Created
			b++
			next()
		})
	}
	next()
}

// info asks the leader of a bucket about it. ErrRolledBack says that it is not the one that was opened.
func (c *client) info(b store.Bucket, by time.Time, done func(model.Info, error)) {
	c.await(c.Store.Info(c.now, c.id, b, c.patience(by)), func(e model.Event) {
		switch {
		case e.Outcome != model.Applied:
			done(model.Info{}, fmt.Errorf("%w: ask about the %s bucket", store.ErrNotDone, b))
		case e.None, !e.Info.Created.Equal(c.created[b]):
			done(model.Info{}, fmt.Errorf("%w: the %s bucket is gone or another", store.ErrRolledBack, b))
		default:
			done(e.Info, nil)
		}
	})
}

// list takes a snapshot, markers included, that is complete at least up to a revision.
func (c *client) list(b store.Bucket, keys []string, atLeast uint64, by time.Time, done func(store.Snapshot, error)) {
	attempt := 0
	var try func()
	again := func(err error) {
		pause := min(5*time.Millisecond<<min(attempt, 6), 200*time.Millisecond)
		if attempt++; !c.now.Add(pause).Before(by) || errors.Is(err, store.ErrRolledBack) {
			done(store.Snapshot{}, fmt.Errorf("snapshot of the %s bucket: %w", b, err))
			return
		}
		c.After(pause, try)
	}
	try = func() {
		c.await(c.Store.List(c.now, c.id, b, keys, c.patience(by)), func(e model.Event) {
			switch {
			case e.Outcome != model.Applied:
				again(store.ErrNotDone)
			case e.None:
				c.listNothing(b, keys, atLeast, by, done, again)
			case e.Revision < atLeast:
				again(fmt.Errorf("%w: complete up to %d, asked for %d", store.ErrNotDone, e.Revision, atLeast))
			default:
				slices.SortFunc(e.Entries, func(x, y store.Entry) int { return cmp.Compare(x.Key, y.Key) })
				done(store.Snapshot{Entries: e.Entries, UpTo: e.Revision}, nil)
			}
		})
	}
	try()
}

// listNothing asks the leader where a replica has none of the keys: up to which revision that is so.
func (c *client) listNothing(b store.Bucket, keys []string, atLeast uint64, by time.Time, done func(store.Snapshot, error), again func(error)) {
	c.info(b, by, func(i model.Info, err error) {
		if err != nil || i.Last < atLeast || keys == nil && i.Messages > 0 {
			if err == nil {
				err = fmt.Errorf("%w: something is there after all", store.ErrNotDone)
			}
			again(err)
			return
		}
		var look func(n int)
		look = func(n int) {
			if n == len(keys) {
				done(store.Snapshot{UpTo: i.Last}, nil)
				return
			}
			c.get(b, keys[n], by, func(_ store.Entry, err error) {
				if !errors.Is(err, store.ErrNotFound) {
					again(fmt.Errorf("%w: %q is there after all", store.ErrNotDone, keys[n]))
					return
				}
				look(n + 1)
			})
		}
		look(0)
	})
}

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
	upTo      uint64
	id        model.ID // of the consumer; 0 for none
	busy      bool
	due       func()
	blindDue  func()
	suspected time.Time
	seen      time.Time
	ended     bool
}

// follow begins a feed. over is called when the store is not the one it was; the feed has ended then.
func (c *client) follow(b store.Bucket, keys []string, atLeast uint64, emit func(store.Update), over func(error)) (stop func()) {
	f := &feed{
		client: c, bucket: b, keys: keys, emit: emit, over: over, told: map[string]uint64{}, live: map[string]bool{}, upTo: atLeast,
		due: func() {}, blindDue: func() {}, seen: c.now,
	}
	f.watchBlindness()
	f.relist()
	return f.end
}

func (f *feed) end() {
	f.ended = true
	f.due()
	f.blindDue()
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
	f.blindDue()
	since := f.seen
	f.blindDue = f.At(f.now.Add(blindAfter), func() {
		if f.id == 0 && !f.ended {
			f.emit(store.Update{Kind: store.UpdateBlind, Since: since})
		}
	})
}

func (f *feed) later(d time.Duration) {
	f.due()
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
			err = fmt.Errorf("%w: the %s bucket is at %d, %d was seen", store.ErrRolledBack, f.bucket, i.Last, f.upTo)
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
	f.await(f.Store.Follow(f.now, f.client.id, f.bucket, f.keys, f.upTo, patienceOf(f.bucket), 5*time.Second), func(e model.Event) {
		f.busy = false
		switch {
		case e.Outcome != model.Applied:
			f.failed(store.ErrNotDone)
		case f.ended:
			f.Store.Unfollow(f.now, e.ID)
		default:
			f.id = e.ID
			f.feeds[e.ID] = f.heard
			f.later(resyncEvery)
		}
	})
}

// heard takes what the consumer tells.
func (f *feed) heard(e model.Event) {
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
