// Copyright The Parti Authors
// SPDX-License-Identifier: Apache-2.0

package main

// read are the bugs of kv: what is read, heard and asked for.
var read = []mutant{
	// What a worker takes up, and when it says that it has let go.
	{
		name: "renewal-names-no-plan", breaks: "The lease on leadership does not say which plan is the newest.",
		file: "kv/feed.go",
		old:  `err == nil && leader.Plan > 0 {`,
		new:  `err == nil && leader.Plan > 1<<62 {`,
	},
	{
		name: "silence-kept-to-itself", breaks: "A feed that hears nothing does not warn the other feeds.",
		file: "kv/feed.go",
		old:  `f.store.alarm.ring(f.alarm, silence)`,
		new:  `_ = silence`,
	},
	{
		name: "never-listed-again", breaks: "A feed believes that nothing has changed although something was removed.",
		file: "kv/feed.go",
		old:  `return e.first == before.first && e.last == before.last && e.messages == before.messages`,
		new:  `return e.last == before.last`,
	},
	{
		name: "refresh-surely-not-done", breaks: "A refresh whose answer was lost is reported as not done.",
		file: "kv/refresh.go",
		old:  `reached = reached || !errors.Is(err, nats.ErrNoResponders)`,
		new:  `reached = reached && err == nil`,
	},
	{
		name: "refresh-crosses-domains", breaks: "A leader serves a refresh request for a bucket of the same name in another domain.",
		file:   "kv/refresh.go",
		old:    `of != "" && of != s.incarnation() {`,
		new:    `of != "" && of == "" {`,
		likely: "StaysInItsDomain",
	},

	// Who leads, and until when.
	{
		name: "snapshot-of-any-age", breaks: "A snapshot is accepted although it is older than what is known.",
		file: "kv/read.go",
		old:  `case snapshot.UpTo < atLeast:`,
		new:  `case snapshot.UpTo < atLeast && atLeast == 0:`,
	},
	{
		name: "dead-by-an-old-listing", breaks: "A feed accepts a snapshot that is older than what it has emitted.",
		file:       "kv/feed.go",
		old:        `snapshot, err := s.snapshot(ctx, b, keys, max(upTo, now.last))`,
		new:        `snapshot, err := s.snapshot(ctx, b, keys, 0)`,
		equivalent: "one server is never behind itself, and on a cluster a replica that is comes by chance only",
	},
	{
		name: "vanished-and-not-told", breaks: "A key that vanished without a marker still counts as present.",
		file: "kv/view.go",
		old:  `return f.live[key] && !there[key] && f.told[key].revision <= snapshot.UpTo`,
		new:  `return f.live[key] && !there[key] && f.told[key].revision > snapshot.UpTo`,
	},
	{
		name: "older-copy-not-noticed", breaks: "A store that was restored from an older copy counts as unchanged if it is long enough.",
		file: "kv/view.go",
		old:  `if e.Revision < told.revision && told.revision <= snapshot.UpTo || e.Revision == told.revision && e.Token != told.token {`,
		new:  `if e.Revision < told.revision && told.revision <= snapshot.UpTo && e.Token == told.token {`,
	},
	{
		name: "snapshot-as-new-as-its-newest-answer", breaks: "A snapshot from several answers claims to be complete up to the newest of them.",
		file: "kv/read.go",
		old:  `if all.UpTo == 0 || snapshot.UpTo < all.UpTo {`,
		new:  `if all.UpTo == 0 || snapshot.UpTo > all.UpTo {`,
	},
	{
		name: "overtaken-snapshot-ends-keys", breaks: "A snapshot reports keys as gone that were created after it was taken.",
		file: "kv/view.go",
		old:  `return f.live[key] && !there[key] && f.told[key].revision <= snapshot.UpTo`,
		new:  `return f.live[key] && !there[key]`,
	},
	{
		name: "blindness-not-told", breaks: "A feed that sees nothing does not report that it is blind.",
		file: "kv/feed.go",
		old:  `			f.emit(store.Update{Kind: store.UpdateBlind, Since: f.seen, Err: f.failure})`,
		new:  ``,
	},
	{
		name: "staleness-not-told", breaks: "A feed whose snapshots fail does not report that it is stale.",
		file: "kv/feed.go",
		old:  `		f.emit(store.Update{Kind: store.UpdateStale, Since: f.listed, Err: f.failure})`,
		new:  ``,
	},
	{
		name: "failed-listing-ends-consumer", breaks: "A feed drops a working consumer because a snapshot failed.",
		file: "kv/feed.go",
		old: `	case o.err != nil:
		return f.failed(o.err)`,
		new: `	case o.err != nil:
		f.lose()
		return f.failed(o.err)`,
	},
	{
		name: "recreated-store-not-noticed", breaks: "A bucket that was deleted and created again counts as unchanged.",
		file: "kv/read.go",
		old:  `if !info.Created.Equal(s.created[b]) {`,
		new:  `if info.Created.IsZero() {`,
	},
	{
		name: "shorter-store-not-noticed", breaks: "A stream that is shorter than before counts as unchanged.",
		file: "kv/feed.go",
		old:  `if now.last < upTo {`,
		new:  `if now.last < upTo && upTo == 0 {`,
	},
	{
		name: "missed-messages", breaks: "A feed does not notice that messages are missing.",
		file:       "kv/consumer.go",
		old:        `if c.delivered++; meta.Sequence.Consumer != c.delivered {`,
		new:        `if c.delivered++; meta.Sequence.Consumer < 1 {`,
		equivalent: "a server in the same process loses no message on its way",
	},

	// The state machine.
	{
		name: "more-replicas-refused", breaks: "A bucket with more replicas than asked for cannot be opened.",
		file: "kv/open.go",
		old:  `case is.Replicas < want.Replicas:`,
		new:  `case is.Replicas != want.Replicas:`,
	},
	{
		name: "question-asked-once", breaks: "A read without an answer is not repeated, as while a cluster elects a leader.",
		file:   "kv/read.go",
		old:    `again := err != nil && attempt.Err() != nil && ctx.Err() == nil`,
		new:    `again := false`,
		likely: "AskedAgain",
	},

	// What leaves the store when a worker leaves.
	{
		name: "unanswered-write-forgotten", breaks: "A write whose answer was lost is not remembered.",
		file: "kv/book.go",
		old:  `	s.holder.book.writing(l)`,
		new:  ``,
	},
	{
		name: "unanswered-written-over-at-once", breaks: "What was written without an answer is written over at once, although a marker may follow it.",
		file: "kv/lease.go",
		old:  `b == store.Election || b == store.StableIDs && !orphaned {`,
		new:  `orphaned || b != store.Heartbeats {`,
	},
	{
		name: "unanswered-session-goes-on", breaks: "A session goes on whose first heartbeat may have been ended by the marker of the one before.",
		file: "kv/lease.go",
		old:  `if b == store.Heartbeats && !until.IsZero() {`,
		new:  `if false {`,
	},
	{
		name: "unanswered-renewal-lasts-once", breaks: "An entry whose renewal got no answer counts as expired one TTL after the renewal was sent.",
		file: "kv/book.go",
		old:  `2*l.TTL + lateExpiry`,
		new:  `l.TTL + lateExpiry`,
	},

	// What is told of a wait.
	{
		name: "direct-get-not-checked", breaks: "A feed does not see that direct get was switched off while nothing changes.",
		file:   "kv/feed.go",
		old:    `	if !info.Config.AllowDirect {`,
		new:    `	if false {`,
		likely: "DirectGet",
	},
	{
		name: "direct-get-not-named", breaks: "The error of a snapshot without an answer does not mention that direct get is off.",
		file:   "kv/read.go",
		old:    `err == nil && !info.Config.AllowDirect {`,
		new:    `err != nil && !info.Config.AllowDirect {`,
		likely: "DirectGet",
	},

	// The journal, and who observes.
	{
		name: "journal-for-those-who-cannot-tell", breaks: "The journal is written although a worker of an early release would mistake it for records.",
		file:   "kv/journal.go",
		old:    `p.format < record.FormatPacked`,
		new:    `p.format < record.Oldest`,
		likely: "EarlierRelease",
	},
	{
		name: "journal-in-snapshots", breaks: "A snapshot of the assignments also reads the journal.",
		file:   "kv/read.go",
		old:    "	if b != store.Assignments {\n		return s.readChunk",
		new:    "	if b < store.Buckets {\n		return s.readChunk",
		likely: "LeaveTheJournalOut",
	},

	// What is asked from outside.
	{
		name: "control-answers-anywhere", breaks: "A reply subject of a bucket makes a worker write into that bucket.",
		file: "kv/control.go",
		old:  `return control.Answerable(reply) && !strings.HasPrefix(reply, s.prefix)`,
		new:  `return reply != "" && !strings.HasPrefix(reply, s.prefix)`,
	},
	{
		name: "control-answers-the-api", breaks: "A reply subject under a custom JetStream prefix makes a worker send a request to JetStream.",
		file: "kv/control.go",
		old:  `return control.Answerable(reply) && !strings.HasPrefix(reply, s.prefix)`,
		new:  `return control.Answerable(reply) && !strings.HasPrefix(reply, "$"+s.prefix)`,
	},

	// The command.
	{
		name: "inspect-first-problem", breaks: "Only the first of several problems of a bucket is reported.",
		file: "kv/inspect.go",
		old:  `		if !errors.As(`,
		new:  `		if len(i.Problems) > 0 || !errors.As(`,
	},
	{
		name: "overdue-entry-deleted", breaks: "An entry is deleted just before it expires, so its expiry marker may end the next holder's entry.",
		file: "kv/lease.go",
		old:  `time.Now().Before(s.holder.book.acked(l.Chain).Add(ripe(l.TTL)))`,
		new:  `true`,
	},
	{
		name: "lost-term-from-zero", breaks: "After the term was overwritten, terms begin at one again, below the plan's, and every worker takes the store for an older copy.",
		file: "kv/term.go",
		old:  `return plan.Term, err`,
		new:  `return plan.Term - plan.Term, err`,
	},
}
