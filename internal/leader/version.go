// Copyright The Parti Authors
// SPDX-License-Identifier: Apache-2.0

package leader

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/parti-go/parti/internal/record"
	"github.com/parti-go/parti/strategy"
)

// This file is which list a leader goes by when its source and the records of the group do not agree.

// refuses says why a list is not taken up, nil if it is. The list in force stays where the source is an earlier version of
// it, or where the two have nothing in common: then the source is that of another application, unless a higher version
// says that the naming has changed. An empty list, on either side, is no evidence.
func (l *Leader) refuses(f *Listed) error {
	inForce := l.source.divided()
	switch {
	case inForce.empty():
		return nil
	case f.List.empty():
		return fmt.Errorf("%w: it lists nothing", ErrSourceShrunk)
	case f.List.version < inForce.version:
		if l.stage == listing {
			l.completeRemembered(f.List)
			inForce = l.source.divided()
		}
		unknown := ""
		if inForce.unknown > 0 {
			unknown = fmt.Sprintf("; %d partitions of the newer list have no owner, and this leader does not know their names", inForce.unknown)
		}
		return fmt.Errorf("%w: it has version %d, the group's list has version %d%s", ErrOlderSource, f.List.version, inForce.version, unknown)
	case f.List.version > inForce.version, !l.draft.planned, l.plannedFor(f.List):
		return nil
	}
	return f.List.foreign(l.cfg.Group, inForce, l.stored)
}

// plannedFor says that the stored plan was made for this very list, or by a leader that went by it, where only the records say
// another: an earlier release did not write down what the list had dropped of a departed worker's partitions.
func (l *Leader) plannedFor(list *Listing) bool {
	return l.source.current() == l.source.remembered && (list.digest == l.stored.Digest || list.digest == l.stored.Listed)
}

// foreign is [ErrForeignGroup] where both lists name something and share nothing. The list is that of a source, the other
// one is what the group divides. What has no owner, or whose record cannot be read, is known by its sample only. Where that is half or
// more, it may be what they share. Where the list is exactly that, it is the group's.
func (l *Listing) foreign(group string, divided *Listing, plan record.Plan) error {
	if l.empty() || divided.empty() || l.shares(divided) || divided.sample.names(l.ids) || divided.unknown >= len(divided.ids) || l.completes(divided, plan) {
		return nil
	}
	name := func(list *Listing) string {
		return fmt.Sprintf("%d partitions (%s)", len(list.ids), some(len(list.ids), func(i int) string { return list.ids[i] }))
	}
	version := ""
	if l.version != divided.version {
		version = fmt.Sprintf(" with version %d, while the group's list has version %d", l.version, divided.version)
	}
	return fmt.Errorf("%w: the group with bucket %q divides %s, the source lists %s%s; no partition is in both; allowed: a Group of its own "+
		"for each application, or a higher SourceVersion for new names", ErrForeignGroup, group, name(divided), name(l), version)
}

// completes reports whether two lists that share nothing are together what a plan names.
func (l *Listing) completes(divided *Listing, plan record.Plan) bool {
	return len(l.ids) == divided.unknown && Unprepared(slices.Concat(l.partitions, divided.partitions), 0).names == plan.Names
}

func (l *Listing) empty() bool { return l == nil || len(l.ids) == 0 }

// shares reports whether a partition is in both lists.
func (l *Listing) shares(other *Listing) bool {
	for i, j := 0, 0; i < len(l.ids) && j < len(other.ids); {
		switch c := strings.Compare(l.ids[i], other.ids[j]); {
		case c == 0:
			return true
		case c < 0:
			i++
		default:
			j++
		}
	}
	return false
}

// Suspect reports whether a worker with such a list has to read the records before it may join: the plan was made for
// another list, which is not an earlier version of this one.
func (e Edition) Suspect(plan record.Plan) bool {
	return plan.Partitions > 0 && e.digest != plan.Digest && e.digest != plan.Listed && e.version <= plan.SourceVersion
}

// Foreign is [ErrForeignGroup] where a worker with this list has nothing in common with the group that stored this.
func (l *Listing) Foreign(group string, stored *Restored) error {
	if !l.Edition().Suspect(stored.Plan) {
		return nil
	}
	divided, err := stored.remembered()
	if err != nil {
		return nil // no leader goes by it either, and reports it
	}
	return l.foreign(group, divided, stored.Plan)
}

// remembered is the list of the partitions that the records name. What is being let go is on its way to another worker, or is listed no
// more. A record may say which, and the plan may prove it.
func (f *Restored) remembered() (*Listing, error) {
	owned, listed, named := recorded(f.Records)
	likely, err := rememberedAs(listed, f.Plan)
	for _, other := range []map[string]strategy.Partition{named, owned} {
		if err != nil || !likely.unproven || len(other) == len(listed) { // which is the same then
			continue
		}
		if proven, err := rememberedAs(other, f.Plan); err == nil && !proven.unproven {
			return proven, nil
		}
	}
	return likely, err
}

// completeRemembered adds what the records do not name because nobody owns it. The source may still list it. It counts as a
// part of the newer list only where the plan proves that it is the whole rest: anything less certain could
// give a partition to a worker that the newer list has dropped.
func (l *Leader) completeRemembered(own *Listing) {
	is := l.source.remembered
	if !is.unproven {
		return
	}
	both := map[string]strategy.Partition{}
	for i, id := range own.ids {
		both[id] = own.partitions[i]
	}
	for i, id := range is.ids {
		both[id] = is.partitions[i]
	}
	if whole, err := rememberedAs(both, l.stored); err == nil && !whole.unproven {
		l.source.remembered = whole
	}
}

func rememberedAs(partitions map[string]strategy.Partition, plan record.Plan) (*Listing, error) {
	list, err := NewListing(slices.Collect(maps.Values(partitions)), plan.SourceVersion)
	if err != nil {
		return nil, fmt.Errorf("list the partitions in the stored records: %w", err)
	}
	list.unproven = list.names != plan.Names
	if plan.Names == "" { // of an earlier release
		list.unproven = list.digest != plan.Digest && list.digest != plan.Listed
	}
	list.unknown, list.sample = max(plan.Partitions-len(list.ids), 0), list.sample.with(sampleOf(plan.Sample))
	return list, nil
}

// recorded returns the partitions that records grant, those and what moves to another worker, and those and whatever else they name.
func recorded(records []record.Assignment) (owned, listed, named map[string]strategy.Partition) {
	owned, listed, named = map[string]strategy.Partition{}, map[string]strategy.Partition{}, map[string]strategy.Partition{}
	for _, r := range records {
		for _, o := range r.Owned {
			p := strategy.Partition{Keys: strings.Split(o.Partition, "."), Weight: o.Weight}
			owned[o.Partition], listed[o.Partition], named[o.Partition] = p, p, p
		}
		for _, o := range r.Releasing {
			p := strategy.Partition{Keys: strings.Split(o.Partition, "."), Weight: o.Weight}
			if named[o.Partition] = p; !o.Unlisted {
				listed[o.Partition] = p
			}
		}
	}
	return owned, listed, named
}
