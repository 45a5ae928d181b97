// Copyright The Parti Authors
// SPDX-License-Identifier: Apache-2.0

package main

// consuming are the bugs of reading streams.
var consuming = []mutant{
	// Whose position it is.
	{
		name: "position-not-claimed", breaks: "A new owner reads the position without claiming it, so the previous owner can still move it.",
		file: "consume/position.go",
		old:  `	return m, m.write(ctx, m.Position)`,
		new:  `	return m, nil`,
	},
	{
		name: "position-epoch-ignored", breaks: "An owner takes a position that a newer owner has claimed.",
		file: "consume/position.go",
		old:  `case was.Epoch > mine.Epoch:`,
		new:  `case was.Epoch > mine.Epoch && mine.Epoch == 0:`,
	},
	{
		name: "position-without-condition", breaks: "A position is stored even if another owner has stored one meanwhile.",
		file: "consume/server.go",
		old:  `jetstream.WithExpectLastSequencePerSubject(expect), `,
		new:  ``,
	},
	{
		name: "batch-without-condition", breaks: "A batch is stored although a newer owner has claimed its position.",
		file: "consume/batch.go",
		old:  `	position.Header.Set(jetstream.ExpectedLastSubjSeqHeader, strconv.FormatUint(at.sequence, 10))`,
		new:  `	_ = strconv.FormatUint(at.sequence, 10)`,
	},
	{
		name: "position-may-fall", breaks: "An owner whose position was removed begins again at the first message.",
		file: "consume/position.go",
		old:  `if m.Position < mine.Position {`,
		new:  `if m.Position < mine.Position && mine.Epoch == 0 {`,
	},
	{
		name: "position-of-another-subject", breaks: "A position counts although it was stored for another filter.",
		file: "consume/position.go",
		old:  `was.Stream != mine.Stream || was.Subject != mine.Subject`,
		new:  `was.Stream != mine.Stream`,
	},
	{
		name: "position-of-a-former-stream", breaks: "A position counts although its stream was deleted and made again.",
		file: "consume/position.go",
		old:  `case !was.Created.Equal(mine.Created):`,
		new:  `case was.Created.After(mine.Created.AddDate(1, 0, 0)):`,
	},
	{
		name: "restored-stream-unnoticed", breaks: "A stream that ends before the position counts as unchanged, so nothing is read until it has grown.",
		file: "consume/checks.go",
		old:  `if info.State.LastSeq < position {`,
		new:  `if info.State.LastSeq < position && position == 0 {`,
	},
	{
		name: "position-expires", breaks: "MaxAge of the stream also removes the position of a quiet partition.",
		file: "consume/position.go",
		old:  `if m.never {`,
		new:  `if m.never && m.publish == "" {`,
	},

	// When it is stored.
	{
		name: "position-before-effect", breaks: "A message counts as handled before its function has returned.",
		file: "consume/stream.go",
		old: `	if _, err := w.try(w.ctx, w.owner, &m, w.call); err != nil {
		return err
	}
	w.handled = m.sequence
`,
		new: `	w.handled = m.sequence
	if _, err := w.try(w.ctx, w.owner, &m, w.call); err != nil {
		return err
	}
`,
	},
	{
		name: "acknowledged-before-effect", breaks: "With durable consumers a message is acknowledged before its function has returned.",
		file: "consume/durable.go",
		old: `	if _, err := w.try(w.ctx, w.owner, &m, w.call); err != nil {
		return err
	}
	w.handled = m.sequence
	return w.acknowledge(m)
`,
		new: `	if err := w.acknowledge(m); err != nil {
		return err
	}
	_, err := w.try(w.ctx, w.owner, &m, w.call)
	w.handled = m.sequence
	return err
`,
	},
	{
		name: "last-position-forgotten", breaks: "The last position of a partition that is let go is not stored.",
		file: "consume/stream.go",
		old:  `	return w.at.move(w.owner.Held(), w.handled)`,
		new:  `	return nil`,
	},
	{
		name: "unknown-position-left-unknown", breaks: "After one position with an unknown outcome, no later position is stored.",
		file: "consume/stream.go",
		old:  `	return w.at.settle(w.ctx)`,
		new:  `	return nil`,
	},
	{
		name: "stored-batch-sent-again", breaks: "A stored batch whose answer was lost is sent a second time.",
		file: "consume/pipeline.go",
		old:  `if w.at.Position == w.flying.position {`,
		new:  `if w.at.Position > w.flying.position {`,
	},
	{
		name: "batch-behind-its-results", breaks: "The position of a batch leaves out its last input.",
		file: "consume/pipeline.go",
		old:  `	b.position, w.handled = m.sequence, m.sequence`,
		new:  `	b.position, w.handled = m.sequence-1, m.sequence`,
	},
	{
		name: "last-batch-forgotten", breaks: "Results that are ready are not stored when the partition is let go.",
		file: "consume/pipeline.go",
		old:  `	return w.flush(held)`,
		new:  `	return nil`,
	},
	{
		name: "answer-waited-for-in-vain", breaks: "A request whose answer was lost with the connection blocks until its timeout.",
		file: "consume/server.go",
		old:  `if status = nil; anew {`,
		new:  `if status = nil; anew && nc == nil {`,
	},

	{
		name: "silence-borne-by-each", breaks: "Partitions that begin at the same time wait for a silent server one after the other.",
		file: "consume/about.go",
		old:  `		h.infos[stream] = answered{nil, err, time.Now()}`,
		new:  `		h.infos[stream] = answered{nil, err, time.Time{}}`,
	},
	{
		name: "bucket-not-awaited", breaks: "A bucket that another worker has just made is reported as missing.",
		file: "consume/checks.go",
		old:  `h.known(ctx, name, true)`,
		new:  `h.known(ctx, name, false)`,
	},
	{
		name: "silent-question", breaks: "A request without an answer is not repeated, so the partition fails.",
		file: "consume/about.go",
		old:  `	answerWithin = 2 * time.Second`,
		new:  `	answerWithin = operation`,
	},

	// In which order messages come.
	{
		name: "gap-skipped", breaks: "A delivery that is lost on its way is skipped.",
		file: "consume/reader.go",
		old:  `if r.delivered++; consumer != r.delivered {`,
		new:  `if r.delivered = consumer; consumer != r.delivered {`,
	},
	{
		name: "last-deliveries-missed", breaks: "Nobody notices that the last deliveries before a silence are lost.",
		file: "consume/reader.go",
		old:  `if err == nil && last > r.delivered {`,
		new:  `if err == nil && last > r.delivered && r.sub == nil {`,
	},
	{
		name: "silence-borne", breaks: "A reader waits for ever on a consumer that the server has removed.",
		file: "consume/reader.go",
		old:  `d > 2*r.pull.signOfLife`,
		new:  `d > 2000*r.pull.signOfLife`,
	},
	{
		name: "reader-outlives-its-connection", breaks: "After a reconnect a reader ignores that deliveries may be lost.",
		file: "consume/follow.go",
		old: `		case <-status:
			return errReconnected
`,
		new: `		case <-status:
`,
	},
	{
		name: "durable-not-reset", breaks: "With durable consumers a new owner gets new messages before those that the previous owner had fetched.",
		file: "consume/durable.go",
		old:  `if err := h.reset(ctx, want, retention); err != nil {`,
		new:  `if err := context.Cause(ctx); err != nil {`,
	},
	{
		name: "two-partitions-one-filter", breaks: "Two partitions with the same filter are both read.",
		file: "consume/handler.go",
		old:  `taken && other != p.ID()`,
		new:  `taken && other == ""`,
	},

	// What becomes of a message that fails.
	{
		name: "failing-message-skipped", breaks: "A message that has failed often enough is skipped without a dead letter.",
		file: "consume/retry.go",
		old:  `return true, h.giveUp(o, m, err)`,
		new:  `return true, nil`,
	},
	{
		name: "dead-letter-unconfirmed", breaks: "The position moves on although nobody has stored the dead letter.",
		file: "consume/retry.go",
		old:  `if err := h.bury(o, m, cause); err != nil {`,
		new:  `if err := h.bury(o, m, cause); err != nil && m == nil {`,
	},
	{
		name: "dead-letter-twice", breaks: "A message that becomes a dead letter again, under the next owner, is stored twice.",
		file: "consume/retry.go",
		old:  `return h.client.js.PublishMsg(ctx, letter, jetstream.WithMsgID(id))`,
		new:  `return h.client.js.PublishMsg(ctx, letter, jetstream.WithMsgID(id+strconv.FormatInt(o.Epoch(), 10)))`,
	},
	{
		name: "results-wait-for-a-failure", breaks: "Finished results are not stored while a later message fails.",
		file: "consume/pipeline.go",
		old:  `if err != nil && m.attempt == 1 {`,
		new:  `if err != nil && m.attempt == 0 {`,
	},
	{
		name: "result-on-a-position", breaks: "A result may use the subject of a position.",
		file: "consume/batch.go",
		old:  `case e.collides(m.Subject):`,
		new:  `case e.collides("" + e.tail):`,
	},
}
