// Copyright The Parti Authors
// SPDX-License-Identifier: Apache-2.0

package actors

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/asynkron/protoactor-go/actor"

	"github.com/parti-go/parti/internal/lease"
	"github.com/parti-go/parti/internal/record"
	"github.com/parti-go/parti/internal/store"
	"github.com/parti-go/parti/kv"
)

// heartbeat keeps the worker's entry in the heartbeat bucket alive, and carries its acknowledgements. A [lease.Hold] decides
// when to write the entry.
type heartbeat struct {
	*guard
	begun   time.Time // when the claim was sent that began the session
	report  func(reported)
	set     Settings
	store   *kv.Store
	id      string
	session uint64
	anew    bool // the session before ended in a panic
	held    func() unsettled
	standing

	hold     lease.Hold
	lease    store.Lease     // zero before the first acknowledged write
	applied  record.Position // by this session: nothing, at first
	shown    int64           // the newest version that the user was shown
	told     record.Position // what of it the last heartbeat has told
	holding  []string        // what that one listed
	reads    int             // the newest format that everybody in the group reads
	stuck    []string        // what is waited for past its deadline
	asked    *store.Fence    // a question that no acknowledged write has answered yet
	question uint64          // its number
	stood    uint64          // the number under which the present standing was asked for
	rounds   []uint64        // of cordons that no acknowledged write tells yet
	next     func()          // stops the timer
}

type (
	beatDue  struct{}
	beatSent struct {
		lease store.Lease
		err   error
	}
)

// The pauses after failed heartbeats grow, but stay short, because after a short outage not much trust is left.
const (
	firstRetry   = 100 * time.Millisecond
	longestRetry = 250 * time.Millisecond
)

func newHeartbeat(g *guard, report func(reported), set Settings, buckets *kv.Store, id string, session uint64, anew bool, held func() unsettled) *heartbeat {
	return &heartbeat{guard: g, report: report, set: set, store: buckets, id: id, session: session, anew: anew, held: held, next: func() {}}
}

func (h *heartbeat) started() {
	if h.begun.IsZero() {
		h.begun = time.Now()
	}
	h.hold = lease.New(h.keeping(), h.begun)
	h.proceed()
}

func (h *heartbeat) stopping(bool) {}

func (h *heartbeat) receive(_ actor.Context, message any) {
	switch msg := message.(type) {
	case *beatDue:
		h.proceed()
	case *beatSent:
		h.sent(msg)
	case *beatNow:
		h.asked = &msg.fence
		h.question = h.hurry()
	case *announce:
		h.shown = max(h.shown, msg.version)
	case *position:
		h.applied = msg.Position
		if msg.now {
			h.hurry()
		}
	case *heldChanged:
		h.hurry()
	case *groupReads:
		h.reads = msg.format
	case *stand:
		h.stand(msg.standing)
	case *attest:
		h.rounds = append(h.rounds, msg.round)
		h.attest()
	case *stuck:
		if !slices.Equal(h.stuck, msg.lines) {
			h.stuck = msg.lines
			h.hurry()
		}
	}
}

// keeping returns the rules for renewing a heartbeat. The first heartbeat must be acknowledged while it can be trusted, counted
// from the claim. If its answer is lost, it is stored and then expires. The leader then considers the session over, and a
// session that is over must not begin again under the same number. Workers that want the ID of a claim older than HeartbeatTTL
// also consider it over.
//
// An answer may come later than the next heartbeat is due, because the interval does not depend on how long an answer takes.
// But a write without an answer must leave time for another before the trust ends. So it gets a quarter of HeartbeatTTL at
// most; the trust lasts three quarters.
func (h *heartbeat) keeping() lease.Config {
	interval, ttl := h.set.Topology.HeartbeatInterval, h.set.Store.HeartbeatTTL
	return lease.Config{
		TTL: ttl, Interval: interval, Pause: firstRetry, LongestPause: min(interval/2, longestRetry), Shortest: interval, Longest: ttl / 4,
	}
}

