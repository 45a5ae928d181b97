// Copyright The Parti Authors
// SPDX-License-Identifier: Apache-2.0

package actors

// This file is the part of the manager's children in drains and cordons. The heartbeat announces them, and the follower finds
// out when no record names a partition of the worker any more.

// standing is what a worker announces about itself and can change while it lives.
type standing struct {
	leaving  bool // it drains: it will not come back
	cordoned bool // it takes nothing new
}

// stand (heartbeat): announce this from now on, at once.
type stand struct {
	late
	standing
}

// attest (heartbeat): report when a stored heartbeat announces the present standing. An earlier one will do if it does.
type attest struct {
	late
	round uint64
}

// standingTold (heartbeat): it is stored.
type standingTold struct{ round uint64 }

func (*standingTold) reported() {}

// vacated (follower): no record names a partition of this worker any more, or one names some again.
type vacated struct{ is bool }

func (*vacated) reported() {}

// stand notes what the heartbeat announces about its worker.
func (h *heartbeat) stand(s standing) {
	if h.standing != s {
		h.standing = s
		h.stood = h.hurry()
	}
}

// attest reports that the present standing is stored. So every earlier request is stored, or was taken back.
func (h *heartbeat) attest() {
	if h.lease.Revision == 0 || !h.hold.Settled(h.stood) {
		return
	}
	for _, round := range h.rounds {
		h.report(&standingTold{round})
	}
	h.rounds = nil
}
