// Copyright The Parti Authors
// SPDX-License-Identifier: Apache-2.0

//go:build process

package process

import (
	"net"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// direction is one of the two ways through a proxy.
type direction int

const (
	toServer direction = iota
	toWorker
)

// proxy stands between a worker and its server and does to their connections what networks do.
type proxy struct {
	target   string
	listener net.Listener
	work     sync.WaitGroup

	mu     sync.Mutex
	pairs  map[*pair]bool
	closed bool
	cutOff bool             // nothing comes through, new connections end at once
	stalls [2]chan struct{} // not nil while that direction is stalled; closed when it goes on
	delay  time.Duration    // of everything, in both directions
}

// pair is one connection through a proxy: ends[toServer] is where what goes to the server is written.
type pair struct{ ends [2]*net.TCPConn }

func newProxy(t *testing.T, target string) *proxy {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	p := &proxy{target: target, listener: l, pairs: map[*pair]bool{}}
	p.work.Go(p.accept)
	t.Cleanup(p.close)
	return p
}

func (p *proxy) url() string { return "nats://" + p.listener.Addr().String() }

func (p *proxy) close() {
	_ = p.listener.Close()
	p.mu.Lock()
	p.closed = true
	p.mu.Unlock()
	p.heal()
	p.drop()
	p.work.Wait()
}

func (p *proxy) accept() {
	for {
		worker, err := p.listener.Accept()
		if err != nil {
			return
		}
		p.work.Go(func() { p.connect(worker.(*net.TCPConn)) })
	}
}

func (p *proxy) connect(worker *net.TCPConn) {
	server, err := net.Dial("tcp", p.target)
	if err != nil {
		_ = worker.Close()
		return
	}
	c := &pair{ends: [2]*net.TCPConn{toServer: server.(*net.TCPConn), toWorker: worker}}
	p.mu.Lock()
	refused := p.cutOff || p.closed
	p.pairs[c] = !refused
	p.mu.Unlock()
	if refused {
		c.close()
	}
	var both sync.WaitGroup
	both.Go(func() { p.pump(c, toServer) })
	both.Go(func() { p.pump(c, toWorker) })
	both.Wait()
	c.close()
	p.mu.Lock()
	delete(p.pairs, c)
	p.mu.Unlock()
}

// piece is something on its way through a proxy.
type piece struct {
	data []byte
	due  time.Time
}

// pump carries what goes in one direction, as long as the connection lasts.
func (p *proxy) pump(c *pair, d direction) {
	from, to := c.ends[1-d], c.ends[d]
	under := make(chan piece, 1024) // a reader that is ahead of so many pieces waits
	p.work.Go(func() {
		defer close(under)
		for {
			buffer := make([]byte, 16<<10)
			n, err := from.Read(buffer)
			p.mu.Lock()
			due := time.Now().Add(p.delay)
			p.mu.Unlock()
			under <- piece{buffer[:n], due}
			if err != nil {
				return
			}
		}
	})
	failed := false
	for next := range under {
		<-time.After(time.Until(next.due))
		p.mu.Lock()
		stall := p.stalls[d]
		p.mu.Unlock()
		if stall != nil {
			<-stall
		}
		if _, err := to.Write(next.data); err != nil && !failed {
			failed = true
			_ = from.Close() // nothing more to read; what was read is drained
		}
	}
	_ = to.CloseWrite()
}

// cut ends every connection, and each new one at once, until it is healed.
func (p *proxy) cut() {
	p.mu.Lock()
	p.cutOff = true
	p.mu.Unlock()
	p.drop()
}

// drop ends the connections of now.
func (p *proxy) drop() {
	p.mu.Lock()
	defer p.mu.Unlock()
	for c := range p.pairs {
		c.close()
	}
}

// stall keeps back what goes in one direction, on new connections as well, until it is healed.
func (p *proxy) stall(d direction) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.stalls[d] == nil {
		p.stalls[d] = make(chan struct{})
	}
}

// slow delays everything, in both directions.
func (p *proxy) slow(by time.Duration) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.delay = by
}

// halfClose ends one direction of every connection of now, as a peer does that has nothing more to say.
func (p *proxy) halfClose(d direction) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for c := range p.pairs {
		_ = c.ends[d].CloseWrite()
	}
}

// heal ends all faults; what was kept back arrives.
func (p *proxy) heal() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.cutOff, p.delay = false, 0
	for d, stall := range p.stalls {
		if stall != nil {
			close(stall)
			p.stalls[d] = nil
		}
	}
}

func (c *pair) close() {
	_ = c.ends[toServer].Close()
	_ = c.ends[toWorker].Close()
}
