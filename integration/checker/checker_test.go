// Copyright The Parti Authors
// SPDX-License-Identifier: Apache-2.0

package checker_test

import (
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/parti-go/parti/integration/checker"
)

// history is a fleet life written by hand.
type history struct {
	*checker.Checker
	seq  map[checker.Bucket]uint64
	term int // of what is owned, 1 if it is 0
}

// legal is a state table small enough to be seen through.
func legal(from, to string) bool {
	return map[string]bool{
		"Init ClaimingID": true, "ClaimingID Stable": true, "Stable ClaimingID": true, "Stable Shutdown": true,
	}[from+" "+to]
}

// testLease is how long a heartbeat lasts.
const testLease = 6 * time.Second

// judge returns the violations of a history.
func judge(t *testing.T, live func(h *history)) []string {
	var found []string
	synctest.Test(t, func(*testing.T) {
		h := &history{seq: make(map[checker.Bucket]uint64)}
		h.Checker = checker.New(checker.Config{Allowed: legal, Margin: time.Second, Grace: time.Second, LeaderTTL: 3 * time.Second, Lease: testLease})
		live(h)
		h.Finish()
		found = h.Violations()
	})
	return found
}

func (h *history) join(name, worker string) {
	h.Began(name)
	h.State(name, "", "Init", "ClaimingID")
	h.State(name, worker, "ClaimingID", "Stable")
}

// told makes a call; version is the epoch of what is added as well.
func (h *history) told(name, worker string, version int64, added, removed []string) {
	epochs := make(map[string]int64)
	for _, p := range added {
		epochs[p] = version
	}
	h.Told(name, checker.Call{
		Worker: worker, Term: 1, Version: version, Epochs: epochs, Added: added, Removed: removed,
	})
}

func (h *history) hook(name, worker string, version int64, added, removed []string) {
	h.told(name, worker, version, added, removed)
	h.Returned(name)
}

func (h *history) put(b checker.Bucket, key, value string, args ...any) {
	h.seq[b]++
	h.Stored(checker.Entry{
		Bucket: b, Key: key, Seq: h.seq[b], At: time.Now(), Value: fmt.Appendf(nil, value, args...),
	})
}

func (h *history) gone(b checker.Bucket, key string) {
	h.seq[b]++
	h.Stored(checker.Entry{Bucket: b, Key: key, Seq: h.seq[b], At: time.Now(), Gone: true})
}

func (h *history) beat(worker string, session, applied int) {
	h.put(checker.Heartbeat, worker, `{"session":%d,"applied":{"version":%d}}`, session, applied)
}

// owned stores a record with one partition x.
func (h *history) owned(worker string, session, version, epoch int) {
	h.put(checker.Assignment, worker,
		`{"session":%d,"term":%d,"version":%d,"owned":[{"partition":"x","epoch":%d}]}`, session, max(h.term, 1), version, epoch)
}

func (h *history) releasing(worker string, session, version, epoch int) {
	h.put(checker.Assignment, worker,
		`{"session":%d,"term":1,"version":%d,"releasing":[{"partition":"x","epoch":%d,"since":%d}]}`,
		session, version, epoch, version)
}

var (
	none []string
	x    = []string{"x"}
)

func TestAClaimMayBeTakenOverWhenItsSessionIsOver(t *testing.T) {
	found := judge(t, func(h *history) {
		h.put(checker.StableID, "worker-0", `{"session":0,"token":"a/1"}`)
		time.Sleep(testLease) // and no heartbeat
		h.put(checker.StableID, "worker-0", `{"session":0,"token":"b/1"}`)
		h.beat("worker-0", 2, 0)
		time.Sleep(testLease)
		h.gone(checker.Heartbeat, "worker-0")
		h.put(checker.StableID, "worker-0", `{"session":0,"token":"c/1"}`)
		h.join("p1", "worker-0")
		h.beat("worker-0", 3, 0)
		h.Died("p1")
		h.put(checker.StableID, "worker-0", `{"session":0,"token":"d/1"}`)
	})
	require.Empty(t, found)
}

