// Copyright The Parti Authors
// SPDX-License-Identifier: Apache-2.0

package sim

import (
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/parti-go/parti/internal/member"
	"github.com/parti-go/parti/internal/record"
	"github.com/parti-go/parti/internal/store"
	"github.com/parti-go/parti/internal/store/model"
)

// TestTheJudgeExcusesARestoreForAWhile: what was under way then is stored by then or never.
func TestTheJudgeExcusesARestoreForAWhile(t *testing.T) {
	term := put(store.Assignments, store.TermKey, record.Term{Number: 2})
	for name, happens := range map[string][]store.Entry{
		"I4: ":      {term, term},
		"I6: ":      {term, granted("a", 1, 5, "p"), put(store.Assignments, "a", record.Assignment{Worker: "a", Session: 1, Term: 1})},
		"I2: ":      {granted("a", 1, 5, "p"), granted("b", 2, 4, "p")},
		"handoff: ": {beats("a", 1), granted("a", 1, 5, "p"), granted("b", 2, 6, "p")},
	} {
		f := NewFleet(NewLoop(model.Config{Start: Begin}), Defaults(3, 3))
		f.excuses.restored = Begin
		for _, later := range []bool{false, true} {
			for _, e := range happens {
				require.Empty(t, f.Broken, name)
				f.judge.stored(e)
			}
			f.judge.forget()
			clear(f.judge.records) // the second time these are first records
			if !later {
				f.Run(Begin.Add(f.cfg.Member.OperationTimeout))
			}
		}
		require.Len(t, f.Broken, 1, name)
		require.Contains(t, f.Broken[0], name)
	}
}

// TestTheJudgeExcusesASessionThatMayNotKnow: it is excused until its leases have told it, and only itself.
func TestTheJudgeExcusesASessionThatMayNotKnow(t *testing.T) {
	for bucket, known := range map[store.Bucket]time.Duration{store.Heartbeats: 6 * time.Second, store.StableIDs: 30 * time.Second} {
		f := healthy(t, 3, 12)
		w, other := f.Workers[0], f.Workers[1]
		f.excuses.emptied[bucket] = f.Now()
		other.begun = f.Now().Add(f.cfg.Member.OperationTimeout)
		require.True(t, f.upheld(w), bucket)
		require.False(t, f.upheld(other), "%s: it began later", bucket)
		older := func() {
			f.epochs["p-0"] = handed{epoch: 1 << 60, worker: other}
			delete(w.Owned, "p-0")
			delete(other.Owned, "p-0")
			f.granted(w, "p-0", 1)
		}
		older()
		require.Empty(t, f.Broken, "%s: its epoch shows that it is over", bucket)
		f.Run(f.Now().Add(known))
		require.False(t, f.upheld(w), bucket)
		older()
		require.Len(t, f.Broken, 1, bucket)
		require.Contains(t, f.Broken[0], "I2: ")
		f.Broken = nil
		other.client.sent[store.StableIDs] = f.Now() // it has just claimed
		f.judge.begun(other, &member.Begin{Worker: w.session.Worker, Number: w.session.Number + 1})
		require.Len(t, f.Broken, 1, bucket)
		require.Contains(t, f.Broken[0], "I5: ")
	}
}

// TestTheJudgeExcusesAWriteThatWasUnderWayWhenItsBucketWasEmptied: for as long as it can be under way.
func TestTheJudgeExcusesAWriteThatWasUnderWayWhenItsBucketWasEmptied(t *testing.T) {
	f := healthy(t, 2, 4)
	w := f.Workers[0]
	f.excuses.emptied[store.StableIDs] = f.Now()
	for p := range w.Owned {
		delete(w.Owned, p)
	}
	f.judge.ended(w, &member.End{})
	for _, b := range f.Broken {
		require.NotContains(t, b, "stable ID", b)
	}
	f.Broken = nil
	f.Run(f.Now().Add(f.cfg.Member.OperationTimeout))
	f.judge.ended(w, &member.End{})
	require.Contains(t, strings.Join(f.Broken, " "), "in the stable ID bucket")
}

