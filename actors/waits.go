// Copyright The Parti Authors
// SPDX-License-Identifier: Apache-2.0

package actors

import (
	"fmt"
	"time"

	"github.com/parti-go/parti/internal/member"
	"github.com/parti-go/parti/internal/store"
	"github.com/parti-go/parti/kv"
)

// This file is how a child says what it waits for, when that begins and when it ends. Its manager's member owns the deadline:
// past it the wait is an error to OnError, a line of the worker's heartbeat that its leader reports as well, and a part of
// Status and Healthy, until it ends.

// Wait is something that a worker waits for past its deadline.
type Wait struct {
	// What has to happen, with the number of partitions that it concerns and the first of them.
	What string
	// Who has to see to it: a worker, a bucket, the source, the strategy, or the leader.
	Who   string
	Since time.Time
}

// awaits (reported): a wait begins. One that is under way goes on.
type awaits struct {
	key string // one wait of a key at a time
	Wait
	due   time.Time
	err   error // what is said of it wraps this as well; nil for ErrStuck alone
	quiet bool  // somebody else tells OnError of it, or has
}

// awaited (reported): a wait is over.
type awaited struct{ key string }

func (*awaits) reported()  {}
func (*awaited) reported() {}

// wait is what is awaited, in the words of the member that keeps the deadline.
func (a *awaits) wait() member.Wait {
	return member.Wait{Key: a.key, What: a.What, Who: a.Who, Since: a.Since, Due: a.due, Err: a.err, Quiet: a.quiet}
}

// The keys of waits that children begin.
const (
	waitsForLeader = "leader"
	waitsForSource = "source"
)

// sight reports for how long a feed sees nothing, or cannot verify what it sees, and when it does again. Silence is no
// news at first: an outage is noticed by the writes that fail. Longer than a worker may be silent is, counted from when the
// feed noticed: on a quiet bucket it may have seen the last sign of life long before.
func sight(report func(reported), buckets *kv.Store, b store.Bucket, u store.Update) {
	key, who, now := "feed of "+b.String(), fmt.Sprintf("bucket %q", buckets.Bucket(b)), time.Now()
	switch u.Kind {
	case store.UpdateBlind:
		report(&awaits{key: key, Wait: Wait{"the bucket can be read again", who, u.Since}, due: now.Add(buckets.TTL(store.Heartbeats)), err: u.Err})
	case store.UpdateStale:
		report(&awaits{key: key, Wait: Wait{"a full listing confirms what was read", who, u.Since}, due: now, err: u.Err})
	case store.UpdateSynced:
		report(&awaited{key})
	default:
	}
}
