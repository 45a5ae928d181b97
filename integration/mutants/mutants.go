package main

import "slices"

// all are the bugs of the library.
func all() []mutant { return slices.Concat(mutants, consuming) }

// mutants are the bugs, by the room they are put into.
var mutants = []mutant{
	// What is written, and under which condition.
	{
		name: "plan-without-fence", breaks: "A plan that is one message is stored whatever term is stored.",
		file: "kv/planwrite.go",
		old:  `jetstream.WithExpectLastSequenceForSubject(f.Revision, s.subject(Assignments, TermKey))`,
		new:  `jetstream.WithRetryAttempts(0)`,
	},
	{
		name: "batch-without-fence", breaks: "A plan of several messages is stored whatever term is stored.",
		file: "kv/planwrite.go",
		old: `		m.Header.Set(jetstream.ExpectedLastSubjSeqHeader, fmt.Sprint(f.Revision))
		m.Header.Set(jetstream.ExpectedLastSubjSeqSubjHeader, s.subject(Assignments, TermKey))
`,
		new: "",
	},
	{
		name: "plan-not-last", breaks: "The plan is the first message of its version instead of the last.",
		file: "kv/planwrite.go",
		old:  `	return p, p.put(PlanKey, w.Plan, p.journal(w.Journal)...)`,
		new: `	err := p.put(PlanKey, w.Plan, p.journal(w.Journal)...)
	last := p.batches[len(p.batches)-1]
	p.batches[len(p.batches)-1] = append([]*nats.Msg{last[len(last)-1]}, last[:len(last)-1]...)
	return p, err`,
	},
	{
		name: "term-without-compare", breaks: "A term is stored over one that was stored meanwhile.",
		file: "kv/term.go",
		old:  `s.put(ctx, Assignments, TermKey, value, entry.Revision, 0)`,
		new: `func() (uint64, error) {
			for {
				e, _ := s.Get(ctx, Assignments, TermKey)
				r, err := s.put(ctx, Assignments, TermKey, value, e.Revision, 0)
				if !errors.Is(err, errConflict) {
					return r, err
				}
			}
		}()`,
	},
	{
		name: "term-below-floor", breaks: "A new term may be lower than one that was seen in a store since rolled back.",
		file: "kv/term.go",
		old:  `record.Number = max(last, floor) + 1`,
		new:  `record.Number = last + 1`,
	},
	{
		name: "term-without-lease", breaks: "A term is stored although the lease on leadership has run out.",
		file: "kv/term.go",
		old:  `if !valid() {`,
		new:  `if !valid() && valid == nil {`,
	},
	{
		name: "deposed-not-noticed", breaks: "A write that the fence refused counts as one to be repeated.",
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
		name: "claim-without-compare", breaks: "An ID, a lease or a heartbeat is taken over whoever holds it.",
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
		name: "renewal-without-ttl", breaks: "A lease that was renewed once never expires.",
		file: "kv/lease.go",
		old:  `value, next.Revision, l.TTL)`,
		new:  `value, next.Revision, 0)`,
	},
	{
		name: "release-without-compare", breaks: "Who leaves deletes the entry even if it is another's by now.",
		file: "kv/lease.go",
		old:  `markerTTL, jetstream.WithExpectLastSequencePerSubject(expect))`,
		new:  `markerTTL, jetstream.WithRetryAttempts(0*int(expect)))`,
	},
	{
		name: "own-renewal-not-recognised", breaks: "A conflict with one's own write, whose answer was lost, counts as lost.",
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
		name: "margin-zero", breaks: "A lease is trusted until the very moment the store drops it.",
		file: "internal/store/value.go",
		old:  `l.Sent.Add(l.TTL - l.TTL/4)`,
		new:  `l.Sent.Add(l.TTL)`,
	},
	{
		name: "late-renewal-extends", breaks: "An acknowledgement that comes after the trust has ended lengthens it.",
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
		new:  `case err == nil:`,
	},
	{
		name: "trust-ignores-claim", breaks: "The session is trusted as long as its heartbeat is, whatever became of its claim.",
		file: "internal/member/session.go",
		old:  `earlier(m.session.beat.TrustedUntil(), m.session.claim.TrustedUntil())`,
		new:  `m.session.beat.TrustedUntil()`,
	},
	{
		name: "trust-ignores-heartbeat", breaks: "The session is trusted as long as its claim is, whatever became of its heartbeat.",
		file: "internal/member/session.go",
		old:  `earlier(m.session.beat.TrustedUntil(), m.session.claim.TrustedUntil())`,
		new:  `m.session.claim.TrustedUntil()`,
	},
	{
		name: "no-self-fencing", breaks: "A session whose trust has ended goes on until the store says so.",
		file: "internal/member/session.go",
		old:  `	m.lose(now, fmt.Errorf("no heartbeat or claim renewal was acknowledged in time: %w", store.ErrLate))`,
		new:  `	_ = fmt.Errorf("%w", store.ErrLate)`,
	},
	{
		name: "claim-lost-and-kept", breaks: "A claim that is lost is not told, and the session goes on.",
		file: "actors/claimer.go",
		old:  `		c.report(&sessionLost{fmt.Errorf("claim of %s: %w", c.lease.Key, err)})`,
		new:  `		_ = err`,
	},
	{
		name: "heartbeat-lost-and-kept", breaks: "A heartbeat that somebody else wrote is not told, and the session goes on.",
		file: "internal/lease/lease.go",
		old:  `errors.Is(err, store.ErrLost), errors.Is(err, store.ErrLate), errors.Is(err, store.ErrTaken):`,
		new:  `errors.Is(err, store.ErrLate):`,
	},
	{
		name: "late-first-heartbeat", breaks: "A session may begin with a heartbeat that the leader has already seen expire.",
		file: "actors/heartbeat.go",
		old:  `	h.hold = lease.New(h.keeping(), h.begun)`,
		new: `	h.hold = lease.New(h.keeping(), h.begun.Add(1000*h.set.Store.HeartbeatTTL))
	_ = h.hold.Hurry(time.Now())`,
	},
	{
		name: "prior-claim-not-trusted", breaks: "A worker takes its earlier claim over although that may have expired.",
		file: "kv/claim.go",
		old: `s.holder.wrote(e.Token) && e.Token.Of(opts.Prior.Chain) &&
		time.Now().Before(opts.Prior.TrustedUntil())`,
		new: `s.holder.wrote(e.Token) && e.Token.Of(opts.Prior.Chain) && !time.Now().IsZero()`,
	},
	{
		name: "claim-not-retried", breaks: "A renewal of the claim that failed once is not tried again.",
		file: "actors/claimer.go",
		old:  `200*time.Millisecond`,
		new:  `time.Hour`,
	},
	{
		name: "heartbeat-not-retried", breaks: "A heartbeat that failed once is not tried again.",
		file: "internal/lease/lease.go",
		old:  `		h.due, h.spread = now.Add(pause-pause/5), 2*pause/5`,
		new:  `		h.due, h.spread = now.Add(pause+time.Hour), 0`,
	},
	{
		name: "leadership-not-retried", breaks: "A renewal of the lease on leadership that failed once is not tried again.",
		file: "internal/member/election.go",
		old:  `Pause: electionRetry, LongestPause: electionRetry,`,
		new:  `Pause: time.Hour, LongestPause: time.Hour,`,
	},
	{
		name: "heartbeat-hangs", breaks: "A heartbeat that nobody answers may take as long as any operation.",
		file: "actors/heartbeat.go",
		old:  `context.WithTimeout(ctx, limit)`,
		new:  `context.WithTimeout(ctx, max(limit, h.set.Store.OperationTimeout))`,
	},
	{
		name: "heartbeat-hurried", breaks: "A heartbeat has to be answered before the next one is due.",
		file: "internal/lease/lease.go",
		old:  `	return &Write{max(h.cfg.Shortest, min(end.Sub(now)/2, h.cfg.Longest))}`,
		new:  `	return &Write{min(h.cfg.Shortest, end.Sub(now))}`,
	},
	{
		name: "restore-not-proven", breaks: "A renewal that finds an earlier write of its key does not see that the store was restored.",
		file: "kv/lease.go",
		old:  `	case entry.Revision < l.Revision:`,
		new:  `	case entry.Revision == 0:`,
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
		name: "rollback-not-noticed", breaks: "A follower accepts a term or a version below one it has seen.",
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
		name: "acknowledged-before-hook", breaks: "A record is acknowledged when the hook is called, not when it has returned.",
		file: "actors/follower.go",
		old: `		done: func(err error) { f.tell(served(err)) },
	})
`,
		new: `		done: func(error) {},
	})
	f.tell(served(nil))
`,
	},
	{
		name: "hook-not-awaited", breaks: "The runner does not wait for the hook.",
		file: "actors/runner.go",
		old:  `	return errors.Join(published, r.call(q.ctx, added, removed))`,
		new: `	go r.call(q.ctx, added, removed)
	return errors.Join(published)`,
	},
	{
		name: "hook-panic-not-contained", breaks: "A hook that panics ends the process.",
		file: "actors/runner.go",
		old:  `			if r := recover(); r != nil {`,
		new:  `			if r := any(nil); r != nil {`,
	},
	{
		name: "taken-up-without-trust", breaks: "The user is told of new partitions after the trust has ended.",
		file: "actors/runner.go",
		old:  `if (len(added) > 0 || r.handlers.begins(q.target)) && !q.trusted() {`,
		new:  `if (len(added) > 0 || r.handlers.begins(q.target)) && q.trusted == nil {`,
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
		name: "hook-not-hurried", breaks: "A hook that gives up when the trust ends has all the time that a clean leave has.",
		file: "internal/member/session.go",
		old: `		m.dueBy(dueHurry, now, m.letGoBy())
`,
		new:    ``,
		likely: "LosesItsSessionWhileItStops",
	},
	{
		name: "renewal-names-no-plan", breaks: "The lease on leadership does not say which plan is the newest.",
		file: "kv/feed.go",
		old:  `err == nil && leader.Plan > 0 {`,
		new:  `err == nil && leader.Plan > 1<<62 {`,
	},
	{
		name: "silence-kept-to-itself", breaks: "A feed that hears nothing does not wake the others.",
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
		name: "hook-not-hurried-after-a-panic", breaks: "When the manager panics, a hook that gives up keeps all the time of a clean leave.",
		file:   "actors/manager.go",
		old:    `		g.hurry() // nobody`,
		new:    `		_ = g // nobody`,
		likely: "LosesItsSessionWhileItStops",
	},
	{
		name: "stop-forgets-the-rejoin", breaks: "A worker that stops while it rejoins does not hurry the hook that gives up for the rejoin.",
		file: "actors/perform.go",
		old: `		for _, g := range m.giving {
			g.hurry()
		}
	case *member.Abandon:`,
		new: `		for id, g := range m.giving {
			if _, after := m.giving[id+1]; !after {
				g.hurry()
			}
		}
	case *member.Abandon:`,
		likely: "StopsWhileItRejoins",
	},
	{
		name: "stopped-tree-not-hurried", breaks: "A tree that is stopped from outside lets its last hook run for ShutdownTimeout.",
		file:   "actors/props.go",
		old:    `context.WithDeadline(ctx, l.letGoBy)`,
		new:    `context.WithDeadline(ctx, l.letGoBy.Add(limit))`,
		likely: "StoppedFromOutside|LosesItsSessionWhileItStops",
	},
	{
		name: "urgent-with-optional", breaks: "What had no owner is given away in a plan that moves other partitions as well.",
		file: "internal/topology/decide.go",
		old:  `if !d.orphans && t.optionalDue(now) {`,
		new:  `if t.optionalDue(now) {`,
	},
	{
		name: "group-names-nothing", breaks: "The name of a group does not reach its buckets.",
		file:   "config.go",
		old:    `kind = c.Group + "-" + kind`,
		new:    `kind = c.Group[:0] + kind`,
		likely: "AGroupNames",
	},
	{
		name: "group-set-too-late", breaks: "A group that is set in what DefaultConfig returned does not reach its buckets.",
		file:   "config.go",
		old:    `if *name == bucketPrefix+kind {`,
		new:    `if *name == kind {`,
		likely: "AGroupNames",
	},
	{
		name: "foreign-start", breaks: "A worker joins a group that divides nothing of what it lists.",
		file:   "actors/group.go",
		old:    `return own.Edition(), checkGroup(ctx, store, own)`,
		new:    `return own.Edition(), nil`,
		likely: "SecondApplication",
	},
	{
		name: "foreign-first-record", breaks: "A worker runs what another application lists that started together with it.",
		file:   "internal/member/following.go",
		old:    `case !f.cfg.Suspect(f.plan):`,
		new:    `case f.wanted != nil:`,
		likely: "StartTogether",
	},
	{
		name: "compared-once", breaks: "A worker whose source fails while it is compared with the group is never given anything.",
		file:   "internal/member/following.go",
		old:    `		f.notBefore = now.Add(followingCompare)`,
		new:    `		f.foreign = true`,
		likely: "FirstRecordWaits",
	},
	{
		name: "foreign-list-taken", breaks: "A leader divides a list that has nothing in common with the group's.",
		file:   "internal/leader/version.go",
		old:    `return f.List.foreign(l.cfg.Group, inForce)`,
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
		name: "planned-list-foreign", breaks: "The list of the stored plan is another application's where the record of a worker that is gone names others.",
		file:   "internal/leader/version.go",
		old:    `!l.draft.planned, l.plannedFor(f.List):`,
		new:    `!l.draft.planned:`,
		likely: "Scripts",
	},
	{
		name: "unowned-is-foreign", breaks: "A list is another application's although most of what the group divides has no owner and is not known.",
		file:   "internal/leader/version.go",
		old:    ` || divided.unknown > len(divided.ids)`,
		new:    ``,
		likely: "Scripts",
	},
	{
		name: "planned-list-doubted", breaks: "The list of the stored plan has to be confirmed where the record of a worker that is gone names others.",
		file:   "internal/leader/shrink.go",
		old:    ` || l.plannedFor(list)`,
		new:    ``,
		likely: "Scripts",
	},
	{
		name: "renaming-refused", breaks: "A list of a higher version is refused because nothing in it has its old name.",
		file:   "internal/leader/version.go",
		old:    `case f.List.version > inForce.version, !l.draft.planned, l.plannedFor(f.List):`,
		new:    `case !l.draft.planned:`,
		likely: "Scripts",
	},
	{
		name: "renaming-worker-refused", breaks: "A worker with new names and a higher version does not join.",
		file:   "internal/leader/version.go",
		old:    `e.digest != plan.Digest && e.version <= plan.SourceVersion`,
		new:    `e.digest != plan.Digest`,
		likely: "NamingScheme",
	},
	{
		name: "older-list-taken", breaks: "A leader whose source is out of date takes the newer list back.",
		file:   "internal/leader/version.go",
		old:    `case f.List.version < inForce.version:`,
		new:    `case f.List.version < inForce.version && l == nil:`,
		likely: "Scripts",
	},
	{
		name: "older-list-told-again", breaks: "A leader reports at each listing that its source is out of date.",
		file:   "internal/leader/sources.go",
		old:    `if errors.Is(err, ErrOlderSource) || errors.Is(err, ErrForeignGroup) {`,
		new:    `if errors.Is(err, ErrForeignGroup) {`,
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
		name: "same-list-other-version", breaks: "A higher version of the same list is not stored.",
		file: "internal/leader/sources.go",
		old: `		l.draft.taken = l.source.newest // which may be of a higher version
`,
		new:    ``,
		likely: "Scripts",
	},
	{
		name: "dropped-comes-back", breaks: "A leader that goes by the records grants again what the newer list has dropped.",
		file:   "internal/leader/version.go",
		old:    `kept != nil && kept.digest == l.stored.Digest {`,
		new:    `kept == nil {`,
		likely: "Scripts",
	},
	{
		name: "in-flight-vanishes", breaks: "A leader that goes by the records forgets what nobody owns, although its source lists it.",
		file: "internal/leader/version.go",
		old: `			l.completeRemembered(f.List)
`,
		new:    ``,
		likely: "Scripts",
	},
	{
		name: "in-flight-guessed", breaks: "A leader that goes by the records grants whatever its older source lists beside them.",
		file:   "internal/leader/version.go",
		old:    `whole != nil && whole.digest == l.stored.Digest {`,
		new:    `whole != nil {`,
		likely: "Scripts",
	},
	{
		name: "unknown-not-counted", breaks: "The next leader is not told that partitions are missing from the records.",
		file:   "internal/leader/write.go",
		old:    `len(d.taken.ids) + d.taken.unknown,`,
		new:    `len(d.taken.ids),`,
		likely: "Scripts",
	},
	{
		name: "most-lost-at-once", breaks: "A list that lost most of its partitions is taken over at once.",
		file:   "internal/leader/shrink.go",
		old:    `if s.shrunk.times >= l.cfg.ShrinkConfirmations {`,
		new:    `if s.shrunk.times >= 1 {`,
		likely: "Scripts",
	},
	{
		name: "half-lost-counts-as-most", breaks: "A list that lost half of its partitions is not taken as it is.",
		file:   "internal/leader/shrink.go",
		old:    `return 2*kept < len(base.ids)+base.unknown`,
		new:    `return 2*kept <= len(base.ids)+base.unknown`,
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
		name: "failure-confirms", breaks: "A listing that fails does not end a row of listings that agree.",
		file: "internal/leader/sources.go",
		old: `	l.source.shrunk.times = 0 // listings in a row agree only where each of them is one
`,
		new:    ``,
		likely: "Scripts",
	},
	{
		name: "loss-compared-with-additions", breaks: "What an unconfirmed list adds counts when the next one is compared.",
		file: "internal/leader/shrink.go",
		old: `	base := s.divided()
`,
		new: `	base := s.current()
`,
		likely: "Scripts|Promises",
	},
	{
		name: "additions-wait", breaks: "What an unconfirmed list adds gets no owner before it is confirmed.",
		file: "internal/leader/shrink.go",
		old: `	return l.both(list, base, len(kept))
`,
		new: `	_ = l.both(list, base, len(kept))
	return l.source.current()
`,
		likely: "Scripts",
	},
	{
		name: "unconfirmed-answered", breaks: "A refresh is answered before the list that it found is confirmed.",
		file:   "internal/leader/write.go",
		old:    `l.source.pending != topology.Partitions && l.source.shrunk.base == nil {`,
		new:    `l.source.pending != topology.Partitions {`,
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
		name: "nobody-asks-again", breaks: "A leader waits for somebody else to confirm a list.",
		file: "internal/leader/shrink.go",
		old: `	l.pace.list = s.shrunk.last.Add(pause)
	return`,
		new:    `	return`,
		likely: "Scripts",
	},
	{
		name: "restless-asked-every-second", breaks: "A source that says something else each time is asked once a second for ever.",
		file:   "internal/leader/shrink.go",
		old:    `min(max(2*s.shrunk.pause, relistFirst), relistMost)`,
		new:    `relistFirst`,
		likely: "Scripts",
	},
	{
		name: "empty-list-taken", breaks: "A list of nothing counts as one that lost most.",
		file: "internal/leader/version.go",
		old: `	case f.List.empty():
		return fmt.Errorf("%w: it lists nothing", ErrSourceShrunk)
`,
		new:    ``,
		likely: "Scripts",
	},
	{
		name: "last-change-counts", breaks: "The pause before a listing counts from the last change instead of the first: a stream of changes starves it.",
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
		name: "watch-doubled", breaks: "A worker calls Watch although an earlier one runs.",
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
		name: "watch-given-up", breaks: "A Watch that has ended is not begun again.",
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
		name: "watch-gap", breaks: "What changed between two Watches is not listed.",
		file: "actors/onlooker.go",
		old: `		case <-time.After(pause):
			changed()
`,
		new: `		case <-time.After(pause):
`,
		likely: "Watch",
	},
	{
		name: "watch-hammered", breaks: "A Watch that ends is called again without a growing pause.",
		file:   "actors/onlooker.go",
		old:    `pause = min(2*pause, rewatchMost) {`,
		new:    `pause = rewatchFirst {`,
		likely: "Watch",
	},
	{
		name: "watch-told-each-time", breaks: "Each end of a Watch is reported.",
		file: "actors/onlooker.go",
		old: `			told = err.Error()
`,
		new:    ``,
		likely: "Watch",
	},
	{
		name: "watch-awaited", breaks: "The end of a term waits for Watch.",
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
		name: "change-told-once", breaks: "Only the first change of a term is told.",
		file: "actors/calculator.go",
		old: `		c.changed.Store(false) // what changes from here on is told again
`,
		new:    ``,
		likely: "Flooded",
	},
	{
		name: "bucket-behind", breaks: "A bucket is read from a replica that is behind.",
		file: "source/snapshot.go",
		old: `	if known < upTo {
`,
		new: `	if known < 0 {
`,
		likely: "Replica",
	},
	{
		name: "deleted-key-listed", breaks: "A key that was deleted stays in the list.",
		file:   "source/snapshot.go",
		old:    `if m.Header.Get("KV-Operation") == "" && m.Header.Get(jetstream.MarkerReasonHeader) == "" {`,
		new:    `if true {`,
		likely: "Bucket",
	},
	{
		name: "bucket-made-anew-unseen", breaks: "A Watch goes on for a bucket that was made anew.",
		file: "source/kv.go",
		old: `			if !is.created.Equal(was.created) {
`,
		new: `			if is.created.Equal(was.created) && false {
`,
		likely: "Bucket",
	},
	{
		name: "file-by-time-alone", breaks: "A file counts as unchanged by its size and time even while it is young.",
		file: "source/file.go",
		old: `.Equal(info.ModTime()) &&
			time.Since(info.ModTime()) > settled {`,
		new:    `.Equal(info.ModTime()) && settled > 0 {`,
		likely: "File",
	},
	{
		name: "broken-result-listed", breaks: "A result that broke off counts as a list.",
		file: "source/sql.go",
		old: `	if err := rows.Err(); err != nil { // a result that broke off is no list
`,
		new: `	if err := rows.Err(); err != nil && b.list == nil {
`,
		likely: "Result",
	},
	{
		name: "order-is-a-change", breaks: "The rows of a query in another order count as another list.",
		file: "source/poll.go",
		old: `	slices.Sort(lines)
`,
		new: `	_ = slices.Sorted[string]
`,
		likely: "Query",
	},
	{
		name: "failing-poll-unseen", breaks: "Nobody finds out that a source cannot be polled any more.",
		file:   "source/poll.go",
		old:    `if is != was {`,
		new:    `if is != was && is != failing {`,
		likely: "Query",
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
	{
		name: "refresh-surely-not-done", breaks: "A refresh whose answer was lost is reported as not done.",
		file: "kv/refresh.go",
		old:  `reached = reached || !errors.Is(err, nats.ErrNoResponders)`,
		new:  `reached = reached && err == nil`,
	},
	{
		name: "control-refresh-surely-not-done", breaks: "A worker says that a refresh is not done whose answer it has not heard.",
		file: "actors/errand.go",
		old:  `	case errors.Is(err, kv.ErrUnknown):`,
		new:  `	case err == nil && errors.Is(err, kv.ErrUnknown):`,
	},
	{
		name: "refresh-crosses-domains", breaks: "A leader lists for those who ask about a bucket of the same name in another domain.",
		file:   "kv/refresh.go",
		old:    `of != "" && of != s.incarnation() {`,
		new:    `of != "" && of == "" {`,
		likely: "StaysInItsDomain",
	},
	{
		name: "returned-while-asking-forgotten", breaks: "A member that comes back while the strategy plans without it is never planned for again.",
		file: "internal/topology/topology.go",
		old:  `if _, known := t.newcomers[w]; !known && !t.members[w] && !t.leaving[w] {`,
		new:  `if _, known := t.newcomers[w]; known {`,
	},
	{
		name: "asked-counts-as-planned", breaks: "A list that the strategy is being asked about counts as planned for.",
		file: "internal/leader/sources.go",
		old:  `change(l.draft.taken, `,
		new:  `change(l.draft.list, `,
	},
	{
		name: "optional-before-stored", breaks: "A plan that moves something is made before the one for what had no owner is stored.",
		file: "internal/leader/leader.go",
		old:  `(!l.decision.Moves || !l.draft.owed || l.pace.tooLarge)`,
		new:  `(!l.decision.Moves || !l.draft.owed || true)`,
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
		name: "deposed-leader-goes-on", breaks: "A leader that is told of its end keeps its calculator.",
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
		name: "no-refence", breaks: "A leader that may not use its fence any more begins no new term.",
		file: "internal/member/lead.go",
		old: `	m.tellElector(&NewTerm{f.Fence})
`,
		new: ``,
	},
	{
		name: "refences-at-once", breaks: "A leader that loses its fence begins a new term without renewing its lease before.",
		file: "actors/elector.go", likely: "TestALostLease",
		old: `lease, err := e.store.Renew(ctx, f.Lease, record)`,
		new: `lease, err := f.Lease, error(nil)
		_ = record`,
	},
	{
		name: "terms-without-pace", breaks: "A worker begins as many terms as it has reason to.",
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
		name: "new-term-waits", breaks: "A leader that needs a new term begins it when it would have renewed its lease anyway.",
		file: "internal/member/election.go",
		old: `			e.hold.Hurry(now) // the renewal of a new term goes with the next write
`,
		new: ``,
	},
	{
		name: "abstained-for-good", breaks: "A campaign that comes due while its worker abstains is not planned for later.",
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
	{
		name: "unknown-plan-is-stored", breaks: "A plan that nobody answered counts as stored.",
		file: "internal/leader/write.go",
		old: `	case Lost:
		l.end(`,
		new: `	case Lost + 1:
		l.end(`,
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
		old:  `feed(c.guard, nil, c.store, kv.Heartbeats, nil, c.since,`,
		new:  `feed(c.guard, nil, c.store, kv.Heartbeats, nil, 0,`,
	},
	{
		name: "stale-assignments", breaks: "A new leader begins with records that may be older than its term.",
		file: "actors/lookout.go",
		old:  `c.store.Snapshot(ctx, kv.Assignments, nil, c.fence.Revision)`,
		new:  `c.store.Snapshot(ctx, kv.Assignments, nil, 0)`,
	},
	{
		name: "snapshot-of-any-age", breaks: "A snapshot is accepted although it is older than what is known.",
		file: "kv/read.go",
		old:  `case snapshot.UpTo < atLeast:`,
		new:  `case snapshot.UpTo < atLeast && atLeast == 0:`,
	},
	{
		name: "dead-by-an-old-listing", breaks: "A feed accepts a snapshot that is older than what it has told.",
		file:       "kv/feed.go",
		old:        `snapshot, err := s.snapshot(ctx, b, keys, max(upTo, now.last))`,
		new:        `snapshot, err := s.snapshot(ctx, b, keys, 0)`,
		equivalent: "one server is never behind itself, and on a cluster a replica that is comes by chance only",
	},
	{
		name: "vanished-and-not-told", breaks: "A key that vanished without a marker counts as there.",
		file: "kv/view.go",
		old:  `return f.live[key] && !there[key] && f.told[key].revision <= snapshot.UpTo`,
		new:  `return f.live[key] && !there[key] && f.told[key].revision > snapshot.UpTo`,
	},
	{
		name: "older-copy-not-noticed", breaks: "A store that was restored from an older copy counts as the one it was when it is long enough.",
		file: "kv/view.go",
		old:  `if e.Revision < told.revision && told.revision <= snapshot.UpTo || e.Revision == told.revision && e.Token != told.token {`,
		new:  `if e.Revision < told.revision && told.revision <= snapshot.UpTo && e.Token == told.token {`,
	},
	{
		name: "snapshot-as-new-as-its-newest-answer", breaks: "A snapshot in several answers claims to be complete up to the newest of them.",
		file: "kv/read.go",
		old:  `if all.UpTo == 0 || snapshot.UpTo < all.UpTo {`,
		new:  `if all.UpTo == 0 || snapshot.UpTo > all.UpTo {`,
	},
	{
		name: "overtaken-snapshot-ends-keys", breaks: "A snapshot that changes have overtaken ends the keys that were made since.",
		file: "kv/view.go",
		old:  `return f.live[key] && !there[key] && f.told[key].revision <= snapshot.UpTo`,
		new:  `return f.live[key] && !there[key]`,
	},
	{
		name: "blindness-not-told", breaks: "A feed that sees nothing says nothing.",
		file: "kv/feed.go",
		old:  `			f.emit(Update{Kind: UpdateBlind, Since: f.seen, Err: f.failure})`,
		new:  ``,
	},
	{
		name: "staleness-not-told", breaks: "A feed whose snapshots fail says nothing.",
		file: "kv/feed.go",
		old:  `		f.emit(Update{Kind: UpdateStale, Since: f.listed, Err: f.failure})`,
		new:  ``,
	},
	{
		name: "failed-listing-ends-consumer", breaks: "A feed gives up a consumer that works because a snapshot failed.",
		file: "kv/feed.go",
		old: `	case o.err != nil:
		return f.failed(o.err)`,
		new: `	case o.err != nil:
		f.lose()
		return f.failed(o.err)`,
	},
	{
		name: "parts-not-removed", breaks: "Parts that a record does not need any more stay.",
		file: "kv/planwrite.go",
		old:  `for n := parts + 1; n <= p.store.split.of(key); n++ {`,
		new:  `for n := parts + 1; n < p.store.split.of(key); n++ {`,
	},
	{
		name: "parts-of-two-writes", breaks: "A record is put together from parts of another write.",
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
		name: "number-used-again", breaks: "A session takes its number from its claim, although a higher one is named elsewhere.",
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
	{
		name: "plan-behind-what-was-seen", breaks: "A leader goes on with a plan that is older than one it has seen.",
		file: "internal/leader/takeover.go",
		old:  `if f.Plan.Version < l.cfg.Seen {`,
		new:  `if f.Plan.Version < 0 {`,
	},
	{
		name: "recreated-store-not-noticed", breaks: "A bucket that was deleted and made anew counts as the one it was.",
		file: "kv/read.go",
		old:  `if !info.Created.Equal(s.created[b]) {`,
		new:  `if info.Created.IsZero() {`,
	},
	{
		name: "shorter-store-not-noticed", breaks: "A stream that is shorter than it was counts as the one it was.",
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
	{
		name: "version-begins-anew", breaks: "A new leader's versions begin at zero instead of above all that was known.",
		file: "internal/leader/takeover.go",
		old:  `ledger.New(l.cfg.Term, l.versionsAbove(now))`,
		new:  `ledger.New(l.cfg.Term, 0)`,
	},
	{
		name: "leave-is-a-crash", breaks: "A new leader takes every absent member for crashed.",
		file: "actors/lookout.go",
		old: `		case e.Kind == kv.Deleted:
`,
		new: `		case e.Kind == kv.Deleted && e.Revision == 0:
`,
	},
	{
		name: "dead-of-records-forgotten", breaks: "A new leader believes that who is in the records and not there still holds.",
		file: "internal/leader/takeover.go",
		old: `		if !alive || w.session > session {
`,
		new: `		if alive && w.session > session {
`,
	},
	{
		name: "question-forgotten", breaks: "A leader whose first heartbeat failed never begins to lead.",
		file: "actors/heartbeat.go",
		old:  `		h.report(&beatMissed{h.why(msg.err)})`,
		new: `		h.report(&beatMissed{h.why(msg.err)})
		h.asked = nil`,
	},
	{
		name: "question-answered-too-early", breaks: "A heartbeat that was under way when it was asked for counts as the answer.",
		file: "internal/lease/lease.go",
		old:  `h.answered = true, sent, 0, h.carried`,
		new:  `h.answered = true, sent, 0, h.asked`,
	},
	{
		name: "urgent-waits", breaks: "What becomes urgent while a write is under way waits for the next interval.",
		file: "internal/lease/lease.go",
		old:  `		if h.asked > h.carried {`,
		new:  `		if h.asked < h.carried {`,
	},
	{
		name: "trust-counts-from-the-answer", breaks: "A hold whose renewals are slow is trusted longer than its entry lives.",
		file: "internal/lease/lease.go",
		old:  `h.held, h.sent, h.failures, h.answered = true, sent,`,
		new:  `h.held, h.sent, h.failures, h.answered = true, now,`,
	},

	// The ledger.
	{
		name: "granted-before-released", breaks: "A partition is granted while its holder still lets go of it.",
		file: "internal/ledger/propose.go",
		old:  `p.holder == nil && l.unread == 0 &&`,
		new:  `(p.holder == nil || p.releasing) && l.unread == 0 &&`,
	},
	{
		name: "granted-back-while-releasing", breaks: "A partition is given back to its holder before that has let go.",
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
		name: "epoch-not-advanced", breaks: "The next owner of an orphan gets the epoch of the one before.",
		file: "internal/ledger/propose.go",
		old:  `Session: p.target.number, Epoch: w.Version}`,
		new:  `Session: p.target.number, Epoch: cmp.Or(p.epoch, w.Version)}`,
	},
	{
		name: "gone-and-not-revoked", breaks: "A partition that the source lists no more stays with its owner.",
		file: "internal/ledger/propose.go",
		old:  `(!p.listed() || (p.target`,
		new:  `((p.target`,
	},
	{
		name: "died-while-written", breaks: "A session that ended while it was granted something holds it for ever.",
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
}`,
		new: `		l.touch(p)
		if p.holder == nil {
			l.forget(p)
		} else {
			delete(l.parts, p.id)
		}
	}
}`,
	},
	{
		name: "acknowledged-by-any-version", breaks: "Any acknowledgement frees what is being released, however old.",
		file: "internal/ledger/sessions.go",
		old:  `	if w.applied < p.since {`,
		new:  `	if w.applied == 0 {`,
	},
	{
		name: "old-news-believed", breaks: "What a session that has ended says counts.",
		file: "internal/ledger/sessions.go",
		old:  `if number <= w.ended || number < w.number {`,
		new:  `if number < w.ended {`,
	},
	{
		name: "end-of-another-session", breaks: "The end of an earlier session frees what the present one holds.",
		file: "internal/ledger/sessions.go",
		old:  `if p.session <= number {`,
		new:  `if p.session >= 0 {`,
	},
	{
		name: "lower-epoch-owns", breaks: "Of two records that name a partition the one read last wins.",
		file: "internal/ledger/ledger.go",
		old:  `if p.holder != nil && p.epoch >= epoch {`,
		new:  `if p.holder != nil && p.epoch < 0 {`,
	},
	{
		name: "version-not-restored", breaks: "Versions do not go on above those of the records.",
		file: "internal/ledger/ledger.go",
		old: `	l.version = max(l.version, r.Version)
	w := l.worker(r.Worker)`,
		new: `	w := l.worker(r.Worker)`,
	},

	// What kind of change it is, and when its window ends.
	{
		name: "restart-not-recognised", breaks: "Most members gone at once are an emergency for a new leader.",
		file: "internal/topology/topology.go",
		old:  `	case !wentOn && float64(t.living()-t.replaced-expiring) < t.cfg.RestartDetectionRatio*float64(len(t.members)):`,
		new:  `	case t.living() < 0:`,
	},
	{
		name: "mass-loss-is-a-restart", breaks: "A leader that was there takes most members gone at once for a restart.",
		file: "internal/topology/topology.go",
		old:  `	case !wentOn && float64(`,
		new:  `	case float64(`,
	},
	{
		name: "about-to-expire-is-alive", breaks: "A heartbeat older than it can get counts as a sign of life for a new leader.",
		file: "internal/topology/topology.go",
		old:  `now.Sub(at) >= t.cfg.HeartbeatTTL {`,
		new:  `now.Sub(at) < 0 {`,
	},
	{
		name: "grace-zero", breaks: "A lost member is acted on at once, whatever its grace.",
		file: "internal/topology/topology.go",
		old:  `a := absence{since: now, due: now.Add(t.cfg.EmergencyGracePeriod)}`,
		new:  `a := absence{since: now, due: now}`,
	},
	{
		name: "mass-loss-not-held", breaks: "Many members that expire together are acted on at once.",
		file: "internal/topology/decide.go",
		old:  `if float64(suspects) > t.massLoss() {`,
		new:  `if suspects < 0 {`,
	},
	{
		name: "cooldown-ignored", breaks: "A planned change does not wait for the cooldown of the last one.",
		file: "internal/topology/decide.go",
		old:  `return later(later(at, t.cooldown), t.postponed)`,
		new:  `return later(at, t.postponed)`,
	},
	{
		name: "return-not-noticed", breaks: "A member that is back in time has lost its place.",
		file: "internal/topology/topology.go",
		old: `	t.changed = true
	delete(t.absent, worker)
`,
		new: `	t.changed = true
`,
	},
	{
		name: "window-not-adaptive", breaks: "A restart waits for its whole window although everybody is back.",
		file: "internal/topology/decide.go",
		old:  `t.living()-t.expiring(now) != len(t.members) {`,
		new:  `t.living()-t.expiring(now) <= len(t.members) {`,
	},
	{
		name: "expected-workers-ignored", breaks: "A cold start waits for its whole window although everyone expected is there.",
		file: "internal/topology/decide.go",
		old:  `if t.cfg.ExpectedWorkers == 0 || len(t.heard)-len(t.leaving) != t.cfg.ExpectedWorkers {`,
		new:  `if t.cfg.ExpectedWorkers >= 0 {`,
	},
	{
		name: "joiner-lost-and-forgotten", breaks: "A joiner that dies while it is planned for stays a member.",
		file: "internal/topology/topology.go",
		old: `		if _, alive := t.heard[m]; !alive {
			t.Lost(now, m)
		}
	}
	for _, w := range`,
		new: `		_ = m
	}
	for _, w := range`,
	},

	// Who should own what.
	{
		name: "scarce-forgotten", breaks: "A worker that lacks something gets nothing of the last partitions to give away.",
		file:   "strategy/weigh.go",
		old:    "\t\tleft -= weight\n",
		new:    "",
		likely: "WeighedWorkerLeaves",
	},
	{
		name: "band-filled-to-the-edge", breaks: "A fresh plan fills workers to the bound.",
		file:   "strategy/balance.go",
		old:    `in.band(math.Sqrt(bound))`,
		new:    `in.band(bound)`,
		likely: "HardlyMore",
	},
	{
		name: "stranger-given-the-owners", breaks: "A strategy from elsewhere is given the owners themselves, not copies.",
		file:   "strategy/prepared.go",
		old:    `slices.Clone(q.Previous), slices.Clone(q.Home)`,
		new:    `q.Previous, q.Home`,
		likely: "AskGivesCopies",
	},
	{
		name: "keys-shared", breaks: "Lists share the keys of their partitions with whoever asks for them.",
		file:   "strategy/prepared.go",
		old:    `out[i].Keys = keys[from:len(keys):len(keys)]`,
		new:    `_ = from`,
		likely: "StaysAsItWas",
	},
	{
		name: "small-capacities-rounded", breaks: "Of a capacity of 1 nothing is taken for what is pinned.",
		file:   "strategy/pinned.go",
		old:    `return max(1, min((defaultCapacity+least-1)/least, MaxWeight/most))`,
		new:    `return min(1, least, most)`,
		likely: "CapacitiesAreSmall",
	},
	{
		name: "grace-over-at-once", breaks: "A pool without workers spills over at once.",
		file:   "strategy/pools.go",
		old:    `d.Waited[cause] >= d.grace`,
		new:    `d.Waited[cause] >= 0`,
		likely: "SpillsOver",
	},
	{
		name: "grace-never-over", breaks: "A pool without workers never spills over.",
		file:   "strategy/pools.go",
		old:    `over := d.grace > 0 && d.Waited[cause] >= d.grace`,
		new:    `over := false`,
		likely: "SpillsOver",
	},
	{
		name: "ring-with-gaps", breaks: "A search on the ring goes on where no points were made.",
		file:   "strategy/ring.go",
		old:    `r.points[at]-h > reach*r.spacing {`,
		new:    `r.points[at]-h > 1<<62 {`,
		likely: "MadeInParts",
	},
	{
		name: "nobody-waits-for", breaks: "A plan may leave out partitions without saying that they wait.",
		file:   "strategy/prepared.go",
		old:    "\t\t\towners[at] = 0\n",
		new:    "\t\t\tclear(owners)\n",
		likely: "OrWaits",
	},

	// The leader: urgent before optional, never wedged.
	{
		name: "lookup-error-ignored", breaks: "A new leader that cannot find out how members went takes them for crashed.",
		file: "internal/leader/takeover.go",
		old: `	if f.Err != nil {
		l.end(FenceLost, fmt.Errorf("ask for absent members: %w", f.Err))
		return
	}
`,
		new: ``,
	},
	{
		name: "leaver-hurried", breaks: "An emergency gives away what a worker left that may still come back.",
		file: "internal/topology/decide.go",
		old:  `keeps := away && now.Before(a.due) && (!a.clean || !complete)`,
		new:  `keeps := away && now.Before(a.due) && !a.clean`,
	},
	{
		name: "newcomer-in-emergency", breaks: "An emergency admits newcomers before they have lived through their window.",
		file: "internal/topology/decide.go",
		old:  `(t.mature(now, w, n) || complete ||`,
		new:  `(t.mature(now, w, n) || d.Act || complete ||`,
	},
	{
		name: "silent-newcomer-admitted", breaks: "A newcomer that has been silent since before its window closed is admitted.",
		file: "internal/topology/decide.go",
		old:  ` && now.Sub(t.heard[worker]) <= 2*t.cfg.HeartbeatInterval`,
		new:  ``,
	},
	{
		name: "flapping-forgotten", breaks: "A worker that fails again and again is admitted like any other.",
		file: "internal/topology/flap.go",
		old:  `	for range len(t.flaps.recent(now, worker)) - 1 {`,
		new:  `	for range min(len(t.flaps.recent(now, worker)), 1) - 1 {`,
	},
	{
		name: "no-successor", breaks: "A worker that comes back under another ID has no past.",
		file: "internal/topology/flap.go",
		old: `	t.flaps.inherit(heir, worker)
`,
		new: ``,
	},
	{
		name: "urgent-moves", breaks: "A plan for what has no owner moves other partitions as well.",
		file: "internal/leader/plan.go",
		old:  `			if w != strategy.None && made.Next[i] != w {`,
		new:  `			if w == strategy.None && made.Next[i] != w && len(made.Next) < 0 {`,
	},
	{
		name: "absent-gets-new", breaks: "New partitions are given to members that are away.",
		file: "internal/leader/roster.go",
		old:  `		workers[i].Cordoned = away[id] || workers[i].Cordoned && !all`,
		new:  `		workers[i].Cordoned = away[id] && all && !all || workers[i].Cordoned && !all`,
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
		name: "grants-wait-for-the-strategy", breaks: "What has been released is granted only when the strategy has answered.",
		file: "internal/leader/leader.go",
		old:  `case l.writing != nil, now.Before(l.pace.write):`,
		new:  `case l.writing != nil, l.question != nil, now.Before(l.pace.write):`,
	},
	{
		name: "blind-leader-leads-on", breaks: "A leader that does not see the heartbeats leads on.",
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
		old: `		if !changed && l.question != nil {
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
		name: "old-format-ignored", breaks: "Records are written in the newest format whoever reads them.",
		file: "internal/leader/write.go",
		old:  `min(l.roster.format(), record.FormatPacked)`,
		new:  `record.FormatPacked`,
	},
	{
		name: "grant-not-touched", breaks: "A worker that begins a new session is not granted what is meant for it.",
		file: "internal/ledger/sessions.go",
		old: `	for _, p := range w.targets {
		l.touch(p)
	}
	for _, p := range w.held {`,
		new: `	for _, p := range w.held {`,
	},
	{
		name: "promise-not-broken", breaks: "What a worker was to get waits for that worker when it is gone.",
		file: "internal/leader/roster.go",
		old: `	l.breakPromises(id)
}`,
		new: `}`,
	},
	{
		name: "pending-capacity-forgotten", breaks: "A plan for something else makes a changed capacity forgotten.",
		file: "internal/leader/plan.go",
		old:  `	if d.Moves || !l.topo.Altered() {`,
		new:  `	if d.Moves || l != nil {`,
	},
	// The state machine.
	{
		name: "edge-missing", breaks: "The table has no way from Rebalancing back to a window.",
		file: "fsm/table.go",
		old:  `[]State{Stable, WaitingAssignment, Rebalancing, Emergency}, Scaling`,
		new:  `[]State{Stable, WaitingAssignment, Emergency}, Scaling`,
	},
	{
		name: "running-ends-like-a-start", breaks: "A worker that has been ready ends when the store says no.",
		file: "internal/member/start.go",
		old:  `if !m.ready && !f.Transient {`,
		new:  `if !f.Transient {`,
	},
	{
		name: "waiting-requests-pile-up", breaks: "What a session asked of the runner waits for the hook though the session is over.",
		file: "actors/runner.go",
		old:  `if q.everything || !before.everything {`,
		new:  `if q.everything && before.everything && q.shrink {`,
	},
	{
		name: "full-is-no-free-id", breaks: "A start that failed for another reason says that there was no free ID.",
		file: "internal/member/start.go",
		old:  `if errors.Is(m.claimErr, store.ErrNoFreeID) {`,
		new:  `if m.claimErr != nil {`,
	},
	{
		name: "more-replicas-refused", breaks: "A bucket with more replicas than asked for cannot be opened.",
		file: "kv/open.go",
		old:  `case is.Replicas < want.Replicas:`,
		new:  `case is.Replicas != want.Replicas:`,
	},
	{
		name: "edge-added", breaks: "The table lets a worker without an ID become Stable.",
		file: "fsm/table.go",
		old:  `[]State{WaitingAssignment}, Stable`,
		new:  `[]State{WaitingAssignment, ClaimingID}, Stable`,
	},
	{
		name: "event-not-allowed-ignored", breaks: "An event that the table does not allow is no error.",
		file: "fsm/machine.go",
		old:  `return from, from, fmt.Errorf("%w: event %s in state %s", ErrNotAllowed, event, from)`,
		new:  `_ = fmt.Errorf("%w", ErrNotAllowed)`,
	},
	{
		name: "stable-without-assignment", breaks: "A worker that waits for its first assignment becomes Stable with the group.",
		file: "internal/member/phase.go",
		old:  `case state == fsm.WaitingAssignment && applied:`,
		new:  `case state == fsm.WaitingAssignment:`,
	},
	{
		name: "answer-unchecked", breaks: "A plan of a faulty strategy is taken as it comes.",
		file:   "strategy/prepared.go",
		old:    `	return p, q.check(p)`,
		new:    `	return p, nil`,
		likely: "FaultyStrategy",
	},
	{
		name: "strategy-unlimited", breaks: "A strategy that does not return holds the leader up for an hour.",
		file:   "actors/props.go",
		old:    `newStrategist(set.Strategy, set.Store.OperationTimeout)`,
		new:    `newStrategist(set.Strategy, 1000*set.Store.OperationTimeout)`,
		likely: "FaultyStrategy",
	},
	{
		name: "drift-ignored", breaks: "The slightest change of a weight makes a plan.",
		file:   "internal/leader/sources.go",
		old:    `if kind == topology.Weights && !l.drifted() {`,
		new:    `if kind == topology.Weights && !l.drifted() && l == nil {`,
		likely: "Drift|Inert",
	},
	{
		name: "home-forgotten", breaks: "What a worker had is forgotten as soon as it is given away.",
		file:   "internal/ledger/ledger.go",
		old:    `if p.target != nil && (p.home == nil || p.home.member) {`,
		new:    `if p.target != nil {`,
		likely: "ComesBack",
	},
	{
		name: "cordon-not-told", breaks: "A worker that is cordoned does not say so.",
		file:   "actors/heartbeat.go",
		old:    `Cordoned: h.cordoned, Leaving`,
		new:    `Cordoned: false, Leaving`,
		likely: "Inert",
	},
	{
		name: "unreadable-record-ignored", breaks: "A new leader grants what is named in a record that it cannot read.",
		file: "internal/leader/takeover.go",
		old: `		l.ledger.Unreadable(id)
`,
		new:    ``,
		likely: "GarbageMakesNoSecondOwner",
	},
	{
		name: "overwritten-heartbeat-ignored", breaks: "A worker whose heartbeat somebody overwrote counts as gone at once, for a new leader.",
		file: "internal/leader/leader.go",
		old: `		l.garbled(now, f)
`,
		new:    ``,
		likely: "GarbageMakesNoSecondOwner|CanDieAllTheSame",
	},
	{
		name: "granted-before-known", breaks: "An empty record is not asked to be acknowledged before what cannot be read is granted.",
		file:   "internal/ledger/propose.go",
		old:    `p.holder == nil && l.unread == 0 &&`,
		new:    `p.holder == nil &&`,
		likely: "Scripts",
	},
	{
		name: "question-asked-once", breaks: "A question that nobody answers, as while a cluster elects a leader, is asked once.",
		file:   "kv/read.go",
		old:    `again := err != nil && attempt.Err() != nil && ctx.Err() == nil`,
		new:    `again := false`,
		likely: "AskedAgain",
	},
	{
		name: "other-capacity-ignored", breaks: "A new leader does not see that a worker has another capacity than was planned for.",
		file: "internal/leader/leader.go",
		old: `		l.compareMembers(now)
`,
		new:    ``,
		likely: "CapacityThatChanged",
	},
	{
		name: "id-may-be-free", breaks: "A hook that gives up may run until the heartbeat expires, although the ID is free sooner.",
		file:   "internal/member/session.go",
		old:    `return earlier(by(m.session.beat, m.cfg.HeartbeatTTL), by(m.session.claim, m.cfg.WorkerIDTTL))`,
		new:    `return by(m.session.beat, m.cfg.HeartbeatTTL)`,
		likely: "HookHasToReturn",
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
		name: "unread-held-counts-as-known", breaks: "What only an unreadable record named is granted while a handler of it has not returned.",
		file: "internal/ledger/sessions.go",
		old:  `w.applied >= u.since && len(w.holding) == 0 {`,
		new:  `w.applied >= u.since {`,
	},
	{
		name: "fewer-held-is-no-news", breaks: "A partition that is let go after its version was acknowledged is never granted.",
		file: "internal/ledger/sessions.go",
		old:  `applied == w.applied && slices.Equal(holding, w.holding) {`,
		new:  `applied == w.applied {`,
	},
	{
		name: "holding-in-the-oldest-format", breaks: "A release that ignores what is held takes it for let go.",
		file: "internal/record/encoding.go",
		old: `		return FormatHolding
`,
		new: `		return Oldest
`,
	},
	{
		name: "holding-for-who-cannot-read-it", breaks: "A worker lists what is held where somebody in the group cannot read that.",
		file: "actors/heartbeat.go",
		old:  `len(held.Holding) <= mostHeld && h.reads >= kv.FormatHolding {`,
		new:  `len(held.Holding) <= mostHeld {`,
	},
	{
		name: "too-many-held-are-cut-off", breaks: "A worker acknowledges a version although its list of what is held is incomplete.",
		file: "actors/heartbeat.go",
		old:  `len(held.Holding) <= mostHeld && h.reads >= kv.FormatHolding {`,
		new:  `h.reads >= kv.FormatHolding {`,
	},
	{
		name: "two-handlers-at-once", breaks: "The handler of a partition begins while the one before it has not returned.",
		file: "actors/handlers.go",
		old: `		if h.ending[id] != nil {
			h.waiting[id] = want
			continue
		}
`,
		new: ``,
	},
	{
		name: "new-epoch-in-an-old-run", breaks: "A handler goes on under an epoch that is not its partition's any more.",
		file: "actors/handlers.go",
		old:  `if want, ok := q.target[id]; !ok || want.epoch != o.epoch {`,
		new:  `if _, ok := q.target[id]; !ok {`,
	},
	{
		name: "waiting-handler-without-trust", breaks: "A handler that waited for the one before it begins although the trust is over.",
		file: "actors/handlers.go",
		old:  `if want, ok := h.waiting[id]; ok && h.trusted() {`,
		new:  `if want, ok := h.waiting[id]; ok {`,
	},
	{
		name: "valid-without-trust", breaks: "An ownership is valid until somebody notices that the trust is over.",
		file: "actors/ownership.go",
		old:  `if err == nil && !o.warrant.trusted() {`,
		new:  `if err == nil && o.warrant == nil {`,
	},
	{
		name: "fenced-but-held", breaks: "A handler whose worker is fenced may go on finishing what it has begun.",
		file: "actors/ownership.go",
		old: `		t.cancelHeld(cause)
`,
		new: ``,
	},
	{
		name: "let-go-but-valid", breaks: "An ownership is valid although its partition has been let go.",
		file: "actors/handlers.go",
		old: `	o.cancelHeld(context.Cause(o.ctx))
`,
		new: ``,
	},
	{
		name: "deaf-handler-keeps-its-worker-out", breaks: "A fenced worker does not rejoin while one handler is deaf.",
		file: "internal/member/winddown.go",
		old: `		m.do(&Abandon{w.generation})
`,
		new: ``,
	},
	{
		name: "failed-handler-not-called-again", breaks: "A handler that failed is not called again.",
		file: "actors/partition.go",
		old: `	p.after(jitter(p.pause), &againDue{})
`,
		new: ``,
	},
	{
		name: "unlisted-counts-as-revoked", breaks: "The handler of a partition that is listed no more is told that another worker gets it.",
		file: "actors/follower.go",
		old:  `		if unlisted[partition] {`,
		new:  `		if unlisted[partition] && record.Worker == "" {`,
	},
	{
		name: "end-of-a-handler-not-told", breaks: "The leader is told that a handler has returned only with the next heartbeat that is due.",
		file: "actors/heartbeat.go",
		old: `	case *heldChanged:
		h.hurry()`,
		new: `	case *heldChanged:`,
	},
	{
		name: "handler-not-told-to-end", breaks: "A handler that waits is not told that its partition is to be let go.",
		file: "actors/partition.go",
		old: `	case !p.working:
		p.root.Stop(p.self)`,
		new: `	case !p.working:`,
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
		old:    `own = remaining(own, store.Left(own[0].Bucket))`,
		new:    `own = store.Left(own[0].Bucket)`,
		likely: "OnlyWhatTheSessionBeforeLeft",
	},
	{
		name: "removal-beside-its-writer", breaks: "What a worker has in a bucket is deleted while an actor may still write there.",
		file: "internal/member/winddown.go",
		old:  `m.runs[writers[b]] > 0 || `,
		new:  ``,
	},
	{
		name: "fenced-rejoin-deletes", breaks: "A session that is lost deletes its heartbeat, and its worker seems to have left cleanly.",
		file: "internal/member/winddown.go",
		old:  `m.runs[writers[b]] > 0 || w.rejoin && w.fenced {`,
		new:  `m.runs[writers[b]] > 0 {`,
	},
	{
		name: "fenced-leave-leaves-entries", breaks: "A leave without trust takes its entries for gone.",
		file: "internal/member/winddown.go",
		old:  `	return w.gone[store.Election] && w.gone[store.Heartbeats] && w.gone[store.StableIDs]`,
		new:  `	return w.fenced || w.gone[store.Election] && w.gone[store.Heartbeats] && w.gone[store.StableIDs]`,
	},
	{
		name: "stop-lets-the-hook-run", breaks: "A stop leaves the hook that runs its context.",
		file: "actors/perform.go",
		old: `		m.life.tenure.wind(e.Why)
`,
		new: `		_ = e.Why
`,
		likely: "AStopCancels",
	},
	{
		name: "hooks-take-the-whole-budget", breaks: "A hook that heeds its context leaves no time to delete the entries.",
		file:   "internal/member/winddown.go",
		old:    `return m.leaveBy.Add(-m.cfg.ShutdownTimeout / 8)`,
		new:    `return m.leaveBy.Add(m.cfg.ShutdownTimeout)`,
		likely: "ShareOneBudget",
	},
	{
		name: "end-takes-a-second-budget", breaks: "What is still to be told after a leave has another ShutdownTimeout for it.",
		file:   "actors/props.go",
		old:    `		until = l.leaveBy.Add(limit / 64)`,
		new:    `		until = l.leaveBy.Add(limit)`,
		likely: "ShareOneBudget",
	},
	{
		name: "left-and-not-told", breaks: "A stop that left entries in the store says that it was clean.",
		file:   "actors/props.go",
		old:    `		l.view.left.Store(&err)`,
		new:    `		_ = err`,
		likely: "AStopNames",
	},
	{
		name: "ended-with-an-id", breaks: "A worker that has ended still says that it holds an ID.",
		file:   "actors/props.go",
		old:    `	status.WorkerID, status.Session = "", 0`,
		new:    ``,
		likely: "HasEndedHasNoID",
	},
	{
		name: "panic-ends-the-leave", breaks: "A manager that panics while it leaves leaves its entries in the store.",
		file:   "internal/member/member.go",
		old:    `		m.leaveGoesOn(now, ErrPanic)`,
		new:    `		m.finish(false)`,
		likely: "PanicsWhileItLeaves",
	},
	{
		name: "over-context-stops-nothing", breaks: "A stop whose context is over already does not wait.",
		file: "parti.go",
		old: `	if ctx.Err() != nil {
		return m.Close()`,
		new: `	if m == nil {
		return m.Close()`,
		likely: "OverAlready",
	},
	{
		name: "unanswered-write-forgotten", breaks: "Nobody remembers a write of which the answer was lost.",
		file: "kv/book.go",
		old:  `	s.holder.book.writing(l)`,
		new:  ``,
	},
	{
		name: "unanswered-renewal-lasts-once", breaks: "An entry whose renewal was not answered counts as expired one TTL after it was sent.",
		file: "kv/book.go",
		old:  `2*l.TTL + lateExpiry`,
		new:  `l.TTL + lateExpiry`,
	},
	{
		name: "late-first-write-stored", breaks: "A first write that arrives after its release is stored.",
		file: "kv/lease.go",
		old:  `case l.Revision == 0 && (absent || entry.Kind != Put):`,
		new:  `case l.Revision == 0 && (absent || entry.Kind != Put) && l.TTL < 0:`,
	},
	// Draining and cordoning.
	{
		name: "drain-not-told", breaks: "A worker that drains does not say that it leaves.",
		file:   "actors/heartbeat.go",
		old:    `Leaving: h.leaving, Failed`,
		new:    `Leaving: false, Failed`,
		likely: "ADrainHandsEverythingOver",
	},
	{
		name: "standing-told-later", breaks: "A drain or a cordon waits for the next heartbeat.",
		file:   "actors/drain.go",
		old:    "h.stood = h.hurry()",
		new:    `h.stood = h.question`,
		likely: "ACordonTakesEffectAtOnce",
	},
	{
		name: "drain-forgotten-on-rejoin", breaks: "A worker that drains and loses its session is a newcomer like any other in the next.",
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
		name: "cordon-before-start-lost", breaks: "A cordon before the start is forgotten.",
		file:   "drain.go",
		old:    `		m.view.Begin(cordoned)`,
		new:    `		_ = cordoned`,
		likely: "ACordonBeforeTheStart",
	},
	{
		name: "drain-of-a-starter-waits", breaks: "A worker without an assignment waits for the leader when it is asked to drain.",
		file:   "internal/member/stand.go",
		old:    `	if !m.ready {`,
		new:    `	if m.ready && !m.applied {`,
		likely: "WaitsForItsFirstAssignmentJustStops",
	},
	{
		name: "drained-before-granted", breaks: "A leader that drains leaves before what it had is granted to others.",
		file:   "internal/member/following.go",
		old:    `is := f.synced && !f.recorded`,
		new:    `is := f.synced`,
		likely: "ADrainHandsEverythingOver",
	},
	{
		name: "drained-leader-leaves-others", breaks: "A leader that drains leaves while the handoffs of others are under way.",
		file:   "internal/member/stand.go",
		old:    `	if m.session.leads && (`,
		new:    `	if !m.session.leads && m.session.leads && (`,
		likely: "ALeaderThatDrainsStays",
	},
	{
		name: "drain-left-unsaid", breaks: "A drain that ends early says that it is complete.",
		file: "internal/member/winddown.go",
		old: `		m.do(&NoteLeft{})
`,
		new: `		_ = f.Cause
`,
		likely: "AStopEndsADrain",
	},
	{
		name: "leaver-granted", breaks: "A worker that leaves is granted what was on its way to it.",
		file: "internal/ledger/propose.go",
		old:  `(!p.target.leaving || l.allLeave())`,
		new:  `true`,
	},
	{
		name: "let-go-for-a-leaver", breaks: "A worker lets go of what nobody will take, because the worker that should have it leaves.",
		file: "internal/ledger/propose.go",
		old:  `p.target != p.holder && !p.target.leaving`,
		new:  `p.target != p.holder`,
	},
	{
		name: "leaver-may-stay-unnoticed", breaks: "A later session that stays does not get what it should have.",
		file: "internal/ledger/ledger.go",
		old: `	w.leaving = leaves
	for _, p := range w.targets {
		l.touch(p)
	}
`,
		new: `	w.leaving = leaves
`,
	},
	{
		name: "leaver-keeps-its-home", breaks: "What a drained worker had is still at home with its ID.",
		file: "internal/leader/roster.go",
		old:  `	if !w.leaving {`,
		new:  `	if !w.leaving || id != "" {`,
	},
	{
		name: "leavers-rebalanced", breaks: "Where all leave, partitions are moved between them.",
		file: "internal/leader/plan.go",
		old:  `d.Moves && l.roster.takes(d.Members, away)`,
		new:  `d.Moves`,
	},
	{
		name: "leavers-left-alone", breaks: "Where all leave, what has no owner is given to none of them.",
		file: "internal/ledger/propose.go",
		old:  `(!p.target.leaving || l.allLeave())`,
		new:  `!p.target.leaving`,
	},
	{
		name: "returned-planned-without", breaks: "A plan is adopted that was made without a member that has come back meanwhile.",
		file: "internal/leader/plan.go",
		old:  `if l.anew = !l.anew && l.returned(a.decision.Members); l.anew {`,
		new:  `if false {`,
	},
	{
		name: "overdue-entry-deleted", breaks: "An entry that is about to expire is deleted: the marker of its expiry may end what another stores next.",
		file: "kv/lease.go",
		old:  `time.Now().Before(s.holder.book.acked(l.Chain).Add(ripe(l.TTL)))`,
		new:  `true`,
	},
	{
		name: "emptied-store-believed", breaks: "A leader that finds an emptied store grants what sessions hold that have applied more than the store knows.",
		file: "internal/leader/plan.go",
		old: `	if !l.draft.planned {
		l.ledger.Forgotten(l.newest, now.UnixMilli())
	}
`,
		new: ``,
	},
	{
		name: "older-copy-believed", breaks: "A leader grants what sessions hold of which an older copy of the store knows nothing.",
		file: "internal/leader/takeover.go",
		old:  `if l.draft.planned { // otherwise they go on until there is a plan`,
		new:  `if false {`,
	},
	{
		name: "lost-term-from-zero", breaks: "A term that was overwritten begins at one again, below the plan's: everybody takes the store for an older copy, for good.",
		file: "kv/term.go",
		old:  `return plan.Term, err`,
		new:  `return 0, err`,
	},
	{
		name: "garbage-has-an-end", breaks: "A heartbeat that is no record is waited for, though it never expires.",
		file: "kv/lease.go",
		old:  `if b != Heartbeats || entry.Token == "" {`,
		new:  `if b != Heartbeats {`,
	},
	{
		name: "quick-confirmations", breaks: "Listings in one instant confirm that most of the list is gone.",
		file: "internal/leader/shrink.go",
		old:  `case !now.Before(s.shrunk.last.Add(relistFirst)):`,
		new:  `default:`,
	},
	{
		name: "leaver-awaited", breaks: "A worker that announced that it leaves is awaited like one that may come back.",
		file: "internal/topology/topology.go",
		old: `	if t.leaving[worker] {
		due = now
	}
`,
		new: ``,
	},
	{
		name: "leaver-expected", breaks: "A worker that leaves counts as one of those that are expected.",
		file: "internal/topology/decide.go",
		old:  `len(t.heard)-len(t.leaving) != t.cfg.ExpectedWorkers`,
		new:  `len(t.heard) != t.cfg.ExpectedWorkers`,
	},
	// Identity beyond a session and a process.
	{
		name: "live-claim-taken-over", breaks: "A preferred ID is taken over although its session has a heartbeat.",
		file: "kv/takeover.go",
		old:  `if err != nil || !silent {`,
		new:  `if err != nil || !silent && age < 0 {`, likely: "PreferredID",
	},
	{
		name: "young-claim-taken-over", breaks: "A preferred ID is taken over although its session may just begin.",
		file: "kv/takeover.go",
		old:  `case !s.old(claim, age, opts.Watched), !time.Now().Before(until):`,
		new:  `case !time.Now().Before(until):`, likely: "PreferredID",
	},
	{
		name: "renewed-claim-is-old", breaks: "A claim counts as old since it was first seen, though it was renewed.",
		file: "kv/takeover.go",
		old:  `claim.Revision == watched.Revision && time.Since`,
		new:  `watched.Revision != 0 && time.Since`, likely: "PreferredID",
	},
	{
		name: "servers-clocks-agree", breaks: "What two servers say of the age of a claim counts without a margin.",
		file: "kv/takeover.go",
		old:  `return age >= 2*ttl ||`,
		new:  `return age >= ttl ||`, likely: "PreferredID",
	},
	{
		name: "expiring-claim-taken-over", breaks: "A claim is taken over just before the marker of its expiry.",
		file: "kv/takeover.go",
		old:  `TTL: s.TTL(StableIDs)}.TrustedUntil()`,
		new:  `TTL: 2 * s.TTL(StableIDs)}.TrustedUntil()`, likely: "Identity",
	},
	{
		name: "silence-not-proved", breaks: "That a read finds no heartbeat counts as proof that there is none.",
		file: "kv/takeover.go",
		old: `	err = s.end(ctx, entry)
	if errors.Is(err, errConflict) {
		return false, nil
	}
	return err == nil, err`,
		new: `	return true, nil`, likely: "PreferredID",
	},
	{
		name: "everyone-is-dead", breaks: "With a StateDir any claim is taken for that of a dead process.",
		file: "kv/takeover.go",
		old:  `return slices.ContainsFunc(dead, e.Token.Of) }`,
		new:  `return len(dead) > 0 }`, likely: "StateIs",
	},
	{
		name: "dead-leader-awaited", breaks: "The lease on leadership of a dead process is left to expire.",
		file: "actors/identity.go",
		old:  `		err = store.EndLeadership(ctx, l.dead)`,
		new:  ``, likely: "StateIs",
	},
	{
		name: "expiring-heartbeat-overwritten", breaks: "The heartbeat of an earlier session is written over just before the marker of its expiry.",
		file: "kv/takeover.go",
		old:  `ripe(s.TTL(e.Bucket)) - age)`,
		new:  `s.TTL(e.Bucket)*2 - age)`, likely: "AboutToExpire|StateIs",
	},
	{
		name: "first-heartbeat-any-time", breaks: "A session may begin long after its claim, when others take it for over.",
		file: "actors/perform.go",
		old: `			h.begun = e.Begun
`,
		new:    ``,
		likely: "FirstHeartbeat",
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
	{
		name: "end-proves-death", breaks: "The file proves a process dead that has only released its lock.",
		file: "internal/statedir/statedir.go",
		old:  `d.write(State{Group: d.state.Group, Worker: d.state.Worker})`,
		new:  `d.write(d.state)`, likely: "NoDeadProcess",
	},
	{
		name: "other-groups-file", breaks: "The file of another group is trusted.",
		file: "internal/statedir/statedir.go",
		old:  `if d.state.Group == group {`,
		new:  `if d.state.Group != "" {`, likely: "StateIs",
	},
	{
		name: "own-holder-is-dead", breaks: "What this process wrote before it began anew counts as that of a dead one.",
		file: "internal/statedir/statedir.go",
		old:  `if h != holder && !slices.Contains(d.own, h) {`,
		new:  `if h != holder {`, likely: "StateIs",
	},
	{
		name: "no-lock", breaks: "Two workers share a StateDir.",
		file: "internal/statedir/statedir.go",
		old:  `	case !held:`,
		new:  `	case !held && lock == nil:`, likely: "StateDir",
	},
	{
		name: "proof-dropped-too-early", breaks: "A process that dies before its claim loses the proof that the one before is dead.",
		file: "internal/statedir/statedir.go",
		old:  `next.Holders = slices.Concat(dead, d.own)`,
		new:  `next.Holders = d.own`, likely: "StateIs",
	},

	// What is told of a wait.
	{
		name: "call-not-bounded", breaks: "A hook that hangs is nobody's wait.",
		file:   "internal/member/waits.go",
		old:    `	m.await("", w)`,
		new:    `	_ = w`,
		likely: "HookThatHangs",
	},
	{
		name: "wait-told-again", breaks: "The end of a wait does not end what is said of it.",
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
		name: "stuck-not-in-heartbeat", breaks: "The heartbeat does not say what its worker waits for.",
		file: "internal/member/waits.go",
		old: `	m.tellHeartbeat(&Complain{lines})
`,
		new:    ``,
		likely: "HookThatHangs",
	},
	{
		name: "wait-before-deadline", breaks: "What is waited for counts as stuck from the beginning.",
		file:   "actors/status.go",
		old:    `		if !now.Before(w.Due) {`,
		new:    `		if !now.Before(w.Since) {`,
		likely: "HookThatHangs",
	},
	{
		name: "give-up-not-bounded", breaks: "That a session does not end because a hook does not return is nobody's wait.",
		file: "internal/member/winddown.go",
		old: `	m.awaitGiveUp(now)
`,
		new:    ``,
		likely: "AfterSelfFencing",
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
		old:    `	case kv.UpdateBlind:`,
		new:    `	case kv.UpdateBlind + 100:`,
		likely: "RetriesInSilence",
	},
	{
		name: "blind-at-once", breaks: "A feed that sees nothing for a moment is an error at once.",
		file:   "actors/waits.go",
		old:    `due: now.Add(store.TTL(kv.Heartbeats))`,
		new:    `due: now`,
		likely: "RetriesInSilence",
	},
	{
		name: "direct-get-not-checked", breaks: "A feed does not see that direct get was switched off while nothing changes.",
		file:   "kv/feed.go",
		old:    `	if !info.Config.AllowDirect {`,
		new:    `	if false {`,
		likely: "DirectGet",
	},
	{
		name: "direct-get-not-named", breaks: "A snapshot that nobody answers does not say that direct get is off.",
		file:   "kv/read.go",
		old:    `err == nil && !info.Config.AllowDirect {`,
		new:    `err != nil && !info.Config.AllowDirect {`,
		likely: "DirectGet",
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
	{
		name: "id-wait-not-bounded", breaks: "A worker that finds no ID again waits in silence.",
		file: "internal/member/start.go",
		old: `	m.awaitID(now)
`,
		new:    ``,
		likely: "FindsNoIDAgain",
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
		name: "grants-without-deadline", breaks: "A leader does not notice that what it granted is not taken up.",
		file:   "internal/leader/plan.go",
		old:    `		l.reportUnapplied(r)`,
		new:    ``,
		likely: "HookThatHangs",
	},
	{
		name: "unapplied-again", breaks: "A worker that does not take up what it is granted is reported with every plan.",
		file:   "internal/leader/told.go",
		old:    `if !is || l.roster.behind[id] > 0 {`,
		new:    `if !is {`,
		likely: "HookThatHangs",
	},
	{
		name: "unapplied-never-again", breaks: "A worker that has caught up is never reported again.",
		file:   "internal/leader/told.go",
		old:    `told && f.Applied >= version {`,
		new:    `told && f.Applied > version+1 {`,
		likely: "HookThatHangs",
	},
	{
		name: "found-grants-without-deadline", breaks: "A new leader does not wait for anybody to apply what the one before stored.",
		file:   "internal/leader/takeover.go",
		old:    `now.Add(l.cfg.HandoffTimeout), l.ledger.Records()}`,
		new:    `now.Add(l.cfg.HandoffTimeout), nil}`,
		likely: "Scripts",
	},
	{
		name: "ended-session-unapplied", breaks: "A session that is over is reported for not having applied its record.",
		file:   "internal/ledger/queries.go",
		old:    `	if !w.alive() || w.number != r.Session || w.applied`,
		new:    `	if !w.alive() || w.applied`,
		likely: "Scripts",
	},
	{
		name: "stuck-worker-told-with-each-heartbeat", breaks: "A leader reports what a worker waits for with each heartbeat.",
		file:   "internal/leader/told.go",
		old:    `	if slices.Equal(before, f.Stuck) {`,
		new:    `	if before = nil; len(f.Stuck) == 0 {`,
		likely: "Scripts",
	},
	{
		name: "gathering-said-again", breaks: "A cold start says with each worker for how many more it waits.",
		file:   "internal/leader/told.go",
		old:    `	if gathers == l.gathers {`,
		new:    `	if !gathers && !l.gathers {`,
		likely: "Scripts",
	},
	{
		name: "format-not-bounded", breaks: "A worker that cannot read its record takes nothing up and is healthy.",
		file: "internal/member/lead.go",
		old: `		m.awaitFormat(now, f.Err)
`,
		new: `		_ = m.awaitFormat
`,
		likely: "CannotApplyWhatItReads",
	},
	{
		name: "why-without-names", breaks: "The reason of a plan does not name the workers that it is about.",
		file:   "internal/topology/decide.go",
		old:    `	if len(workers) == 0 {`,
		new:    `	if len(workers) < 100 {`,
		likely: "TheLog",
	},
	{
		name: "request-to-leave-lost", breaks: "A request to leave is lost with the manager that fails over it.",
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
		name: "prior-claim-as-it-was", breaks: "A worker that takes long to give up takes its own claim for expired, and waits for it.",
		file: "internal/member/session.go",
		old: `		m.prior = &claim
	}
	if`,
		new: `		_ = claim
	}
	if`,
	},
	{
		name: "held-up-is-late", breaks: "A worker that was held up judges that nothing happened before it hears what did.",
		file: "internal/member/member.go",
		old:  "	case *Ticked:\n		m.tick(now, f.At)",
		new:  "	case *Ticked:\n		m.tick(now, now)",
	},
	{
		name: "ended-session-trusted-again", breaks: "A heartbeat that is acknowledged late extends the trust in a session that is over.",
		file: "internal/member/session.go",
		old: `		m.degrade(false)
		return // what is over stays over`,
		new: `		m.degrade(false)`,
	},
	{
		name: "store-opened-twice", breaks: "A worker opens the store while it is being opened, and two claimers follow.",
		file: "internal/member/start.go",
		old:  `	m.opens = true`,
		new:  `	m.opens = false`,
	},
	{
		name: "elected-without-trust", breaks: "A worker that hears late of the heartbeat for its term leads without trust.",
		file: "internal/member/lead.go",
		old: `		m.tellHeartbeat(&Beat{m.session.fence}) // this was heard of late; what comes next decides
		return`,
		new: ``,
	},
	{
		name: "elector-without-trust", breaks: "An elector is replaced although the trust is over and only not said to be.",
		file: "internal/member/lead.go",
		old:  `	case m.trusted(now):`,
		new:  `	case now.After(m.session.joined):`,
	},
	{
		name: "failed-elector-keeps-its-term", breaks: "A worker leads in the term of an elector that has failed, and not in the next one.",
		file: "internal/member/failure.go",
		old:  `		m.session.fence = store.Fence{} // what`,
		new:  `		_ = store.Fence{} // what`,
	},

	// What is measured.
	{
		name: "ownerless-since-the-marker", breaks: "What a crashed worker had counts as ownerless only since its heartbeat expired.",
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
	// The journal, and who observes.
	{
		name: "journal-for-those-who-cannot-tell", breaks: "There is a journal while a release takes part that would take it for records.",
		file:   "kv/journal.go",
		old:    `p.format < record.FormatPacked`,
		new:    `p.format < record.Oldest`,
		likely: "EarlierRelease",
	},
	{
		name: "journal-in-snapshots", breaks: "A snapshot of the assignments asks for the journal as well.",
		file:   "kv/read.go",
		old:    "	if b != Assignments {\n		return s.readChunk",
		new:    "	if b < buckets {\n		return s.readChunk",
		likely: "LeaveTheJournalOut",
	},
	{
		name: "journal-without-permission", breaks: "A leader that may not write the journal cannot store a plan.",
		file:   "kv/planwrite.go",
		old:    `!s.mayKeepJournal(ctx)`,
		new:    `!s.mayKeepJournal(ctx) && s == nil`,
		likely: "DocumentedPermissions",
	},
	{
		name: "journal-without-former", breaks: "The journal does not tell who had a partition before.",
		file: "internal/ledger/ledger.go",
		old: `	p.former = p.holder
`,
		new:    ``,
		likely: "HistoryTells",
	},
	{
		name: "ended-session-owns", breaks: "To an observer a worker that is gone owns what its record says.",
		file:   "observe/model.go",
		old:    `return w.session > max(w.beat.Session, w.gone)`,
		new:    `return w.session > 0`,
		likely: "WhileItsSessionMayLive",
	},
	{
		name: "observer-believes-lower-epoch", breaks: "Of two records that name a partition an observer believes the one that it was told last.",
		file:   "observe/model.go",
		old:    `if h.worker.partitions[h.at].Epoch > p.Epoch {`,
		new:    `if h.worker == nil {`,
		likely: "TheHigherEpochCounts",
	},

	// What is asked from outside.
	{
		name: "control-speaks-untrusted", breaks: "A worker whose trust is over does what it is asked, and answers.",
		file: "actors/desk.go",
		old:  `return s.number != 0 && !s.trust.silent.Load() && s.trust.valid()`,
		new:  `return s.number != 0 && !s.trust.silent.Load()`,
	},
	{
		name: "control-any-session", breaks: "A request reaches whoever has the ID by then.",
		file: "actors/desk.go",
		old:  `case r.Session != 0 && r.Session != s.number:`,
		new:  `case r.Session != 0 && r.Session != s.number && s.number == 0:`,
	},
	{
		name: "control-client-names-no-session", breaks: "The client asks again without the session that it has found.",
		file: "internal/control/client.go",
		old:  `		c.request.Session = first.Session`,
		new:  `		_ = first.Session`,
	},
	{
		name: "control-drain-answered-at-once", breaks: "A drain is answered before anything is handed over.",
		file: "actors/desk.go",
		old:  `	case r.Action == control.Hello:`,
		new: `	case r.Action == control.Drain:
		d.undertake(e, r)
		d.say(e, nil)
	case r.Action == control.Hello:`,
	},
	{
		name: "control-farewell-after-the-end", breaks: "Those who asked for a drain are told when the tree has ended and the connection may be closed.",
		file: "actors/props.go",
		old: `	l.farewell()
	l.measures.meter.Close(ctx.Done())
	close(l.view.done)`,
		new: `	l.measures.meter.Close(ctx.Done())
	close(l.view.done)
	<-time.After(50 * time.Millisecond)
	l.farewell()`,
	},
	{
		name: "control-cordon-not-awaited", breaks: "A cordon is answered before a heartbeat says so.",
		file: "actors/drain.go",
		old:  `if h.lease.Revision == 0 || !h.hold.Settled(h.stood) {`,
		new:  `if h.lease.Revision == 0 {`,
	},
	{
		name: "control-cordon-answered-at-once", breaks: "A cordon is answered when it is asked for.",
		file: "actors/outside.go",
		old:  `		m.tellChild(member.Heartbeat, &attest{round: msg.round})`,
		new:  `		m.tellChild(kindDesk, &attested{round: msg.round})`,
	},
	{
		name: "control-opposite-waits", breaks: "Who asked for a cordon that was taken back is told that it is done.",
		file: "actors/errand.go",
		old:  `return isCordon(other.action) && other.action != e.action`,
		new:  `return false`,
	},
	{
		name: "control-forgets-nobody", breaks: "The end of a drain is told under a session that was over before.",
		file: "actors/outside.go",
		old: `	if m.session.trust != nil {
		m.session.trust.forgotten.Store(true)
	}
	m.life.askers.Store(nil)`,
		new: ``,
	},
	{
		name: "control-noted-late", breaks: "Who is noted after the session was forgotten is told of the end under its ID.",
		file: "actors/farewell.go",
		old:  `t.forgotten.Load() || !t.silent.Load()`,
		new:  `!t.silent.Load()`,
	},
	{
		name: "control-answers-anywhere", breaks: "Whoever may ask has a worker write into a bucket.",
		file: "kv/control.go",
		old:  `return control.Answerable(reply) && !strings.HasPrefix(reply, s.prefix)`,
		new:  `return reply != "" && !strings.HasPrefix(reply, s.prefix)`,
	},
	{
		name: "control-answers-the-api", breaks: "Whoever may ask has a worker ask JetStream, under a prefix of the user's own, for something.",
		file: "kv/control.go",
		old:  `return control.Answerable(reply) && !strings.HasPrefix(reply, s.prefix)`,
		new:  `return control.Answerable(reply) && !strings.HasPrefix(reply, "$"+s.prefix)`,
	},
	{
		name: "control-bound-forgotten", breaks: "A drain from outside goes on after its time.",
		file: "actors/outside.go",
		old:  `m.step(&member.DrainAsked{By: msg.by})`,
		new:  `m.step(&member.DrainAsked{})`,
	},
	{
		name: "control-bound-lost-in-a-panic", breaks: "The time of a drain is forgotten when the manager is restarted.",
		file: "internal/member/member.go",
		old:  `	m.drainWithin(now, m.cfg.Before.DrainBy)`,
		new:  ``,
	},
	{
		name: "control-late-bound", breaks: "A later request gives a drain more time.",
		file: "internal/member/stand.go",
		old:  `		m.dueBy(dueDrain, now, by)`,
		new:  `		m.due(dueDrain, now, by)`,
	},
	{
		name: "control-desk-not-begun-anew", breaks: "A worker whose desk has failed listens no more.",
		file: "actors/outside.go",
		old:  `	m.after(deskPause, &deskDue{})`,
		new:  ``,
	},
	{
		name: "control-desk-counts", breaks: "A desk that fails again and again ends the worker, or the session.",
		file: "actors/manager.go",
		old:  `			m.deskFailed(f.err)`,
		new: `			m.deskFailed(f.err)
			m.step(&member.Failed{Kind: member.Follower, Err: f.err})`,
	},
	{
		name: "control-any-bucket", breaks: "A worker hears what is meant for a bucket of the same name elsewhere.",
		file: "actors/desk.go",
		old:  `if err == nil && !r.Made.IsZero() && !r.Made.Equal(d.store.Made()) {`,
		new:  `if err == nil && !r.Made.IsZero() && d.store == nil {`,
	},
	{
		name: "control-unbounded", breaks: "A worker takes any number of requests.",
		file: "actors/desk.go",
		old:  `case !known && r.Action != control.Hello && len(d.errands) >= mostErrands:`,
		new:  `case !known && r.Action == control.Hello && len(d.errands) >= mostErrands:`,
	},
	{
		name: "control-forgotten-askers-stay", breaks: "Those who asked for a drain and have gone keep a worker busy.",
		file: "actors/errand.go",
		old:  `if !a.asked.After(since) {`,
		new:  `if a.asked.IsZero() {`,
	},
	{
		name: "control-asked-again-forgotten", breaks: "Who asks again and again is forgotten all the same.",
		file: "actors/desk.go",
		old:  `		a.asked = time.Now()`,
		new:  `		_ = a`,
	},
	{
		name: "control-full-desk-keeps-bounds", breaks: "A full desk keeps the bound of a drain to itself.",
		file: "actors/desk.go",
		old: `		d.drain(r.Within)
		err = fmt`,
		new: `		err = fmt`,
	},
	{
		name: "control-refresh-joins-late", breaks: "A refresh is answered by a listing that began before it was asked for.",
		file: "actors/errand.go",
		old:  `d.settle(err, func(_ errand, a *undertaking) bool { return a.lists })`,
		new:  `d.settle(err, func(e errand, a *undertaking) bool { return a.lists || e.action == control.Refresh })`,
	},

	// The command.
	{
		name: "edit-without-compare", breaks: "The command edits a partition over what somebody else has just written.",
		file: "cmd/parti/editor.go",
		old:  `jetstream.WithExpectLastSequencePerSubject(is.revision), `,
		new:  ``,
	},
	{
		name: "edit-of-unknown-outcome", breaks: "An edit whose answer is lost is not looked after.",
		file: "cmd/parti/editor.go",
		old:  `case err == nil && r.Result == unchanged && lost:`,
		new:  `case err == nil && r.Result == unchanged && !lost:`,
	},
	{
		name: "edit-of-coordination", breaks: "The command edits the buckets that workers coordinate in.",
		file: "cmd/parti/edit.go",
		old:  `strings.HasPrefix(ed.bucket, bucketPrefix) && strings.HasSuffix(ed.bucket, kind)`,
		new:  `ed.bucket == kind`,
	},
	{
		name: "check-without-patience", breaks: "A check alarms for what has no owner for a moment.",
		file: "cmd/parti/check.go",
		old:  `		if v.Code == fine {`,
		new:  `		if v.Code == fine || within >= 0 {`,
	},
	{
		name: "unknown-hides-critical", breaks: "A check that is unsure of one thing forgets what is critical.",
		file: "cmd/parti/check.go",
		old:  `unknown: 2, critical: 3}`,
		new:  `unknown: 3, critical: 2}`,
	},
	{
		name: "init-edits-unasked", breaks: "The command edits buckets without being told to.",
		file: "cmd/parti/setup.go",
		old:  `case len(i.Problems) == 0 || !mend:`,
		new:  `case len(i.Problems) == 0:`,
	},
	{
		name: "inspect-first-problem", breaks: "Of several problems of a bucket only the first is told.",
		file: "kv/inspect.go",
		old:  `		if !errors.As(`,
		new:  `		if len(i.Problems) > 0 || !errors.As(`,
	},
	{
		name: "lease-for-ever-unseen", breaks: "An entry that never expires is not told.",
		file: "cmd/parti/verify.go",
		old:  `case err != nil || ttl == 0:`,
		new:  `case err != nil:`,
	},
	{
		name: "picture-without-a-row", breaks: "The picture of the state machine has only the first arrow of a row.",
		file: "fsm/svg.go",
		old:  `			for _, from := range t.From {`,
		new:  `			for _, from := range t.From[:1] {`,
	},

	// The page, and what is seen from outside.
	{
		name: "observer-says-stable-too-early", breaks: "A worker that waits for its first assignment is shown as stable.",
		file: "observe/state.go",
		old: `	case !applied:
		return fsm.WaitingAssignment
`,
		new:    ``,
		likely: "TheRecordsSayWhere|TheStateInTheRecords",
	},
	{
		name: "anybody-drains", breaks: "Without Options.Allow everybody may drain workers over HTTP.",
		file: "web/action.go",
		old: `	if h.allow == nil {
		return false
	}
`,
		new: `	if h.allow == nil {
		return true
	}
`,
		likely: "NeedsAllow",
	},
	{
		name: "panic-allows", breaks: "A panic in Options.Allow counts as a yes.",
		file:   "web/action.go",
		old:    `yes = false`,
		new:    `yes = true`,
		likely: "NeedsAllow",
	},
	{
		name: "foreign-page-acts", breaks: "A page of another origin may drain workers with the cookies of whoever looks at it.",
		file:   "web/action.go",
		old:    `if err := h.guard.Check(r); err != nil {`,
		new:    `if err := h.guard.Check(r); err != nil && r == nil {`,
		likely: "NeedsAllow",
	},
	{
		name: "drain-ends-with-request", breaks: "A drain becomes a stop when the browser that asked for it is closed.",
		file: "web/action.go",
		old: `	case ActionDrain:
		h.drain()
`,
		new: `	case ActionDrain:
		go func() { _ = h.worker.Drain(r.Context()) }()
`,
		likely: "GoesOnWhenWhoAsked",
	},
	{
		name: "slow-reader-misses", breaks: "A reader that is too slow misses changes instead of being sent away.",
		file: "web/feed.go",
		old: `			f.drop(r)
		}
	}
}
`,
		new: `		}
	}
}
`,
		likely: "TakesNothing",
	},
	{
		name: "reader-between", breaks: "A reader that joins between a look at the group and its news misses a change.",
		file: "web/feed.go",
		old:  `	first := f.advance()`,
		new: `	first := newSnapshot(f.view.Group(), 1, 0)
	if f.now != nil {
		first = f.now
	}
	f.advance()`,
		likely: "WhileNobodyRead",
	},
	{
		name: "lost-partition-stays", breaks: "A page is not told of a partition that a worker has no more.",
		file:   "web/delta.go",
		old:    `			d.unset = append(d.unset, row{now.ID, old[0]})`,
		new:    ``,
		likely: "MakeTheNextGroup",
	},
	{
		name: "journal-told-again", breaks: "Each look at the journal tells its newest entries again.",
		file:   "web/journal.go",
		old:    `if c.Version > version {`,
		new:    `if c.Version >= version {`,
		likely: "NewInTheJournal",
	},
}
