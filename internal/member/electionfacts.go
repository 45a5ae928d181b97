// Copyright The Parti Authors
// SPDX-License-Identifier: Apache-2.0

package member

import (
	"fmt"
	"time"

	"github.com/parti-go/parti/internal/store"
)

// ElectionFact is something that happened to an election. It is sealed.
type ElectionFact interface{ electionFact() }

type (
	// ElectionUpdate is what the feed of the lease on leadership tells.
	ElectionUpdate struct{ store.Update }
	// ElectionCampaigned is how a campaign or a new term has ended: the lease as acquired or renewed, nil where neither was
	// done (and then no term was begun); the term; what went wrong.
	ElectionCampaigned struct {
		Lease *store.Lease
		Fence store.Fence
		Err   error
	}
	// ElectionRenewed is how a renewal of the lease with that revision has ended.
	ElectionRenewed struct {
		From  uint64
		Lease store.Lease
		Err   error
	}
	// ElectionTermSeen says that this term is in the store.
	ElectionTermSeen struct{ Term uint64 }
	// ElectionFenceLost says that this fence may not be used any more.
	ElectionFenceLost struct{ Fence store.Fence }
	// ElectionAbstain asks to leave the lead to others until a time; the zero time takes that back.
	ElectionAbstain struct{ Until time.Time }
	// ElectionTicked says that it is as late as was asked for.
	ElectionTicked struct{}
)

func (*ElectionUpdate) electionFact()     {}
func (*ElectionCampaigned) electionFact() {}
func (*ElectionRenewed) electionFact()    {}
func (*ElectionTermSeen) electionFact()   {}
func (*ElectionFenceLost) electionFact()  {}
func (*ElectionAbstain) electionFact()    {}
func (*ElectionTicked) electionFact()     {}

// ElectionEffect is something to do. It prints as one line.
type ElectionEffect interface {
	fmt.Stringer
	electionEffect()
}

type (
	// ElectionCampaign acquires the lease and begins a term above the floor: ElectionCampaigned.
	ElectionCampaign struct{ Floor uint64 }
	// ElectionNewTerm renews the lease and, only where that has succeeded, begins a term above the floor: ElectionCampaigned.
	ElectionNewTerm struct {
		Lease store.Lease
		Floor uint64
	}
	// ElectionRenew renews the lease, within Limit: ElectionRenewed.
	ElectionRenew struct {
		Lease store.Lease
		Limit time.Duration
	}
	// ElectionRelease gives a lease back. Where that fails it expires.
	ElectionRelease struct{ Lease store.Lease }
	// ElectionLead says that this worker leads under a fence. Heir says that somebody has led the group before: a store without
	// a plan may have lost it.
	ElectionLead struct {
		Fence store.Fence
		Heir  bool
	}
	// ElectionYield says that it does so no longer. Err is nil where it abstains.
	ElectionYield struct{ Err error }
	// ElectionFollow says that another worker leads; News where that was not said before.
	ElectionFollow struct {
		Worker string
		News   bool
	}
	// ElectionAwait says that a leader is waited for; one that is under way goes on. ElectionAwaited ends that.
	ElectionAwait   struct{ Since time.Time }
	ElectionAwaited struct{}
	// ElectionProblem is survived.
	ElectionProblem struct{ Err error }
	// ElectionWake says when to tick, or up to Spread later: never earlier. It replaces the one before; the zero time means
	// never.
	ElectionWake struct {
		At     time.Time
		Spread time.Duration
	}
)

func (*ElectionCampaign) electionEffect() {}
func (*ElectionNewTerm) electionEffect()  {}
func (*ElectionRenew) electionEffect()    {}
func (*ElectionRelease) electionEffect()  {}
func (*ElectionLead) electionEffect()     {}
func (*ElectionYield) electionEffect()    {}
func (*ElectionFollow) electionEffect()   {}
func (*ElectionAwait) electionEffect()    {}
func (*ElectionAwaited) electionEffect()  {}
func (*ElectionProblem) electionEffect()  {}
func (*ElectionWake) electionEffect()     {}

func (e *ElectionCampaign) String() string {
	return fmt.Sprintf("campaign for a term above %d", e.Floor)
}

func (e *ElectionNewTerm) String() string {
	return fmt.Sprintf("renew the lease at %d and begin a term above %d", e.Lease.Revision, e.Floor)
}

func (e *ElectionRenew) String() string {
	return fmt.Sprintf("renew the lease at %d within %s", e.Lease.Revision, e.Limit)
}

func (e *ElectionRelease) String() string {
	return fmt.Sprintf("release the lease at %d", e.Lease.Revision)
}

func (e *ElectionLead) String() string {
	return fmt.Sprintf("lead in term %d", e.Fence.Term) + either(e.Heir, "", ", nobody before")
}

func (e *ElectionYield) String() string {
	if e.Err == nil {
		return "yield"
	}
	return "yield: " + e.Err.Error()
}

func (e *ElectionFollow) String() string {
	if !e.News {
		return "follow " + e.Worker + " as before"
	}
	return "follow " + e.Worker
}

func (*ElectionAwait) String() string     { return "wait for a leader" }
func (*ElectionAwaited) String() string   { return "a leader is there" }
func (e *ElectionProblem) String() string { return "problem: " + e.Err.Error() }

func (e *ElectionWake) String() string {
	switch {
	case e.At.IsZero():
		return "sleep"
	case e.Spread > 0:
		return fmt.Sprintf("wake at %s, or %s later", e.At.Format("15:04:05.000"), e.Spread)
	default:
		return "wake at " + e.At.Format("15:04:05.000")
	}
}
