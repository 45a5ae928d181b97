// Copyright The Parti Authors
// SPDX-License-Identifier: Apache-2.0

// Package link simulates the network between one worker and the store. A test can cut it, stall it, slow it down, make it flap,
// or make it fail for some subjects only.
//
// A [Link] stands between nats.go and a server in the same process (nats.InProcessServer takes it), and carries bytes in
// virtual time. It has one rule: a writer is never blocked. nats.go flushes while it holds its mutex, and a goroutine that
// waits for a mutex stops virtual time. So the link queues whatever is written, without a limit, and a fault only decides when,
// or whether, it comes out at the other end.
package link

import (
	"errors"
	"net"
	"sync"
	"time"
)

// Direction is one way through a link.
type Direction int

const (
	Up   Direction = iota // from the worker to the store: requests
	Down                  // from the store to the worker: answers
)

// Fault is what becomes of a message on its way to the store.
type Fault int

const (
	None    Fault = iota // it arrives, and so does its answer
	Lost                 // it does not arrive, so a request is not done and has no answer
	Unheard              // it arrives, so a request is done, and its answer does not come
	Refused              // a request is not done, and the answer comes at once: nobody takes it
)

// ErrCut is what a connection that was cut ends with, and the answer to a connection attempt through a link that is cut
// or stalled.
var ErrCut = errors.New("the link is cut")

// Provider opens connections to a server in this process; bubble.Server and server.Server are providers.
type Provider interface {
	InProcessConn() (net.Conn, error)
}

// Link carries the connections of one worker. The zero value is not usable: see [New]. All methods may be called from
// any goroutine.
type Link struct {
	to    Provider
	count func(subject string)

	mu      sync.Mutex
	cut     bool
	stalled [2]bool
	latency time.Duration
	faults  func(subject string) Fault // nil for none
	conns   map[*conn]struct{}
}

// New returns a healthy link to a server. count, if not nil, is called with the subject of each message that the worker
// publishes into the link, requests included; it must be quick.
func New(to Provider, count func(subject string)) *Link {
	return &Link{to: to, count: count, conns: make(map[*conn]struct{})}
}

// InProcessConn opens a connection through the link. Handshakes take no time: nats.go holds its mutex for as long as
// one lasts, and whoever waits for that mutex would stop virtual time. Hence a slow link is fast until the server's
// first PONG, and a link that is stalled (either way) refuses new connections at once, where a real network would be
// silent until the handshake timed out.
func (l *Link) InProcessConn() (net.Conn, error) {
	if l.refuses() {
		return nil, ErrCut
	}
	far, err := l.to.InProcessConn()
	if err != nil {
		return nil, err
	}
	c := newConn(l, far)
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.cut {
		_ = far.Close()
		return nil, ErrCut
	}
	l.conns[c] = struct{}{}
	c.pumps.Go(c.pumpUp)
	c.pumps.Go(c.pumpDown)
	return c, nil
}

// Cut breaks every connection at once, both ends see it, and refuses new ones until [Link.Heal]. Bytes under way are
// lost.
func (l *Link) Cut() {
	l.mu.Lock()
	l.cut = true
	broken := l.conns
	l.conns = make(map[*conn]struct{})
	l.mu.Unlock()
	for c := range broken {
		c.abort(ErrCut)
	}
}

// Stall stops the given directions (both, if none is given) without telling anyone: bytes and even the news that the
// other end has hung up queue until [Link.Heal], which delivers all of it.
func (l *Link) Stall(ways ...Direction) {
	if len(ways) == 0 {
		ways = []Direction{Up, Down}
	}
	l.change(func() {
		for _, d := range ways {
			l.stalled[d] = true
		}
	})
}

// Slow delays each byte by the latency in each direction from now on; zero makes the link fast again.
func (l *Link) Slow(latency time.Duration) {
	l.change(func() { l.latency = latency })
}

// Fail asks which fault befalls each message that the worker publishes from now on, requests included; nil ends that. So
// the requests about one stream can fail while all others work. fault is called as messages are written, in their order,
// and must be quick.
func (l *Link) Fail(fault func(subject string) Fault) {
	l.change(func() { l.faults = fault })
}

// Block loses each message that the worker publishes on a subject of which blocked says so, until [Link.Heal].
func (l *Link) Block(blocked func(subject string) bool) {
	l.Fail(func(subject string) Fault {
		if blocked(subject) {
			return Lost
		}
		return None
	})
}

// fate is what becomes of a message with the subject.
func (l *Link) fate(subject string) Fault {
	l.mu.Lock()
	faults := l.faults
	l.mu.Unlock()
	if faults == nil {
		return None
	}
	return faults(subject)
}

// Heal ends a cut, every stall and the faults of [Link.Fail]; the latency stays as [Link.Slow] has set it.
func (l *Link) Heal() {
	l.change(func() {
		l.cut = false
		l.stalled = [2]bool{}
		l.faults = nil
	})
}

// Flap cuts the link the given number of times for the time down, each followed by the time up; it returns when the
// last is over, with the link healed.
func (l *Link) Flap(times int, down, up time.Duration) {
	for range times {
		l.Cut()
		<-time.After(down)
		l.Heal()
		<-time.After(up)
	}
}

// Close cuts the link for good measure and waits until none of its goroutines is left.
func (l *Link) Close() {
	l.mu.Lock()
	all := make([]*conn, 0, len(l.conns))
	for c := range l.conns {
		all = append(all, c)
	}
	l.mu.Unlock()
	l.Cut()
	for _, c := range all {
		c.pumps.Wait()
	}
}

// Healthy says that the link is neither cut nor stalled, that no subject fails, and that it is not slower than the latency
// in each direction.
func (l *Link) Healthy(latency time.Duration) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return !l.cut && !l.stalled[Up] && !l.stalled[Down] && l.faults == nil && l.latency <= latency
}

// change applies a new setting and lets every connection look at it.
func (l *Link) change(set func()) {
	l.mu.Lock()
	defer l.mu.Unlock()
	set()
	for c := range l.conns {
		c.up.nudge()
		c.down.nudge()
	}
}

func (l *Link) refuses() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.cut || l.stalled[Up] || l.stalled[Down]
}

// settings says how bytes in a direction are to be treated now.
func (l *Link) settings(d Direction) (stalled bool, latency time.Duration) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.stalled[d], l.latency
}

func (l *Link) forget(c *conn) {
	l.mu.Lock()
	defer l.mu.Unlock()
	delete(l.conns, c)
}
