package actors

import "slices"

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

// attest (heartbeat): say when a heartbeat is stored that tells the standing of this moment.
type attest struct {
	late
	round   uint64
	request uint64 // of the hold, under which that heartbeat was asked for
}

// standingTold (heartbeat): it is stored.
type standingTold struct{ round uint64 }

func (*standingTold) reported() {}

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

// attest says of what was asked for that it is stored.
func (h *heartbeat) attest() {
	h.rounds = slices.DeleteFunc(h.rounds, func(a attest) bool {
		told := h.hold.Settled(a.request)
		if told {
			h.report(&standingTold{a.round})
		}
		return told
	})
}
