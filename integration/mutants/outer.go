// Copyright The Parti Authors
// SPDX-License-Identifier: Apache-2.0

package main

// outside are the bugs of the outer rooms: source, observe, web and cmd/parti.
var outside = []mutant{
	// What a worker takes up, and when it says that it has let go.
	{
		name: "bucket-behind", breaks: "The list is read from a replica that lags.",
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
		name: "bucket-made-anew-unseen", breaks: "Watch goes on although its bucket was created again.",
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
		name: "broken-result-listed", breaks: "A result that was cut off counts as a complete list.",
		file: "source/sql.go",
		old: `	if err := rows.Err(); err != nil { // a result that broke off is no list
`,
		new: `	if err := rows.Err(); err != nil && b.list == nil {
`,
		likely: "Result",
	},
	{
		name: "order-is-a-change", breaks: "The same rows in another order count as a change.",
		file: "source/poll.go",
		old: `	slices.Sort(lines)
`,
		new: `	_ = slices.Sorted[string]
`,
		likely: "Query",
	},
	{
		name: "failing-poll-unseen", breaks: "A source that can no longer be polled is not reported.",
		file:   "source/poll.go",
		old:    `if is != was {`,
		new:    `if is != was && is != failing {`,
		likely: "Query",
	},

	// The journal, and who observes.
	{
		name: "ended-session-owns", breaks: "To an observer, a departed worker still owns the partitions in its record.",
		file:   "observe/model.go",
		old:    `return w.session > max(w.beat.Session, w.gone)`,
		new:    `return w.session > 0`,
		likely: "WhileItsSessionMayLive",
	},
	{
		name: "observer-believes-lower-epoch", breaks: "If two records name a partition, an observer believes the one that arrived last.",
		file:   "observe/model.go",
		old:    `if before.Epoch > p.Epoch {`,
		new:    `if h.worker == nil {`,
		likely: "TheHigherEpochCounts",
	},

	// The command.
	{
		name: "edit-without-compare", breaks: "The command overwrites an edit that somebody else has just made.",
		file: "cmd/parti/editor.go",
		old:  `jetstream.WithExpectLastSequencePerSubject(is.revision), `,
		new:  ``,
	},
	{
		name: "edit-of-unknown-outcome", breaks: "The command does not find out whether an edit without an answer was stored.",
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
		name: "check-without-patience", breaks: "A check alarms for a partition that has no owner only for a moment.",
		file: "cmd/parti/check.go",
		old:  `		if v.Code == fine {`,
		new:  `		if v.Code == fine || within >= 0 {`,
	},
	{
		name: "unknown-hides-critical", breaks: "A check with one unknown value hides a critical one.",
		file: "cmd/parti/check.go",
		old:  `unknown: 2, critical: 3}`,
		new:  `unknown: 3, critical: 2}`,
	},
	{
		name: "init-edits-unasked", breaks: "The command edits buckets without --mend.",
		file: "cmd/parti/setup.go",
		old:  `case len(i.Problems) == 0 || !mend:`,
		new:  `case len(i.Problems) == 0:`,
	},
	{
		name: "lease-for-ever-unseen", breaks: "An entry that never expires is not reported.",
		file: "cmd/parti/verify.go",
		old:  `case err != nil || ttl == 0:`,
		new:  `case err != nil:`,
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
		name: "foreign-page-acts", breaks: "A page of another origin may drain workers with the cookies of its visitor.",
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
		name: "slow-reader-misses", breaks: "A reader that is too slow misses changes instead of being disconnected.",
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
		name: "reader-between", breaks: "A reader that joins while a change is being computed misses that change.",
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
		name: "lost-partition-stays", breaks: "A page does not learn that a worker has lost a partition.",
		file:   "web/delta.go",
		old:    `			d.unset = append(d.unset, row{now.ID, old[0]})`,
		new:    ``,
		likely: "MakeTheNextGroup",
	},
	{
		name: "journal-told-again", breaks: "Each reading of the journal returns its newest entries again.",
		file:   "web/journal.go",
		old:    `if c.Version > version {`,
		new:    `if c.Version >= version {`,
		likely: "NewInTheJournal",
	},

	// What the command says and keeps to itself.
	{
		name: "report-keeps-unknown-keys", breaks: "A report contains the values of unknown configuration keys.",
		file: "cmd/parti/reportclean.go",
		old:  "		return item.Value\n	}\n	return removed\n}",
		new:  "		return item.Value\n	}\n	return item.Value\n}",
	},
	{
		name: "report-quotes-the-file", breaks: "A report contains lines of a configuration file that is not valid.",
		file: "cmd/parti/reportparts.go",
		old:  `		problem = errors.New(first)`,
		new:  `		_ = first`,
	},
	{
		name: "report-names-hosts", breaks: "An anonymous report names hosts.",
		file: "cmd/parti/reportclean.go",
		old:  `		numbers[name] = fmt.Sprintf("host-%d", i+1)`,
		new:  `		numbers[name] = fmt.Sprintf("%[2]s", i+1, name)`,
	},
	{
		name: "silent-looks-alive", breaks: "A worker that no longer sends heartbeats looks like all others.",
		file: "cmd/parti/look.go",
		old:  `now.Sub(at) >= 2*cfg.HeartbeatInterval`,
		new:  `now.Sub(at) >= 2000*cfg.HeartbeatInterval`,
	},
	{
		name: "heard-once", breaks: "An observer does not note a heartbeat that says nothing new.",
		file: "observe/model.go",
		old:  `	w.heard = u.Entry.Created`,
		new: `	if !w.live {
		w.heard = u.Entry.Created
	}`,
	},
	{
		name: "deaf-not-noticed", breaks: "The command waits for answers although its user may not receive them.",
		file: "cmd/parti/connect.go",
		old: `after != before && errors.Is(after, nats.ErrPermissionViolation) { //nolint:errorlint // the same twice is two errors
		prefix`,
		new: `after != before && errors.Is(after, nats.ErrTimeout) { //nolint:errorlint // the same twice is two errors
		prefix`,
	},
	{
		name: "line-wraps", breaks: "A line that is longer than the width of the terminal wraps.",
		file: "cmd/parti/watch.go",
		old:  `cut(line, s.columns)`,
		new:  `cut(line, 0*s.columns)`,
	},
}
