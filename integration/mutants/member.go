// Copyright The Parti Authors
// SPDX-License-Identifier: Apache-2.0

package main

// joined are the bugs of internal/member: sessions and elections.
var joined = []mutant{
	// How long a lease is trusted.
	{
		name: "trust-ignores-claim", breaks: "A session is trusted as long as its heartbeat, even without a valid claim.",
		file: "internal/member/session.go",
		old:  `earlier(m.session.beat.TrustedUntil(), m.session.claim.TrustedUntil())`,
		new:  `m.session.beat.TrustedUntil()`,
	},
	{
		name: "trust-ignores-heartbeat", breaks: "A session is trusted as long as its claim, even without a valid heartbeat.",
		file: "internal/member/session.go",
		old:  `earlier(m.session.beat.TrustedUntil(), m.session.claim.TrustedUntil())`,
		new:  `m.session.claim.TrustedUntil()`,
	},
	{
		name: "no-self-fencing", breaks: "A session whose trust has ended goes on until the store refuses a write.",
		file: "internal/member/session.go",
		old:  `	m.lose(now, fmt.Errorf("no heartbeat or claim renewal was acknowledged in time: %w", store.ErrLate))`,
		new:  `	_ = fmt.Errorf("%w", store.ErrLate)`,
	},
	{
		name: "leadership-not-retried", breaks: "A leader does not repeat a failed renewal of its lease.",
		file: "internal/member/election.go",
		old:  `Pause: electionRetry, LongestPause: electionRetry,`,
		new:  `Pause: time.Hour, LongestPause: time.Hour,`,
	},
	{
		name: "restored-leader-goes-on", breaks: "A session goes on although the lease on leadership proves that the store was restored.",
		file: "internal/member/lead.go",
		old: `		m.lose(now, err)
		return
	}
	m.report(err)`,
		new: `	}
	m.report(err)`,
	},

	// What a worker takes up, and when it says that it has let go.
	{
		name: "hook-not-hurried", breaks: "After the end of the trust, the hook that gives everything up has as much time as in a clean leave.",
		file: "internal/member/session.go",
		old: `		m.dueBy(dueHurry, now, m.letGoBy())
`,
		new:    ``,
		likely: "LosesItsSessionWhileItStops",
	},

	// Who leads, and until when.
	{
		name: "deposed-elector-silent", breaks: "A leader whose lease has ended keeps its calculator.",
		file: "internal/member/election.go",
		old: `		e.do(&ElectionYield{err})
	}`,
		new: `		_ = err
	}`,
	},
	{
		name: "deposed-leader-goes-on", breaks: "A leader that learns that it is deposed keeps its calculator.",
		file: "internal/member/lead.go",
		old: `	m.report(err)
	m.ceaseToLead(now)
	m.session.fence = store.Fence{}`,
		new: `	m.report(err)`,
	},
	{
		name: "higher-term-ignored", breaks: "A leader that meets a higher term goes on under its own.",
		file: "internal/member/election.go",
		old:  `if e.fence.Term != 0 && term > e.fence.Term {`,
		new:  `if e.fence.Term != 0 && term < e.fence.Term {`,
	},
	{
		name: "no-refence", breaks: "A leader that lost its fence begins no new term.",
		file: "internal/member/lead.go",
		old: `	m.tellElector(&NewTerm{f.Fence})
`,
		new: ``,
	},
	{
		name: "terms-without-pace", breaks: "Nothing limits how many terms a worker begins.",
		file: "internal/member/electionpace.go",
		old:  `	p.due = p.due.Add(p.step)`,
		new:  `	p.due = now`,
	},
	{
		name: "passed-while-stored", breaks: "A worker leads under a term below one that was stored meanwhile.",
		file: "internal/member/election.go",
		old:  `case f.Fence.Term < e.floor:`,
		new:  `case f.Fence.Term < e.floor && f.Err != nil:`,
	},
	{
		name: "asked-is-assigned", breaks: "A worker that was only asked what it holds says that it is ready.",
		file: "internal/member/session.go",
		old:  `|| m.winding != nil || f.Asks {`,
		new:  `|| m.winding != nil {`,
	},
	{
		name: "asked-while-it-has-something", breaks: "A record that leaves a worker what it has, and asks what else it holds, does not count as an assignment.",
		file: "internal/member/following.go",
		old:  `r.Unread > 0 && len(r.Owned) == 0`,
		new:  `r.Unread > 0`,
	},
	{
		name: "leader-before-unheard-of", breaks: "A worker that saw the lease of another leader end says that nobody led before it.",
		file: "internal/member/election.go",
		old:  `e.leader, e.led = "", true`,
		new:  `e.leader = ""`,
	},
	{
		name: "own-lease-of-before", breaks: "A worker takes its own lease for that of a leader before it.",
		file: "internal/member/election.go",
		old:  `e.led = e.led || e.lease == nil && e.leader != e.cfg.Worker`,
		new:  `e.led = true`,
	},
	{
		name: "new-term-waits", breaks: "A leader that needs a new term waits for the next renewal of its lease.",
		file: "internal/member/election.go",
		old: `			e.hold.Hurry(now) // the renewal of a new term goes with the next write
`,
		new: ``,
	},
	{
		name: "abstained-for-good", breaks: "A campaign that is due while its worker abstains is dropped instead of delayed.",
		file: "internal/member/election.go",
		old: `		e.plan(at, 0)
		return
	}
	e.busy`,
		new: `		return
	}
	e.busy`,
	},
	{
		name: "abstains-and-keeps-the-lease", breaks: "A leader that abstains lets its lease run out.",
		file: "internal/member/election.go",
		old:  `		e.do(&ElectionRelease{released})`,
		new:  `		_ = released`,
	},

	// The state machine.
	{
		name: "running-ends-like-a-start", breaks: "A running worker ends when the store refuses to open, as at a start.",
		file: "internal/member/start.go",
		old:  `if !m.ready && !f.Transient {`,
		new:  `if !f.Transient {`,
	},
	{
		name: "full-is-no-free-id", breaks: "A start that failed for another reason reports that no ID was free.",
		file: "internal/member/start.go",
		old:  `if errors.Is(m.claimErr, store.ErrNoFreeID) {`,
		new:  `if m.claimErr != nil {`,
	},
	{
		name: "id-may-be-free", breaks: "The hook that gives everything up may run until the heartbeat expires although the ID is free sooner.",
		file:   "internal/member/session.go",
		old:    `return earlier(by(m.session.beat, m.cfg.HeartbeatTTL), by(m.session.claim, m.cfg.WorkerIDTTL))`,
		new:    `return by(m.session.beat, m.cfg.HeartbeatTTL)`,
		likely: "HookHasToReturn",
	},

	// Draining and cordoning.
	{
		name: "drain-forgotten-on-rejoin", breaks: "A draining worker that loses its session forgets the drain in the next one.",
		file:   "internal/member/session.go",
		old:    `Standing: m.standing, Begun`,
		new:    `Standing: Standing{Cordoned: m.standing.Cordoned}, Begun`,
		likely: "TheNextSessionOfADraining",
	},
	{
		name: "cordon-forgotten-on-rejoin", breaks: "A cordon ends with the session.",
		file:   "internal/member/session.go",
		old:    `Standing: m.standing, Begun`,
		new:    `Standing: Standing{Leaving: m.standing.Leaving}, Begun`,
		likely: "ACordon",
	},
	{
		name: "drain-of-a-starter-waits", breaks: "A worker without an assignment waits for the leader when it is asked to drain.",
		file:   "internal/member/stand.go",
		old:    `	if !m.ready {`,
		new:    `	if m.ready && !m.applied {`,
		likely: "WaitsForItsFirstAssignmentJustStops",
	},
	{
		name: "drained-leader-leaves-others", breaks: "A leader that drains leaves while the handoffs of others are under way.",
		file:   "internal/member/stand.go",
		old:    `	if m.session.leads && (`,
		new:    `	if !m.session.leads && m.session.leads && (`,
		likely: "ALeaderThatDrainsStays",
	},

	// What is told of a wait.
	{
		name: "id-wait-not-bounded", breaks: "A worker that waits for an ID again does not report that wait.",
		file: "internal/member/start.go",
		old: `	m.awaitID(now)
`,
		new:    ``,
		likely: "FindsNoIDAgain",
	},
	{
		name: "format-not-bounded", breaks: "A worker that cannot read its record takes nothing up, and still counts as healthy.",
		file: "internal/member/lead.go",
		old: `		m.awaitFormat(now, f.Err)
`,
		new: `		_ = m.awaitFormat
`,
		likely: "CannotApplyWhatItReads",
	},

	// What a member decides.
	{
		name: "prior-claim-as-it-was", breaks: "A worker that takes long to give everything up considers its own claim expired, and waits for it.",
		file: "internal/member/session.go",
		old: `		m.prior = &claim
	}
	if`,
		new: `		_ = claim
	}
	if`,
	},
	{
		name: "ended-session-trusted-again", breaks: "A heartbeat that is acknowledged late extends the trust in a session that is over.",
		file: "internal/member/session.go",
		old: `		m.degrade(false)
		return // what is over stays over`,
		new: `		m.degrade(false)`,
	},
	{
		name: "store-opened-twice", breaks: "A worker opens the store twice at the same time, which starts two claimers.",
		file: "internal/member/start.go",
		old:  `	m.opens = true`,
		new:  `	m.opens = false`,
	},
	{
		name: "elected-without-trust", breaks: "A worker that gets the heartbeat for its term too late leads without trust.",
		file: "internal/member/lead.go",
		old: `		m.tellHeartbeat(&Beat{m.session.fence}) // this was heard of late; what comes next decides
		return`,
		new: ``,
	},
	{
		name: "elector-without-trust", breaks: "An elector is replaced although the trust is over, before that is reported.",
		file: "internal/member/lead.go",
		old:  `	case m.trusted(now):`,
		new:  `	case now.After(m.session.joined):`,
	},
	{
		name: "failed-elector-keeps-its-term", breaks: "A worker leads in the term of a failed elector instead of the next term.",
		file: "internal/member/failure.go",
		old:  `		m.session.fence = store.Fence{} // what`,
		new:  `		_ = store.Fence{} // what`,
	},

	// What is asked from outside.
	{
		name: "control-late-bound", breaks: "A second drain request extends the time of the first.",
		file: "internal/member/stand.go",
		old:  `		m.dueBy(dueDrain, now, by)`,
		new:  `		m.due(dueDrain, now, by)`,
	},
}
