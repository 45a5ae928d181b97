// Copyright The Parti Authors
// SPDX-License-Identifier: Apache-2.0

package actors

import (
	"context"
	"errors"
	"fmt"

	"github.com/asynkron/protoactor-go/actor"
	"github.com/nats-io/nats.go"

	"github.com/parti-go/parti/internal/leader"
	"github.com/parti-go/parti/internal/member"
	"github.com/parti-go/parti/kv"
)

// This file is what a manager does with the store itself: it opens it, and passes questions on.

// opened is what opening the store has come to.
type opened struct {
	store  *kv.Store
	own    leader.Edition // of what the source lists; zero where it was not asked
	legacy legacy
	err    error
}

type connClosed struct{}

// open opens the store, which also makes anew what somebody deleted. The first time it lists the source as well, and
// compares the list with what the group divides, so that what is wrong with any of them is the error of the start.
func (m *manager) open(e *member.Open) {
	before, running := m.store, e.Running
	m.run(func(ctx context.Context) any {
		if before != nil {
			buckets, err := before.Reopen(ctx)
			return m.opened(buckets, leader.Edition{}, advised(err), running)
		}
		if err := m.lockState(); err != nil {
			return &opened{err: err}
		}
		var own leader.Edition
		buckets, err := kv.Open(ctx, m.set.JetStream, m.set.Store)
		if err == nil && !running {
			own, err = checkSource(ctx, m.set, buckets)
		}
		return m.opened(buckets, own, advised(err), running)
	})
}

// advised adds to an error which command shows more. The error names the first thing that is wrong; the command lists all, and
// what to do about each.
func advised(err error) error {
	if errors.Is(err, kv.ErrPermission) || errors.Is(err, kv.ErrBucketMismatch) {
		return fmt.Errorf("%w (the command parti verify --as worker shows all that is wrong)", err)
	}
	return err
}

// use takes the store into use that was opened last.
func (m *manager) use() {
	m.store, m.legacy = m.found.store, m.found.legacy
	if m.found.own != (leader.Edition{}) {
		m.own = m.found.own
	}
	m.life.view.store.Store(m.store)
}

func (m *manager) refresh(sender *actor.PID) {
	if sender == nil {
		return
	}
	buckets, root := m.store, m.root
	m.run(func(ctx context.Context) any {
		err := ErrNotJoined
		if buckets != nil {
			ctx, cancel := context.WithTimeout(ctx, m.set.Store.OperationTimeout)
			defer cancel()
			err = buckets.RequestRefresh(ctx)
		}
		root.Send(sender, &Refreshed{err})
		return nil
	})
}

func (m *manager) watchConnection() {
	nc := m.set.JetStream.Conn()
	status := nc.StatusChanged(nats.CLOSED)
	m.run(func(ctx context.Context) any {
		defer func() { go nc.RemoveStatusListener(status) }() // it waits for the client, which may hang on a stalled link
		if nc.IsClosed() {
			return &connClosed{}
		}
		select {
		case <-status:
			return &connClosed{}
		case <-ctx.Done():
			return nil
		}
	})
}

// transient tells a store that does not answer from one that says no.
func transient(err error) bool {
	return !errors.Is(err, ErrSourceFailed) &&
		(errors.Is(err, kv.ErrUnknown) || errors.Is(err, kv.ErrNotDone) || errors.Is(err, context.DeadlineExceeded))
}
