// Copyright The Parti Authors
// SPDX-License-Identifier: Apache-2.0

//go:build process

package process

import (
	"slices"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// busy is what a bound gets on top, for a machine that does other things as well.
const busy = 4 * time.Second

func TestAKilledWorkerIsReplacedInTime(t *testing.T) {
	t.Parallel()
	c := newCrew(t, startServer(t, ""))
	c.start(4, c.server.url())
	c.settle(c.config.ColdStartWindow + 10*time.Second)
	for _, victim := range []struct {
		what  string
		who   func() *child
		bound time.Duration
	}{
		{"a follower", c.follower, c.config.HeartbeatTTL},
		{"the leader", c.leader, c.config.LeaderTTL + c.config.HeartbeatTTL},
	} {
		p := victim.who()
		lost := c.checker.Running(p.name)
		require.NotEmpty(t, lost)
		killed := p.kill()
		c.settle(victim.bound + busy + lateness)
		again := c.checker.LastGrant(lost...).Sub(killed) - lateness
		t.Logf("%s killed: its %d partitions were given out again within %s, HeartbeatTTL %s, LeaderTTL %s",
			victim.what, len(lost), again.Round(10*time.Millisecond), c.config.HeartbeatTTL, c.config.LeaderTTL)
		assert.Less(t, again, victim.bound+busy)
	}
}

func TestAPausedWorkerFencesBeforeAnythingElse(t *testing.T) {
	t.Parallel()
	c := newCrew(t, startServer(t, ""))
	c.start(3, c.server.url(), "-work", "5ms")
	c.settle(c.config.ColdStartWindow + 10*time.Second)
	var told, gaveUp, worked []time.Duration
	for _, who := range []func() *child{c.follower, c.leader, c.follower, c.leader} {
		p := who()
		had := c.checker.Running(p.name)
		require.NotEmpty(t, had)
		p.pause()
		// Everything it had has another owner: its leases are over.
		eventually(t, c.config.LeaderTTL+2*c.config.HeartbeatTTL+busy, "others have taken over", func() bool {
			return len(c.checker.Running(p.name)) > 0 && c.unsettled([]*child{p}) == nil
		})
		resumed := p.resume()
		eventually(t, 10*time.Second, "it has given up", func() bool {
			return slices.ContainsFunc(p.said(resumed), func(l line) bool { return l.Msg == "hook returns" })
		})
		noticed, returned, latest := p.fencedFirst(resumed, had)
		told, gaveUp, worked = append(told, noticed), append(gaveUp, returned), append(worked, latest)
		c.settle(c.config.PlannedScaleWindow + c.config.RebalanceCooldown + c.config.HeartbeatTTL + busy)
	}
	t.Logf("after the pause the hook was called within %v, everything was given up within %v; the last unit of work (5ms each) ended after %v",
		told, gaveUp, worked)
}

// fencedFirst checks that the first thing the hook is told after a pause is to give up all that the process had. It returns
// when it was told, when that was done, and when the last unit of work ended, all counted from the end of the pause.
func (p *child) fencedFirst(resumed time.Time, had []string) (told, gaveUp, worked time.Duration) {
	t := p.crew.t
	t.Helper()
	said := p.said(resumed)
	first := slices.IndexFunc(said, func(l line) bool { return l.Msg == "hook called" })
	require.GreaterOrEqual(t, first, 0, "%s: the hook is told nothing", p.name)
	assert.Empty(t, said[first].Added, "%s: the first call after the pause adds something", p.name)
	assert.ElementsMatch(t, had, said[first].Removed, "%s: the first call after the pause removes everything", p.name)
	since := func(at time.Time) time.Duration { return at.Sub(resumed).Round(time.Microsecond) }
	told = since(said[first].Time)
	for _, l := range said[first:] {
		switch l.Msg {
		case "ended":
			worked = max(worked, since(l.Worked))
		case "hook returns":
			return told, since(l.Time), worked
		}
	}
	t.Fatalf("%s: the hook has not returned", p.name)
	return 0, 0, 0
}

func TestATerminatedWorkerFinishesWhatItHasBegun(t *testing.T) {
	t.Parallel()
	c := newCrew(t, startServer(t, ""))
	unit := 800 * time.Millisecond
	c.start(3, c.server.url(), "-work", unit.String())
	c.settle(c.config.ColdStartWindow + 10*time.Second)
	for _, who := range []func() *child{c.follower, c.leader} {
		p := who()
		had := c.checker.Running(p.name)
		require.NotEmpty(t, had)
		terminated := time.Now()
		p.signal(syscall.SIGTERM)
		select {
		case <-p.ended:
		case <-time.After(c.config.ShutdownTimeout + busy):
			t.Fatalf("%s has not ended", p.name)
		}
		took := time.Since(terminated)
		assert.Equal(t, 0, p.command.ProcessState.ExitCode(), p.stderr.String())
		var finished []string
		for _, l := range p.said(terminated) {
			if l.Msg == "ended" {
				finished = append(finished, l.Partition)
				assert.False(t, l.Worked.Before(terminated), "%s: the unit under way of %s was dropped", p.name, l.Partition)
			}
		}
		assert.ElementsMatch(t, had, finished)
		c.settle(c.config.PlannedScaleWindow + c.config.RebalanceCooldown + busy + lateness)
		t.Logf("SIGTERM with units of %s under way: ended after %s, everything given out again %s after the signal", unit,
			took.Round(time.Millisecond), (c.checker.LastGrant(had...).Sub(terminated) - lateness).Round(time.Millisecond))
	}
}
