// Copyright The Parti Authors
// SPDX-License-Identifier: Apache-2.0

package main

// handled are the bugs of actors: what works on partitions.
var handled = []mutant{
	// What a worker takes up, and when it says that it has let go.
	{
		name: "acknowledged-before-hook", breaks: "A record is acknowledged when the hook is called, not when it has returned.",
		file: "actors/follower.go",
		old: `		done: func(err error) { f.tell(served(err)) },
	})
`,
		new: `		done: func(error) {},
	})
	f.tell(served(nil))
`,
	},
	{
		name: "hook-not-awaited", breaks: "The runner does not wait for the hook.",
		file: "actors/runner.go",
		old:  `	return errors.Join(published, r.call(q.ctx, added, removed))`,
		new: `	go r.call(q.ctx, added, removed)
	return errors.Join(published)`,
	},
	{
		name: "hook-panic-not-contained", breaks: "A hook that panics ends the process.",
		file: "actors/runner.go",
		old:  `			if r := recover(); r != nil {`,
		new:  `			if r := any(nil); r != nil {`,
	},
	{
		name: "taken-up-without-trust", breaks: "A hook gets new partitions after the trust has ended.",
		file: "actors/runner.go",
		old:  `if !q.shrink && (grantsMore(r.told, q.target) || r.handlers.begins(q.target)) && !q.trusted() {`,
		new:  `if !q.shrink && (grantsMore(r.told, q.target) || r.handlers.begins(q.target)) && q.trusted == nil {`,
	},
	{
		name: "epoch-without-trust", breaks: "A hook's assignment gets new epochs after the trust has ended.",
		file: "actors/runner.go",
		old:  `		if before, ok := told[id]; !ok || before.epoch != h.epoch {`,
		new:  `		if before, ok := told[id]; !ok && before.epoch != h.epoch {`,
	},
	{
		name: "carried-and-begun", breaks: "A session that keeps what runs begins what the session before was granted and had not begun.",
		file: "actors/handlers.go",
		old:  `	case q.shrink:`,
		new:  `	case q.shrink && q.target == nil:`,
	},
	{
		name: "stop-forgets-the-rejoin", breaks: "A worker that is stopped during a rejoin does not shorten the time of the hook that gives everything up.",
		file: "actors/perform.go",
		old: `		for _, g := range m.giving {
			g.hurry()
		}
	case *member.Abandon:`,
		new: `		for id, g := range m.giving {
			if _, after := m.giving[id+1]; !after {
				g.hurry()
			}
		}
	case *member.Abandon:`,
		likely: "StopsWhileItRejoins",
	},
	{
		name: "stopped-tree-not-hurried", breaks: "In a tree that its parent stops, the last hook may still run for ShutdownTimeout.",
		file:   "actors/props.go",
		old:    `context.WithDeadline(ctx, l.letGoBy)`,
		new:    `context.WithDeadline(ctx, l.letGoBy.Add(limit))`,
		likely: "StoppedFromOutside|LosesItsSessionWhileItStops",
	},

	// The state machine.
	{
		name: "waiting-requests-pile-up", breaks: "A request of a session that is over still waits for the hook.",
		file: "actors/runner.go",
		old:  `if q.everything || !before.everything {`,
		new:  `if q.everything && before.everything && q.shrink {`,
	},
	{
		name: "strategy-unlimited", breaks: "A strategy that does not return delays the leader for an hour.",
		file:   "actors/props.go",
		old:    `newStrategist(set.Strategy, set.Store.OperationTimeout)`,
		new:    `newStrategist(set.Strategy, 1000*set.Store.OperationTimeout)`,
		likely: "FaultyStrategy",
	},

	// Handlers of partitions.
	{
		name: "two-handlers-at-once", breaks: "A handler begins while an earlier handler of the same partition still runs.",
		file: "actors/handlers.go",
		old: `		if h.ending[id] != nil {
			h.waiting[id] = want
			continue
		}
`,
		new: ``,
	},
	{
		name: "new-epoch-in-an-old-run", breaks: "A handler goes on although its partition has a new epoch.",
		file: "actors/handlers.go",
		old:  `if want, ok := q.target[id]; !ok || want.epoch != o.epoch {`,
		new:  `if _, ok := q.target[id]; !ok {`,
	},
	{
		name: "waiting-handler-begins-twice", breaks: "A handler that waited only for trust begins beside the one that a newer record has started.",
		file: "actors/handlers.go",
		old: `		delete(h.waiting, id) // it waited for the trust alone
`,
		new: ``,
	},
	{
		name: "waiting-handler-without-trust", breaks: "A handler that waited for an earlier one begins although the trust is over.",
		file: "actors/handlers.go",
		old:  `if want, ok := h.waiting[id]; ok && h.trusted() {`,
		new:  `if want, ok := h.waiting[id]; ok {`,
	},
	{
		name: "valid-without-trust", breaks: "An ownership stays valid after the end of the trust until an actor notices the end.",
		file: "actors/ownership.go",
		old:  `if err == nil && !o.warrant.trusted() {`,
		new:  `if err == nil && o.warrant == nil {`,
	},
	{
		name: "fenced-but-held", breaks: "Held does not end when the worker is fenced, so a handler goes on.",
		file: "actors/ownership.go",
		old: `		t.cancelHeld(cause)
`,
		new: ``,
	},
	{
		name: "let-go-but-valid", breaks: "An ownership is valid although its partition has been let go.",
		file: "actors/handlers.go",
		old: `	o.cancelHeld(context.Cause(o.ctx))
`,
		new: ``,
	},
	{
		name: "failed-handler-not-called-again", breaks: "A handler that failed is not called again.",
		file: "actors/partition.go",
		old: `	p.after(jitter(p.pause), &againDue{})
`,
		new: ``,
	},
	{
		name: "unlisted-counts-as-revoked", breaks: "A handler gets ErrRevoked instead of ErrUnlisted for a partition that the source no longer lists.",
		file: "actors/follower.go",
		old:  `		if unlisted[partition] {`,
		new:  `		if unlisted[partition] && rec.Worker == "" {`,
	},
	{
		name: "handler-not-told-to-end", breaks: "The context of a handler that is still waiting to begin does not end when its partition must be let go.",
		file: "actors/partition.go",
		old: `	case !p.working:
		p.root.Stop(p.self)`,
		new: `	case !p.working:`,
	},

	// What leaves the store when a worker leaves.
	{
		name: "stop-lets-the-hook-run", breaks: "A stop does not cancel the context of the running hook.",
		file: "actors/perform.go",
		old: `		m.life.tenure.wind(e.Why)
`,
		new: `		_ = e.Why
`,
		likely: "AStopCancels",
	},
	{
		name: "end-takes-a-second-budget", breaks: "Queued calls of hooks get another ShutdownTimeout after a leave.",
		file:   "actors/props.go",
		old:    `		until = l.leaveBy.Add(limit / 64)`,
		new:    `		until = l.leaveBy.Add(limit)`,
		likely: "ShareOneBudget",
	},
	{
		name: "left-and-not-told", breaks: "A stop that left entries in the store returns nil.",
		file:   "actors/props.go",
		old:    `		l.view.left.Store(&err)`,
		new:    `		_ = err`,
		likely: "AStopNames",
	},
	{
		name: "ended-with-an-id", breaks: "The status of an ended worker still shows an ID.",
		file:   "actors/props.go",
		old:    `	status.WorkerID, status.Session = "", 0`,
		new:    ``,
		likely: "HasEndedHasNoID",
	},

	// Identity beyond a session and a process.
	{
		name: "first-heartbeat-any-time", breaks: "A session may begin so long after its claim that other workers already consider it over.",
		file: "actors/perform.go",
		old: `			h.begun = e.Begun
`,
		new:    ``,
		likely: "FirstHeartbeat",
	},

	// What is asked from outside.
	{
		name: "control-farewell-after-the-end", breaks: "Drain requests are answered only after the tree has ended, when the connection may already be closed.",
		file: "actors/props.go",
		old: `	l.farewell()
	l.measures.meter.Close(ctx.Done())
	close(l.view.done)`,
		new: `	l.measures.meter.Close(ctx.Done())
	close(l.view.done)
	<-time.After(50 * time.Millisecond)
	l.farewell()`,
	},
}