func TestAnOrderlyHistoryIsNotReported(t *testing.T) {
	found := judge(t, func(h *history) {
		h.join("p1", "worker-0")
		h.join("p2", "worker-1")
		h.put(checker.StableID, "worker-0", `{"session":0,"token":"a/1"}`)
		h.put(checker.StableID, "worker-0", `{"session":1,"token":"a/2"}`)
		h.put(checker.Assignment, "term", `{"number":1}`)
		h.beat("worker-0", 1, 0)
		h.beat("worker-1", 2, 0)
		h.owned("worker-0", 1, 1, 1)
		h.put(checker.Assignment, "plan", `{"term":1,"version":1,"phase":"idle"}`)
		h.hook("p1", "worker-0", 1, x, none)
		require.NoError(t, h.Complete(x))
		time.Sleep(time.Second)
		h.releasing("worker-0", 1, 2, 1)
		h.hook("p1", "worker-0", 2, none, x)
		require.Error(t, h.Complete(x))
		time.Sleep(time.Second)
		h.beat("worker-0", 1, 2)
		h.owned("worker-1", 2, 3, 3)
		h.hook("p2", "worker-1", 3, x, none)
		require.NoError(t, h.Complete(x))
		require.Equal(t, 1, h.Moves())
		h.Died("p2")
		require.Error(t, h.Complete(x))
		h.gone(checker.Heartbeat, "worker-1")
		h.put(checker.Assignment, "term", `{"number":2}`)
		h.put(checker.Assignment, "worker-0",
			`{"session":1,"term":2,"version":4,"owned":[{"partition":"x","epoch":4}]}`)
		h.hook("p1", "worker-0", 4, x, none)
		h.hook("p1", "worker-0", 5, none, x)
		h.State("p1", "worker-0", "Stable", "Shutdown")
		h.Ended("p1")
	})
	require.Empty(t, found)
}

