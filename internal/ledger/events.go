// Copyright The Parti Authors
// SPDX-License-Identifier: Apache-2.0

package ledger

// Happened is a change of a partition.
type Happened int

// The changes of a partition.
const (
	Revoked  Happened = iota // its holder is asked to let it go
	LetGo                    // its holder has let it go
	Lost                     // the session of its holder is over
	Granted                  // it has a holder
	Unlisted                 // it is listed no more, and nobody holds it
)

// Event is a change of one partition. Events are for measuring: no decision depends on them.
type Event struct {
	Happened  Happened
	Partition string
	Worker    string // the holder; "" for Unlisted
}

func (l *Ledger) happened(what Happened, p *part) {
	e := Event{Happened: what, Partition: p.id}
	if p.holder != nil {
		e.Worker = p.holder.id
	}
	l.events = append(l.events, e)
}

// Events calls with each change since the last call, in order, and drops them.
func (l *Ledger) Events(with func(Event)) {
	for _, e := range l.events {
		with(e)
	}
	clear(l.events)
	l.events = l.events[:0]
}

// Unowned returns the number of listed partitions without a holder.
func (l *Ledger) Unowned() int { return l.unowned }

// Releasing returns the number of partitions whose holders were asked to let them go and have not done so.
func (l *Ledger) Releasing() int { return l.pending }
