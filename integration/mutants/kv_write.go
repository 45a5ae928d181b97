// Copyright The Parti Authors
// SPDX-License-Identifier: Apache-2.0

package main

// written are the bugs of kv: what is written, and under which condition.
var written = []mutant{
	// What is written, and under which condition.
	{
		name: "plan-without-fence", breaks: "A plan of one message is stored even if a newer term is stored.",
		file: "kv/planwrite.go",
		old:  `jetstream.WithExpectLastSequenceForSubject(f.Revision, s.subject(store.Assignments, store.TermKey))`,
		new:  `jetstream.WithRetryAttempts(0)`,
	},
	{
		name: "batch-without-fence", breaks: "A plan of several messages is stored even if a newer term is stored.",
		file: "kv/planwrite.go",
		old: `		m.Header.Set(jetstream.ExpectedLastSubjSeqHeader, fmt.Sprint(f.Revision))
		m.Header.Set(jetstream.ExpectedLastSubjSeqSubjHeader, s.subject(store.Assignments, store.TermKey))
`,
		new: "",
	},
	{
		name: "plan-not-last", breaks: "The plan is the first message of its version instead of the last.",
		file: "kv/planwrite.go",
		old:  `	return p, p.put(store.PlanKey, w.Plan, p.journal(w.Journal)...)`,
		new: `	err := p.put(store.PlanKey, w.Plan, p.journal(w.Journal)...)
	last := p.batches[len(p.batches)-1]
	p.batches[len(p.batches)-1] = append([]*nats.Msg{last[len(last)-1]}, last[:len(last)-1]...)
	return p, err`,
	},
	{
		name: "term-without-compare", breaks: "A term overwrites one that was stored meanwhile.",
		file: "kv/term.go",
		old:  `s.put(ctx, store.Assignments, store.TermKey, value, entry.Revision, 0)`,
		new: `func() (uint64, error) {
			for {
				e, _ := s.Get(ctx, store.Assignments, store.TermKey)
				r, err := s.put(ctx, store.Assignments, store.TermKey, value, e.Revision, 0)
				if !errors.Is(err, errConflict) {
					return r, err
				}
			}
		}()`,
	},
	{
		name: "term-below-floor", breaks: "After a rollback of the store, a new term may be lower than an earlier one.",
		file: "kv/term.go",
		old:  `rec.Number = max(last, floor) + 1`,
		new:  `rec.Number = last + 1`,
	},
	{
		name: "term-without-lease", breaks: "A term is stored although the lease on leadership has run out.",
		file: "kv/term.go",
		old:  `if !valid() {`,
		new:  `if !valid() && valid == nil {`,
	},
	{
		name: "deposed-not-noticed", breaks: "A write that the fence refused is repeated instead of ending the term.",
		file: "kv/planwrite.go",
		old:  `return 0, fmt.Errorf("%w: %w", ErrDeposed, err)`,
		new:  `return 0, fmt.Errorf("%w: %w", ErrNotDone, err)`,
	},
	{
		name: "unknown-is-not-done", breaks: "A write without an answer counts as not stored.",
		file: "kv/write.go",
		old:  `	return fmt.Errorf("%w: %w", ErrUnknown, err)`,
		new:  `	return fmt.Errorf("%w: %w", ErrNotDone, err)`,
	},
	{
		name: "claim-without-compare", breaks: "An ID, a lease or a heartbeat is taken over although another process holds it.",
		file: "kv/lease.go",
		old:  `lease.Revision, err = s.put(ctx, b, key, value, expect, lease.TTL)`,
		new: `message := s.marker(b, key)
		message.Header, message.Data = nil, value
		_ = expect
		lease.Revision, err = s.write(ctx, message, lease.TTL, jetstream.WithRetryAttempts(0))`,
	},
	{
		name: "renewal-without-compare", breaks: "A renewal overwrites whatever is there.",
		file: "kv/lease.go",
		old:  `revision, err := s.put(ctx, l.Bucket, l.Key, value, next.Revision, l.TTL)`,
		new: `message := s.marker(l.Bucket, l.Key)
		message.Header, message.Data = nil, value
		revision, err := s.write(ctx, message, l.TTL, jetstream.WithRetryAttempts(0))`,
	},
	{
		name: "renewal-without-ttl", breaks: "A renewal drops the TTL, so the lease never expires.",
		file: "kv/lease.go",
		old:  `value, next.Revision, l.TTL)`,
		new:  `value, next.Revision, 0)`,
	},
	{
		name: "release-without-compare", breaks: "A worker that leaves deletes its entry even if the entry belongs to another worker by now.",
		file: "kv/lease.go",
		old:  `markerTTL, jetstream.WithExpectLastSequencePerSubject(expect))`,
		new:  `markerTTL, jetstream.WithRetryAttempts(0*int(expect)))`,
	},
	{
		name: "own-renewal-not-recognised", breaks: "A conflict with an own earlier write, whose answer was lost, counts as the loss of the lease.",
		file: "kv/lease.go",
		old:  `case !entry.Token.Of(l.Chain) || entry.Revision == l.Revision:`,
		new:  `case entry.Revision != 0:`,
	},

	// How long a lease is trusted.
	{
		name: "trust-from-answer", breaks: "Trust counts from the answer to a renewal instead of from its sending.",
		file: "kv/lease.go",
		old: `			next.Revision = revision
			s.holder`,
		new: `			next.Revision, next.Sent = revision, time.Now()
			s.holder`,
	},
	{
		name: "late-renewal-extends", breaks: "An acknowledgement that arrives after the end of the trust extends it.",
		file: "kv/lease.go",
		old: `	ctx, cancel := context.WithDeadline(ctx, l.TrustedUntil())
	defer cancel()
	next, err := s.renew(ctx, l, r)
	if !time.Now().Before(l.TrustedUntil()) {
		err = ErrLate
	}
`,
		new: `	next, err := s.renew(ctx, l, r)
`,
	},
	{
		name: "late-acquisition-counts", breaks: "An entry whose acknowledgement came too late counts as acquired.",
		file: "kv/lease.go",
		old:  `case err == nil && time.Now().Before(lease.TrustedUntil()) && (until.IsZero() || time.Now().Before(until)):`,
		new:  `case err == nil && !until.After(until):`,
	},
	{
		name: "prior-claim-not-trusted", breaks: "A worker takes over its earlier claim although that claim may have expired.",
		file: "kv/claim.go",
		old: `s.holder.wrote(e.Token) && e.Token.Of(opts.Prior.Chain) &&
		time.Now().Before(opts.Prior.TrustedUntil())`,
		new: `s.holder.wrote(e.Token) && e.Token.Of(opts.Prior.Chain) && !time.Now().IsZero()`,
	},
	{
		name: "restore-not-proven", breaks: "A renewal that finds an earlier write of its key does not see that the store was restored.",
		file: "kv/lease.go",
		old:  `	case entry.Revision < l.Revision:`,
		new:  `	case entry.Revision == 0:`,
	},

	// Who leads, and until when.
	{
		name: "parts-not-removed", breaks: "Parts that a record no longer needs stay in the store.",
		file: "kv/planwrite.go",
		old:  `for n := parts + 1; n <= p.store.split.of(key); n++ {`,
		new:  `for n := parts + 1; n < p.store.split.of(key); n++ {`,
	},
	{
		name: "parts-of-two-writes", breaks: "A record is assembled from the parts of another write.",
		file: "kv/split.go",
		old:  `if p.Parts > 0 && (g == nil || g.token != p.Token || !g.complete(p.Parts)) {`,
		new:  `if p.Parts > 0 && (g == nil || !g.complete(p.Parts)) {`,
	},
	{
		name: "newer-format-than-all-read", breaks: "A leader writes a format that not every worker reads.",
		file: "kv/planwrite.go",
		old:  `format: min(max(w.Format, record.Oldest), s.format)`,
		new:  `format: max(w.Format, s.format)`,
	},
	{
		name: "number-used-again", breaks: "A session takes its number from its claim although other records name a higher one.",
		file: "kv/claim.go",
		old:  `number = max(number, named.Session+1)`,
		new:  `number = max(number, 0)`,
	},
	{
		name: "own-claim-not-awaited", breaks: "A worker whose own earlier claim has not expired yet takes another ID.",
		file: "kv/claim.go",
		old:  `if awaits(e, opts) {`,
		new:  `if awaits(e, opts) && opts.Prior == nil {`,
	},

	// What leaves the store when a worker leaves.
	{
		name: "late-first-write-stored", breaks: "A first write that arrives after the release of its lease is stored.",
		file: "kv/lease.go",
		old:  `case l.Revision == 0 && (absent || entry.Kind != store.Put ||`,
		new:  `case l.Revision == 0 && l.TTL < 0 && (absent || entry.Kind != store.Put ||`,
	},
	{
		name: "ghost-over-a-live-entry", breaks: "A first write in the place of an ended session's entry may be stored after its release.",
		file: "kv/lease.go",
		old:  `TTL: s.TTL(b), Chain: chain, Over: replaced.Revision, OverToken: replaced.Token}`,
		new:  `TTL: s.TTL(b), Chain: chain, OverToken: replaced.Token}`,
	},
	{
		name: "release-by-revision-alone", breaks: "In a store that was restored, a release deletes another worker's entry that has the revision of what its first write was to replace.",
		file: "internal/store/value.go",
		old:  `l.Over != 0 && e.Revision == l.Over && e.Token == l.OverToken`,
		new:  `l.Over != 0 && e.Revision == l.Over`,
	},

	// Identity beyond a session and a process.
	{
		name: "live-claim-taken-over", breaks: "A preferred ID is taken over although its session has a heartbeat.",
		file: "kv/takeover.go",
		old:  `if err != nil || !silent {`,
		new:  `if err != nil || !silent && age < 0 {`, likely: "PreferredID",
	},
	{
		name: "young-claim-taken-over", breaks: "A preferred ID is taken over although its session may have just begun.",
		file: "kv/takeover.go",
		old:  `case !s.old(claim, age, opts.Watched), !time.Now().Before(until):`,
		new:  `case !time.Now().Before(until):`, likely: "PreferredID",
	},
	{
		name: "renewed-claim-is-old", breaks: "The age of a claim counts from its first sight although it was renewed since.",
		file: "kv/takeover.go",
		old:  `claim.Revision == watched.Revision && time.Since`,
		new:  `watched.Revision != 0 && time.Since`, likely: "PreferredID",
	},
	{
		name: "servers-clocks-agree", breaks: "The clocks of two servers decide about the age of a claim without a margin.",
		file: "kv/takeover.go",
		old:  `return age >= 2*ttl ||`,
		new:  `return age >= ttl ||`, likely: "PreferredID",
	},
	{
		name: "expiring-claim-taken-over", breaks: "A claim is taken over just before the marker of its expiry.",
		file: "kv/takeover.go",
		old:  `TTL: s.TTL(store.StableIDs)}.TrustedUntil()`,
		new:  `TTL: 2 * s.TTL(store.StableIDs)}.TrustedUntil()`, likely: "Identity",
	},
	{
		name: "silence-not-proved", breaks: "A read that finds no heartbeat counts as proof that there is none.",
		file: "kv/takeover.go",
		old: `	err = s.end(ctx, entry)
	if errors.Is(err, errConflict) {
		return false, nil
	}
	return err == nil, err`,
		new: `	return true, nil`, likely: "PreferredID",
	},
	{
		name: "everyone-is-dead", breaks: "With a StateDir, every claim counts as that of a dead process.",
		file: "kv/takeover.go",
		old:  `return slices.ContainsFunc(dead, e.Token.Of) }`,
		new:  `return len(dead) > 0 }`, likely: "StateIs",
	},
	{
		name: "young-heartbeat-overwritten", breaks: "A heartbeat is overwritten in its first moments, when the expiry marker of the one before may still arrive.",
		file: "kv/takeover.go",
		old:  `if age >= settled(info) && time.Now()`,
		new:  `if time.Now()`, likely: "FirstHeartbeat",
	},
	{
		name: "expiring-heartbeat-overwritten", breaks: "The heartbeat of an earlier session is overwritten just before its expiry marker arrives.",
		file: "kv/takeover.go",
		old:  `ripe(e.Lifetime) - age)`,
		new:  `s.TTL(e.Bucket)*2 - age)`, likely: "AboutToExpire|StateIs",
	},
	{
		name: "expiring-leadership-deleted", breaks: "The lease of a dead leader is deleted just before its expiry marker arrives.",
		file: "kv/takeover.go",
		old:  `until, err := s.awaitEnd(ctx, entry)`,
		new:  `until, err := time.Now(), error(nil)`, likely: "Leadership",
	},
	{
		name: "young-claim-of-the-dead-taken-over", breaks: "A late renewal by a dead process is taken over before the expiry marker of the claim before it arrives.",
		file: "kv/takeover.go",
		old:  `_, err = s.awaitEnd(ctx, taken.Entry)`,
		new:  `_, err = s.Get(ctx, store.StableIDs, id)`, likely: "YoungClaim",
	},
	{
		name: "any-claim-of-the-dead-taken-over", breaks: "A renewal by a dead process that is stored meanwhile is taken over at once.",
		file: "kv/takeover.go",
		old:  `return e.Revision == taken.Entry.Revision && time`,
		new:  `return (e.Revision == taken.Entry.Revision || isDead(e, opts.Dead)) && time`, likely: "YoungClaim",
	},
	{
		name: "endless-entry-awaited", breaks: "A worker waits for the end of an entry that has no lifetime.",
		file: "kv/takeover.go",
		old:  `- age); e.Endless {`,
		new:  `- age); e.Endless && age < 0 {`, likely: "NoLifetime",
	},
	{
		name: "copied-heartbeat-lives", breaks: "A copy of a heartbeat without a lifetime keeps a dead worker alive.",
		file: "kv/view.go",
		old:  `!e.Endless && !errors.Is`,
		new:  `!errors.Is`, likely: "NoLifetime",
	},
	{
		name: "copied-lease-leads", breaks: "A copy of the lease on leadership without a lifetime keeps all workers from leading.",
		file: "kv/read.go",
		old:  `(corruptLease(data) || lifetime == 0)`,
		new:  `corruptLease(data)`, likely: "NoLifetime",
	},

	// The journal, and who observes.
	{
		name: "journal-without-permission", breaks: "A leader that may not write the journal cannot store a plan.",
		file:   "kv/planwrite.go",
		old:    `!s.mayKeepJournal(ctx)`,
		new:    `!s.mayKeepJournal(ctx) && s == nil`,
		likely: "DocumentedPermissions",
	},
}
