// Copyright The Parti Authors
// SPDX-License-Identifier: Apache-2.0

package model_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/parti-go/parti/internal/store"
	"github.com/parti-go/parti/internal/store/model"
)

// holds says what is stored under a key a while after the start.
func holds(m *model.Store, key string, while time.Duration) string {
	at := start.Add(while)
	drive(m, at)
	m.Get(at, 9, store.Heartbeats, key, 0)
	lines := drive(m, at)
	return lines[len(lines)-1]
}

// TestOfWhatIsUnderWayInAnElectionTheFirstWritesMayBeStored, at its end, and nobody is answered.
func TestOfWhatIsUnderWayInAnElectionTheFirstWritesMayBeStored(t *testing.T) {
	for kept, want := range [][2]string{
		{"got heartbeat nothing", "got heartbeat nothing"},
		{`got heartbeat a@1893456000000=""`, "got heartbeat nothing"},
		{`got heartbeat a@1893456000000=""`, `got heartbeat b@1893456000001=""`},
	} {
		script := model.Script{model.Commit: {16, 16}, model.Remains: {kept}}
		m := model.New(model.Config{Start: start, Replicas: 3, Commit: time.Second}, script)
		for _, key := range []string{"a", "b"} {
			m.Write(start, 0, store.Heartbeats, model.Message{Key: key}, model.Condition{}, 2*time.Second)
		}
		drive(m, start.Add(100*time.Millisecond))
		m.Elect(start.Add(100*time.Millisecond), store.Heartbeats, start.Add(3*time.Second))
		require.Equal(t, []string{"written heartbeat unknown", "written heartbeat unknown"}, drive(m, start.Add(2*time.Second)), "kept %d", kept)
		require.Equal(t, want, [2]string{holds(m, "a", 4*time.Second), holds(m, "b", 4*time.Second)}, "kept %d", kept)
	}
}

func TestWithoutALeaderNothingExpires(t *testing.T) {
	m := model.New(model.Config{Start: start, Replicas: 3}, model.Benign{})
	m.Follow(start, 1, store.Heartbeats, nil, 0, time.Second, 0)
	m.Write(start, 0, store.Heartbeats, model.Message{Key: "a", TTL: time.Second}, model.Condition{}, 0)
	drive(m, start)
	m.Elect(start, store.Heartbeats, start.Add(5*time.Second))
	require.Empty(t, drive(m, start.Add(5*time.Second-1)))
	require.Equal(t, []string{`delivered heartbeat a@1893456000001 expired""`}, drive(m, start.Add(5*time.Second)))
}

// TestAMarkerThatIsLostInAnElectionComesAfterIt: the next leader finds out as well that the lifetime is over.
func TestAMarkerThatIsLostInAnElectionComesAfterIt(t *testing.T) {
	m := model.New(model.Config{Start: start, Replicas: 3, Commit: time.Second}, model.Script{model.Commit: {0, 16}})
	m.Follow(start, 1, store.Heartbeats, nil, 0, time.Minute, 0)
	m.Write(start, 0, store.Heartbeats, model.Message{Key: "a", TTL: time.Second}, model.Condition{}, 0)
	drive(m, start.Add(1500*time.Millisecond)) // the marker is under way
	m.Elect(start.Add(1500*time.Millisecond), store.Heartbeats, start.Add(5*time.Second))
	require.Empty(t, drive(m, start.Add(5*time.Second-1)))
	require.Equal(t, []string{`delivered heartbeat a@1893456000001 expired""`}, drive(m, start.Add(10*time.Second)))
}

func TestABucketWithoutReplicasHasNoElections(t *testing.T) {
	m := model.New(model.Config{Start: start}, model.Benign{})
	m.Elect(start, store.Heartbeats, start.Add(5*time.Second))
	m.Write(start, 0, store.Heartbeats, model.Message{Key: "a"}, model.Condition{}, 0)
	require.Equal(t, []string{"written heartbeat revision 1893456000000"}, drive(m, start))
}
