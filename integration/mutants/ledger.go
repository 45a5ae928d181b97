// Copyright The Parti Authors
// SPDX-License-Identifier: Apache-2.0

package main

// held are the bugs of internal/ledger.
var held = []mutant{
	// The ledger.
	{
		name: "granted-before-released", breaks: "A partition is granted while its holder still lets go of it.",
		file: "internal/ledger/propose.go",
		old:  `p.holder == nil && (l.unread == 0 || p.sure) &&`,
		new:  `(p.holder == nil || p.releasing) && (l.unread == 0 || p.sure) &&`,
	},
	{
		name: "granted-back-while-releasing", breaks: "A partition is granted to its holder again before the holder has let go.",
		file: "internal/ledger/propose.go",
		old: `		case p.releasing:
`,
		new: `		case p.releasing && p.target != p.holder:
`,
	},
	{
		name: "granted-to-the-dead", breaks: "A partition is granted to a session that has ended.",
		file: "internal/ledger/propose.go",
		old:  `p.target.member && p.target.alive()`,
		new:  `p.target.member && p.target.number > 0`,
	},
	{
		name: "epoch-not-advanced", breaks: "The next owner of a partition gets the epoch of its last owner.",
		file: "internal/ledger/propose.go",
		old:  `Session: p.target.number, Epoch: w.Version}`,
		new:  `Session: p.target.number, Epoch: cmp.Or(p.epoch, w.Version)}`,
	},
	{
		name: "gone-and-not-revoked", breaks: "A partition that the source no longer lists stays with its owner.",
		file: "internal/ledger/propose.go",
		old:  `(!p.listed() || !p.sure`,
		new:  `(!p.sure`,
	},
	{
		name: "died-while-written", breaks: "A session that ended during a grant holds the partition for ever.",
		file: "internal/ledger/propose.go",
		old:  `case e.Session <= x.ended:`,
		new:  `case e.Session <= x.ended && e.Session == 0:`,
	},
	{
		name: "early-acknowledgement-lost", breaks: "An acknowledgement that comes before the store's answer is forgotten.",
		file: "internal/ledger/propose.go",
		old:  `	if p.holder.letGo(p) {`,
		new:  `	if p.holder.letGo(p) && p.holder.applied > version {`,
	},
	{
		name: "gone-and-forgotten", breaks: "A partition that vanished from the source and came back is granted while it still runs.",
		file: "internal/ledger/ledger.go",
		old: `		l.touch(p)
		if p.holder == nil {
			l.forget(p)
		}
	}
`,
		new: `		l.touch(p)
		if p.holder == nil {
			l.forget(p)
		} else {
			delete(l.parts, p.id)
		}
	}
`,
	},
	{
		name: "acknowledged-by-any-version", breaks: "Any acknowledgement, however old, frees the partitions that are being released.",
		file: "internal/ledger/sessions.go",
		old:  `	if w.applied < p.since {`,
		new:  `	if w.applied == 0 {`,
	},
	{
		name: "old-news-believed", breaks: "A heartbeat of a session that has ended still counts.",
		file: "internal/ledger/sessions.go",
		old:  `if number <= w.ended || number < w.number {`,
		new:  `if number < w.ended {`,
	},
	{
		name: "end-of-another-session", breaks: "The end of an earlier session frees the partitions of the present one.",
		file: "internal/ledger/sessions.go",
		old:  `return p.session <= number })`,
		new:  `return p.session >= 0 })`,
	},
	{
		name: "lower-epoch-owns", breaks: "Of two records that name a partition the one read last wins.",
		file: "internal/ledger/ledger.go",
		old:  `if p.holder != nil && p.epoch >= epoch {`,
		new:  `if p.holder != nil && p.epoch < 0 {`,
	},
	{
		name: "shown-not-heard", breaks: "After the store was emptied, partitions that a session was shown and has not applied yet are granted to other workers.",
		file: "internal/ledger/ledger.go",
		old:  `max(last, w.applied, w.shown)`,
		new:  `max(last, w.applied)`,
	},
	{
		name: "written-into-an-emptied-store", breaks: "Where a leader wrote into an emptied store, its plan hides from the next leader that records are gone.",
		file:   "internal/ledger/ledger.go",
		old:    ` || w.member && w.unread == nil && (!w.stored || w.applied > w.recorded())`,
		new:    ``,
		likely: "Scripts",
	},
	{
		name: "heartbeats-taken-for-complete", breaks: "After the store was emptied, only workers whose last heartbeat names a shown version let go first.",
		file: "internal/ledger/ledger.go",
		old: `		default:
			l.suspect(w, &unread{})
			l.touchWorker(w)
`,
		new: ``,
	},
	{
		name: "version-not-restored", breaks: "New versions do not continue above those in the records.",
		file: "internal/ledger/ledger.go",
		old: `	l.version = max(l.version, r.Version)
	w := l.worker(r.Worker)`,
		new: `	w := l.worker(r.Worker)`,
	},

	// The leader: urgent before optional, never wedged.
	{
		name: "grant-not-touched", breaks: "A worker that begins a new session does not get the partitions that are meant for it.",
		file: "internal/ledger/sessions.go",
		old: `	for _, p := range w.targets {
		l.touch(p)
	}
	for _, p := range w.held {`,
		new: `	for _, p := range w.held {`,
	},

	// The state machine.
	{
		name: "home-forgotten", breaks: "The home of a partition is forgotten as soon as another worker gets it.",
		file:   "internal/ledger/ledger.go",
		old:    `if p.target != nil && (p.home == nil || p.home.member) {`,
		new:    `if p.target != nil {`,
		likely: "ComesBack",
	},
	{
		name: "granted-before-known", breaks: "Partitions of an unreadable record are granted before the worker has acknowledged an empty one.",
		file:   "internal/ledger/propose.go",
		old:    `p.holder == nil && (l.unread == 0 || p.sure) &&`,
		new:    `p.holder == nil &&`,
		likely: "Scripts",
	},
	{
		name: "unread-holds-up-all", breaks: "A worker that never acknowledges blocks the partitions that a crashed worker had by its own record.",
		file:   "internal/ledger/propose.go",
		old:    `(l.unread == 0 || p.sure)`,
		new:    `l.unread == 0`,
		likely: "Scripts",
	},
	{
		name: "member-without-a-record", breaks: "A record was deleted, and what it granted is granted to another worker at once.",
		file:   "internal/ledger/ledger.go",
		old:    `(!w.stored || w.applied > w.recorded())`,
		new:    `w.applied > w.recorded()`,
		likely: "Scripts",
	},
	{
		name: "forgotten-record-stands", breaks: "A record from an older copy of the store gives a session partitions that it has let go of since.",
		file:   "internal/ledger/propose.go",
		old:    `!p.sure && p.holder.unread != nil || `,
		new:    ``,
		likely: "Scripts",
	},
	{
		name: "releasing-counts-as-sure", breaks: "A partition that was being released when the leader changed is granted although an unreadable record may grant it.",
		file:   "internal/ledger/sessions.go",
		old:    `p.sure = !p.releasing`,
		new:    `p.sure = true`,
		likely: "Scripts",
	},

	// Handlers of partitions.
	{
		name: "held-counts-as-free", breaks: "A partition is granted to the next worker while its handler has not returned.",
		file: "internal/ledger/sessions.go",
		old: `	return !held
}`,
		new: `	return !held || held
}`,
	},
	{
		name: "unread-held-counts-as-known", breaks: "A partition that only an unreadable record names is granted while its handler still runs.",
		file: "internal/ledger/sessions.go",
		old:  `for _, id := range w.holding {`,
		new:  `for _, id := range w.holding[:0] {`,
	},
	{
		name: "fewer-held-is-no-news", breaks: "A partition whose handler returns after the acknowledgement of its version is never granted.",
		file: "internal/ledger/sessions.go",
		old:  `applied == w.applied && slices.Equal(holding, w.holding) {`,
		new:  `applied == w.applied {`,
	},

	// Draining and cordoning.
	{
		name: "leaver-granted", breaks: "A worker that leaves still gets the partitions that were on their way to it.",
		file: "internal/ledger/propose.go",
		old:  `(!p.target.leaving || allLeave)`,
		new:  `true`,
	},
	{
		name: "let-go-for-a-leaver", breaks: "A worker is asked to let go of partitions although their next owner leaves.",
		file: "internal/ledger/propose.go",
		old:  `p.target != p.holder && !p.target.leaving`,
		new:  `p.target != p.holder`,
	},
	{
		name: "leaver-may-stay-unnoticed", breaks: "A later session of a worker that stays does not get its partitions.",
		file: "internal/ledger/ledger.go",
		old: `	w.leaving = leaves
	for _, p := range w.targets {
		l.touch(p)
	}
`,
		new: `	w.leaving = leaves
`,
	},

	// What is told of a wait.
	{
		name: "ended-session-unapplied", breaks: "A session that is over is reported for not having applied its record.",
		file:   "internal/ledger/queries.go",
		old:    `	if !w.alive() || w.number != r.Session || w.applied`,
		new:    `	if !w.alive() || w.applied`,
		likely: "Scripts",
	},

	// The journal, and who observes.
	{
		name: "journal-without-former", breaks: "The journal does not name the former owner of a partition.",
		file: "internal/ledger/ledger.go",
		old: `	p.former = p.holder
`,
		new:    ``,
		likely: "HistoryTells",
	},
}
