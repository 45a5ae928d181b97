// Copyright The Parti Authors
// SPDX-License-Identifier: Apache-2.0

//go:build process

package process

import (
	"math/rand/v2"
	"os"
	"strconv"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// chaosLasts is how long faults are put in.
const chaosLasts = 40 * time.Second

// TestWorkersAmidFaults does to workers, connections and the server whatever comes up, several things at once.
// PARTITEST_SEED repeats the choices of a run, though not their outcome.
func TestWorkersAmidFaults(t *testing.T) {
	t.Parallel()
	seed := uint64(time.Now().UnixNano())
	if s := os.Getenv("PARTITEST_SEED"); s != "" {
		var err error
		seed, err = strconv.ParseUint(s, 10, 64)
		require.NoError(t, err)
	}
	server := startServer(t, "")
	c := &chaos{crew: newCrew(t, server), random: rand.New(rand.NewPCG(seed, 0)), did: map[string]int{}, behind: map[*child]*proxy{}}
	for range 5 {
		c.add()
	}
	c.settle(c.config.ColdStartWindow + 10*time.Second)
	for began := time.Now(); time.Since(began) < chaosLasts; {
		c.step()
	}
	c.lasting.Wait()
	c.settle(c.config.ColdStartWindow + c.config.WorkerIDTTL + c.config.HeartbeatTTL + 4*busy)
	t.Logf("seed %d: %v; %d hook calls, %d moves, %d overlaps excused by a pause", seed, c.did, c.checker.Calls(), c.checker.Moves(), c.checker.Excused())
}

// chaos is a crew whose every worker is behind a proxy of its own.
type chaos struct {
	*crew
	random *rand.Rand
	behind map[*child]*proxy
	did    map[string]int
	// lasting are the faults that go on while the next one begins.
	lasting sync.WaitGroup
}

func (c *chaos) add(args ...string) {
	proxy := newProxy(c.t, c.server.address())
	c.behind[c.start(1, proxy.url(), args...)[0]] = proxy
}

// while is a random time: of the length of a hiccup, of a lease, or more.
func (c *chaos) while() time.Duration {
	return time.Duration(c.random.Int64N(int64(c.config.HeartbeatTTL * 3 / 2)))
}

// later ends a fault after a while.
func (c *chaos) later(end func()) {
	after := time.After(c.while())
	c.lasting.Go(func() {
		<-after
		end()
	})
}

func (c *chaos) step() {
	live := c.live()
	p := live[c.random.IntN(len(live))]
	net := c.behind[p]
	faults := []struct {
		name string
		do   func()
	}{
		{"kill", func() { p.kill(); c.add("-id", p.workerID()) }},
		{"kill, another one joins", func() { p.kill(); c.add() }},
		{"terminate", func() { p.signal(syscall.SIGTERM); c.add("-id", p.workerID()) }},
		{"pause", func() { p.pause(); c.later(func() { p.resume() }) }},
		{"pause and cut", func() { p.pause(); net.cut(); c.later(func() { p.resume() }); c.later(net.heal) }},
		{"cut", func() { net.cut(); c.later(net.heal) }},
		{"stall to server", func() { net.stall(toServer); c.later(net.heal) }},
		{"stall to worker", func() { net.stall(toWorker); c.later(net.heal) }},
		{"half-close", func() { net.halfClose(direction(c.random.IntN(2))) }},
		{"delay", func() { net.slow(50 * time.Millisecond); c.later(net.heal) }},
		{"server killed", func() { c.server.kill(); c.server.start() }},
		{"server away", func() { c.server.kill(); <-time.After(c.while()); c.server.start() }},
	}
	fault := faults[c.random.IntN(len(faults))]
	c.did[fault.name]++
	c.checker.Note("%s: %s", p.name, fault.name)
	fault.do()
	<-time.After(c.while() / 4)
}
