package sim

import (
	"time"

	"github.com/parti-go/parti/internal/member"
	"github.com/parti-go/parti/internal/record"
)

// change is what the user is to run from now on.
type change struct {
	owned   []record.Owned
	shrinks bool          // only partitions of those that it runs already
	limit   time.Duration // to let go of the others in
	trusted func() bool   // nil where nothing is taken up
	done    func(member.FollowingOutcome)
}

// become makes the user run these partitions and no others. It takes its time to let go. A later change replaces this one,
// which then is never brought about; what was to be let go of is let go of all the same.
func (w *Worker) become(c change) {
	w.changes++
	n, listed := w.changes, make(map[string]bool, len(c.owned))
	for _, o := range c.owned {
		listed[o.Partition] = true
	}
	takes := time.Duration(0)
	for p := range w.Owned {
		if !listed[p] {
			takes = max(min(w.cfg.Hook, c.limit), 0)
		}
	}
	w.client.After(w.client.Spread(takes), func() {
		if w.dead {
			return
		}
		outcome := member.FollowingShown
		switch {
		case n != w.changes && c.trusted != nil:
			outcome = member.FollowingSuperseded
		case c.trusted != nil && !c.trusted():
			outcome = member.FollowingRefused
		default:
			w.own(c, listed)
		}
		if c.done != nil {
			c.done(outcome)
		}
	})
}

func (w *Worker) own(c change, listed map[string]bool) {
	for p := range w.Owned { // in any order: what is given up depends on nothing else
		if !listed[p] {
			delete(w.Owned, p)
		}
	}
	for _, o := range c.owned {
		before, runs := w.Owned[o.Partition]
		if c.shrinks && !runs || before == o.Epoch && runs {
			continue
		}
		w.Owned[o.Partition] = o.Epoch
		w.fleet.granted(w, o.Partition, o.Epoch)
	}
}
