// Copyright The Parti Authors
// SPDX-License-Identifier: Apache-2.0

package main

// followed are the bugs of internal/member: what a member takes up, waits for and leaves.
var followed = []mutant{
	// What a worker takes up, and when it says that it has let go.
	{
		name: "session-not-compared", breaks: "A worker takes up a record that names another session of its ID.",
		file: "internal/member/following.go",
		old:  `case r.Session == f.cfg.Session:`,
		new:  `case r.Session <= f.cfg.Session:`,
	},
	{
		name: "older-record-applied", breaks: "A record of an older version replaces a newer one.",
		file: "internal/member/following.go",
		old:  `f.wanted.Session != r.Session || r.Version >= f.wanted.Version {`,
		new:  `f.wanted.Session != r.Session || r.Version >= 0 {`,
	},
	{
		name: "rollback-not-noticed", breaks: "A follower accepts a lower term or version than it has seen.",
		file: "internal/member/following.go",
		old:  `if p.Term < f.position.Term || p.Version < f.position.Version {`,
		new:  `if p.Term < f.position.Term && p.Version < 0 {`,
	},
	{
		name: "unknown-format-applied", breaks: "A worker goes on although the group's records have a format it does not know.",
		file: "internal/member/following.go",
		old:  `f.wanted != nil && len(f.unknown) == 0 &&`,
		new:  `f.wanted != nil &&`,
	},
	{
		name: "kept-under-a-number-used-again", breaks: "What is kept from the session before stays where the next one has its number, and counts as granted to that one.",
		file: "internal/member/session.go",
		old:  ` || f.Number == m.carried) {`,
		new:  `) {`,
	},
	{
		name: "taken-up-while-leaving", breaks: "New partitions are taken up after everything was given up.",
		file: "internal/member/winddown.go",
		old:  `		m.session.closed = true`,
		new:  `		m.session.closed = false`,
	},
	{
		name: "released-before-hook", breaks: "A worker that leaves deletes its heartbeat before the hook has returned.",
		file: "internal/member/winddown.go",
		old: `	if !w.gaveUp {
		return
	}
	if !w.letGo {`,
		new: `	if !w.letGo {`,
	},
	{
		name: "foreign-first-record", breaks: "A worker runs the partitions of another application that started at the same time.",
		file:   "internal/member/following.go",
		old:    `case !f.cfg.Suspect(f.plan):`,
		new:    `case f.wanted != nil:`,
		likely: "StartTogether",
	},
	{
		name: "compared-once", breaks: "A worker whose source fails during the comparison with the group never gets partitions.",
		file:   "internal/member/following.go",
		old:    `		f.notBefore = now.Add(followingCompare)`,
		new:    `		f.foreign = true`,
		likely: "FirstRecordWaits",
	},

	// The state machine.
	{
		name: "stable-without-assignment", breaks: "A worker that waits for its first assignment becomes Stable with the group.",
		file: "internal/member/phase.go",
		old:  `case state == fsm.WaitingAssignment && applied:`,
		new:  `case state == fsm.WaitingAssignment:`,
	},

	// Handlers of partitions.
	{
		name: "deaf-handler-keeps-its-worker-out", breaks: "A fenced worker does not rejoin while one handler ignores its context.",
		file: "internal/member/winddown.go",
		old: `		m.do(&Abandon{w.generation})
`,
		new: ``,
	},

	// What leaves the store when a worker leaves.
	{
		name: "removal-beside-its-writer", breaks: "A worker's entry is deleted while an actor may still write it.",
		file: "internal/member/winddown.go",
		old:  `m.runs[writers[b]] > 0 || `,
		new:  ``,
	},
	{
		name: "fenced-rejoin-deletes", breaks: "A lost session deletes its heartbeat, so its worker seems to have left cleanly.",
		file: "internal/member/winddown.go",
		old:  `m.runs[writers[b]] > 0 || w.rejoin && w.fenced {`,
		new:  `m.runs[writers[b]] > 0 {`,
	},
	{
		name: "fenced-leave-leaves-entries", breaks: "A leave without trust assumes that its entries are gone.",
		file: "internal/member/winddown.go",
		old:  `	return w.gone[store.Election] && w.gone[store.Heartbeats] && w.gone[store.StableIDs]`,
		new:  `	return w.fenced || w.gone[store.Election] && w.gone[store.Heartbeats] && w.gone[store.StableIDs]`,
	},
	{
		name: "hooks-take-the-whole-budget", breaks: "The context of the last hook ends too late to leave time for deleting the entries.",
		file:   "internal/member/winddown.go",
		old:    `return m.leaveBy.Add(-m.cfg.ShutdownTimeout / 8)`,
		new:    `return m.leaveBy.Add(m.cfg.ShutdownTimeout)`,
		likely: "ShareOneBudget",
	},
	{
		name: "panic-ends-the-leave", breaks: "A manager that panics while it leaves leaves its entries in the store.",
		file:   "internal/member/member.go",
		old:    `		m.leaveGoesOn(now, ErrPanic)`,
		new:    `		m.finish(false)`,
		likely: "PanicsWhileItLeaves",
	},

	// Draining and cordoning.
	{
		name: "drained-before-granted", breaks: "A draining leader leaves before its partitions are granted to other workers.",
		file:   "internal/member/following.go",
		old:    `is := f.synced && !f.recorded`,
		new:    `is := f.synced`,
		likely: "ADrainHandsEverythingOver",
	},
	{
		name: "drain-left-unsaid", breaks: "A drain that ends early reports that it is complete.",
		file: "internal/member/winddown.go",
		old: `		m.do(&NoteLeft{})
`,
		new: `		_ = f.Cause
`,
		likely: "AStopEndsADrain",
	},

	// What is told of a wait.
	{
		name: "call-not-bounded", breaks: "A hanging hook is not reported as a wait.",
		file:   "internal/member/waits.go",
		old:    `	m.await("", w)`,
		new:    `	_ = w`,
		likely: "HookThatHangs",
	},
	{
		name: "wait-told-again", breaks: "A wait that is over stays in the heartbeat.",
		file: "internal/member/waits.go",
		old: `	delete(m.waits, key)
`,
		new:    ``,
		likely: "HookThatHangs",
	},
	{
		name: "wait-without-timer", breaks: "A wait past its deadline is in the status, but no error.",
		file: "internal/member/deadline.go",
		old: `		if !p.told {
			at(p.Due)
		}
`,
		new: `		_ = p
`,
		likely: "HookThatHangs",
	},
	{
		name: "stuck-not-in-heartbeat", breaks: "The heartbeat does not report the waits of its worker.",
		file: "internal/member/waits.go",
		old: `	m.tellHeartbeat(&Complain{lines})
`,
		new:    ``,
		likely: "HookThatHangs",
	},
	{
		name: "give-up-not-bounded", breaks: "A session that cannot end because of a hook is not reported as a wait.",
		file: "internal/member/winddown.go",
		old: `	m.awaitGiveUp(now)
`,
		new:    ``,
		likely: "AfterSelfFencing",
	},
	{
		name: "standby-is-stuck", breaks: "A standby counts as stuck after StartupTimeout.",
		file: "internal/member/waits.go",
		old: `	if m.ready {
		m.await("", Wait{
			Key: waitsForID`,
		new: `	if m.cfg.Standby || m.ready {
		m.await("", Wait{
			Key: waitsForID`,
		likely: "FindsNoIDAgain",
	},
	{
		name: "request-to-leave-lost", breaks: "A request to leave is lost if the manager panics while it handles it.",
		file:   "internal/member/member.go",
		old:    `	if f.LeaveAsked {`,
		new:    `	if f == nil {`,
		likely: "OverTheRequest",
	},

	// What a member decides.
	{
		name: "deaf-handler-abandoned-early", breaks: "A fenced worker rejoins a little before its leases end, although a handler runs.",
		file: "internal/member/winddown.go",
		old:  `m.due(dueAbandon, now, m.leasesEnd())`,
		new:  `m.due(dueAbandon, now, m.letGoBy())`,
	},
	{
		name: "held-up-is-late", breaks: "A worker that was delayed acts on its deadlines before it reads its messages.",
		file: "internal/member/member.go",
		old:  "	case *Ticked:\n		m.tick(now, f.At)",
		new:  "	case *Ticked:\n		m.tick(now, now)",
	},

	// What is asked from outside.
	{
		name: "control-bound-lost-in-a-panic", breaks: "A restart of the manager forgets the time limit of a drain.",
		file: "internal/member/member.go",
		old:  `	m.drainWithin(now, m.cfg.Before.DrainBy)`,
		new:  ``,
	},
}
