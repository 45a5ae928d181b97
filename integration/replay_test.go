// Copyright The Parti Authors
// SPDX-License-Identifier: Apache-2.0

package integration

import (
	"bytes"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/parti-go/parti"
	"github.com/parti-go/parti/integration/fleet"
	"github.com/parti-go/parti/internal/bubble"
	"github.com/parti-go/parti/internal/trace"
)

// recorded is a fleet of which every process has a recorder, and what became of it.
func recorded(t *testing.T, limit int, live func(f *fleet.Fleet, own fleet.With)) (traces [][]byte) {
	t.Helper()
	var recorders []*parti.Recorder
	own := func(s *fleet.Spec) {
		r := parti.NewRecorder(limit)
		recorders = append(recorders, r)
		fleet.Options(parti.WithRecorder(r))(s)
	}
	bubble.Run(t, func(t *testing.T, s *bubble.Server) {
		f := fleet.New(t, s, 30) // the state of a leader is about 16 KB, half of what the smallest recorder here takes
		f.Start(5, own)
		f.Settle(coldStart + 10*time.Second)
		live(f, own)
	})
	for _, r := range recorders {
		var b bytes.Buffer
		n, err := r.WriteTo(&b)
		require.NoError(t, err)
		require.EqualValues(t, b.Len(), n)
		traces = append(traces, b.Bytes())
	}
	return traces
}

// replayed replays a trace, and requires that the same is done again.
func replayed(t *testing.T, file []byte) (*trace.Trace, []trace.Moment) {
	t.Helper()
	tr, err := trace.Read(bytes.NewReader(file))
	require.NoError(t, err)
	moments := tr.Replay()
	for _, m := range moments {
		require.Empty(t, m.Differs, "%s %s %d: %s %s\nnow: %q\nrecorded: %q", m.At, m.Kind, m.Life, m.Fact, m.Told, m.Did, m.Recorded)
		require.Empty(t, m.Cut)
	}
	return tr, moments
}

// eventful is a life with a crash of a worker, one of a leader, a newcomer, and a drain of a leader.
func eventful(f *fleet.Fleet, own fleet.With) {
	for _, happens := range []func(){
		func() { f.Followers()[0].Crash() },
		func() { f.Leader().Crash() },
		func() { f.Start(1, own) },
		func() { _ = f.Leader().Drain(background()) },
	} {
		happens()
		<-time.After(2 * window)
		f.Settle(window)
	}
}

func TestARecordedFleetDecidesTheSameAgain(t *testing.T) {
	led, kinds := 0, map[trace.Kind]int{}
	for _, file := range recorded(t, 0, eventful) {
		tr, moments := replayed(t, file)
		require.Zero(t, tr.Dropped)
		for _, m := range moments {
			kinds[m.Kind]++
			if m.Kind == trace.Leader && m.Fact == "begins" {
				led++
			}
		}
	}
	require.GreaterOrEqual(t, led, 3, "a leader, its successor, and the one after the drain")
	for _, k := range []trace.Kind{trace.Leader, trace.Member, trace.Election} {
		require.Greater(t, kinds[k], 100, "facts of %s", k)
	}
}

func TestARecorderThatIsFullBeginsAtAState(t *testing.T) {
	const limit = trace.Smallest * 2
	cut := 0
	for _, file := range recorded(t, limit, func(f *fleet.Fleet, own fleet.With) {
		eventful(f, own)
		<-time.After(8 * time.Minute)
	}) {
		_, moments := replayed(t, file)
		require.NotEmpty(t, moments)
		for _, m := range moments {
			if m.Fact == "goes on" {
				cut++
			}
		}
	}
	require.NotZero(t, cut)
}
