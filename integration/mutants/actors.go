// Copyright The Parti Authors
// SPDX-License-Identifier: Apache-2.0

package main

// kept are the bugs of actors: the manager and what keeps a session.
var kept = []mutant{
	// How long a lease is trusted.
	{
		name: "claim-lost-and-kept", breaks: "A claim that is lost is not told, and the session goes on.",
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
		name: "claim-not-retried", breaks: "A renewal of the claim that failed once is not tried again.",
		file: "actors/claimer.go",
		old:  `200*time.Millisecond`,
		new:  `time.Hour`,
	},
	{
		name: "heartbeat-hangs", breaks: "A heartbeat that nobody answers may take as long as any operation.",
		file: "actors/heartbeat.go",
		old:  `context.WithTimeout(ctx, limit)`,
		new:  `context.WithTimeout(ctx, max(limit, h.set.Store.OperationTimeout))`,
	},

	// What a worker takes up, and when it says that it has let go.
	{
		name: "hook-not-hurried-after-a-panic", breaks: "When the manager panics, a hook that gives up keeps all the time of a clean leave.",
		file:   "actors/manager.go",
		old:    `		g.hurry() // nobody`,
		new:    `		_ = g // nobody`,
		likely: "LosesItsSessionWhileItStops",
	},
	{
		name: "foreign-start", breaks: "A worker joins a group that divides nothing of what it lists.",
		file:   "actors/group.go",
		old:    `return own.Edition(), checkGroup(ctx, buckets, own)`,
		new:    `return own.Edition(), nil`,
		likely: "SecondApplication",
	},
	{
		name: "change-told-once", breaks: "Only the first change of a term is told.",
		file: "actors/calculator.go",
		old: `		c.changed.Store(false) // what changes from here on is told again
`,
		new:    ``,
		likely: "Flooded",
	},
	{
		name: "version-asked-late", breaks: "The source is asked for its version after it has listed.",
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
		name: "refences-at-once", breaks: "A leader that loses its fence begins a new term without renewing its lease before.",
		file: "actors/elector.go", likely: "TestALostLease",
		old: `hold, err := e.store.Renew(ctx, f.Lease, rec)`,
		new: `hold, err := f.Lease, error(nil)
		_ = rec`,
	},
	{
		name: "unknown-plan-is-rewritten", breaks: "A plan that nobody answered is written again in the same term.",
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
		name: "leave-is-a-crash", breaks: "A new leader takes every absent member for crashed.",
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
		name: "cordon-not-told", breaks: "A worker that is cordoned does not say so.",
		file:   "actors/heartbeat.go",
		old:    `Cordoned: h.cordoned, Leaving`,
		new:    `Cordoned: false, Leaving`,
		likely: "Inert",
	},

	// Handlers of partitions.
	{
		name: "holding-for-who-cannot-read-it", breaks: "A worker lists what is held where somebody in the group cannot read that.",
		file: "actors/heartbeat.go",
		old:  `len(held.Holding) <= mostHeld && h.reads >= record.FormatHolding {`,
		new:  `len(held.Holding) <= mostHeld {`,
	},
	{
		name: "too-many-held-are-cut-off", breaks: "A worker acknowledges a version although its list of what is held is incomplete.",
		file: "actors/heartbeat.go",
		old:  `len(held.Holding) <= mostHeld && h.reads >= record.FormatHolding {`,
		new:  `h.reads >= record.FormatHolding {`,
	},
	{
		name: "end-of-a-handler-not-told", breaks: "The leader is told that a handler has returned only with the next heartbeat that is due.",
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
		name: "removal-in-vain", breaks: "A worker whose connection is closed for good tries to delete its entries until ShutdownTimeout.",
		file:   "actors/removal.go",
		old:    `if len(own) == 0 || closed {`,
		new:    `if len(own) == 0 || closed && ctx.Err() != nil {`,
		likely: "TryInVain",
	},
	{
		name: "removal-takes-the-next-session", breaks: "A rejoin deletes whatever this process has in the bucket, the heartbeat of the next session too.",
		file:   "actors/removal.go",
		old:    `own = remaining(own, buckets.Left(own[0].Bucket))`,
		new:    `own = buckets.Left(own[0].Bucket)`,
		likely: "OnlyWhatTheSessionBeforeLeft",
	},

	// Draining and cordoning.
	{
		name: "drain-not-told", breaks: "A worker that drains does not say that it leaves.",
		file:   "actors/heartbeat.go",
		old:    `Leaving: h.leaving, Failed`,
		new:    `Leaving: false, Failed`,
		likely: "ADrainHandsEverythingOver",
	},

	// Identity beyond a session and a process.
	{
		name: "dead-leader-awaited", breaks: "The lease on leadership of a dead process is left to expire.",
		file: "actors/identity.go",
		old:  `		err = buckets.EndLeadership(ctx, l.dead)`,
		new:  ``, likely: "StateIs",
	},
	{
		name: "preferred-id-not-awaited", breaks: "A preferred ID that is taken is given up at once.",
		file: "actors/identity.go",
		old:  `insists := time.Now().Before(c.wish.until)`,
		new:  `insists := false`, likely: "PreferredID",
	},
	{
		name: "robbed-and-waiting", breaks: "A worker whose ID another took waits for it before it takes another.",
		file: "actors/identity.go",
		old:  `		c.wish.until = now // another`,
		new:  `		_ = now // another`, likely: "WhoseIDWasTakenFrom",
	},

	// What is told of a wait.
	{
		name: "wait-before-deadline", breaks: "What is waited for counts as stuck from the beginning.",
		file:   "actors/status.go",
		old:    `		if !now.Before(w.Due) {`,
		new:    `		if !now.Before(w.Since) {`,
		likely: "HookThatHangs",
	},
	{
		name: "removed-not-shown", breaks: "What a hook is giving up is not in the status.",
		file:   "actors/status.go",
		old:    `if g, left := book.left[p.ID()]; left {`,
		new:    `if g, left := book.left[p.ID()]; left && g.epoch < 0 {`,
		likely: "AfterSelfFencing",
	},
	{
		name: "blind-in-silence", breaks: "A feed that sees nothing retries in silence.",
		file:   "actors/waits.go",
		old:    `	case store.UpdateBlind:`,
		new:    `	case store.UpdateBlind + 100:`,
		likely: "RetriesInSilence",
	},
	{
		name: "blind-at-once", breaks: "A feed that sees nothing for a moment is an error at once.",
		file:   "actors/waits.go",
		old:    `due: now.Add(buckets.TTL(store.Heartbeats))`,
		new:    `due: now`,
		likely: "RetriesInSilence",
	},
	{
		name: "notice-hook-not-watched", breaks: "A hook for notices that hangs is nobody's wait.",
		file:   "actors/manager.go",
		old:    `	m.life.notifier.watch.follow(m)`,
		new:    ``,
		likely: "NoticeHook",
	},
	{
		name: "source-wait-forgotten", breaks: "That a source did not answer in time counts as its answer.",
		file:   "actors/calculator.go",
		old:    `(!errors.Is(listed.Err, context.DeadlineExceeded) || !c.leader.Lists())`,
		new:    `listed != nil`,
		likely: "SourceAndAStrategy",
	},
	{
		name: "strategy-not-watched", breaks: "A strategy that hangs is nobody's wait.",
		file:   "actors/manager.go",
		old:    `	m.life.strategist.watch.follow(m)`,
		new:    ``,
		likely: "SourceAndAStrategy",
	},

	// What is asked from outside.
	{
		name: "control-noted-late", breaks: "Who is noted after the session was forgotten is told of the end under its ID.",
		file: "actors/farewell.go",
		old:  `t.forgotten.Load() || !t.silent.Load()`,
		new:  `!t.silent.Load()`,
	},
	{
		name: "control-desk-counts", breaks: "A desk that fails again and again ends the worker, or the session.",
		file: "actors/manager.go",
		old:  `			m.deskFailed(f.err)`,
		new: `			m.deskFailed(f.err)
			m.step(&member.Failed{Kind: member.Follower, Err: f.err})`,
	},
}
