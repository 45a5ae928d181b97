// Copyright The Parti Authors
// SPDX-License-Identifier: Apache-2.0

package main

// valued are the bugs of the small pure rooms: internal/lease, record, statedir, store and control.
var valued = []mutant{
	// How long a lease is trusted.
	{
		name: "margin-zero", breaks: "A lease is trusted until the very moment the store drops it.",
		file: "internal/store/value.go",
		old:  `l.Sent.Add(l.TTL - l.TTL/4)`,
		new:  `l.Sent.Add(l.TTL)`,
	},
	{
		name: "heartbeat-lost-and-kept", breaks: "A session goes on although somebody else has overwritten its heartbeat.",
		file: "internal/lease/lease.go",
		old:  `errors.Is(err, store.ErrLost), errors.Is(err, store.ErrLate), errors.Is(err, store.ErrTaken):`,
		new:  `errors.Is(err, store.ErrLate):`,
	},
	{
		name: "heartbeat-not-retried", breaks: "A failed heartbeat is not sent again.",
		file: "internal/lease/lease.go",
		old:  `		h.due, h.spread = now.Add(pause-pause/5), 2*pause/5`,
		new:  `		h.due, h.spread = now.Add(pause+time.Hour), 0`,
	},
	{
		name: "heartbeat-hurried", breaks: "A heartbeat counts as failed if its answer comes after the next one is due.",
		file: "internal/lease/lease.go",
		old:  `	return &Write{max(h.cfg.Shortest, min(end.Sub(now)/2, h.cfg.Longest))}`,
		new:  `	return &Write{min(h.cfg.Shortest, end.Sub(now))}`,
	},

	// Who leads, and until when.
	{
		name: "question-answered-too-early", breaks: "A heartbeat that was already under way counts as the one that was requested.",
		file: "internal/lease/lease.go",
		old:  `h.answered = true, sent, 0, h.carried`,
		new:  `h.answered = true, sent, 0, h.asked`,
	},
	{
		name: "urgent-waits", breaks: "An urgent heartbeat during a write waits for the next interval.",
		file: "internal/lease/lease.go",
		old:  `		if h.asked > h.carried {`,
		new:  `		if h.asked < h.carried {`,
	},
	{
		name: "trust-counts-from-the-answer", breaks: "A lease with slow renewals is trusted longer than its entry lives.",
		file: "internal/lease/lease.go",
		old:  `h.held, h.sent, h.failures, h.answered = true, sent,`,
		new:  `h.held, h.sent, h.failures, h.answered = true, now,`,
	},

	// Handlers of partitions.
	{
		name: "holding-in-the-oldest-format", breaks: "A release that does not read the list of held partitions treats them as let go.",
		file: "internal/record/encoding.go",
		old: `		return FormatHolding
`,
		new: `		return Oldest
`,
	},

	// Identity beyond a session and a process.
	{
		name: "end-proves-death", breaks: "A process that has only released its lock counts as dead.",
		file: "internal/statedir/statedir.go",
		old:  `d.write(State{Group: d.state.Group, Worker: d.state.Worker})`,
		new:  `d.write(d.state)`, likely: "NoDeadProcess",
	},
	{
		name: "other-groups-file", breaks: "A StateDir of another group is trusted.",
		file: "internal/statedir/statedir.go",
		old:  `if d.state.Group == group {`,
		new:  `if d.state.Group != "" {`, likely: "StateIs",
	},
	{
		name: "own-holder-is-dead", breaks: "Entries that this process wrote before a new start count as those of a dead process.",
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
		name: "proof-dropped-too-early", breaks: "A process that dies before its claim loses the proof that its predecessor is dead.",
		file: "internal/statedir/statedir.go",
		old:  `next.Holders = slices.Concat(dead, d.own)`,
		new:  `next.Holders = d.own`, likely: "StateIs",
	},

	// What is asked from outside.
	{
		name: "control-client-names-no-session", breaks: "The client asks again without the session that it has found.",
		file: "internal/control/client.go",
		old:  `		c.request.Session = first.Session`,
		new:  `		_ = first.Session`,
	},
}
