// Copyright The Parti Authors
// SPDX-License-Identifier: Apache-2.0

//go:build process

package process

import (
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestAWorkerBehindAFaultyNetwork(t *testing.T) {
	t.Parallel()
	server := startServer(t, "")
	c := newCrew(t, server)
	net := newProxy(t, server.address())
	c.start(2, server.url())
	far := c.start(1, net.url())[0]
	rest := c.config.PlannedScaleWindow + c.config.RebalanceCooldown + c.config.HeartbeatTTL + 2*busy
	c.settle(c.config.ColdStartWindow + 10*time.Second)

	for _, fault := range []struct {
		what   string
		begins func()
	}{
		{"cut", net.cut},
		{"nothing arrives from the server", func() { net.stall(toWorker) }},
		{"nothing arrives at the server", func() { net.stall(toServer) }},
	} {
		had := c.checker.Running(far.name)
		require.NotEmpty(t, had, fault.what)
		began := time.Now()
		c.checker.Note("%s", fault.what)
		fault.begins()
		gaveUp := c.givesUp(far, began)
		others := eventually(t, rest, "the others have everything", func() bool {
			return len(c.checker.Running(far.name)) == 0 && c.unsettled([]*child{far}) == nil
		})
		net.heal()
		c.settle(rest)
		// The lease that runs out is at most as old as the time between two of its renewals.
		assert.Less(t, gaveUp, c.config.HeartbeatTTL, "%s: it gives up before its leases end for others", fault.what)
		t.Logf("%s: given up after %s, taken over after %s (HeartbeatTTL %s)", fault.what, gaveUp.Round(time.Millisecond),
			(gaveUp + others).Round(10*time.Millisecond), c.config.HeartbeatTTL)
	}

	before, calls := c.checker.Moves(), c.checker.Calls()
	for _, fault := range []struct {
		what   string
		begins func()
	}{
		{"the worker's half of the connection closes", func() { net.halfClose(toServer) }},
		{"the server's half of the connection closes", func() { net.halfClose(toWorker) }},
		{"the connection breaks", net.drop},
		{"everything is late by 100ms", func() { net.slow(100 * time.Millisecond) }},
	} {
		c.checker.Note("%s", fault.what)
		fault.begins()
		<-time.After(c.config.HeartbeatTTL) // as long as the fault lasts
		net.heal()
		c.settle(rest)
		assert.Equal(t, before, c.checker.Moves(), "%s: nothing moves", fault.what)
		assert.Equal(t, calls, c.checker.Calls(), "%s: no hook is called", fault.what)
	}
}

// givesUp waits until a process has given everything up by itself, and returns how long that took.
func (c *crew) givesUp(p *child, since time.Time) time.Duration {
	c.t.Helper()
	var at time.Time
	eventually(c.t, c.config.HeartbeatTTL+busy, p.name+" gives up", func() bool {
		for _, l := range p.said(since) {
			if l.Msg == "hook returns" {
				at = l.Time
				return true
			}
		}
		return false
	})
	return at.Sub(since)
}
