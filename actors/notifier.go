package actors

import (
	"context"
	"log/slog"
	"sync/atomic"
)

// notifier calls the hooks that only inform, OnStateChanged and OnError, each on a goroutine of its own so that a slow
// one delays nothing. A queue holds notifierDepth calls; when it is full the newest is dropped, counted and logged.
type notifier struct {
	log     *slog.Logger
	calls   chan func(ctx context.Context)
	dropped atomic.Int64
	ended   chan struct{}
	ctx     context.Context
	cancel  context.CancelFunc
}

const notifierDepth = 1024

func newNotifier(log *slog.Logger) *notifier {
	n := &notifier{log: log, calls: make(chan func(context.Context), notifierDepth), ended: make(chan struct{})}
	n.ctx, n.cancel = context.WithCancel(context.Background())
	go func() {
		defer close(n.ended)
		for call := range n.calls {
			call(n.ctx)
		}
	}()
	return n
}

// notify queues a call. It must not be used after close.
func (n *notifier) notify(call func(ctx context.Context)) {
	select {
	case n.calls <- call:
	default:
		n.log.Error("hook too slow, notice dropped", "dropped", n.dropped.Add(1))
	}
}

// close lets the queued calls end. ended is closed when they have.
func (n *notifier) close() { close(n.calls) }
