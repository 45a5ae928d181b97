// Copyright The Parti Authors
// SPDX-License-Identifier: Apache-2.0

package link

import (
	"bytes"
	"io"
	"net"
	"os"
	"sync"
	"sync/atomic"
	"time"
)

// conn is the worker's end of one connection. Two pumps move the bytes between its queues and the server's end; they
// end when both directions have ended, or at once when the link is cut.
type conn struct {
	link  *Link
	far   net.Conn
	up    *queue
	down  *queue
	wire  scanner
	pumps sync.WaitGroup
	ready atomic.Bool // the handshake is over: from here on the link's faults apply

	mu   sync.Mutex
	rest []byte    // taken from down, not yet read
	due  time.Time // the read deadline
}

func newConn(l *Link, far net.Conn) *conn {
	c := &conn{link: l, far: far, wire: scanner{count: l.count, fate: l.fate}}
	c.up, c.down = newQueue(c, Up), newQueue(c, Down)
	return c
}

// settings says how bytes in a direction are to be treated now.
func (c *conn) settings(d Direction) (stalled bool, latency time.Duration) {
	if !c.ready.Load() {
		return false, 0
	}
	return c.link.settings(d)
}

// pumpUp carries the worker's bytes to the server, and its hanging up after the last of them.
func (c *conn) pumpUp() {
	defer c.link.forget(c)
	defer func() { _ = c.far.Close() }()
	for {
		b, err := c.up.take(time.Time{})
		if err != nil {
			return
		}
		if _, err := c.far.Write(b); err != nil {
			return
		}
	}
}

// pumpDown carries the server's bytes to the worker, and its hanging up after the last of them.
func (c *conn) pumpDown() {
	buf := make([]byte, 32<<10)
	for {
		n, err := c.far.Read(buf)
		if n > 0 {
			// It fails when the worker is gone; its server's end is then closed by the other pump.
			_ = c.down.put(append([]byte(nil), buf[:n]...))
			if !c.ready.Load() && bytes.Contains(buf[:n], []byte("PONG\r\n")) {
				c.ready.Store(true)
			}
		}
		if err != nil {
			c.down.end()
			// What the worker still says has nobody to hear it.
			c.up.fail(io.ErrClosedPipe)
			return
		}
	}
}

// abort ends both directions at once; what is queued is lost.
func (c *conn) abort(err error) {
	c.up.fail(err)
	c.down.fail(err)
	_ = c.far.Close()
}

func (c *conn) Read(b []byte) (int, error) {
	c.mu.Lock()
	rest, due := c.rest, c.due
	c.mu.Unlock()
	if len(rest) == 0 {
		var err error
		if rest, err = c.down.take(due); err != nil {
			return 0, err
		}
	}
	n := copy(b, rest)
	c.mu.Lock()
	defer c.mu.Unlock()
	c.rest = rest[n:]
	return n, nil
}

func (c *conn) Write(b []byte) (int, error) {
	if err := c.up.put(c.wire.scan(b)); err != nil {
		return 0, err
	}
	return len(b), nil
}

// Close hangs up: the server learns of it after the bytes before it, and so not while the link is stalled.
func (c *conn) Close() error {
	c.up.end()
	c.down.fail(net.ErrClosed)
	return nil
}

func (c *conn) SetDeadline(t time.Time) error { return c.SetReadDeadline(t) }

func (c *conn) SetReadDeadline(t time.Time) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.due = t
	c.down.nudge()
	return nil
}

func (c *conn) SetWriteDeadline(time.Time) error { return nil } // a write never waits

func (c *conn) LocalAddr() net.Addr  { return address{} }
func (c *conn) RemoteAddr() net.Addr { return address{} }

type address struct{}

func (address) Network() string { return "link" }
func (address) String() string  { return "link" }

// queue is one direction of one connection: chunks, each with the time from which it may come out. Only one goroutine
// takes.
type queue struct {
	conn *conn
	way  Direction
	wake chan struct{}

	mu     sync.Mutex
	chunks []chunk
	ended  bool  // no more chunks will come
	failed error // nothing comes out any more
}

type chunk struct {
	data     []byte
	due      time.Time
	greeting bool // of the handshake: no stall holds it up
}

func newQueue(c *conn, way Direction) *queue {
	return &queue{conn: c, way: way, wake: make(chan struct{}, 1)}
}

func (q *queue) put(b []byte) error {
	ready := q.conn.ready.Load()
	_, latency := q.conn.settings(q.way)
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.failed != nil {
		return q.failed
	}
	if q.ended {
		return net.ErrClosed
	}
	if len(b) == 0 {
		return nil // all of it is lost, or kept back
	}
	q.chunks = append(q.chunks, chunk{data: b, due: time.Now().Add(latency), greeting: !ready})
	q.nudge()
	return nil
}

func (q *queue) end() {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.ended = true
	q.nudge()
}

func (q *queue) fail(err error) {
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.failed == nil {
		q.failed = err
	}
	q.chunks = nil
	q.nudge()
}

func (q *queue) nudge() {
	select {
	case q.wake <- struct{}{}:
	default:
	}
}

// take waits for the next chunk that the link lets through. It ends with io.EOF after the last, with
// os.ErrDeadlineExceeded at the deadline (zero: none), and at once when the queue has failed.
func (q *queue) take(deadline time.Time) ([]byte, error) {
	for {
		b, wait, err := q.next()
		if b != nil || err != nil {
			return b, err
		}
		if !deadline.IsZero() {
			left := time.Until(deadline)
			if left <= 0 {
				return nil, os.ErrDeadlineExceeded
			}
			if wait == 0 || left < wait {
				wait = left
			}
		}
		if wait == 0 {
			<-q.wake
			continue
		}
		timer := time.NewTimer(wait)
		select {
		case <-q.wake:
		case <-timer.C:
		}
		timer.Stop()
	}
}

// next returns the next chunk if it may come out now, or how long to wait for it (zero: until something changes).
func (q *queue) next() (b []byte, wait time.Duration, err error) {
	stalled, _ := q.conn.settings(q.way)
	q.mu.Lock()
	defer q.mu.Unlock()
	switch {
	case q.failed != nil:
		return nil, 0, q.failed
	case len(q.chunks) == 0:
		if q.ended && !stalled {
			err = io.EOF
		}
		return nil, 0, err
	case stalled && !q.chunks[0].greeting:
		return nil, 0, nil
	}
	first := q.chunks[0]
	if wait = time.Until(first.due); wait > 0 {
		return nil, wait, nil
	}
	q.chunks = q.chunks[1:]
	return first.data, 0, nil
}
