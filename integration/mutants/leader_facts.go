// Copyright The Parti Authors
// SPDX-License-Identifier: Apache-2.0

package main

// learnt are the bugs of internal/leader: what a leader knows, and from whom.
var learnt = []mutant{
	// What a worker takes up, and when it says that it has let go.
	{
		name: "older-list-told-again", breaks: "A leader reports at each listing that its source is out of date.",
		file:   "internal/leader/sources.go",
		old:    `if errors.Is(err, ErrOlderSource) || errors.Is(err, ErrForeignGroup) {`,
		new:    `if errors.Is(err, ErrForeignGroup) {`,
		likely: "Scripts",
	},
	{
		name: "same-list-other-version", breaks: "A higher version of the same list is not stored.",
		file: "internal/leader/sources.go",
		old: `		l.draft.taken = l.source.newest // which may be of a higher version
`,
		new:    ``,
		likely: "Scripts",
	},
	{
		name: "most-lost-at-once", breaks: "A list that lost most of its partitions is used at once.",
		file:   "internal/leader/shrink.go",
		old:    `if s.shrunk.times >= l.cfg.ShrinkConfirmations {`,
		new:    `if s.shrunk.times >= 1 {`,
		likely: "Scripts",
	},
	{
		name: "half-lost-counts-as-most", breaks: "A list that lost half of its partitions already needs confirmation.",
		file:   "internal/leader/shrink.go",
		old:    `return 2*kept < base.size()`,
		new:    `return 2*kept <= base.size()`,
		likely: "Scripts",
	},
	{
		name: "any-loss-confirms", breaks: "Listings count as in agreement although they lack different partitions.",
		file:   "internal/leader/shrink.go",
		old:    `differs := s.shrunk.times == 0 || !slices.Equal(kept, s.shrunk.kept)`,
		new:    `differs := s.shrunk.times == 0`,
		likely: "Scripts",
	},
	{
		name: "failure-confirms", breaks: "A failed listing does not interrupt a row of listings that agree.",
		file: "internal/leader/sources.go",
		old: `	l.source.shrunk.times = 0 // listings in a row agree only where each of them is one
`,
		new:    ``,
		likely: "Scripts",
	},
	{
		name: "loss-compared-with-additions", breaks: "The additions of an unconfirmed list count when the next list is compared.",
		file: "internal/leader/shrink.go",
		old: `	base := s.divided()
`,
		new: `	base := s.current()
`,
		likely: "Scripts|Promises",
	},
	{
		name: "additions-wait", breaks: "The additions of an unconfirmed list get no owner until it is confirmed.",
		file: "internal/leader/shrink.go",
		old: `	return l.both(list, base, len(kept))
`,
		new: `	_ = l.both(list, base, len(kept))
	return l.source.current()
`,
		likely: "Scripts",
	},
	{
		name: "meant-loss-confirmed", breaks: "A list of a higher version has to be confirmed as well.",
		file:   "internal/leader/shrink.go",
		old:    `base.empty() || list.version > base.version || `,
		new:    `base.empty() || `,
		likely: "Scripts",
	},
	{
		name: "nobody-asks-again", breaks: "A leader does not list again by itself to confirm a list.",
		file: "internal/leader/shrink.go",
		old: `	l.pace.list = s.shrunk.last.Add(pause)
	return`,
		new: `	_ = pause
	return`,
		likely: "Scripts",
	},
	{
		name: "restless-asked-every-second", breaks: "A source that returns a different list each time is listed once a second for ever.",
		file:   "internal/leader/shrink.go",
		old:    `min(max(2*s.shrunk.pause, relistFirst), relistMost)`,
		new:    `relistFirst`,
		likely: "Scripts",
	},
	{
		name: "last-change-counts", breaks: "The pause before a listing counts from the last change instead of the first, so steady changes prevent it.",
		file:   "internal/leader/sources.go",
		old:    `if l.stage != reading && l.pace.relist.IsZero() {`,
		new:    `if l.stage != reading {`,
		likely: "Scripts",
	},
	{
		name: "change-while-listing-lost", breaks: "A change that comes while the source is being listed is forgotten.",
		file:   "internal/leader/sources.go",
		old:    `l.source.again = l.source.listing`,
		new:    `l.source.again = false`,
		likely: "Scripts",
	},
	{
		name: "listed-for-nothing", breaks: "A refresh does not save the listing for the change before it.",
		file: "internal/leader/sources.go",
		old: `	l.pace.relist, l.pace.resync = time.Time{}, time.Time{} // this listing is what they are for
`,
		new:    ``,
		likely: "Scripts",
	},
	{
		name: "change-tried-once", breaks: "A source that has changed and fails is not asked again.",
		file: "internal/leader/sources.go",
		old: `	if due(l.pace.relist) {
		l.source.again = l.source.listing
		l.list(true)
		l.pace.relist = time.Time{}
`,
		new: `	if due(l.pace.relist) {
		l.source.again = l.source.listing
		l.pace.relist = time.Time{}
		l.list(false)
`,
		likely: "Scripts",
	},
	{
		name: "never-resynced", breaks: "RelistInterval is ignored.",
		file: "internal/leader/sources.go",
		old: `	if l.cfg.RelistInterval > 0 {
`,
		new: `	if l.cfg.RelistInterval < 0 {
`,
		likely: "Scripts",
	},
	{
		name: "asked-counts-as-planned", breaks: "A list counts as planned while the strategy is still computing.",
		file: "internal/leader/sources.go",
		old:  `change(l.draft.taken, `,
		new:  `change(l.draft.list, `,
	},

	// Who leads, and until when.
	{
		name: "plan-behind-what-was-seen", breaks: "A leader goes on with a plan that is older than one it has seen.",
		file: "internal/leader/takeover.go",
		old:  `if f.Plan.Version < l.cfg.Seen {`,
		new:  `if f.Plan.Version < 0 {`,
	},
	{
		name: "version-begins-anew", breaks: "A new leader's versions begin at zero instead of above all that was known.",
		file: "internal/leader/takeover.go",
		old:  `ledger.New(l.cfg.Term, l.versionsAbove(now))`,
		new:  `ledger.New(l.cfg.Term, 0)`,
	},
	{
		name: "dead-of-records-forgotten", breaks: "A new leader believes that absent workers in the records still hold their partitions.",
		file: "internal/leader/takeover.go",
		old: `		if !alive || w.session > session {
`,
		new: `		if alive && w.session > session {
`,
	},

	// The leader: urgent before optional, never wedged.
	{
		name: "lookup-error-ignored", breaks: "A new leader that cannot find out how members left treats them as crashed.",
		file: "internal/leader/takeover.go",
		old: `	if f.Err != nil {
		l.end(FenceLost, fmt.Errorf("look up absent members: %w", f.Err))
		return
	}
`,
		new: ``,
	},
	{
		name: "absent-gets-new", breaks: "New partitions are given to members that are away.",
		file: "internal/leader/roster.go",
		old:  `		workers[i].Cordoned = away[id] || workers[i].Cordoned && !all`,
		new:  `		workers[i].Cordoned = away[id] && all && !all || workers[i].Cordoned && !all`,
	},
	{
		name: "promise-not-broken", breaks: "A partition on its way to a worker that has gone waits for that worker.",
		file: "internal/leader/roster.go",
		old: `	l.breakPromises(id)
}`,
		new: `}`,
	},

	// The state machine.
	{
		name: "drift-ignored", breaks: "The slightest change of a weight makes a plan.",
		file:   "internal/leader/sources.go",
		old:    `if kind == topology.Weights && !l.drifted() {`,
		new:    `if kind == topology.Weights && !l.drifted() && l == nil {`,
		likely: "Drift|Inert",
	},
	{
		name: "applied-what-nobody-wrote", breaks: "A session that has applied a version of a lost store counts as having let go of everything that it is asked for.",
		file:   "internal/leader/roster.go",
		old:    `max(f.Applied, f.Shown) > newest && l.stage == leading`,
		new:    `f.Applied < 0 && l.stage == leading`,
		likely: "Scripts",
	},
	{
		name: "ended-session-heard-again", breaks: "A session that its leader counts as over is heard again, and others are granted what its record names.",
		file: "internal/leader/roster.go",
		old: `	if f.Session == ended {
`,
		new: `	if f.Session == ended && f.Session == 0 {
`,
		likely: "Scripts",
	},
	{
		name: "lower-session-believed", breaks: "A worker whose claim was restored from an older copy is planned for, and gets nothing.",
		file:   "internal/leader/roster.go",
		old:    `f.Session < before {`,
		new:    `f.Session < before && before == 0 {`,
		likely: "Scripts",
	},
	{
		name: "unreadable-record-ignored", breaks: "A new leader grants partitions that only an unreadable record names.",
		file: "internal/leader/takeover.go",
		old: `		l.ledger.Unreadable(id)
`,
		new:    ``,
		likely: "GarbageMakesNoSecondOwner",
	},

	// Draining and cordoning.
	{
		name: "leaver-keeps-its-home", breaks: "The partitions of a drained worker keep its ID as their home.",
		file: "internal/leader/roster.go",
		old:  `	if !w.leaving {`,
		new:  `	if !w.leaving || id != "" {`,
	},

	// What is told of a wait.
	{
		name: "found-grants-without-deadline", breaks: "A new leader does not watch whether workers apply the last plan of its predecessor.",
		file:   "internal/leader/takeover.go",
		old:    `now.Add(l.cfg.HandoffTimeout), l.ledger.Records()}`,
		new:    `now.Add(l.cfg.HandoffTimeout), nil}`,
		likely: "Scripts",
	},
}
