// Copyright The Parti Authors
// SPDX-License-Identifier: Apache-2.0

package main

// asked are the bugs of actors: drains, requests from outside and onlookers.
var asked = []mutant{
	// What a worker takes up, and when it says that it has let go.
	{
		name: "watch-doubled", breaks: "A worker calls Watch while an earlier call still runs.",
		file: "actors/onlooker.go",
		old: `	case <-time.After(o.grace):
	}
	tell(`,
		new: `	case <-time.After(o.grace):
		o.running = make(chan struct{}, 1)
	}
	tell(`,
		likely: "Watch",
	},
	{
		name: "watch-given-up", breaks: "A Watch that has returned is not called again.",
		file: "actors/onlooker.go",
		old: `		case <-time.After(pause):
			changed()
`,
		new: `		case <-time.After(pause):
			return
`,
		likely: "Watch",
	},
	{
		name: "watch-gap", breaks: "Changes between two calls of Watch are not listed.",
		file: "actors/onlooker.go",
		old: `		case <-time.After(pause):
			changed()
`,
		new: `		case <-time.After(pause):
`,
		likely: "Watch",
	},
	{
		name: "watch-hammered", breaks: "The pauses between calls of a failing Watch do not grow.",
		file:   "actors/onlooker.go",
		old:    `pause = min(2*pause, rewatchMost) {`,
		new:    `pause = rewatchFirst {`,
		likely: "Watch",
	},
	{
		name: "watch-told-each-time", breaks: "Every return of a failing Watch is reported, not only the first.",
		file: "actors/onlooker.go",
		old: `			told = err.Error()
`,
		new:    ``,
		likely: "Watch",
	},
	{
		name: "watch-awaited", breaks: "The end of a term waits until Watch has returned.",
		file: "actors/onlooker.go",
		old: `	case <-ctx.Done():
	}
	time.AfterFunc`,
		new: `	}
	time.AfterFunc`,
		likely: "Watch",
	},
	{
		name: "late-watch-not-told", breaks: "A Watch that ignores the end of its term is not reported.",
		file: "actors/onlooker.go",
		old: `		if len(ended) == 0 {
`,
		new: `		if len(ended) > 1 {
`,
		likely: "Watch",
	},
	{
		name: "changes-flood", breaks: "Each call of changed is a message of its own.",
		file: "actors/onlooker.go",
		old: `		if c.changed.CompareAndSwap(false, true) {
			c.tell(`,
		new: `		if c.changed.Store(true); true {
			c.tell(`,
	},
	{
		name: "control-refresh-surely-not-done", breaks: "A worker reports a refresh without an answer as not done.",
		file: "actors/errand.go",
		old:  `	case errors.Is(err, kv.ErrUnknown):`,
		new:  `	case err == nil && errors.Is(err, kv.ErrUnknown):`,
	},

	// Draining and cordoning.
	{
		name: "standing-told-later", breaks: "A drain or a cordon is announced only with the next regular heartbeat.",
		file:   "actors/drain.go",
		old:    "h.stood = h.hurry()",
		new:    `h.stood = h.question`,
		likely: "ACordonTakesEffectAtOnce",
	},

	// What is asked from outside.
	{
		name: "control-speaks-untrusted", breaks: "A worker whose trust is over still obeys and answers requests.",
		file: "actors/desk.go",
		old:  `return s.number != 0 && !s.trust.silent.Load() && s.trust.valid()`,
		new:  `return s.number != 0 && !s.trust.silent.Load()`,
	},
	{
		name: "control-any-session", breaks: "A request for one session is obeyed by a later session of the same ID.",
		file: "actors/desk.go",
		old:  `case r.Session != 0 && r.Session != s.number:`,
		new:  `case r.Session != 0 && r.Session != s.number && s.number == 0:`,
	},
	{
		name: "control-drain-answered-at-once", breaks: "A drain request is answered as done before anything is handed over.",
		file: "actors/desk.go",
		old:  `	case r.Action == control.Hello:`,
		new: `	case r.Action == control.Drain:
		d.undertake(e, r)
		d.say(e, nil)
	case r.Action == control.Hello:`,
	},
	{
		name: "control-cordon-not-awaited", breaks: "A cordon request is answered as done before a heartbeat announces the cordon.",
		file: "actors/drain.go",
		old:  `if h.lease.Revision == 0 || !h.hold.Settled(h.stood) {`,
		new:  `if h.lease.Revision == 0 {`,
	},
	{
		name: "control-cordon-answered-at-once", breaks: "A cordon request is answered as done as soon as it arrives.",
		file: "actors/outside.go",
		old:  `		m.tellChild(member.Heartbeat, &attest{round: msg.round})`,
		new:  `		m.tellChild(kindDesk, &attested{round: msg.round})`,
	},
	{
		name: "control-opposite-waits", breaks: "A cordon request is answered as done although the cordon was taken back.",
		file: "actors/errand.go",
		old:  `return isCordon(other.action) && other.action != e.action`,
		new:  `return false`,
	},
	{
		name: "control-forgets-nobody", breaks: "The end of a drain is reported under a session that had already ended.",
		file: "actors/outside.go",
		old: `	if m.session.trust != nil {
		m.session.trust.forgotten.Store(true)
	}
	m.life.askers.Store(nil)`,
		new: ``,
	},
	{
		name: "control-bound-forgotten", breaks: "A drain request with a time limit goes on after the limit.",
		file: "actors/outside.go",
		old:  `m.step(&member.DrainAsked{By: msg.by})`,
		new:  `m.step(&member.DrainAsked{})`,
	},
	{
		name: "control-desk-not-begun-anew", breaks: "After its desk has failed, a worker hears no more requests.",
		file: "actors/outside.go",
		old:  `	m.after(deskPause, &deskDue{})`,
		new:  ``,
	},
	{
		name: "control-any-bucket", breaks: "A worker obeys requests for a bucket of the same name in another domain.",
		file: "actors/desk.go",
		old:  `if err == nil && !r.Made.IsZero() && !r.Made.Equal(d.store.Made()) {`,
		new:  `if err == nil && !r.Made.IsZero() && d.store == nil {`,
	},
	{
		name: "control-unbounded", breaks: "A worker accepts any number of requests at a time.",
		file: "actors/desk.go",
		old:  `case !known && r.Action != control.Hello && len(d.errands) >= mostErrands:`,
		new:  `case !known && r.Action == control.Hello && len(d.errands) >= mostErrands:`,
	},
	{
		name: "control-forgotten-askers-stay", breaks: "Clients that asked for a drain and have gone still count as open requests.",
		file: "actors/errand.go",
		old:  `if !a.asked.After(since) {`,
		new:  `if a.asked.IsZero() {`,
	},
	{
		name: "control-asked-again-forgotten", breaks: "A request that is repeated again and again expires all the same.",
		file: "actors/desk.go",
		old:  `		a.asked = time.Now()`,
		new:  `		_ = a`,
	},
	{
		name: "control-full-desk-keeps-bounds", breaks: "A worker with too many requests ignores the time limit of a drain request.",
		file: "actors/desk.go",
		old: `		d.drain(r.Within)
		err = fmt`,
		new: `		err = fmt`,
	},
	{
		name: "control-refresh-joins-late", breaks: "A refresh is answered from a listing that began before the request.",
		file: "actors/errand.go",
		old:  `d.settle(err, func(_ errand, a *undertaking) bool { return a.lists })`,
		new:  `d.settle(err, func(e errand, a *undertaking) bool { return a.lists || e.action == control.Refresh })`,
	},
}
