//go:build process

package process

import (
	"math/rand/v2"
	"os"
	"strconv"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// chaosLasts is how long faults are put in.
const chaosLasts = 40 * time.Second

// TestWorkersAmidFaults does to workers, connections and the server whatever comes up, one thing after the other and
// some at once. PARTI_SEED repeats the choices of a run, though not their outcome.
func TestWorkersAmidFaults(t *testing.T) {
	t.Parallel()
	seed := uint64(time.Now().UnixNano())
	if s := os.Getenv("PARTI_SEED"); s != "" {
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
	for _, p := range c.live() {
		c.behind[p].heal()
	}
	c.settle(c.config.ColdStartWindow + c.config.WorkerIDTTL + c.config.HeartbeatTTL + 4*busy)
	t.Logf("seed %d: %v; %d hook calls, %d moves, %d overlaps excused by a pause", seed, c.did, c.checker.Calls(), c.checker.Moves(), c.checker.Excused())
}

// chaos is a crew whose every worker is behind a proxy of its own.
type chaos struct {
	*crew
	random *rand.Rand
	behind map[*child]*proxy
	did    map[string]int
}

func (c *chaos) add(args ...string) {
	proxy := newProxy(c.t, c.server.address())
	c.behind[c.start(1, proxy.url(), args...)[0]] = proxy
}

// while returns after a random time: of the length of a hiccup, of a lease, or more.
func (c *chaos) while() {
	<-time.After(time.Duration(c.random.Int64N(int64(c.config.HeartbeatTTL * 3 / 2))))
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
		{"kill for good", func() { p.kill(); c.while(); c.add() }},
		{"terminate", func() { p.signal(syscall.SIGTERM); c.add("-id", p.workerID()) }},
		{"pause", func() { p.pause(); c.while(); p.resume() }},
		{"pause and cut", func() {
			p.pause()
			net.cut()
			c.while()
			p.resume()
			c.while()
			net.heal()
		}},
		{"cut", func() { net.cut(); c.while(); net.heal() }},
		{"stall to server", func() { net.stall(toServer); c.while(); net.heal() }},
		{"stall to worker", func() { net.stall(toWorker); c.while(); net.heal() }},
		{"half-close", func() { net.halfClose(direction(c.random.IntN(2))) }},
		{"delay", func() { net.slow(50 * time.Millisecond); c.while(); net.heal() }},
		{"server killed", func() { c.server.kill(); c.server.start() }},
		{"server away", func() { c.server.kill(); c.while(); c.server.start() }},
	}
	fault := faults[c.random.IntN(len(faults))]
	c.did[fault.name]++
	c.checker.Note("%s: %s", p.name, fault.name)
	fault.do()
	if c.random.IntN(2) == 0 {
		<-time.After(time.Duration(c.random.Int64N(int64(time.Second))))
	}
}
