package actors

import "github.com/parti-go/parti/kv"

// This file is what the children of a manager know of drains and cordons: what the heartbeat says of its worker, and how the
// follower finds out that nothing of it is recorded any more.

// standing is what a worker says of itself that can change while it lives.
type standing struct {
	leaving  bool // it drains: it will not come back
	cordoned bool // it takes nothing new
}

// stand (heartbeat): tell this from now on, at once.
type stand struct {
	late
	standing
}

// vacated (follower): the leader has nothing recorded for this worker any more; or that is over.
type vacated struct{ is bool }

func (*vacated) reported() {}

// stand takes over what the heartbeat says of its worker.
func (h *heartbeat) stand(s standing) {
	if h.standing != s {
		h.standing = s
		h.hurry()
	}
}

// noteRecord follows what the store has of this worker, and tells when nothing is left of it.
func (f *follower) noteRecord(u kv.Update) {
	switch {
	case u.Kind == kv.UpdateSynced:
		f.synced = true
	case u.Entry.Key == f.session.id:
		f.recorded = u.Kind == kv.UpdatePut
	}
	f.tellVacated()
}

func (f *follower) tellVacated() {
	is := f.synced && !f.recorded && !f.applying && (f.wanted == nil || len(f.wanted.Owned) == 0)
	if is != f.vacated {
		f.vacated = is
		f.report(&vacated{is})
	}
}
