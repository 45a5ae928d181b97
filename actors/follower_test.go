// Copyright The Parti Authors
// SPDX-License-Identifier: Apache-2.0

package actors

import (
	"errors"
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/parti-go/parti/internal/leader"
	"github.com/parti-go/parti/internal/member"
	"github.com/parti-go/parti/internal/record"
	"github.com/parti-go/parti/internal/store"
	"github.com/parti-go/parti/kv"
)

// newIdleFollower returns a follower of session 7 whose runner only queues, and what the follower reports.
func newIdleFollower() (*follower, *[]reported) {
	var reports []reported
	r := &runner{queue: newWaiting(), asked: make(chan struct{}, 1)}
	s := session{id: "worker-0", number: 7, tenure: newTenure(), trust: &trust{}}
	f := newFollower(&guard{ended: true}, func(m reported) { reports = append(reports, m) }, nil, r, s, record.Position{}, 0, leader.Edition{}, nil)
	return f.(*follower), &reports
}

func followed(key, value string) *member.FollowingUpdate {
	return &member.FollowingUpdate{Update: store.Update{Kind: store.UpdatePut, Entry: store.Entry{Key: key, Value: []byte(value)}}}
}

func assigned(session uint64, version int64, more string) *member.FollowingUpdate {
	return followed("worker-0", fmt.Sprintf(`{"format":1,"worker":"worker-0","session":%d,"term":1,"version":%d%s}`, session, version, more))
}

// TestWhatIsShownIsAskedOfTheRunnerWithItsReasons: what a record grants, and why it takes away what it does.
func TestWhatIsShownIsAskedOfTheRunnerWithItsReasons(t *testing.T) {
	f, _ := newIdleFollower()
	f.step(assigned(7, 5, `,"owned":[{"partition":"a.b","weight":3,"epoch":4}],"releasing":[{"partition":"c","unlisted":true},{"partition":"d"}]`))
	require.Equal(t, 1, f.runner.queue.len())
	q, _ := f.runner.queue.pop()
	require.Equal(t, map[string]holding{"a.b": {named("a.b", 3), 4}}, q.target)
	require.Equal(t, record.Position{Version: 5}, q.position)
	require.Equal(t, "worker-0", q.worker)
	require.EqualValues(t, 7, q.session)
	require.False(t, q.shrink)
	require.ErrorIs(t, q.why("c"), ErrUnlisted)
	require.ErrorIs(t, q.why("d"), ErrRevoked)
}

func TestNothingIsTakenUpWhileARecordHasAnUnknownFormat(t *testing.T) {
	f, reports := newIdleFollower()
	f.step(followed(store.PlanKey, `{"format":99}`))
	f.step(assigned(7, 5, ""))
	require.Zero(t, f.runner.queue.len())
	require.ErrorIs(t, (*reports)[0].(*formatMet).err, kv.ErrFormat)
	f.step(followed(store.PlanKey, `{"format":1,"term":1,"version":5,"phase":"idle","lifecycle":"stable"}`))
	require.Equal(t, 1, f.runner.queue.len(), "the group has gone back to a format that is known")
}

func TestWhatTheRunnerAnswersIsToldToTheFollowing(t *testing.T) {
	problem := errors.New("the hook failed")
	require.Equal(t, &member.FollowingServed{Outcome: member.FollowingShown}, served(nil))
	require.Equal(t, &member.FollowingServed{Outcome: member.FollowingShown, Err: problem}, served(problem))
	require.Equal(t, member.FollowingRefused, served(fmt.Errorf("hook: %w", errUntrusted)).Outcome)
	require.Equal(t, member.FollowingSuperseded, served(fmt.Errorf("hook: %w", errSuperseded)).Outcome)
}
