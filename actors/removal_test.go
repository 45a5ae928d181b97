package actors

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/parti-go/parti/kv"
)

// TestNothingIsDeletedWhileItsWriterRuns: a stopped actor may have begun another write.
func TestNothingIsDeletedWhileItsWriterRuns(t *testing.T) {
	m := &manager{
		guard: &guard{ended: true}, life: &life{view: newView()}, winding: &windDown{},
		running: map[string]struct{}{"$1/heartbeat-7": {}, "$1/claimer-6": {}},
	}
	m.remove(kv.Election)
	m.remove(kv.Heartbeats)
	m.remove(kv.StableIDs)
	require.Equal(t, perBucket{kv.Election: true}, m.winding.removing)
	delete(m.running, "$1/heartbeat-7")
	m.remove(kv.Heartbeats)
	require.Equal(t, perBucket{kv.Election: true, kv.Heartbeats: true}, m.winding.gone)
}

func TestARejoinThatIsFencedDeletesNothing(t *testing.T) {
	m := &manager{guard: &guard{ended: true}, life: &life{view: newView()}, winding: &windDown{rejoin: true, fenced: true}}
	m.remove(kv.Heartbeats)
	require.Equal(t, perBucket{}, m.winding.removing)
}

func TestALeaveWaitsUntilNothingIsLeftWhateverItsTrust(t *testing.T) {
	w := windDown{fenced: true, gone: perBucket{kv.Election: true, kv.Heartbeats: true}}
	require.False(t, w.cleared())
	w.gone[kv.StableIDs] = true
	require.True(t, w.cleared())
	require.True(t, (&windDown{fenced: true, rejoin: true}).cleared(), "the store lets go by itself")
}
