// Copyright The Parti Authors
// SPDX-License-Identifier: Apache-2.0

package checker_test

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/parti-go/parti/integration/checker"
)

// judgeLive returns the violations of a history whose waits and moves are judged.
func judgeLive(t *testing.T, live func(h *history)) []string {
	var found []string
	synctest.Test(t, func(*testing.T) {
		h := &history{seq: make(map[checker.Bucket]uint64)}
		h.Checker = checker.New(checker.Config{Allowed: legal, Margin: time.Second, Grace: time.Second, Deadlines: &checker.Deadlines{
			HeartbeatTTL: 6 * time.Second, PlannedScaleWindow: 10 * time.Second, ColdStartWindow: 30 * time.Second,
			HandoffTimeout: 30 * time.Second, RestartDetectionRatio: 0.5, Slack: 5 * time.Second,
		}})
		live(h)
		h.Finish()
		found = h.Violations()
	})
	return found
}

// looks lets time pass while a process leads.
func (h *history) looks(leader string, d time.Duration) {
	for began := time.Now(); time.Since(began) < d; {
		time.Sleep(500 * time.Millisecond)
		h.Look(leader)
	}
}

func (h *history) expire(worker string) {
	h.seq[checker.Heartbeat]++
	h.Stored(checker.Entry{Bucket: checker.Heartbeat, Key: worker, Seq: h.seq[checker.Heartbeat], At: time.Now(), Gone: true, Expired: true})
}

func (h *history) plan(version int, digest string, members ...string) {
	h.put(checker.Assignment, "plan", `{"term":1,"version":%d,"digest":%q,"workers":%q,"members":["%s"]}`, version, digest,
		strings.Join(members, ","), strings.Join(members, `","`))
}

// group begins with x at worker-0, and n workers without anything beside it.
func (h *history) group(n int) {
	var members []string
	for i := range n + 1 {
		members = append(members, fmt.Sprintf("worker-%d", i))
		h.beat(members[i], i+1, 0)
	}
	h.owned("worker-0", 1, 1, 1)
	h.plan(1, "d", members...)
	h.looks("p1", time.Second)
}

func TestAPartitionThatStaysWithoutAnOwnerIsReported(t *testing.T) {
	for _, c := range []struct {
		name  string
		loses func(h *history)
		in    time.Duration
	}{
		{"its owner expired", func(h *history) { h.expire("worker-0") }, 5 * time.Second},
		{"its owner left", func(h *history) { h.gone(checker.Heartbeat, "worker-0") }, 15 * time.Second},
		{"its owner said that it leaves, and left", func(h *history) {
			h.leaves("worker-0", 1)
			h.gone(checker.Heartbeat, "worker-0")
		}, 5 * time.Second},
		{"for a while nobody was there who stays", func(h *history) {
			h.expire("worker-0")
			for i := range 7 {
				h.leaves(fmt.Sprintf("worker-%d", i+1), i+2)
			}
			h.looks("p1", time.Minute)
			h.beat("worker-8", 100, 0)
		}, 5 * time.Second},
		{"its owner came back and left again", func(h *history) {
			h.gone(checker.Heartbeat, "worker-0")
			h.beat("worker-0", 100, 0)
			h.gone(checker.Heartbeat, "worker-0")
		}, 15 * time.Second},
		{"its owner came back", func(h *history) {
			h.gone(checker.Heartbeat, "worker-0")
			h.beat("worker-0", 100, 0)
		}, 15 * time.Second},
		{"its owner let it go", func(h *history) {
			h.releasing("worker-0", 1, 2, 1)
			h.beat("worker-0", 1, 2)
		}, 27 * time.Second},
		{"many expired together", func(h *history) {
			h.expire("worker-0")
			h.expire("worker-1")
			h.expire("worker-2")
		}, 17 * time.Second},
		{"a leader that began does not know when others expired", func(h *history) {
			for i := range 3 {
				h.expire(fmt.Sprintf("worker-%d", i+1))
			}
			h.looks("p1", 20*time.Second)
			h.put(checker.Assignment, "term", `{"number":2,"worker":"worker-6","session":7}`)
			h.term = 2
			h.looks("p1", 3*time.Second)
			h.expire("worker-0")
		}, 14 * time.Second},
		{"most members are away", func(h *history) {
			for i := range 5 {
				h.expire(fmt.Sprintf("worker-%d", i))
			}
			h.looks("p1", 2*time.Second)
			for i := range 5 {
				h.beat(fmt.Sprintf("worker-%d", i), 100+i, 0)
			}
		}, 35 * time.Second},
	} {
		t.Run(c.name, func(t *testing.T) {
			for _, late := range []bool{false, true} {
				found := judgeLive(t, func(h *history) {
					h.group(7)
					c.loses(h)
					h.looks("p1", c.in-time.Second)
					if late {
						h.looks("p1", 4*time.Second)
					}
					h.beat("worker-6", 7, 0)
					h.owned("worker-6", 7, 9, 9)
					h.looks("p1", time.Minute)
				})
				if late {
					require.Len(t, found, 1)
					require.Contains(t, found[0], "I9 violated: x has had no owner")
				} else {
					require.Empty(t, found)
				}
			}
		})
	}
}

