// Copyright The Parti Authors
// SPDX-License-Identifier: Apache-2.0

package actors

import (
	"context"
	"log/slog"
	"sync/atomic"
)

// notifier calls the hooks that only inform, OnStateChanged and OnError. Each call runs on a goroutine of its own, so a slow
// hook delays nothing. A queue holds notifierDepth calls. If it is full, the newest call is dropped. The log says so at the
// first dropped call, and says how many there were once there is room again. A call that lasts longer than HandoffTimeout is a
// wait, see watch.
type notifier struct {
	log     *slog.Logger
	calls   chan notice
	watch   watch
	dropped atomic.Int64
	ended   chan struct{}
	ctx     context.Context
	cancel  context.CancelFunc
}

// notice is a call of a hook.
type notice struct {
	hook string
	call func(ctx context.Context)
}

const notifierDepth = 1024

func newNotifier(log *slog.Logger) *notifier {
	n := &notifier{log: log, calls: make(chan notice, notifierDepth), ended: make(chan struct{})}
	n.ctx, n.cancel = context.WithCancel(context.Background())
	go func() {
		defer close(n.ended)
		for one := range n.calls {
			n.watch.during(call{name: one.hook}, func() { one.call(n.ctx) })
		}
	}()
	return n
}

// notify queues a call of a hook. It must not be used after close.
func (n *notifier) notify(hook string, call func(ctx context.Context)) {
	select {
	case n.calls <- notice{hook, call}:
		if dropped := n.dropped.Swap(0); dropped > 0 {
			n.log.Error("hooks are called again; the dropped calls are not repeated", "dropped", dropped)
		}
	default:
		if n.dropped.Add(1) == 1 {
			n.log.Error("a hook is too slow: further calls of OnStateChanged and OnError are dropped", "hook", hook, "waiting", notifierDepth)
		}
	}
}

// close ends the notifier after the queued calls. ended is closed then.
func (n *notifier) close() { close(n.calls) }
