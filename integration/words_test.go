// Copyright The Parti Authors
// SPDX-License-Identifier: Apache-2.0

package integration

import (
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/parti-go/parti"
	"github.com/parti-go/parti/integration/fleet"
	"github.com/parti-go/parti/internal/bubble"
)

// logged returns the log lines of processes since the mark; of all for none.
func logged(f *fleet.Fleet, mark int, of ...*fleet.Process) string {
	var lines []string
	for _, line := range strings.Split(f.Checker.Events(), "\n")[mark:] {
		for _, p := range of {
			if strings.Contains(line, p.Name+": level=") {
				lines = append(lines, line)
			}
		}
		if len(of) == 0 && strings.Contains(line, ": level=") {
			lines = append(lines, line)
		}
	}
	return strings.Join(lines, "\n")
}

// TestTheLogTellsAScaleOutAndACrash produces the lines of docs/troubleshooting.md; -v prints them.
func TestTheLogTellsAScaleOutAndACrash(t *testing.T) {
	bubble.Run(t, func(t *testing.T, s *bubble.Server) {
		f := fleet.New(t, s, 12)
		f.Begin(2)
		leader, follower := f.Leader(), f.Followers()[0]
		begin := logged(f, 0)
		require.Equal(t, 1, strings.Count(begin, "cold start: waiting up to 30s for more workers, "), begin)
		require.Contains(t, begin, "here; set ExpectedWorkers to go on as soon as all are here")
		require.Contains(t, logged(f, 0, follower), `msg="another worker leads" worker=`+follower.LastID()+` leader=`+leader.LastID())
		require.Contains(t, logged(f, 0, follower), `msg="waiting for the leader's assignment"`)
		<-time.After(time.Minute)
		mark := len(strings.Split(f.Checker.Events(), "\n"))
		joined := f.Start(1)[0]
		require.NoError(t, joined.Begun())
		f.Settle(time.Minute)
		out := logged(f, mark)
		t.Logf("scale-out:\n%s", out)
		require.Contains(t, logged(f, mark, leader), `why="planned scale, window over: 3 live workers, 2 in the plan before, new `+joined.LastID()+`"`)
		require.Contains(t, logged(f, mark, joined), `msg="partitions are added" worker=`+joined.LastID())
		require.Contains(t, out, `msg="partitions are given up" worker=`+follower.LastID())
		require.NotContains(t, begin+out, `why=""`)
		<-time.After(time.Minute)
		mark = len(strings.Split(f.Checker.Events(), "\n"))
		joined.Crash()
		<-time.After(heartbeatTTL + 5*time.Second)
		f.Settle(time.Minute)
		out = logged(f, mark, leader, follower)
		t.Logf("crash:\n%s", out)
		require.Contains(t, logged(f, mark, leader), "emergency: 2 live workers, 3 in the plan before, lost "+joined.LastID())
		require.Contains(t, out, `msg="partitions are added" worker=`+leader.LastID())
		require.NotContains(t, out, `why=""`)
	})
}

func TestTheLogSaysForWhomAStartWaits(t *testing.T) {
	bubble.Run(t, func(t *testing.T, s *bubble.Server) {
		f := fleet.New(t, s, 12, fleet.Config(func(c *parti.Config) { c.ExpectedWorkers = 3 }))
		f.Start(2)
		<-time.After(5 * time.Second)
		require.Equal(t, 1, strings.Count(logged(f, 0), "cold start: waiting up to 30s for 3 workers, "))
		f.Start(1)
		f.Settle(10 * time.Second)
	})
}