func TestEveryBrokenPromiseIsReported(t *testing.T) {
	for _, broken := range []struct {
		name, want string
		live       func(h *history)
	}{
		{"two processes run a partition", "I1", func(h *history) {
			h.join("p1", "worker-0")
			h.join("p2", "worker-1")
			h.hook("p1", "worker-0", 1, x, none)
			h.hook("p2", "worker-1", 2, x, none)
		}},
		{"a partition is granted before the hook has returned", "I1", func(h *history) {
			h.join("p1", "worker-0")
			h.join("p2", "worker-1")
			h.hook("p1", "worker-0", 1, x, none)
			h.told("p1", "worker-0", 2, none, x)
			h.hook("p2", "worker-1", 3, x, none)
		}},
		{"a handler is overtaken within the margin after its context ended", "I1", func(h *history) {
			h.join("p1", "worker-0")
			h.join("p2", "worker-1")
			h.told("p1", "worker-0", 1, x, none)
			h.Cancelled("p1")
			time.Sleep(999 * time.Millisecond)
			h.hook("p2", "worker-1", 3, x, none)
		}},
		{"a partition is added twice", "I1", func(h *history) {
			h.join("p1", "worker-0")
			h.hook("p1", "worker-0", 1, x, none)
			h.hook("p1", "worker-0", 2, x, none)
		}},
		{"a partition is removed that was not there", "I1", func(h *history) {
			h.join("p1", "worker-0")
			h.hook("p1", "worker-0", 1, none, x)
		}},
		{"two calls at once", "I1", func(h *history) {
			h.join("p1", "worker-0")
			h.told("p1", "worker-0", 1, none, none)
			h.told("p1", "worker-0", 1, none, none)
		}},
		{"a worker ends with partitions in hand", "I1", func(h *history) {
			h.join("p1", "worker-0")
			h.hook("p1", "worker-0", 1, x, none)
			h.State("p1", "worker-0", "Stable", "Shutdown")
			h.Ended("p1")
		}},
		{"a thawed process keeps what it lost", "I1", func(h *history) {
			h.join("p1", "worker-0")
			h.join("p2", "worker-1")
			h.hook("p1", "worker-0", 1, x, none)
			h.Froze("p1")
			h.hook("p2", "worker-1", 2, x, none)
			h.Thawed("p1")
			time.Sleep(2 * time.Second)
		}},
		{"a thawed process gives up late what it lost", "I1", func(h *history) {
			h.join("p1", "worker-0")
			h.join("p2", "worker-1")
			h.hook("p1", "worker-0", 1, x, none)
			h.Froze("p1")
			h.hook("p2", "worker-1", 2, x, none)
			h.Thawed("p1")
			time.Sleep(2 * time.Second)
			h.hook("p1", "worker-0", 3, none, x)
		}},
		{"an epoch is used twice", "I2", func(h *history) {
			h.join("p1", "worker-0")
			h.join("p2", "worker-1")
			h.hook("p1", "worker-0", 1, x, none)
			h.Died("p1")
			h.hook("p2", "worker-1", 1, x, none)
		}},
		{"an added partition has no epoch", "I2", func(h *history) {
			h.join("p1", "worker-0")
			h.Told("p1", checker.Call{Worker: "worker-0", Added: x})
		}},
		{"an epoch changes under a running partition", "I2", func(h *history) {
			h.join("p1", "worker-0")
			h.hook("p1", "worker-0", 1, x, none)
			h.Told("p1", checker.Call{Worker: "worker-0", Term: 1, Version: 2, Epochs: map[string]int64{"x": 2}})
		}},
		{"a stored epoch falls", "I2", func(h *history) {
			h.owned("worker-0", 1, 5, 5)
			h.owned("worker-1", 2, 6, 4)
		}},
		{"a stored epoch is the same for the next session", "I2", func(h *history) {
			h.owned("worker-0", 1, 5, 5)
			h.owned("worker-0", 2, 6, 5)
		}},
		{"a process sees an older version", "I4", func(h *history) {
			h.join("p1", "worker-0")
			h.hook("p1", "worker-0", 2, none, none)
			h.hook("p1", "worker-0", 1, none, none)
		}},
		{"a process sees an older term", "I4", func(h *history) {
			h.join("p1", "worker-0")
			h.Told("p1", checker.Call{Worker: "worker-0", Term: 2, Version: 1})
			h.Returned("p1")
			h.Told("p1", checker.Call{Worker: "worker-0", Term: 1, Version: 2})
		}},
		{"a session stores term after term", "terms", func(h *history) {
			for n := range 7 {
				h.put(checker.Assignment, "term", `{"number":%d,"worker":"worker-0","session":1}`, n+1)
				time.Sleep(400 * time.Millisecond)
			}
		}},
		{"a term is stored again", "I4", func(h *history) {
			h.put(checker.Assignment, "term", `{"number":2}`)
			h.put(checker.Assignment, "term", `{"number":2}`)
		}},
		{"a plan's version falls", "I4", func(h *history) {
			h.put(checker.Assignment, "plan", `{"term":1,"version":2}`)
			h.put(checker.Assignment, "plan", `{"term":1,"version":1}`)
		}},
		{"a record's version falls", "I4", func(h *history) {
			h.put(checker.Assignment, "worker-0", `{"term":1,"version":2}`)
			h.put(checker.Assignment, "worker-0", `{"term":1,"version":1}`)
		}},
		{"two processes act under one ID", "I5", func(h *history) {
			h.join("p1", "worker-0")
			h.join("p2", "worker-0")
		}},
		{"a process acts under the ID of one that was thawed a moment ago", "I5", func(h *history) {
			h.join("p1", "worker-0")
			h.Froze("p1")
			h.Thawed("p1")
			time.Sleep(time.Millisecond)
			h.join("p2", "worker-0")
		}},
		{"a process acts without an ID", "I5", func(h *history) { h.join("p1", ""); time.Sleep(time.Millisecond) }},
		{"a process acts without an ID and then rejoins", "I5", func(h *history) {
			h.join("p1", "")
			time.Sleep(time.Millisecond)
			h.State("p1", "", "Stable", "ClaimingID")
		}},
		{"a claim is stored over a live one", "I5", func(h *history) {
			h.put(checker.StableID, "worker-0", `{"session":0,"token":"a/1"}`)
			h.put(checker.StableID, "worker-0", `{"session":0,"token":"b/1"}`)
		}},
		{"a claim is stored over one that just began", "I5", func(h *history) {
			h.put(checker.StableID, "worker-0", `{"session":0,"token":"a/1"}`)
			time.Sleep(testLease - time.Millisecond)
			h.put(checker.StableID, "worker-0", `{"session":0,"token":"b/1"}`)
		}},
		{"a claim is stored over an old one with a heartbeat", "I5", func(h *history) {
			h.put(checker.StableID, "worker-0", `{"session":0,"token":"a/1"}`)
			h.beat("worker-0", 1, 0)
			time.Sleep(2 * testLease)
			h.put(checker.StableID, "worker-0", `{"session":0,"token":"b/1"}`)
		}},
		{"a claim is stored over that of another than the dead", "I5", func(h *history) {
			h.join("p1", "worker-1")
			h.put(checker.StableID, "worker-0", `{"session":0,"token":"a/1"}`)
			h.Died("p1")
			h.put(checker.StableID, "worker-0", `{"session":0,"token":"b/1"}`)
		}},
		{"a heartbeat of an older session is stored", "I5", func(h *history) {
			h.beat("worker-0", 2, 0)
			h.beat("worker-0", 1, 0)
		}},
		{"a plan of a deposed leader is stored", "I6", func(h *history) {
			h.put(checker.Assignment, "term", `{"number":2}`)
			h.put(checker.Assignment, "plan", `{"term":1,"version":1}`)
		}},
		{"a record of a deposed leader is stored", "I6", func(h *history) {
			h.put(checker.Assignment, "term", `{"number":2}`)
			h.owned("worker-0", 1, 1, 1)
		}},
		{"a record is stored under another worker's key", "I6", func(h *history) {
			h.put(checker.Assignment, "worker-0", `{"worker":"worker-1"}`)
		}},
		{"a state change is no edge", "I8", func(h *history) {
			h.Began("p1")
			h.State("p1", "worker-0", "Init", "Stable")
		}},
		{"a state change is left out", "I8", func(h *history) {
			h.Began("p1")
			h.State("p1", "worker-0", "ClaimingID", "Stable")
		}},
		{"a worker ends in a state other than Shutdown", "I8", func(h *history) {
			h.join("p1", "worker-0")
			h.Ended("p1")
		}},
		{"a partition is granted that its holder was not asked for", "handoff", func(h *history) {
			h.beat("worker-0", 1, 9)
			h.owned("worker-0", 1, 1, 1)
			h.owned("worker-1", 2, 2, 2)
		}},
		{"a partition is granted before its holder has acknowledged", "handoff", func(h *history) {
			h.beat("worker-0", 1, 1)
			h.owned("worker-0", 1, 1, 1)
			h.releasing("worker-0", 1, 2, 1)
			h.owned("worker-1", 2, 3, 3)
			time.Sleep(time.Second)
			h.beat("worker-0", 1, 2)
		}},
		{"a partition is granted before its holder's session is over", "handoff", func(h *history) {
			h.beat("worker-0", 1, 1)
			h.owned("worker-0", 1, 1, 1)
			h.owned("worker-1", 2, 3, 3)
			time.Sleep(time.Second)
			h.gone(checker.Heartbeat, "worker-0")
		}},
	} {
		t.Run(broken.name, func(t *testing.T) {
			found := judge(t, broken.live)
			require.Len(t, found, 1, "one fault, one report")
			require.True(t, strings.HasPrefix(found[0], broken.want+" violated"), found[0])
		})
	}
}

