package actors

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/parti-go/parti/kv"
)

// A drained worker may go when the leader has nothing recorded for it: the record goes together with the last grants of what
// the worker had.
func TestAWorkerIsVacatedWhenItsRecordIsGone(t *testing.T) {
	f, _ := newIdleFollower()
	f.applying = false
	var told []bool
	f.report = func(message reported) {
		if v, ok := message.(*vacated); ok {
			told = append(told, v.is)
		}
	}
	record := recordEntry(7, 5)
	f.noteRecord(kv.Update{Kind: kv.UpdatePut, Entry: record})
	require.Empty(t, told, "not everything is read")
	f.noteRecord(kv.Update{Kind: kv.UpdateSynced})
	require.Empty(t, told, "it is recorded, with nothing in it")
	f.noteRecord(kv.Update{Kind: kv.UpdateDeleted, Entry: planEntry(1, 5)})
	require.Empty(t, told, "another entry")
	f.applying = true
	f.noteRecord(kv.Update{Kind: kv.UpdateDeleted, Entry: record})
	require.Empty(t, told, "the hook is still giving up")
	f.applying = false
	f.tellVacated()
	require.Equal(t, []bool{true}, told)
	f.noteRecord(kv.Update{Kind: kv.UpdatePut, Entry: record})
	require.Equal(t, []bool{true, false}, told)
	f.noteRecord(kv.Update{Kind: kv.UpdateGone, Entry: record})
	require.Equal(t, []bool{true, false, true}, told)
}
