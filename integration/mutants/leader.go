// Copyright The Parti Authors
// SPDX-License-Identifier: Apache-2.0

package main

// planned are the bugs of internal/leader: plans and what becomes of them.
var planned = []mutant{
	// What a worker takes up, and when it says that it has let go.
	{
		name: "foreign-list-taken", breaks: "A leader divides a list that has nothing in common with the group's.",
		file:   "internal/leader/version.go",
		old:    `return f.List.foreign(l.cfg.Group, inForce, l.stored)`,
		new:    `return nil`,
		likely: "Scripts",
	},
	{
		name: "foreign-without-a-plan", breaks: "A group that has never planned refuses a list that replaces its first one.",
		file:   "internal/leader/version.go",
		old:    `case f.List.version > inForce.version, !l.draft.planned, l.plannedFor(f.List):`,
		new:    `case f.List.version > inForce.version, l.plannedFor(f.List):`,
		likely: "Scripts",
	},
	{
		name: "planned-list-foreign", breaks: "A list is refused as another application's, although the plan was made for it, because a departed worker's record names other partitions.",
		file:   "internal/leader/version.go",
		old:    `!l.draft.planned, l.plannedFor(f.List):`,
		new:    `!l.draft.planned:`,
		likely: "Scripts",
	},
	{
		name: "renamed-list-foreign", breaks: "The next leader refuses, as another application's, a list of new names that its predecessor has used and not planned for yet.",
		file:   "internal/leader/version.go",
		old:    `(list.digest == l.stored.Digest || list.digest == l.stored.Listed)`,
		new:    `list.digest == l.stored.Digest`,
		likely: "Scripts",
	},
	{
		name: "unowned-is-foreign", breaks: "A list is refused as another application's although most partitions of the group are unknown because they have no owner.",
		file:   "internal/leader/version.go",
		old:    ` || divided.unknown >= len(divided.ids)`,
		new:    ``,
		likely: "Scripts|Evidence",
	},
	{
		name: "rest-is-foreign", breaks: "A list of what has no owner is refused as another application's although the sample in the plan names it.",
		file:   "internal/leader/version.go",
		old:    ` || divided.sample.names(l.ids)`,
		new:    ``,
		likely: "Evidence",
	},
	{
		name: "exact-rest-is-foreign", breaks: "A list of what has no owner is refused as another application's although the plan proves that it is all of that.",
		file:   "internal/leader/version.go",
		old:    ` || l.completes(divided, plan)`,
		new:    ``,
		likely: "Evidence",
	},
	{
		name: "sample-not-stored", breaks: "The plan has no sample of the names in its list.",
		file: "internal/leader/write.go",
		old: `				plan.Sample = l.draft.taken.sample.bytes()
`,
		new:    ``,
		likely: "Scripts",
	},
	{
		name: "sample-lost-by-a-part", breaks: "A list that is kept until a shorter one is confirmed is sampled without what nobody knows by name.",
		file:   "internal/leader/shrink.go",
		old:    `whole.sample.with(base.sample)`,
		new:    `whole.sample`,
		likely: "Scripts",
	},
	{
		name: "sample-has-the-first", breaks: "The sample of a list has its first names, so that those of two lists do not match.",
		file:   "internal/leader/sample.go",
		old:    `if len(s) == sampleSize && h >= s[sampleSize-1] {`,
		new:    `if len(s) == sampleSize {`,
		likely: "Sample",
	},
	{
		name: "left-record-lists", breaks: "The record that a departed worker has left does not say that the list has dropped what it names.",
		file:   "internal/ledger/propose.go",
		old:    `return p == nil || !p.listed() }`,
		new:    `return p == nil && l == nil }`,
		likely: "Scripts|Whatever",
	},
	{
		name: "left-record-untouched", breaks: "The record that a departed worker has left is not looked at when the list drops something.",
		file:   "internal/ledger/ledger.go",
		old:    `left := w.stored && !w.alive() && (dropped ||`,
		new:    `left := w.stored && w.alive() && (dropped ||`,
		likely: "Scripts|Whatever",
	},
	{
		name: "left-record-for-good", breaks: "The record that a departed worker has left does not say that what the list had dropped is listed again.",
		file:   "internal/ledger/propose.go",
		old:    `o.Unlisted = unlisted(o.Partition)`,
		new:    `o.Unlisted = o.Unlisted || unlisted(o.Partition)`,
		likely: "Scripts",
	},
	{
		name: "left-record-not-back", breaks: "The record that a departed worker has left is not looked at when something is listed again.",
		file:   "internal/ledger/ledger.go",
		old:    `(dropped || len(w.record.Releasing) > 0)`,
		new:    `dropped`,
		likely: "Scripts",
	},
	{
		name: "left-record-of-another", breaks: "The record that a departed worker has left names as taken away what another session has had since.",
		file: "internal/ledger/propose.go",
		old: `		if p := l.parts[o.Partition]; p != nil && p.epoch > o.Epoch {
			continue
		}
`,
		new:    ``,
		likely: "Scripts",
	},
	{
		name: "left-record-first", breaks: "What departed workers have left is written before the plan that gives their partitions to others.",
		file:   "internal/leader/write.go",
		old:    `if l.question != nil && !w.Urgent() {`,
		new:    `if l.question != nil && !changed {`,
		likely: "Scripts",
	},
	{
		name: "left-record-too-large", breaks: "The record that a departed worker has left is too large to be written again, and nothing else is written either.",
		file: "internal/leader/write.go",
		old: `			l.ledger.TooLarge(w.proposal)
`,
		new:    ``,
		likely: "Scripts",
	},
	{
		name: "left-record-too-large-for-good", breaks: "After any record was too large, departed workers' records do not say any more what the list drops.",
		file:   "internal/ledger/propose.go",
		old:    `l.unmarked = l.unmarked || w.left > 0`,
		new:    `l.unmarked = true`,
		likely: "Scripts",
	},
	{
		name: "left-record-not-tried-again", breaks: "After a departed worker's record was too large, none says any more what the list drops.",
		file:   "internal/ledger/ledger.go",
		old:    `l.sourced, l.unowned, l.unmarked = true, 0, false`,
		new:    `l.sourced, l.unowned = true, 0`,
		likely: "Scripts",
	},
	{
		name: "left-record-under-way", breaks: "What is listed again while a departed worker's record says otherwise is not written again.",
		file:   "internal/ledger/propose.go",
		old:    `if !x.alive() && len(r.Releasing) > 0 {`,
		new:    `if x.alive() && len(r.Releasing) > 1<<40 {`,
		likely: "Scripts",
	},
	{
		name: "let-go-stays-listed", breaks: "The list drops what a worker is letting go of, and its record does not say so.",
		file:   "internal/ledger/ledger.go",
		old:    `left || slices.ContainsFunc(w.held, func(p *part) bool { return p.releasing })`,
		new:    `left`,
		likely: "Scripts|Whatever",
	},
	{
		name: "remembered-is-planned", breaks: "A leader whose source fails makes what the records name the list that the plan was made for.",
		file:   "internal/leader/plan.go",
		old:    ` && a.list != l.source.remembered {`,
		new:    ` {`,
		likely: "Scripts",
	},
	{
		name: "remembered-becomes-the-list", breaks: "A leader whose source fails makes what the records name the names of its list.",
		file:   "internal/leader/write.go",
		old:    `if plan.Listed = l.stored.Listed; d.taken.unproven {`,
		new:    `if plan.Listed = l.stored.Listed; l == nil {`,
		likely: "Scripts",
	},
	{
		name: "unlisted-comes-back", breaks: "A leader with an outdated source keeps partitions of which the records say that they are no longer listed.",
		file:   "internal/leader/version.go",
		old:    `if named[o.Partition] = p; !o.Unlisted {`,
		new:    `if named[o.Partition] = p; p.Weight >= 0 {`,
		likely: "Scripts",
	},
	{
		name: "plan-without-names", breaks: "The plan does not say which names it was made for.",
		file:   "internal/leader/write.go",
		old:    `Names: d.taken.names, `,
		new:    ``,
		likely: "Scripts|World",
	},
	{
		name: "planned-list-doubted", breaks: "A list needs confirmation, although the plan was made for it, because a departed worker's record names other partitions.",
		file:   "internal/leader/shrink.go",
		old:    ` || l.plannedFor(list)`,
		new:    ``,
		likely: "Scripts",
	},
	{
		name: "renaming-refused", breaks: "A list of a higher version is refused because all its names are new.",
		file:   "internal/leader/version.go",
		old:    `case f.List.version > inForce.version, !l.draft.planned, l.plannedFor(f.List):`,
		new:    `case !l.draft.planned:`,
		likely: "Scripts",
	},
	{
		name: "renaming-worker-refused", breaks: "A worker with new names and a higher version does not join.",
		file:   "internal/leader/version.go",
		old:    `e.digest != plan.Digest && e.digest != plan.Listed && e.version <= plan.SourceVersion`,
		new:    `e.digest != plan.Digest`,
		likely: "NamingScheme",
	},
	{
		name: "older-list-taken", breaks: "A leader with an outdated source replaces the group's newer list.",
		file:   "internal/leader/version.go",
		old:    `case f.List.version < inForce.version:`,
		new:    `case f.List.version < inForce.version && l == nil:`,
		likely: "Scripts",
	},
	{
		name: "version-forgotten", breaks: "The plan does not name the version of the source.",
		file:   "internal/leader/write.go",
		old:    `SourceVersion: d.taken.version,`,
		new:    `SourceVersion: 0,`,
		likely: "Scripts",
	},
	{
		name: "dropped-comes-back", breaks: "A leader with an outdated source grants partitions that the newer list has dropped.",
		file:   "internal/leader/version.go",
		old:    `proven, err := rememberedAs(other, f.Plan); err == nil && !proven.unproven {`,
		new:    `proven, err := rememberedAs(other, f.Plan); err != nil {`,
		likely: "Scripts",
	},
	{
		name: "in-flight-vanishes", breaks: "A leader with an outdated source drops partitions without an owner although its source lists them.",
		file: "internal/leader/version.go",
		old: `			l.completeRemembered(f.List)
`,
		new:    ``,
		likely: "Scripts",
	},
	{
		name: "in-flight-guessed", breaks: "A leader with an outdated source grants every partition that only its source lists.",
		file:   "internal/leader/version.go",
		old:    `err == nil && !whole.unproven {`,
		new:    `err == nil {`,
		likely: "Scripts",
	},
	{
		name: "unknown-not-counted", breaks: "The plan does not tell the next leader that the records lack partitions.",
		file:   "internal/leader/write.go",
		old:    `Partitions: d.taken.size(),`,
		new:    `Partitions: len(d.taken.ids),`,
		likely: "Scripts",
	},
	{
		name: "unconfirmed-answered", breaks: "A refresh is answered before its shrunken list is confirmed.",
		file:   "internal/leader/write.go",
		old:    `l.source.pending != topology.Partitions && l.source.shrunk.base == nil {`,
		new:    `l.source.pending != topology.Partitions {`,
		likely: "Scripts",
	},
	{
		name: "empty-list-taken", breaks: "An empty list counts as a list that lost most of its partitions.",
		file: "internal/leader/version.go",
		old: `	case f.List.empty():
		return fmt.Errorf("%w: it lists nothing", ErrSourceShrunk)
`,
		new:    ``,
		likely: "Scripts",
	},
	{
		name: "optional-before-stored", breaks: "A plan that moves partitions is made before the plan for partitions without an owner is stored.",
		file: "internal/leader/leader.go",
		old:  `(!l.decision.Moves || !l.draft.owed || l.pace.tooLarge)`,
		new:  `(!l.decision.Moves || !l.draft.owed || true)`,
	},

	// Who leads, and until when.
	{
		name: "unknown-plan-is-stored", breaks: "A plan whose write got no answer counts as stored.",
		file: "internal/leader/write.go",
		old: `	case Lost:
		l.end(`,
		new: `	case Lost + 1:
		l.end(`,
	},

	// The leader: urgent before optional, never wedged.
	{
		name: "urgent-moves", breaks: "A plan for partitions without an owner also moves other partitions.",
		file: "internal/leader/plan.go",
		old:  `			if w != strategy.None && made.Next[i] != w {`,
		new:  `			if w == strategy.None && made.Next[i] != w && len(made.Next) < 0 {`,
	},
	{
		name: "refused-write-with-every-heartbeat", breaks: "A refused write is tried again with every heartbeat.",
		file: "internal/leader/leader.go",
		old:  `case l.writing != nil, now.Before(l.pace.write):`,
		new:  `case l.writing != nil:`,
	},
	{
		name: "no-built-in", breaks: "A strategy that fails keeps a crashed worker's partitions without an owner.",
		file: "internal/leader/plan.go",
		old: `	a.BuiltIn = !moves && now.Before(l.pace.strategy)
`,
		new: ``,
	},
	{
		name: "grants-wait-for-the-strategy", breaks: "Released partitions are granted only when the strategy has answered.",
		file: "internal/leader/leader.go",
		old:  `case l.writing != nil, now.Before(l.pace.write):`,
		new:  `case l.writing != nil, l.question != nil, now.Before(l.pace.write):`,
	},
	{
		name: "blind-leader-leads-on", breaks: "A leader that does not see the heartbeats goes on leading.",
		file: "internal/leader/leader.go",
		old:  `	if !l.blind.IsZero() && !now.Before(l.blind.Add(l.sight())) {`,
		new:  `	if !l.blind.IsZero() && l.cfg.Term == 0 {`,
	},
	{
		name: "late-handoff-silent", breaks: "A handoff that is late is not reported.",
		file: "internal/leader/plan.go",
		old:  `	for len(l.releases) > 0 && !now.Before(l.releases[0].due) {`,
		new:  `	for len(l.releases) > 0 && l.cfg.Term == 0 {`,
	},
	{
		name: "refresh-answered-early", breaks: "A refresh is answered before its partitions are planned for.",
		file: "internal/leader/write.go",
		old: `		if l.question != nil && !w.Urgent() {
			return // the answer has more to say, and must not wait for this to be stored
		}
`,
		new: ``,
	},
	{
		name: "leader-not-woken", breaks: "A leader is not woken for the deadline of an absent member.",
		file: "internal/leader/leader.go",
		old: `		at(l.decision.Wake)
`,
		new: ``,
	},
	{
		name: "old-format-ignored", breaks: "Records are written in the newest format even if a worker cannot read it.",
		file: "internal/leader/write.go",
		old:  `min(l.roster.format(), record.FormatPacked)`,
		new:  `record.FormatPacked`,
	},
	{
		name: "pending-capacity-forgotten", breaks: "A plan for another reason makes the leader forget a changed capacity.",
		file: "internal/leader/plan.go",
		old:  `	if d.Moves || !l.topo.Altered() {`,
		new:  `	if d.Moves || l != nil {`,
	},

	// The state machine.
	{
		name: "overwritten-heartbeat-ignored", breaks: "To a new leader, a worker whose heartbeat was overwritten counts as gone at once.",
		file: "internal/leader/leader.go",
		old: `		l.garbled(now, f)
`,
		new:    ``,
		likely: "GarbageMakesNoSecondOwner|CanDieAllTheSame",
	},
	{
		name: "other-capacity-ignored", breaks: "A new leader does not notice that a worker's capacity differs from the one in the plan.",
		file: "internal/leader/leader.go",
		old: `		l.compareMembers(now)
`,
		new:    ``,
		likely: "CapacityThatChanged",
	},

	// Draining and cordoning.
	{
		name: "leavers-rebalanced", breaks: "When all workers leave, partitions move between them.",
		file: "internal/leader/plan.go",
		old:  `d.Moves && l.roster.takes(d.Members, away)`,
		new:  `d.Moves`,
	},
	{
		name: "leavers-left-alone", breaks: "When all workers leave, partitions without an owner go to none of them.",
		file: "internal/ledger/propose.go",
		old:  `(!p.target.leaving || allLeave)`,
		new:  `!p.target.leaving`,
	},
	{
		name: "quick-confirmations", breaks: "Several listings at the same moment confirm a shrunken list.",
		file: "internal/leader/shrink.go",
		old:  `case !now.Before(s.shrunk.last.Add(relistFirst)):`,
		new:  `default:`,
	},

	// What is told of a wait.
	{
		name: "grants-without-deadline", breaks: "A leader does not notice that a worker has not taken up its grants.",
		file:   "internal/leader/plan.go",
		old:    `		l.reportUnapplied(r)`,
		new:    ``,
		likely: "HookThatHangs",
	},
	{
		name: "unapplied-again", breaks: "A worker that has not taken up its grants is reported with every plan.",
		file:   "internal/leader/told.go",
		old:    `if !is || l.roster.behind[id] > 0 {`,
		new:    `if !is {`,
		likely: "HookThatHangs",
	},
	{
		name: "overwritten-record-stays", breaks: "A record that somebody has overwritten before its worker has read it is not written again.",
		file: "internal/leader/told.go",
		old: `		l.ledger.RestateUnseen(rec)
`,
		new:    ``,
		likely: "Scripts",
	},
	{
		name: "unseen-record-written-for-ever", breaks: "A record that its worker does not seem to see is written again after every HandoffTimeout.",
		file:   "internal/ledger/propose.go",
		old:    `w != nil && !w.again && w.number == r.Session`,
		new:    `w != nil && w.number == r.Session`,
		likely: "Scripts",
	},
	{
		name: "shown-record-written-again", breaks: "A record is written again although its worker has shown it to a hook that is stuck.",
		file:   "internal/ledger/propose.go",
		old:    `max(w.applied, w.shown) < r.Version {`,
		new:    `w.applied < r.Version {`,
		likely: "Scripts",
	},
	{
		name: "unapplied-never-again", breaks: "A worker that was late once is never reported again.",
		file:   "internal/leader/told.go",
		old:    `told && f.Applied >= version {`,
		new:    `told && f.Applied > version+1 {`,
		likely: "HookThatHangs",
	},
	{
		name: "stuck-worker-told-with-each-heartbeat", breaks: "A leader reports a worker's wait again with each heartbeat.",
		file:   "internal/leader/told.go",
		old:    `	if slices.Equal(before, f.Stuck) {`,
		new:    `	if before = nil; len(f.Stuck) == 0 {`,
		likely: "Scripts",
	},
	{
		name: "gathering-said-again", breaks: "A cold start logs its wait again with each worker that joins.",
		file:   "internal/leader/told.go",
		old:    `	if gathers == l.gathers {`,
		new:    `	if !gathers && !l.gathers {`,
		likely: "Scripts",
	},

	// What is measured.
	{
		name: "ownerless-since-the-marker", breaks: "The partitions of a crashed worker count as without an owner only from the expiry of its heartbeat.",
		file: "internal/leader/measure.go",
		old:  `s.loose[e.Partition] = loose{since, e.Worker}`,
		new:  `s.loose[e.Partition] = loose{now, e.Worker}; _ = since`,
	},
	{
		name: "every-grant-is-a-move", breaks: "A partition that returns to its owner counts as moved.",
		file: "internal/leader/measure.go",
		old:  `if before.owner != e.Worker {`,
		new:  `if before.owner != "" {`,
	},
	{
		name: "returned-planned-without", breaks: "A plan is used although a member that it left out has come back meanwhile.",
		file: "internal/leader/plan.go",
		old:  `if l.anew = !l.anew && l.returned(a.decision.Members); l.anew {`,
		new:  `if false {`,
	},
	{
		name: "emptied-store-believed", breaks: "After the store was emptied, a leader grants partitions that sessions hold by versions that the store has lost.",
		file: "internal/leader/plan.go",
		old: `	if !l.draft.planned {
		l.ledger.Forgotten(l.newest, now.UnixMilli(), l.cfg.Heir)`,
		new: `	if false {
		l.ledger.Forgotten(l.newest, now.UnixMilli(), l.cfg.Heir)`,
	},
	{
		name: "empty-store-believed", breaks: "A leader that knows of a leader before it grants what that leader granted just before its plan was deleted.",
		file:   "internal/leader/plan.go",
		old:    `now.UnixMilli(), l.cfg.Heir)`,
		new:    `now.UnixMilli(), false)`,
		likely: "Scripts",
	},
	{
		name: "garbled-without-a-plan", breaks: "A worker whose heartbeat cannot be read counts for nothing where the plan was deleted as well.",
		file:   "internal/leader/roster.go",
		old:    `case l.draft.planned || !l.cfg.Heir:`,
		new:    `case true:`,
		likely: "Scripts",
	},
	{
		name: "older-copy-believed", breaks: "After the store was restored from an older copy, a leader grants partitions that newer sessions hold.",
		file: "internal/leader/takeover.go",
		old:  `if l.draft.planned { // otherwise they go on until there is a plan`,
		new:  `if false {`,
	},
}
