package actors

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/asynkron/protoactor-go/actor"

	"github.com/parti-go/parti/kv"
)

// heartbeat keeps the worker's entry in the heartbeat bucket alive and carries its acknowledgements. One write is under
// way at a time; what comes meanwhile goes with the next.
type heartbeat struct {
	*guard
	begun   time.Time // when the claim was sent that began the session
	report  func(reported)
	set     Settings
	store   *kv.Store
	id      string
	session uint64
	anew    bool // the session before ended in a panic
	held    func() Held
	standing

	lease    kv.Lease    // zero before the first acknowledged write
	applied  kv.Position // by this session: nothing, at first
	told     kv.Position // what of it the last heartbeat has told
	holding  []string    // what that one listed
	reads    int         // the newest format that everybody in the group reads
	stuck    []string    // what is waited for past its deadline
	asked    *kv.Fence   // to be answered by the next write that is begun
	sending  bool
	urgent   bool // something to say that does not wait for the next interval
	lost     bool
	next     func() // stops the timer of the next write
	attempts int
}

type (
	beatDue  struct{}
	beatSent struct {
		lease kv.Lease
		asked *kv.Fence
		err   error
	}
)

// longestRetry is the pause between failed heartbeats at most: after a short outage there is not much trust left.
const longestRetry = 250 * time.Millisecond

func newHeartbeat(g *guard, report func(reported), set Settings, store *kv.Store, id string, session uint64, anew bool, held func() Held) *heartbeat {
	return &heartbeat{guard: g, report: report, set: set, store: store, id: id, session: session, anew: anew, held: held, next: func() {}}
}

func (h *heartbeat) started()      { h.send() }
func (h *heartbeat) stopping(bool) {}

func (h *heartbeat) receive(_ actor.Context, message any) {
	switch msg := message.(type) {
	case *beatDue:
		h.send()
	case *beatSent:
		h.sent(msg)
	case *beatNow:
		h.asked = &msg.fence
		h.hurry()
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
	case *stuck:
		if !slices.Equal(h.stuck, msg.lines) {
			h.stuck = msg.lines
			h.hurry()
		}
	}
}

// hurry sends now, or as soon as the write under way is over.
func (h *heartbeat) hurry() {
	h.urgent = true
	h.send()
}

func (h *heartbeat) send() {
	if h.sending || h.lost {
		return
	}
	if h.begun.IsZero() {
		h.begun = time.Now()
	}
	if h.lease.Revision == 0 && !time.Now().Before(h.firstBy()) {
		h.lose(fmt.Errorf("heartbeat of %s session %d: the first was not acknowledged: %w", h.id, h.session, kv.ErrLate))
		return
	}
	h.next()
	h.sending, h.urgent = true, false
	asked := h.asked
	h.asked = nil
	lease := h.lease
	timeout := h.timeout()
	record := h.record()
	h.run(func(ctx context.Context) any {
		ctx, cancel := context.WithTimeout(ctx, timeout)
		defer cancel()
		next, err := h.write(ctx, lease, record)
		return &beatSent{next, asked, err}
	})
}

// mostHeld is how many partitions a heartbeat lists as held at most.
const mostHeld = 1000

// record is what the next heartbeat says. What is held is read after what is applied is known, so it is complete for that.
// Where the list is too long, or somebody could not read it, the worker acknowledges nothing new until it is short enough:
// nothing that is held is free.
func (h *heartbeat) record() kv.Heartbeat {
	held := h.held()
	if len(held.Holding) == 0 || len(held.Holding) <= mostHeld && h.reads >= kv.FormatHolding {
		h.told, h.holding = h.applied, held.Holding
	} else {
		h.holding = slices.DeleteFunc(slices.Clone(h.holding), func(id string) bool {
			_, still := slices.BinarySearch(held.Holding, id)
			return !still
		})
	}
	return kv.Heartbeat{
		Session: h.session, Applied: h.told, Holding: h.holding, Starting: held.Starting[:min(len(held.Starting), mostHeld)],
		Capacity: h.set.Capacity, Labels: h.set.Labels, Cordoned: h.cordoned, Leaving: h.leaving, Failed: h.anew, Stuck: h.stuck,
	}
}

// timeout is how long the next write may take. An answer may come later than the next heartbeat is due: how long it takes
// says nothing about how often one is wanted. But a write that nobody answers must leave time for another before the trust
// ends, so it has half of what is left, and not more than a quarter of HeartbeatTTL, of which three are the trust.
func (h *heartbeat) timeout() time.Duration {
	end := h.firstBy()
	if h.lease.Revision != 0 {
		end = h.lease.TrustedUntil()
	}
	return max(h.set.Topology.HeartbeatInterval, min(time.Until(end)/2, h.set.Store.HeartbeatTTL/4))
}

// firstBy is when the first heartbeat must have been acknowledged. One whose answer was lost is stored, and expires: the
// leader then takes the session for over, and what is over must not be begun again under the same number. It counts from the
// claim: a session without a heartbeat, whose claim is older than HeartbeatTTL, is over for those who want its ID.
func (h *heartbeat) firstBy() time.Time {
	return kv.Lease{Sent: h.begun, TTL: h.set.Store.HeartbeatTTL}.TrustedUntil()
}

func (h *heartbeat) lose(err error) {
	h.lost = true
	h.report(&sessionLost{err})
}

func (h *heartbeat) write(ctx context.Context, lease kv.Lease, record kv.Heartbeat) (kv.Lease, error) {
	if lease.Revision != 0 {
		return h.store.Renew(ctx, lease, record)
	}
	// The entry of an earlier session of this ID is dead: the claim is ours.
	return h.store.Acquire(ctx, kv.Heartbeats, h.id, record, func(e kv.Entry) bool {
		before, err := kv.DecodeHeartbeat(e.Value)
		return err != nil || before.Session <= h.session
	})
}

func (h *heartbeat) sent(msg *beatSent) {
	h.sending = false
	if msg.err == nil && h.lease.Revision == 0 && !time.Now().Before(h.firstBy()) {
		msg.err = kv.ErrLate
	}
	if msg.err == nil {
		h.attempts = 0
		h.lease = msg.lease
		h.report(&beat{msg.lease, msg.asked})
	} else {
		h.failed(msg)
	}
	switch {
	case h.lost:
	case h.urgent && msg.err == nil:
		h.send()
	case msg.err == nil:
		// From the send, not from the answer: a slow store must not thin out the heartbeats.
		h.next = h.after(time.Until(h.lease.Sent.Add(h.set.Topology.HeartbeatInterval)), &beatDue{})
	default:
		h.attempts++
		h.next = h.after(jitter(min(50*time.Millisecond<<min(h.attempts, 5), h.set.Topology.HeartbeatInterval/2, longestRetry)), &beatDue{})
	}
}

func (h *heartbeat) failed(msg *beatSent) {
	if isCanceled(h.ctx, msg.err) {
		return
	}
	if h.asked == nil {
		h.asked = msg.asked
	}
	err := fmt.Errorf("heartbeat of %s session %d: %w", h.id, h.session, msg.err)
	if errors.Is(err, kv.ErrLost) || errors.Is(err, kv.ErrLate) || errors.Is(err, kv.ErrTaken) {
		h.lose(err)
		return
	}
	h.report(&beatMissed{err})
}
