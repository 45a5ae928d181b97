// Copyright The Parti Authors
// SPDX-License-Identifier: Apache-2.0

package main

// kept are the bugs of actors: the manager and what keeps a session.
var kept = []mutant{
	// How long a lease is trusted.
	{
		name: "claim-lost-and-kept", breaks: "A worker ignores the loss of its claim, and its session goes on.",
		file: "actors/claimer.go",
		old:  `		c.report(&sessionLost{fmt.Errorf("claim of %s: %w", c.lease.Key, err)})`,
		new:  `		_ = err`,
	},
	{
		name: "late-first-heartbeat", breaks: "A session may begin with a heartbeat that the leader has already seen expire.",
		file: "actors/heartbeat.go",
		old:  `	h.hold = lease.New(h.keeping(), h.begun)`,
		new: `	h.hold = lease.New(h.keeping(), h.begun.Add(1000*h.set.Store.HeartbeatTTL))
	_ = h.hold.Hurry(time.Now())`,
	},
	{
		name: "claim-not-retried", breaks: "A worker does not repeat a failed renewal of its claim.",
		file: "actors/claimer.go",
		old:  `200*time.Millisecond`,
		new:  `time.Hour`,
	},
	{
		name: "heartbeat-hangs", breaks: "A heartbeat without an answer is waited for as long as any other operation.",
		file: "actors/heartbeat.go",
		old:  `context.WithTimeout(ctx, limit)`,
		new:  `context.WithTimeout(ctx, max(limit, h.set.Store.OperationTimeout))`,
	},

	// What a worker takes up, and when it says that it has let go.
	{
		name: "hook-not-hurried-after-a-panic", breaks: "After a panic of the manager, the hook that gives everything up has as much time as in a clean leave.",
		file:   "actors/manager.go",
		old:    `		g.hurry() // nobody`,
		new:    `		_ = g // nobody`,
		likely: "LosesItsSessionWhileItStops",
	},
	{
		name: "foreign-start", breaks: "A worker joins a group that has no partition in common with its source.",
		file:   "actors/group.go",
		old:    `return own.Edition(), checkGroup(ctx, buckets, own)`,
		new:    `return own.Edition(), nil`,
		likely: "SecondApplication",
	},
	{
		name: "change-told-once", breaks: "Only the first change in a term is reported.",
		file: "actors/calculator.go",
		old: `		c.changed.Store(false) // what changes from here on is told again
`,
		new:    ``,
		likely: "Flooded",
	},
	{
		name: "version-asked-late", breaks: "The source is asked for its version after the listing instead of before it.",
		file: "actors/listing.go",
		old: `		a.partitions, a.err = set.Source(ctx)
`,
		new: `		a.partitions, a.err = set.Source(ctx)
		if set.SourceVersion != nil {
			a.version = set.SourceVersion()
		}
`,
		likely: "NewerThanItIs",
	},

	// Who leads, and until when.
	{
		name: "refences-at-once", breaks: "A leader that loses its fence begins a new term without first renewing its lease.",
		file: "actors/elector.go", likely: "TestALostLease",
		old: `hold, err := e.store.Renew(ctx, f.Lease, rec)`,
		new: `hold, err := f.Lease, error(nil)
		_ = rec`,
	},
	{
		name: "unknown-plan-is-rewritten", breaks: "A plan whose write got no answer is written again in the same term.",
		file: "actors/calculator.go",
		old:  `case errors.Is(err, kv.ErrNotDone) && !errors.Is(err, kv.ErrUnknown):`,
		new:  `case errors.Is(err, kv.ErrNotDone), errors.Is(err, kv.ErrUnknown):`,
	},
	{
		name: "stale-heartbeats", breaks: "A new leader begins with heartbeats that may be older than its term.",
		file: "actors/calculator.go",
		old:  `feed(c.guard, nil, c.store, store.Heartbeats, nil, c.since,`,
		new:  `feed(c.guard, nil, c.store, store.Heartbeats, nil, 0,`,
	},
	{
		name: "stale-assignments", breaks: "A new leader begins with records that may be older than its term.",
		file: "actors/lookout.go",
		old:  `c.store.Snapshot(ctx, store.Assignments, nil, c.fence.Revision)`,
		new:  `c.store.Snapshot(ctx, store.Assignments, nil, 0)`,
	},
	{
		name: "leave-is-a-crash", breaks: "A new leader treats every absent member as crashed.",
		file: "actors/lookout.go",
		old: `		case e.Kind == store.Deleted:
`,
		new: `		case e.Kind == store.Deleted && e.Revision == 0:
`,
	},
	{
		name: "question-forgotten", breaks: "A leader whose first heartbeat failed never begins to lead.",
		file: "actors/heartbeat.go",
		old:  `		h.report(&beatMissed{h.why(msg.err)})`,
		new: `		h.report(&beatMissed{h.why(msg.err)})
		h.asked = nil`,
	},

	// The state machine.
	{
		name: "cordon-not-told", breaks: "A cordoned worker does not announce that it is cordoned.",
		file:   "actors/heartbeat.go",
		old:    `Cordoned: h.cordoned, Leaving`,
		new:    `Cordoned: false, Leaving`,
		likely: "Inert",
	},

	// Handlers of partitions.
	{
		name: "holding-for-who-cannot-read-it", breaks: "A heartbeat lists held partitions although a worker of the group cannot read such a list.",
		file: "actors/heartbeat.go",
		old:  `len(held.Holding) <= mostHeld && h.reads >= record.FormatHolding {`,
		new:  `len(held.Holding) <= mostHeld {`,
	},
	{
		name: "too-many-held-are-cut-off", breaks: "A worker acknowledges a version although its list of held partitions is incomplete.",
		file: "actors/heartbeat.go",
		old:  `len(held.Holding) <= mostHeld && h.reads >= record.FormatHolding {`,
		new:  `h.reads >= record.FormatHolding {`,
	},
	{
		name: "end-of-a-handler-not-told", breaks: "A worker reports the return of a handler only with its next regular heartbeat.",
		file: "actors/heartbeat.go",
		old: `	case *heldChanged:
		h.hurry()`,
		new: `	case *heldChanged:`,
	},

	// What leaves the store when a worker leaves.
	{
		name: "removal-not-retried", breaks: "An entry that could not be deleted at once is left in the store.",
		file:   "actors/removal.go",
		old:    `if len(own) == 0 || closed {`,
		new:    `if len(own) == 0 || !closed {`,
		likely: "AStop",
	},
	{
		name: "removal-in-vain", breaks: "A worker whose connection is closed for good still tries to delete its entries until ShutdownTimeout.",
		file:   "actors/removal.go",
		old:    `if len(own) == 0 || closed {`,
		new:    `if len(own) == 0 || closed && ctx.Err() != nil {`,
		likely: "TryInVain",
	},
	{
		name: "removal-takes-the-next-session", breaks: "A rejoin deletes everything that this process has in the bucket, even the heartbeat of the next session.",
		file:   "actors/removal.go",
		old:    `own = remaining(own, buckets.Left(own[0].Bucket))`,
		new:    `own = buckets.Left(own[0].Bucket)`,
		likely: "OnlyWhatTheSessionBeforeLeft",
	},

	// Draining and cordoning.
	{
		name: "drain-not-told", breaks: "A draining worker does not announce that it leaves.",
		file:   "actors/heartbeat.go",
		old:    `Leaving: h.leaving, Failed`,
		new:    `Leaving: false, Failed`,
		likely: "ADrainHandsEverythingOver",
	},

	// Identity beyond a session and a process.
	{
		name: "dead-leader-awaited", breaks: "Nobody deletes the lease on leadership of a dead process, so the group waits for its expiry.",
		file: "actors/identity.go",
		old:  `		err = buckets.EndLeadership(ctx, l.dead)`,
		new:  ``, likely: "StateIs",
	},
	{
		name: "preferred-id-not-awaited", breaks: "A worker gives up a preferred ID at once if it is taken.",
		file: "actors/identity.go",
		old:  `insists := time.Now().Before(c.wish.until)`,
		new:  `insists := false`, likely: "PreferredID",
	},
	{
		name: "robbed-and-waiting", breaks: "A worker whose ID another worker has taken waits for that ID before it claims a different one.",
		file: "actors/identity.go",
		old:  `		c.wish.until = now // another`,
		new:  `		_ = now // another`, likely: "WhoseIDWasTakenFrom",
	},

	// What is told of a wait.
	{
		name: "wait-before-deadline", breaks: "A wait counts as stuck from its beginning instead of from its deadline.",
		file:   "actors/status.go",
		old:    `		if !now.Before(w.Due) {`,
		new:    `		if !now.Before(w.Since) {`,
		likely: "HookThatHangs",
	},
	{
		name: "removed-not-shown", breaks: "The status leaves out partitions that a hook is just giving up.",
		file:   "actors/status.go",
		old:    `if g, left := book.left[p.ID()]; left {`,
		new:    `if g, left := book.left[p.ID()]; left && g.epoch < 0 {`,
		likely: "AfterSelfFencing",
	},
	{
		name: "blind-in-silence", breaks: "A feed that sees nothing retries without a report.",
		file:   "actors/waits.go",
		old:    `	case store.UpdateBlind:`,
		new:    `	case store.UpdateBlind + 100:`,
		likely: "RetriesInSilence",
	},
	{
		name: "blind-at-once", breaks: "A feed reports an error as soon as it has seen nothing for a moment.",
		file:   "actors/waits.go",
		old:    `due: now.Add(buckets.TTL(store.Heartbeats))`,
		new:    `due: now`,
		likely: "RetriesInSilence",
	},
	{
		name: "notice-hook-not-watched", breaks: "A hanging OnStateChanged or OnError hook is not reported as a wait.",
		file:   "actors/manager.go",
		old:    `	m.life.notifier.watch.follow(m)`,
		new:    ``,
		likely: "NoticeHook",
	},
	{
		name: "source-wait-forgotten", breaks: "A timeout of the source counts as an answer, so its wait ends.",
		file:   "actors/calculator.go",
		old:    `(!errors.Is(listed.Err, context.DeadlineExceeded) || !c.leader.Lists())`,
		new:    `listed != nil`,
		likely: "SourceAndAStrategy",
	},
	{
		name: "strategy-not-watched", breaks: "A hanging strategy is not reported as a wait.",
		file:   "actors/manager.go",
		old:    `	m.life.strategist.watch.follow(m)`,
		new:    ``,
		likely: "SourceAndAStrategy",
	},

	// What is asked from outside.
	{
		name: "control-noted-late", breaks: "A request that is noted after its session was dropped is still answered under that session's ID.",
		file: "actors/farewell.go",
		old:  `t.forgotten.Load() || !t.silent.Load()`,
		new:  `!t.silent.Load()`,
	},
	{
		name: "control-desk-counts", breaks: "Repeated failures of the desk end the worker or its session.",
		file: "actors/manager.go",
		old:  `			m.deskFailed(f.err)`,
		new: `			m.deskFailed(f.err)
			m.step(&member.Failed{Kind: member.Follower, Err: f.err})`,
	},
}