func TestAWaitCountsOnlyWhileALeaderCanAct(t *testing.T) {
	require.Empty(t, judgeLive(t, func(h *history) {
		h.group(3)
		h.expire("worker-0")
		for range 20 { // leaders that do not last
			h.looks("p1", 4*time.Second)
			h.looks("", 4*time.Second)
			h.looks("p2", 4*time.Second)
		}
	}))
	require.Len(t, judgeLive(t, func(h *history) {
		h.group(3)
		h.expire("worker-0")
		h.looks("", time.Minute)
		h.looks("p2", 10*time.Second)
	}), 1)
}

func TestAPartitionThatIsNotListedWaitsForNobody(t *testing.T) {
	require.Empty(t, judgeLive(t, func(h *history) {
		h.Listed(x)
		h.group(3)
		h.expire("worker-0")
		h.Listed(none)
		h.looks("p1", time.Minute)
		h.Listed(x)
		h.looks("p1", time.Minute)
	}), "and one that is new is not yet known to the leader")
}

func TestASlowHandoffThatTheLeaderDoesNotReportIsReported(t *testing.T) {
	for _, c := range []struct {
		name, by, says string
		violations     int
	}{
		{"nobody says anything", "p1", "something else", 1},
		{"the leader says so", "p1", "1 partition is still with worker worker-0", 0},
		{"the leader says so of another worker", "p1", "1 partition is still with worker-01", 1},
		{"somebody else says so", "p2", "1 partition is still with worker worker-0", 1},
	} {
		t.Run(c.name, func(t *testing.T) {
			found := judgeLive(t, func(h *history) {
				h.group(3)
				h.releasing("worker-0", 1, 2, 1)
				h.looks("p1", 30*time.Second)
				h.Reported(c.by, errors.New(c.says))
				h.looks("p1", 30*time.Second)
			})
			require.Len(t, found, c.violations)
			if c.violations > 0 {
				require.Contains(t, found[0], "I10 violated")
			}
		})
	}
}