// hurry sends a heartbeat now, or as soon as the present write is over.
func (h *heartbeat) hurry() (request uint64) {
	request = h.hold.Hurry(time.Now())
	h.proceed()
	return request
}

// proceed does what the hold decides.
func (h *heartbeat) proceed() {
	switch next := h.hold.Next(time.Now()).(type) {
	case *lease.Write:
		h.send(next.Limit)
		h.proceed()
	case *lease.Wait:
		h.next()
		h.next = h.at(next.At, next.Spread, &beatDue{})
	case *lease.End:
		h.next()
		h.report(&sessionLost{h.why(next.Err)})
	}
}

// why returns the error with which the hold has ended.
func (h *heartbeat) why(err error) error {
	switch {
	case err != nil:
	case h.lease.Revision == 0:
		err = fmt.Errorf("the first one was not acknowledged: %w", kv.ErrLate)
	default:
		err = ranOut(h.lease)
	}
	return fmt.Errorf("heartbeat of %s session %d: %w", h.id, h.session, err)
}

func (h *heartbeat) send(limit time.Duration) {
	hold, rec := h.lease, h.record()
	h.run(func(ctx context.Context) any {
		ctx, cancel := context.WithTimeout(ctx, limit)
		defer cancel()
		began := time.Now()
		next, err := h.write(ctx, hold, rec)
		if h.ctx.Err() == nil {
			h.set.measures.beaten(time.Since(began), err)
		}
		return &beatSent{next, err}
	})
}

// mostHeld is the largest number of held partitions in a heartbeat.
const mostHeld = 1000

// record returns the next heartbeat. It reads the held partitions after the applied version, so the list is complete for that
// version. If the list is too long, or a worker of the group cannot read it, the worker acknowledges nothing new until the list
// is short enough. Otherwise a held partition would count as free.
func (h *heartbeat) record() record.Heartbeat {
	held := h.held()
	if len(held.Holding) == 0 || len(held.Holding) <= mostHeld && h.reads >= record.FormatHolding {
		h.told, h.holding = h.applied, held.Holding
	} else {
		h.holding = slices.DeleteFunc(slices.Clone(h.holding), func(id string) bool {
			_, still := slices.BinarySearch(held.Holding, id)
			return !still
		})
	}
	shown := h.shown
	if shown <= h.told.Version {
		shown = 0
	}
	return record.Heartbeat{
		Shown:   shown,
		Session: h.session, Applied: h.told, Holding: h.holding, Starting: held.Starting[:min(len(held.Starting), mostHeld)],
		Capacity: h.set.Capacity, Labels: h.set.Labels, Cordoned: h.cordoned, Leaving: h.leaving, Failed: h.anew, Stuck: h.stuck,
	}
}

func (h *heartbeat) write(ctx context.Context, hold store.Lease, rec record.Heartbeat) (store.Lease, error) {
	if hold.Revision != 0 {
		return h.store.Renew(ctx, hold, rec)
	}
	// The entry of an earlier session of this ID is dead: the claim is ours.
	return h.store.Acquire(ctx, store.Heartbeats, h.id, rec, func(e store.Entry) bool {
		before, err := record.DecodeHeartbeat(e.Value)
		return err != nil || before.Session <= h.session
	})
}

func (h *heartbeat) sent(msg *beatSent) {
	if h.ctx.Err() != nil {
		return
	}
	left := time.Until(h.hold.TrustedUntil())
	switch h.hold.Answered(time.Now(), msg.lease.Sent, msg.err) {
	case lease.Done:
		if h.lease.Revision != 0 {
			h.set.measures.renewed(left, msg.lease)
		}
		h.lease = msg.lease
		h.report(&beat{msg.lease, h.answer()})
		h.attest()
	case lease.NotDone, lease.Unknown:
		h.report(&beatMissed{h.why(msg.err)})
	case lease.Over:
	}
	h.proceed()
}

// answer returns the question that the acknowledged write has just answered, if there is one.
func (h *heartbeat) answer() (asked *store.Fence) {
	if h.asked != nil && h.hold.Settled(h.question) {
		asked, h.asked = h.asked, nil
	}
	return asked
}
