// Copyright The Parti Authors
// SPDX-License-Identifier: Apache-2.0

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
	o := &opening{client: c, by: by, done: done}
	o.again = o.ask
	o.ask()
}

type opening struct {
	*client
	bucket store.Bucket
	by     time.Time
	again  func() // asks
	done   func(error)
}

func (o *opening) ask() {
	if o.bucket == store.Buckets {
		o.done(nil)
		return
	}
	o.await(o.Store.Info(o.now, o.id, o.bucket, o.patience(o.by)), o)
}

func (o *opening) hear(e *model.Event) {
	switch {
	case e.Outcome != model.Applied && !o.now.Before(o.by):
		o.done(fmt.Errorf("%w: open the %s bucket", store.ErrNotDone, o.bucket))
		return
	case e.Outcome != model.Applied:
		o.After(20*time.Millisecond, o.again)
		return
	case e.None:
		_ = o.Store.Create(o.now, o.bucket) // another worker may be faster
	default:
		o.created[o.bucket] = e.Info.Created
		o.bucket++
	}
	o.ask()
}

// info asks the leader of a bucket about it. ErrRolledBack says that it is not the one that was opened.
func (c *client) info(b store.Bucket, by time.Time, done func(model.Info, error)) {
	c.await(c.Store.Info(c.now, c.id, b, c.patience(by)), hears(func(e *model.Event) {
		switch {
		case e.Outcome != model.Applied:
			done(model.Info{}, fmt.Errorf("%w: ask about the %s bucket", store.ErrNotDone, b))
		case e.None, !e.Info.Created.Equal(c.created[b]):
			done(model.Info{}, fmt.Errorf("%w: the %s bucket is gone or another", store.ErrRolledBack, b))
		default:
			done(e.Info, nil)
		}
	}))
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
		c.await(c.Store.List(c.now, c.id, b, keys, c.patience(by)), hears(func(e *model.Event) {
			switch {
			case e.Outcome != model.Applied:
				again(store.ErrNotDone)
			case e.None:
				c.listNothing(b, keys, atLeast, by, done, again)
			case e.Revision < atLeast:
				again(fmt.Errorf("%w: the answer is complete up to sequence %d, allowed: %d or later", store.ErrNotDone, e.Revision, atLeast))
			default:
				slices.SortFunc(e.Entries, func(x, y store.Entry) int { return cmp.Compare(x.Key, y.Key) })
				for i := range e.Entries {
					e.Entries[i] = c.known(e.Entries[i])
				}
				done(store.Snapshot{Entries: e.Entries, UpTo: e.Revision}, nil)
			}
		}))
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
					again(fmt.Errorf("%w: one replica lacks %q, and the stream has it", store.ErrNotDone, keys[n]))
					return
				}
				look(n + 1)
			})
		}
		look(0)
	})
}
