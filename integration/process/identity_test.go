// Copyright The Parti Authors
// SPDX-License-Identifier: Apache-2.0

//go:build process

package process

import (
	"path/filepath"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// takes waits until a process that was started runs all of these partitions, and returns how long that took by its log.
func (p *child) takes(partitions []string, started time.Time) time.Duration {
	t := p.crew.t
	t.Helper()
	var took time.Duration
	eventually(t, settleIn, p.name+" runs what it had", func() bool {
		var all []string
		for _, l := range p.said(started) {
			if l.Msg == "hook called" {
				all, took = append(all, l.Added...), l.Time.Sub(started)
			}
		}
		slices.Sort(all)
		return slices.Equal(all, partitions)
	})
	return took
}

// hooks counts the calls of the assignment hook of all processes since a time.
func (c *crew) hooks(since time.Time) (calls int) {
	for _, p := range c.all() {
		for _, l := range p.said(since) {
			if l.Msg == "hook called" {
				calls++
			}
		}
	}
	return calls
}

func TestAProcessThatIsKilledGoesOnAtOnceWhereItsStateIs(t *testing.T) {
	c := newCrew(t, startServer(t, ""))
	dir := t.TempDir()
	states := map[*child]string{}
	begin := func(state string) *child {
		p := c.start(1, c.server.url(), "-state", state)[0]
		states[p] = state
		return p
	}
	for _, name := range []string{"a", "b", "c", "d", "e"} {
		begin(filepath.Join(dir, name))
	}
	c.settle(settleIn)
	moves := c.checker.Moves()
	for name, choose := range map[string]func() *child{"follower": c.follower, "leader": c.leader} {
		p := choose()
		id, had := p.workerID(), c.checker.Running(p.name)
		require.NotEmpty(t, had)
		slices.Sort(had)
		killed := p.kill()
		started := time.Now()
		next := begin(states[p])
		took := next.takes(had, started)
		t.Logf("%s: running again %s after its start", name, took.Round(time.Millisecond))
		assert.LessOrEqual(t, took, 700*time.Millisecond, "400 of them while its last heartbeat is too young to be written over")
		c.settle(settleIn)
		<-time.After(c.config.HeartbeatTTL + time.Second) // and nothing follows
		assert.Equal(t, id, next.workerID())
		assert.Equal(t, 1, c.hooks(killed), "nobody else's hook is called")
		assert.Equal(t, moves, c.checker.Moves())
	}

	had := map[string][]string{}
	all := c.live()
	for _, p := range all {
		had[states[p]] = c.checker.Running(p.name)
		slices.Sort(had[states[p]])
	}
	for _, p := range all {
		p.kill()
	}
	started := time.Now()
	var next []*child
	for _, p := range all {
		next = append(next, begin(states[p]))
	}
	for _, p := range next {
		took := p.takes(had[states[p]], started)
		t.Logf("all: %s running again %s after their start", p.name, took.Round(time.Millisecond))
		assert.LessOrEqual(t, took, time.Second)
	}
	c.settle(settleIn)
	assert.Equal(t, moves, c.checker.Moves())
}
