package actors

import (
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/parti-go/parti/kv"
)

// newIdleFollower returns a follower of session 7 that only notes what it is shown, and the errors for which it would end
// the session.
func newIdleFollower() (*follower, *[]error) {
	var ends []error
	report := func(message reported) {
		if lost, ok := message.(*sessionLost); ok {
			ends = append(ends, lost.err)
		}
	}
	s := session{id: "worker-0", number: 7, tenure: newTenure()}
	return &follower{session: s, report: report, applying: true, unknown: map[string]bool{}}, &ends
}

func recordEntry(session uint64, version int64) kv.Entry {
	value := fmt.Sprintf(`{"format":1,"worker":"worker-0","session":%d,"term":1,"version":%d}`, session, version)
	return kv.Entry{Key: "worker-0", Value: []byte(value)}
}

func termEntry(number uint64) kv.Entry {
	return kv.Entry{Key: kv.TermKey, Value: fmt.Appendf(nil, `{"format":1,"number":%d}`, number)}
}

func planEntry(term uint64, version int64) kv.Entry {
	value := fmt.Sprintf(`{"format":1,"term":%d,"version":%d,"phase":"idle","lifecycle":"stable"}`, term, version)
	return kv.Entry{Key: kv.PlanKey, Value: []byte(value)}
}

func TestOnlyTheNewestRecordOfTheSessionIsTakenUp(t *testing.T) {
	f, ends := newIdleFollower()
	f.updated(recordEntry(6, 9))
	require.Nil(t, f.wanted, "an earlier session's")
	f.updated(recordEntry(7, 5))
	require.EqualValues(t, 5, f.wanted.Version)
	f.updated(recordEntry(7, 4))
	require.EqualValues(t, 5, f.wanted.Version, "older")
	f.updated(recordEntry(6, 9))
	require.EqualValues(t, 7, f.wanted.Session)
	f.updated(recordEntry(7, 8))
	require.EqualValues(t, 8, f.wanted.Version)
	require.Empty(t, *ends)
	f.updated(recordEntry(8, 9))
	require.EqualValues(t, 7, f.wanted.Session)
	require.Len(t, *ends, 1, "a later session of this ID")
	require.ErrorIs(t, (*ends)[0], kv.ErrLost)
}

func TestAStoreThatGoesBackEndsTheSession(t *testing.T) {
	for name, back := range map[string]kv.Entry{"term": termEntry(2), "version": planEntry(3, 4)} {
		f, ends := newIdleFollower()
		f.updated(termEntry(3))
		f.updated(planEntry(3, 5))
		f.updated(planEntry(3, 5))
		require.Empty(t, *ends, name)
		f.updated(back)
		require.Len(t, *ends, 1, name)
		require.ErrorIs(t, (*ends)[0], kv.ErrRolledBack, name)
		require.Equal(t, kv.Position{Term: 3, Version: 5}, f.position, name)
	}
}

func TestNothingIsTakenUpWhileARecordHasAnUnknownFormat(t *testing.T) {
	f, ends := newIdleFollower()
	f.applying, f.runner, f.session.trust = false, &runner{queue: newWaiting(), asked: make(chan struct{}, 1)}, &trust{}
	f.updated(kv.Entry{Key: kv.PlanKey, Value: []byte(`{"format":99}`)})
	f.updated(recordEntry(7, 5))
	require.Zero(t, f.runner.queue.len())
	f.updated(planEntry(1, 5))
	require.Equal(t, 1, f.runner.queue.len(), "the group has gone back to a format that is known")
	require.Empty(t, *ends)
}