// TestTheJudgeExcusesSessionsAfterOneOfBefore: a number that no claim has given since the claims were emptied may be followed by a lower one, and
// may come after a higher one for as long as its session may not know.
func TestTheJudgeExcusesSessionsAfterOneOfBefore(t *testing.T) {
	f := NewFleet(NewLoop(model.Config{Start: Begin}), Defaults(3, 3))
	f.upheaves(store.StableIDs)
	claimed := put(store.StableIDs, "a", record.Claim{})
	claimed.Revision = 3
	f.judge.stored(claimed)
	for _, session := range []uint64{7, 3} {
		f.judge.stored(beats("a", session))
	}
	f.judge.stored(beats("a", 2)) // which does not know of it yet
	f.judge.stored(beats("a", 3))
	f.Run(f.Now().Add(f.cfg.Member.WorkerIDTTL))
	require.Empty(t, f.Broken)
	f.judge.stored(beats("a", 2))
	require.Len(t, f.Broken, 1)
	require.Contains(t, f.Broken[0], "I5: session 2 of a is stored after session 3")
}

func beats(worker string, session uint64) store.Entry {
	return put(store.Heartbeats, worker, record.Heartbeat{Session: session})
}

// TestTheJudgeExcusesWhatAFrozenProcessWasAboutToWrite: if it was frozen before a restore, and for as long as a write can be under way.
func TestTheJudgeExcusesWhatAFrozenProcessWasAboutToWrite(t *testing.T) {
	for _, before := range []bool{true, false} {
		f := healthy(t, 3, 12)
		w := f.Workers[0]
		w.client.freeze()
		f.excuses.restored = f.Now().Add(-time.Minute)
		if before {
			f.excuses.restored = f.Now().Add(time.Second)
		}
		f.Run(f.Now().Add(time.Second + f.cfg.Member.OperationTimeout))
		require.False(t, f.doubled())
		f.thaws(w)
		require.Equal(t, before, f.doubled())
		f.Run(f.Now().Add(f.cfg.Member.OperationTimeout))
		require.False(t, f.doubled())
	}
}

// TestTheJudgeExcusesARenewalOfBeforeARestoreThatHitsAnEntryOfAfterIt: from then on, and nothing else that is stored over an entry.
func TestTheJudgeExcusesARenewalOfBeforeARestoreThatHitsAnEntryOfAfterIt(t *testing.T) {
	f := healthy(t, 2, 4)
	f.aims = map[aim][]record.Token{}
	f.aim(store.Lease{Bucket: store.Heartbeats, Key: "a", Revision: 7, Chain: "old/"})
	f.aim(store.Lease{Bucket: store.Heartbeats, Key: "a", Revision: 7, Chain: "new/"})
	entry := func(kind store.Kind, revision uint64, token record.Token) store.Entry {
		return store.Entry{Bucket: store.Heartbeats, Key: "a", Kind: kind, Revision: revision, Token: token}
	}
	ours := entry(store.Put, 7, "new/1")
	require.False(t, f.collides(ours, entry(store.Put, 8, "new/2")), "our own renewal")
	require.False(t, f.collides(ours, entry(store.Put, 8, "third/1")), "somebody who has read it")
	require.False(t, f.collides(ours, entry(store.Expired, 8, "")))
	require.False(t, f.collides(entry(store.Put, 6, "new/1"), entry(store.Put, 8, "old/2")), "another revision")
	require.True(t, f.collides(ours, entry(store.Put, 8, "old/2")))
	require.True(t, f.collides(ours, entry(store.Deleted, 8, "")))

	require.False(t, f.doubled())
	f.judge.stored(ours)
	require.False(t, f.doubled())
	f.judge.stored(entry(store.Put, 8, "old/2"))
	require.True(t, f.doubled())
	f.Run(f.Now().Add(f.cfg.Member.OperationTimeout))
	require.False(t, f.doubled())
}
