// Copyright The Parti Authors
// SPDX-License-Identifier: Apache-2.0

package leader

import (
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/parti-go/parti/internal/topology"
	"github.com/parti-go/parti/strategy"
)

// sources is what the source lists, and who waits for that.
type sources struct {
	newest     *Listing
	remembered *Listing // what the records name, for when the source fails from the beginning
	shrunk     shrunk   // what newest has beyond what the source lists
	listing    bool     // the source is being asked
	again      bool     // and its list changed meanwhile
	due        bool     // it is being asked for the term, not only for refreshes
	asked      []uint64 // refreshes that the listing under way is for
	unasked    []uint64 // refreshes that came while a listing was under way
	dueNext    bool     // and so did the time to list for the term
	waiting    []uint64 // refreshes to answer when what they changed is stored
	pending    topology.Kind
}

const (
	relistFirst = time.Second
	relistMost  = 30 * time.Second
	// changePause is from the first of several changes to the listing that is to see all of them.
	changePause = time.Second

	// sourceCause is the cause of reports of lists that are not taken up.
	sourceCause = "source"
)

// everyone takes all who wait for an answer.
func (s *sources) everyone() []uint64 {
	all := slices.Concat(s.waiting, s.asked, s.unasked)
	s.waiting, s.asked, s.unasked = nil, nil, nil
	return all
}

func (l *Leader) refreshAsked(f *RefreshAsked) {
	if l.stage == reading {
		l.answer([]uint64{f.ID}, errBegun)
		return
	}
	l.list(false, f.ID)
}

// list asks the source, for refreshes or because the term needs a list. One call is under way at a time, so that an older
// list never replaces a newer one.
func (l *Leader) list(due bool, refreshes ...uint64) {
	s := &l.source
	if s.listing {
		s.unasked, s.dueNext = append(s.unasked, refreshes...), s.dueNext || due
		return
	}
	s.listing, s.due, s.asked = true, due || !l.pace.relist.IsZero(), refreshes
	l.pace.relist, l.pace.resync = time.Time{}, time.Time{} // this listing is what they are for
	l.do(&List{})
}

// sourceChanged books that the source may list something else. The time counts from the first change: a source that changes
// all the time is listed once every changePause, and not never. While the records are being read the first listing is yet to
// come.
func (l *Leader) sourceChanged(now time.Time) {
	if l.stage != reading && l.pace.relist.IsZero() {
		l.pace.relist = now.Add(changePause)
	}
}

// relist lists when it is time to. A listing that is under way may be older than a change, which has it done once more.
func (l *Leader) relist(now time.Time) {
	due := func(at time.Time) bool { return !at.IsZero() && !now.Before(at) }
	if due(l.pace.list) {
		l.pace.list = time.Time{}
		l.list(true)
	}
	if due(l.pace.relist) {
		l.source.again = l.source.listing
		l.list(true)
		l.pace.relist = time.Time{}
	}
	if due(l.pace.resync) {
		l.list(true)
	}
}

// Lists reports whether the source is being asked, or will be asked again because it failed or is not believed yet.
func (l *Leader) Lists() bool { return l.source.listing || !l.pace.list.IsZero() }

func (l *Leader) listed(now time.Time, f *Listed) {
	s := &l.source
	asked, due := s.asked, s.due || s.dueNext
	s.listing, s.asked, s.due, s.dueNext = false, nil, false, false
	next, again := s.unasked, s.again
	s.unasked, s.again = nil, false
	err := f.Err
	if err == nil {
		err = l.refuses(f)
	}
	if err != nil {
		l.listFailed(now, err, asked, due)
	} else {
		l.pace.listing, l.pace.list = 0, time.Time{}
		delete(l.told, sourceCause)
		s.waiting = append(s.waiting, asked...)
		l.take(now, l.believe(now, f.List))
	}
	if l.cfg.RelistInterval > 0 {
		l.pace.resync = now.Add(l.cfg.RelistInterval)
	}
	if len(next) > 0 || again { // a listing that begins now is new enough for all of them
		l.list(again, next...)
	}
}

func (l *Leader) listFailed(now time.Time, err error, asked []uint64, due bool) {
	l.answer(asked, err)
	l.source.shrunk.times = 0 // listings in a row agree only where each of them is one
	keeps := ""
	if list := l.source.current(); list != nil {
		keeps = fmt.Sprintf("; keeping the last list of %d partitions", len(list.ids))
	}
	err = fmt.Errorf("%w%s", err, keeps)
	if errors.Is(err, ErrOlderSource) || errors.Is(err, ErrForeignGroup) {
		l.reportOnce(sourceCause, err.Error(), err) // the source will say the same again
	} else {
		l.report(err)
	}
	if !due {
		return
	}
	l.pace.listing = min(max(2*l.pace.listing, relistFirst), relistMost)
	l.pace.list = now.Add(l.pace.listing)
	if l.stage == listing && l.draft.planned {
		l.take(now, l.source.remembered) // the last good list is what the records name
	}
}

// current is the list that a leader goes by.
func (s *sources) current() *Listing {
	if s.newest != nil {
		return s.newest
	}
	return s.remembered
}

// take goes by a list from now on. The first one of the term opens the leader's eyes for the workers.
func (l *Leader) take(now time.Time, list *Listing) {
	l.source.newest = list
	if l.stage == listing {
		l.firstList(now, list)
		return
	}
	if l.stage == leading {
		l.compareSource(now)
	}
}

// compareSource tells the topology what is different from the lists that were planned for.
func (l *Leader) compareSource(now time.Time) {
	kind := change(l.draft.taken, l.draft.balanced, l.source.newest)
	if kind == topology.None {
		l.draft.taken = l.source.newest // which may be of a higher version
	}
	l.changed(now, kind)
}

// changed tells the topology of a difference that is worth a plan.
func (l *Leader) changed(now time.Time, kind topology.Kind) {
	if kind == topology.Weights && !l.drifted() {
		kind = topology.None
	}
	l.source.pending = kind
	l.topo.PartitionsChanged(now, kind)
}

// drifted says whether the weights that are listed now make the last plan so uneven that it is worth another: the highest
// load is above the lowest one possible by MinRebalanceThreshold or more. Cordoned workers do not count.
func (l *Leader) drifted() bool {
	if !l.draft.list.sameNames(l.source.newest) {
		return true // a strategy is being asked about others; it is known only then
	}
	members := l.draft.members
	previous, home := make([]int, len(l.draft.list.ids)), make([]int, len(l.draft.list.ids))
	l.ledger.Fill(members, nil, previous, home)
	workers, index := l.roster.open(members)
	owners := make([]int, len(previous))
	for i, w := range previous {
		if owners[i] = strategy.None; w != strategy.None {
			owners[i] = index[w]
		}
	}
	q := strategy.Question{Workers: workers, List: l.source.newest.prepared, Previous: owners}
	now := q.Certify(owners)
	return now.Imbalance >= now.LeastImbalance*(1+l.cfg.MinRebalanceThreshold)
}
