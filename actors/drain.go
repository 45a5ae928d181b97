// Copyright The Parti Authors
// SPDX-License-Identifier: Apache-2.0

package actors

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

// attest (heartbeat): say when a heartbeat is stored that tells the standing of this moment. One that is stored may do.
type attest struct {
	late
	round uint64
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
		h.stood = h.hurry()
	}
}

// attest says that the present standing is stored. What was asked for before is then, or was taken back.
func (h *heartbeat) attest() {
	if h.lease.Revision == 0 || !h.hold.Settled(h.stood) {
		return
	}
	for _, round := range h.rounds {
		h.report(&standingTold{round})
	}
	h.rounds = nil
}
