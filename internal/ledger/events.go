// Copyright The Parti Authors
// SPDX-License-Identifier: Apache-2.0

package ledger

// Happened is what has become of a partition.
type Happened int

// What can become of a partition.
const (
	Revoked  Happened = iota // its holder is asked to let it go
	LetGo                    // its holder has let it go
	Lost                     // the session of its holder is over
	Granted                  // it has a holder
	Unlisted                 // it is listed no more, and nobody holds it
)

// Event is something that has become of a partition. Events are for measuring: nothing is decided because of them.
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

// Events calls with what has happened since it was last called, in order, and forgets it.
func (l *Ledger) Events(with func(Event)) {
	for _, e := range l.events {
		with(e)
	}
	clear(l.events)
	l.events = l.events[:0]
}

// Unowned counts the listed partitions that nobody holds.
func (l *Ledger) Unowned() int { return l.unowned }

// Releasing counts the partitions whose holders are asked to let them go and have not.
func (l *Ledger) Releasing() int { return l.pending }