func TestAMoveWithoutAReasonIsReported(t *testing.T) {
	three := []string{"worker-0", "worker-1", "worker-2"}
	for _, c := range []struct {
		name  string
		why   string // "" for a move that is needed
		moves func(h *history)
	}{
		{"nothing has changed", "nothing has changed", func(h *history) {
			h.releasing("worker-0", 1, 2, 1)
			h.plan(2, "d", three...)
		}},
		{"the record just leaves it out", "nothing has changed", func(h *history) {
			h.put(checker.Assignment, "worker-0", `{"session":1,"term":1,"version":2}`)
			h.plan(2, "d", three...)
		}},
		{"the members were others for a while", "", func(h *history) {
			h.plan(1, "d", "worker-0")
			h.releasing("worker-0", 1, 2, 1)
			h.plan(2, "d", three...)
		}},
		{"the source has changed", "", func(h *history) {
			h.releasing("worker-0", 1, 2, 1)
			h.plan(2, "e", three...)
		}},
		{"somebody has joined", "", func(h *history) {
			h.releasing("worker-0", 1, 2, 1)
			h.plan(2, "d", append(three, "worker-3")...)
		}},
		{"it is listed no more", "", func(h *history) {
			h.Listed(none)
			h.releasing("worker-0", 1, 2, 1)
			h.plan(2, "d", three...)
		}},
		{"a session has ended to which something was promised", "", func(h *history) {
			h.gone(checker.Heartbeat, "worker-2")
			h.beat("worker-2", 30, 0)
			h.put(checker.Assignment, "worker-0", `{"session":1,"term":1,"version":2}`)
			h.plan(2, "d", three...)
		}},
		{"a leader has begun while something was in flight", "", func(h *history) {
			h.put(checker.Assignment, "worker-1", `{"session":2,"term":1,"version":2,"owned":[{"partition":"y","epoch":2}]}`)
			h.put(checker.Assignment, "worker-1", `{"session":2,"term":1,"version":3,"releasing":[{"partition":"y","epoch":2,"since":3}]}`)
			h.put(checker.Assignment, "plan", `{"term":1,"version":3,"digest":"d","workers":"worker-0,worker-1,worker-2","members":["worker-0","worker-1","worker-2"]}`)
			h.put(checker.Assignment, "term", `{"number":2,"worker":"worker-2","session":3}`)
			h.put(checker.Assignment, "worker-0", `{"session":1,"term":2,"version":4}`)
			h.put(checker.Assignment, "plan", `{"term":2,"version":4,"digest":"d","workers":"worker-0,worker-1,worker-2","members":["worker-0","worker-1","worker-2"]}`)
		}},
		{"somebody is missing", "members are missing", func(h *history) {
			h.expire("worker-2")
			h.releasing("worker-0", 1, 2, 1)
			h.plan(2, "d", three[:2]...)
		}},
		{"somebody is missing and somebody has another capacity", "", func(h *history) {
			h.put(checker.Heartbeat, "worker-1", `{"session":2,"capacity":200}`)
			h.expire("worker-2")
			h.releasing("worker-0", 1, 2, 1)
			h.plan(2, "d", three[:2]...)
		}},
		{"its holder is leaving", "", func(h *history) {
			h.put(checker.Heartbeat, "worker-0", `{"session":1,"leaving":true}`)
			h.releasing("worker-0", 1, 2, 1)
			h.plan(2, "d", three[1:]...)
		}},
		{"its holder is gone", "", func(h *history) {
			h.gone(checker.Heartbeat, "worker-0")
			h.releasing("worker-0", 1, 2, 1)
			h.plan(2, "d", three...)
		}},
		{"something else had to be given away before", "", func(h *history) {
			h.put(checker.Assignment, "worker-1", `{"session":2,"term":1,"version":2,"owned":[{"partition":"y","epoch":2}]}`)
			h.plan(2, "d", three...)
			h.gone(checker.Heartbeat, "worker-1")
			h.put(checker.Assignment, "worker-2", `{"session":3,"term":1,"version":3,"owned":[{"partition":"y","epoch":3}]}`)
			h.plan(3, "d", three...)
			h.releasing("worker-0", 1, 4, 1)
			h.plan(4, "d", three...)
		}},
		{"what it moved before has arrived", "nothing has changed", func(h *history) {
			h.releasing("worker-0", 1, 2, 1)
			h.plan(2, "d", append(three, "worker-3")...)
			h.beat("worker-0", 1, 2)
			h.owned("worker-1", 2, 3, 3)
			h.plan(3, "d", append(three, "worker-3")...)
			h.releasing("worker-1", 2, 4, 3)
			h.plan(4, "d", append(three, "worker-3")...)
		}},
	} {
		t.Run(c.name, func(t *testing.T) {
			found := judgeLive(t, func(h *history) {
				h.Listed(x)
				h.group(2)
				time.Sleep(3 * time.Minute) // since the workers described themselves
				c.moves(h)
			})
			if c.why == "" {
				require.Empty(t, found)
				return
			}
			require.Len(t, found, 1)
			require.Contains(t, found[0], "I7 violated")
			require.Contains(t, found[0], c.why)
		})
	}
}