func TestWhatADeadOrFrozenProcessSaysDoesNotCount(t *testing.T) {
	require.Empty(t, judge(t, func(h *history) {
		h.join("p1", "worker-0")
		h.hook("p1", "worker-0", 1, x, none)
		h.Died("p1")
		h.join("p2", "worker-0")
		h.hook("p2", "worker-0", 2, x, none)
		h.hook("p1", "worker-0", 1, x, none)
		h.State("p1", "worker-0", "Shutdown", "Stable")
		h.Froze("p2")
		h.join("p3", "worker-0")
		h.hook("p3", "worker-0", 3, x, none)
		require.NoError(t, h.Complete(x))
		h.Thawed("p2")
		time.Sleep(time.Second)
		h.hook("p2", "worker-0", 3, none, x)
		require.Equal(t, 1, h.Excused())
		require.NoError(t, h.Complete(x))
	}))
}

func TestWhoIsThawedInThisVeryMomentHasDoneNothingYet(t *testing.T) {
	require.Empty(t, judge(t, func(h *history) {
		h.join("p1", "worker-0")
		h.Froze("p1")
		time.Sleep(time.Second)
		h.Thawed("p1")
		h.join("p2", "worker-0")
	}))
}

func TestANoticeThatIsReadWhenItsSessionIsOverNeedsNoID(t *testing.T) {
	require.Empty(t, judge(t, func(h *history) {
		h.join("p1", "")
		h.State("p1", "", "Stable", "ClaimingID")
		time.Sleep(time.Second)
		h.State("p1", "worker-0", "ClaimingID", "Stable")
	}))
}

