// Copyright The Parti Authors
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"errors"
	"net"
	"slices"
	"sync"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"
)

// wire is the connections of one worker to Kafka. To cut it is what a crash looks like from outside: they are gone, and nobody
// has said goodbye.
type wire struct {
	mu    sync.Mutex
	conns []net.Conn
	isCut bool
}

var errCut = errors.New("this process has crashed")

func (w *wire) option() kgo.Opt {
	return kgo.Dialer(func(ctx context.Context, network, host string) (net.Conn, error) {
		conn, err := (&net.Dialer{Timeout: 10 * time.Second}).DialContext(ctx, network, host)
		w.mu.Lock()
		defer w.mu.Unlock()
		if err == nil && w.isCut {
			err = errors.Join(errCut, conn.Close())
		}
		if err != nil {
			return nil, err
		}
		w.conns = append(w.conns, conn)
		return conn, nil
	})
}

func (w *wire) cut() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.isCut = true
	for _, conn := range w.conns {
		conn.Close()
	}
}

// dead says whether the worker has crashed. What it still does in this process does not count.
func (w *wire) dead() bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.isCut
}

// crash has one worker crash, which does not come back, and measures how long its partitions are without one.
func (c *contender) crash(ctx context.Context, p plan) (time.Duration, error) {
	ctx, cancel := context.WithTimeout(ctx, p.patience+p.session)
	defer cancel()
	c.book.watch()
	c.members[0].crash()
	c.members[0] = nil
	if err := c.settle(ctx, p); err != nil {
		return 0, err
	}
	c.book.unwatch()
	return slices.Max(c.book.pauses()), nil
}
