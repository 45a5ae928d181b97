// Copyright The Parti Authors
// SPDX-License-Identifier: Apache-2.0

package leader

import (
	"fmt"
	"slices"
	"time"
)

// This file is what a leader does with a list that lost most of what the group divides. A source that answers with a part
// of its list, from a replica that lags or a page that is missing, looks exactly like one whose owner removed the rest. So
// the leader asks again, and takes nothing away before enough listings in a row agree.

// shrunk is a list that lost most of the partitions, and has not been confirmed.
type shrunk struct {
	base  *Listing  // that is divided, less what was added meanwhile; nil where there is nothing to confirm
	kept  []string  // partitions of base that the last listing names
	times int       // listings in a row that keep the same, relistFirst apart
	last  time.Time // of these
	pause time.Duration
}

// divided is the list that others are compared with: what was taken over as a whole.
func (s *sources) divided() *Listing {
	if s.shrunk.base != nil {
		return s.shrunk.base
	}
	return s.current()
}

// believe returns the list to go by. It is the one that the source gave, unless that lost most of the partitions and is not
// confirmed yet: then it is that one together with what it lost, so that what is new gets an owner and nobody loses
// anything. A higher version says that the loss is meant.
func (l *Leader) believe(now time.Time, list *Listing) *Listing {
	s := &l.source
	base := s.divided()
	if !l.draft.planned || base.empty() || list.version > base.version || l.plannedFor(list) || !list.lostMost(base) {
		if s.shrunk.base != nil {
			l.do(&Say{fmt.Sprintf("the source lists %d partitions; the shorter list before it was not followed", len(list.ids))})
		}
		s.shrunk = shrunk{}
		return list
	}
	kept := list.common(base)
	differs := s.shrunk.times == 0 || !slices.Equal(kept, s.shrunk.kept)
	switch {
	case differs:
		s.shrunk.times, s.shrunk.last = 1, now
	case !now.Before(s.shrunk.last.Add(relistFirst)): // what is asked twice in an instant says the same twice
		s.shrunk.times, s.shrunk.last = s.shrunk.times+1, now
	}
	lost := len(base.ids) - len(kept)
	if s.shrunk.times >= l.cfg.ShrinkConfirmations {
		if l.cfg.ShrinkConfirmations > 1 {
			l.do(&Say{fmt.Sprintf("%d listings in a row lack the same %d of %d partitions: the group removes them", s.shrunk.times, lost, len(base.ids))})
		}
		s.shrunk = shrunk{}
		return list
	}
	pause := relistFirst
	if differs { // a source that says something else each time is asked less and less often
		s.shrunk.pause = min(max(2*s.shrunk.pause, relistFirst), relistMost)
		l.report(fmt.Errorf("%w: it lists %d partitions, and %d of the group's %d are missing; the group keeps them until %d listings in a row "+
			"lack the same ones; the next listing is in %s", ErrSourceShrunk, len(list.ids), lost, len(base.ids), l.cfg.ShrinkConfirmations, s.shrunk.pause))
	}
	if s.shrunk.times == 1 {
		pause = s.shrunk.pause
	}
	s.shrunk.base, s.shrunk.kept = base, kept
	l.pace.list = s.shrunk.last.Add(pause)
	return l.both(list, base, len(kept))
}

// both is a list together with what it lacks of another one.
func (l *Leader) both(list, base *Listing, shared int) *Listing {
	inForce := l.source.current()
	if shared == len(list.ids) && inForce == base && list.weighs(base) {
		return base
	}
	partitions := slices.Clone(list.partitions)
	for i, id := range base.ids {
		if _, listed := slices.BinarySearch(list.ids, id); !listed {
			partitions = append(partitions, base.partitions[i])
		}
	}
	whole, err := NewListing(partitions, base.version)
	switch {
	case err != nil: // each of the two is fit for a plan, and both together are not
		l.report(fmt.Errorf("%w: its new partitions cannot be added while the missing ones are kept: %w", ErrSourceShrunk, err))
		return inForce
	case whole.digest == inForce.digest:
		return inForce
	}
	whole.unknown, whole.sample = max(base.unknown-(len(list.ids)-shared), 0), whole.sample.with(base.sample)
	return whole
}

// lostMost reports whether a list lacks more than half of another. Of partitions that nobody here knows by name, as many
// count as kept as the list adds.
func (l *Listing) lostMost(base *Listing) bool {
	shared := len(l.common(base))
	kept := shared + min(base.unknown, len(l.ids)-shared)
	return 2*kept < base.size()
}

// common lists the partitions that are in both lists.
func (l *Listing) common(other *Listing) (ids []string) {
	for i, j := 0, 0; i < len(l.ids) && j < len(other.ids); {
		switch a, b := l.ids[i], other.ids[j]; {
		case a == b:
			ids = append(ids, a)
			i, j = i+1, j+1
		case a < b:
			i++
		default:
			j++
		}
	}
	return ids
}