func TestAHandlerThatIgnoresItsContextForLongerThanTheMarginIsExcused(t *testing.T) {
	require.Empty(t, judge(t, func(h *history) {
		h.join("p1", "worker-0")
		h.join("p2", "worker-1")
		h.told("p1", "worker-0", 1, x, none)
		h.Cancelled("p1")
		time.Sleep(time.Second)
		h.hook("p2", "worker-1", 3, x, none)
		require.Equal(t, 1, h.Excused())
	}))
}

func TestManySessionsMayBeginATermEachAndOneMayGoOnBeginningSome(t *testing.T) {
	require.Empty(t, judge(t, func(h *history) {
		for n := range 40 {
			h.put(checker.Assignment, "term", `{"number":%d,"worker":"worker-0","session":%d}`, n+1, n)
		}
		for n := range 40 {
			h.put(checker.Assignment, "term", `{"number":%d,"worker":"worker-0","session":1}`, n+41)
			time.Sleep(600 * time.Millisecond)
		}
	}))
}

func TestASessionThatIsOverNeedNotAcknowledge(t *testing.T) {
	require.Empty(t, judge(t, func(h *history) {
		h.beat("worker-0", 1, 0)
		h.owned("worker-0", 1, 1, 1)
		h.beat("worker-0", 7, 0)
		h.owned("worker-0", 7, 2, 2)
	}), "a higher session of the same worker ends the lower one")
}

func TestAReleaseThatWasOverwrittenUnreadCountsIfItsHolderAppliedSomethingLater(t *testing.T) {
	for applied, violations := range map[int]int{1: 1, 2: 0} {
		require.Len(t, judge(t, func(h *history) {
			h.beat("worker-0", 1, 0)
			h.owned("worker-0", 1, 1, 1)
			h.seq[checker.Assignment]++ // worker-0 releases x in version 2, but its key is written again at once
			h.beat("worker-0", 1, applied)
			h.beat("worker-1", 2, 0)
			h.owned("worker-1", 2, 3, 3)
		}), violations, "applied: %d", applied)
	}
}

func TestARecordThatNamesAPartitionNoMoreMayHaveReplacedItsReleaseUnread(t *testing.T) {
	for unread, violations := range map[uint64]int{0: 1, 1: 0} {
		require.Len(t, judge(t, func(h *history) {
			h.beat("worker-0", 1, 0)
			h.owned("worker-0", 1, 1, 1)
			time.Sleep(time.Second)
			h.seq[checker.Assignment] += unread // worker-0 releases x in version 2
			h.beat("worker-0", 1, 2)
			h.put(checker.Assignment, "worker-0", `{"session":1,"term":1,"version":3}`)
			h.owned("worker-1", 2, 3, 3)
		}), violations, "unread: %d", unread)
	}
}

func TestAReportShowsTheRecentEvents(t *testing.T) {
	var report string
	c := checker.New(checker.Config{Allowed: legal, Report: func(v string) { report = v }})
	c.Began("p1")
	c.Note("link of %s cut", "p1")
	c.State("p1", "", "Init", "Stable")
	require.Contains(t, report, "I8 violated")
	require.Contains(t, report, "link of p1 cut")
}