func TestTheTimeWithoutAnOwnerIsCounted(t *testing.T) {
	require.Empty(t, judge(t, func(h *history) {
		h.join("p1", "worker-0")
		h.join("p2", "worker-1")
		h.hook("p1", "worker-0", 1, x, none)
		require.Empty(t, h.Vacancies(time.Time{}), "what nobody has run is not counted")
		began := time.Now()
		h.told("p1", "worker-0", 2, none, x)
		time.Sleep(time.Second) // it still runs it
		h.Returned("p1")
		time.Sleep(2 * time.Second)
		h.hook("p2", "worker-1", 3, x, none)
		h.Died("p2")
		time.Sleep(3 * time.Second)
		require.Equal(t, []checker.Vacancy{
			{Partition: "x", From: began.Add(time.Second), To: began.Add(3 * time.Second)},
			{Partition: "x", From: began.Add(3 * time.Second), To: began.Add(6 * time.Second)},
		}, h.Vacancies(time.Time{}))
		require.Len(t, h.Vacancies(began.Add(4*time.Second)), 1)
		h.Listed(none)
		require.Empty(t, h.Vacancies(time.Time{}))
	}))
}

func TestOnlyALeaderWhoseSessionIsYoungMayWaitForARestart(t *testing.T) {
	for session, violations := range map[int]int{1: 1, 9: 0} { // the session of the group's beginning, and one that has just begun
		t.Run(fmt.Sprint(session), func(t *testing.T) {
			require.Len(t, judgeLive(t, func(h *history) {
				h.group(3)
				h.looks("p1", 40*time.Second)
				if session > 1 {
					h.beat("worker-2", session, 0)
				}
				h.expire("worker-0")
				h.put(checker.Assignment, "term", `{"number":2,"worker":"worker-2","session":%d}`, max(session, 3))
				h.put(checker.Assignment, "plan", `{"term":2,"version":2,"digest":"d","lifecycle":"cold_start","members":["worker-0","worker-1","worker-2","worker-3"]}`)
				h.looks("p1", 20*time.Second)
			}), violations)
		})
	}
}

func TestSessionsThatAreReplacedCountForAMassLoss(t *testing.T) {
	for replaced, violations := range map[int]int{0: 1, 2: 0} {
		t.Run(fmt.Sprint(replaced), func(t *testing.T) {
			require.Len(t, judgeLive(t, func(h *history) {
				h.group(5)
				h.looks("p1", 40*time.Second)
				h.expire("worker-0")
				for i := range replaced {
					h.beat(fmt.Sprintf("worker-%d", i+1), 20+i, 0)
				}
				h.looks("p1", 8*time.Second)
			}), violations)
		})
	}
}

// TestAGrantThatWasReplacedBeforeItWasReadCounts: the bucket keeps one message a key.
func TestAGrantThatWasReplacedBeforeItWasReadCounts(t *testing.T) {
	require.Empty(t, judgeLive(t, func(h *history) {
		h.group(7)
		h.expire("worker-0")
		h.releasing("worker-1", 2, 3, 9)
		h.looks("p1", 20*time.Second)
		h.beat("worker-1", 2, 3)
		h.looks("p1", 5*time.Second)
		h.owned("worker-2", 3, 4, 10)
		h.looks("p1", 30*time.Second)
	}))
}
