// Copyright The Parti Authors
// SPDX-License-Identifier: Apache-2.0

package model

import "github.com/parti-go/parti/internal/store"

// This file is about replicated buckets: a write is checked by the leader, and stored once enough copies have it.

// propose begins to store a checked write.
func (s *Store) propose(ref int32, r *request, b *bucket) {
	p := proposal{ref: ref, gen: r.gen}
	if r.batch == nil {
		p.keys = []int32{b.slot(r.bucket, r.message.Key)}
	} else {
		for _, m := range r.batch {
			p.keys = append(p.keys, b.slot(r.bucket, m.Key))
		}
	}
	p.asks = p.keys[0]
	if r.when.Key != "" {
		p.asks = b.slot(r.bucket, r.when.Key)
	}
	b.entries[p.asks].asked++
	for _, key := range p.keys {
		b.entries[key].writing++
	}
	if at := s.queue(r.bucket, b, p); at >= r.deadline {
		s.doom(ref, r)
	}
	for _, key := range p.keys {
		if s.over(&b.entries[key]) {
			s.overtake(r.bucket, b, key)
		}
	}
}

// queue puts a write behind those under way. It returns when it will be stored.
func (s *Store) queue(of store.Bucket, b *bucket, p proposal) int64 {
	p.at = max(b.due, s.now+s.part(Commit, s.cfg.Commit))
	b.due = p.at
	b.proposals = append(b.proposals, p)
	s.agenda.push(task{at: p.at, what: commits, gen: b.incarnated, b: int8(of)})
	return p.at
}

// committed stores the write that has waited longest.
func (s *Store) committed(of store.Bucket, incarnated uint32) {
	b := s.bucket(of)
	if b.incarnated != incarnated || len(b.proposals) == 0 {
		return
	}
	p := b.proposals[0]
	b.proposals = b.proposals[1:]
	s.settle(b, p, true)
}

// settle stores a write that was under way, or does not.
func (s *Store) settle(b *bucket, p proposal, stored bool) {
	for _, key := range p.keys {
		b.entries[key].writing--
	}
	if p.asks >= 0 {
		b.entries[p.asks].asked--
	}
	if stored {
		b.remember(s.cfg.Window)
	}
	if p.ref < 0 {
		e := &b.entries[p.keys[0]]
		switch {
		case stored: // whatever is there by now
			s.store(b, p.keys[0], s.expiry(e.stored.Key))
		case s.over(e): // the next leader finds that it is
			s.alarm(b, p.keys[0], e)
		}
		return
	}
	r := &s.requests[p.ref]
	if !stored {
		r.over = true
		s.doom(p.ref, r)
		s.forget(p.ref, r)
		return
	}
	r.answer.Revision = s.storeAll(r, b)
	s.reply(p.ref, r, Applied)
}

// drop ends what is under way. Of the writes as many are stored in the end, the first ones, as the source says: at the given
// time. Nobody is answered.
func (s *Store) drop(of store.Bucket, b *bucket, at int64) {
	proposals := b.proposals
	b.proposals, b.due = nil, 0
	b.incarnated++
	kept := 0
	if len(proposals) > 0 {
		kept = s.draw(Remains, len(proposals)+1)
	}
	for i, p := range proposals {
		if p.ref >= 0 {
			s.requests[p.ref].mute = true
			s.doom(p.ref, &s.requests[p.ref])
		}
		if i >= kept {
			s.settle(b, p, false)
			continue
		}
		p.at, b.due = at, at
		b.proposals = append(b.proposals, p)
		s.agenda.push(task{at: at, what: commits, gen: b.incarnated, b: int8(of)})
	}
}
