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

// This file is the manager's work with the store itself: it opens the store, and passes questions on.

// opened is the result of opening the store.
type opened struct {
	store  *kv.Store
	own    leader.Edition // of what the source lists; zero where it was not asked
	legacy legacy
	err    error
}

type connClosed struct{}

// open opens the store, and creates again what somebody has deleted. The first time it also lists the source, and compares the
// list with the list of the group. So a mistake in any of them is the error of the start.
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

// advised adds to an error the name of the command that shows more. The error names the first problem; the command lists all of
// them, and what to do about each.
func advised(err error) error {
	if errors.Is(err, kv.ErrPermission) || errors.Is(err, kv.ErrBucketMismatch) {
		return fmt.Errorf("%w (the command parti verify --as worker shows all that is wrong)", err)
	}
	return err
}

// use starts to use the store that was opened last.
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

// transient reports whether the store did not answer, as opposed to a store that refused.
func transient(err error) bool {
	return !errors.Is(err, ErrSourceFailed) &&
		(errors.Is(err, kv.ErrUnknown) || errors.Is(err, kv.ErrNotDone) || errors.Is(err, context.DeadlineExceeded))
}
