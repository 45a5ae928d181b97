// Copyright The Parti Authors
// SPDX-License-Identifier: Apache-2.0

package kv

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"time"

	"github.com/nats-io/nats.go"

	"github.com/parti-go/parti/internal/record"
	"github.com/parti-go/parti/internal/store"
)

const (
	resyncEvery = 30 * time.Second
	// suspicion is how long a store has to look rolled back before a feed believes it. Just after a change of leader, a replica
	// can look like that for a moment.
	suspicion = 2 * time.Second
	// heartbeatGrace is how late a sign of life of the server may be.
	heartbeatGrace = 400 * time.Millisecond
	// blindAfter is how long a feed has seen nothing before it says so. blindLost is how long it must have tried to create a new
	// consumer by then.
	blindAfter = 2 * time.Second
	blindLost  = 500 * time.Millisecond
	// awake limits what counts as recent: if one feed has heard nothing, it asks whether another one has heard something this
	// recently.
	awake = 500 * time.Millisecond
	// crowd is the time over which workers spread what all of them would do at the same moment, as after an outage of the store.
	crowd = 200 * time.Millisecond
)

// signOfLife is the length of a silence after which the server has to send a sign of life. The feed of heartbeats has a short
// one: the leader follows it, and everything else that the leader does depends on it. Each worker has the other feeds, so their
// signs of life are the cost of an idle group. The lease on leadership is usually renewed before its feed needs a sign of life.
// Each renewal names the newest plan. So a feed of assignments learns that it has missed a plan, and needs its own signs of
// life only with leaders that do not name the plan.
func signOfLife(b store.Bucket) time.Duration {
	switch b {
	case store.Heartbeats:
		return 500 * time.Millisecond
	case store.Assignments:
		return 10 * time.Second
	default:
		return 1500 * time.Millisecond
	}
}

// Feed passes what is stored under the keys (nil for all), and then every change of it, to emit. It returns when ctx ends, with
// the error of ctx. It also returns if the store was recreated, rolled back or emptied ([ErrRolledBack]), or if the connection
// is closed for good.
//
// First comes a snapshot that is complete at least up to atLeast: its markers and values, then an update of kind
// store.UpdateSynced. Then come the changes. After each reconnect, and every 30 s, Feed takes a new snapshot and repairs what
// was missed: it emits each newer value or marker, store.UpdateGone for each key that is no longer there, and
// store.UpdateSynced again. Changes are still emitted while a snapshot is being taken, and when one fails. A heartbeat that is
// not a record is emitted; one of the snapshots after a TTL reports it as expired, although the value is still there.
//
// During an outage of the store, Feed waits and reports the outage. It emits store.UpdateBlind when it has seen nothing for two
// seconds and could not create a consumer for half a second. It emits store.UpdateStale when changes arrive, but no snapshot
// has succeeded for 30 s and an OperationTimeout. It emits each of them once, with the time when the trouble began and the last
// error. The next store.UpdateSynced ends the trouble.
//
// emit is called by one goroutine at a time and must not block. Revisions of a key never go back.
func (s *Store) Feed(ctx context.Context, b store.Bucket, keys []string, atLeast uint64, emit func(store.Update)) error {
	nc := s.js.Conn()
	now := time.Now()
	f := &feed{
		view: newView(s, b, atLeast, emit), keys: keys, heartbeat: signOfLife(b), alarm: s.alarm.listen(),
		status: nc.StatusChanged(nats.CONNECTED, nats.CLOSED), done: make(chan result, 1),
		due: time.NewTimer(0), quiet: time.NewTimer(blindAfter), seen: now, listed: now, lost: now,
	}
	defer nc.RemoveStatusListener(f.status)
	defer s.alarm.leave(f.alarm)
	defer f.end()
	err := f.run(ctx)
	if ctx.Err() != nil {
		return ctx.Err()
	}
	return fmt.Errorf("feed of %s: %w", b, err)
}

// feed is one goroutine, which calls emit. Beside it runs at most one job: a listing, or the creation of a consumer. So neither
// of them delays what the consumer delivers.
type feed struct {
	view
	keys      []string
	heartbeat time.Duration // of the consumer
	status    chan nats.Status
	alarm     chan hint
	promised  hint        // the newest plan that is known to be stored
	promiseBy time.Time   // when it should have been delivered; zero once that was looked at
	consumer  *consumer   // nil while there is none
	since     time.Time   // when the consumer was made
	lost      time.Time   // when the consumer before it was dropped
	last      store.Entry // the last one that the consumer delivered
	extent    extent      // of the stream when it was last listed
	parts     *assembly   // of what the consumer delivers
	due       *time.Timer
	quiet     *time.Timer // for what is due although nothing arrives
	job       context.CancelFunc
	done      chan result // of the job
	again     bool        // the job is to be done again, whatever comes of it
	attempts  int         // in a row that failed
	failure   error       // of the last attempt that failed; nil once a snapshot has succeeded
	seen      time.Time   // when the view was last known to be that of the store
	listed    time.Time   // when the last snapshot that succeeded began
	blind     bool        // was told
	stale     bool        // was told
	suspected time.Time   // since when the store has looked rolled back; zero if it does not
}

// result is the outcome of a job.
type result struct {
	began    time.Time
	snapshot *store.Snapshot // nil where a listing shows that nothing has changed
	extent   extent
	consumer *consumer
	err      error
}

func (f *feed) run(ctx context.Context) error {
	for {
		f.quiet.Reset(time.Until(f.deadline()))
		var messages chan *nats.Msg
		if f.consumer != nil {
			messages = f.consumer.messages
		}
		select {
		case m := <-messages:
			f.received(ctx, m)
		case o := <-f.done:
			f.job()
			f.job = nil
			if err := f.finished(ctx, o); err != nil {
				return err
			}
		case <-f.due.C:
			f.list(ctx)
		case <-f.quiet.C:
			f.overdue()
		case h := <-f.alarm:
			f.alarmed(h)
		case status := <-f.status:
			if status == nats.CLOSED {
				return nats.ErrConnectionClosed
			}
			f.lose()
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// end waits for the job, if there is one, and cleans up.
func (f *feed) end() {
	if f.job != nil {
		f.job()
		if o := <-f.done; o.consumer != nil {
			o.consumer.stop()
		}
	}
	if f.consumer != nil {
		f.consumer.stop()
	}
	f.due.Stop()
	f.quiet.Stop()
}

// start begins a job.
func (f *feed) start(ctx context.Context, job func(ctx context.Context) result) {
	ctx, f.job = context.WithCancel(ctx)
	began := time.Now()
	go func() {
		o := job(ctx)
		o.began = began
		f.done <- o
	}()
}

// list starts to take a snapshot.
func (f *feed) list(ctx context.Context) {
	if f.job != nil {
		f.again = true
		return
	}
	f.again = false
	s, bucket, keys, upTo := f.store, f.bucket, f.keys, f.upTo
	told := func(extent) bool { return false }
	if f.consumer != nil && bucket != store.Heartbeats { // of which a snapshot also shows which ones are no records
		before, last := f.extent, f.last
		alone := len(f.live) == 1 && f.live[last.Key]
		told = func(now extent) bool { return now.same(before) || alone && now.only(last) }
	}
	f.start(ctx, func(ctx context.Context) result {
		snapshot, extent, err := s.relist(ctx, bucket, keys, upTo, told)
		return result{snapshot: snapshot, extent: extent, err: err}
	})
}

// extent describes what a stream holds, as far as the state of the stream shows it.
type extent struct {
	first, last, messages uint64
	at                    time.Time // when the last message was stored
}

// same reports whether nothing was written or removed between two extents.
func (e extent) same(before extent) bool {
	return e.first == before.first && e.last == before.last && e.messages == before.messages && e.at.Equal(before.at)
}

// only reports whether the entry is the only message of the stream.
func (e extent) only(entry store.Entry) bool {
	return e.messages == 1 && e.first == e.last && e.last == entry.Revision && e.at.Equal(entry.Created)
}

// relist takes a snapshot, if the stream is still the one that this feed knows. It takes none if told says that the extent
// shows nothing new.
func (s *Store) relist(ctx context.Context, b store.Bucket, keys []string, upTo uint64, told func(extent) bool) (*store.Snapshot, extent, error) {
	ctx, cancel := s.bound(ctx)
	defer cancel()
	info, err := s.info(ctx, b)
	if err != nil {
		return nil, extent{}, err
	}
	state := info.State
	now := extent{state.FirstSeq, state.LastSeq, state.Msgs, state.LastTime}
	if now.last < upTo {
		return nil, now, fmt.Errorf("%w: bucket %q is at sequence %d, but sequence %d was read before", ErrRolledBack, s.cfg.bucket(b), now.last, upTo)
	}
	if !info.Config.AllowDirect {
		return nil, now, s.noDirectGet(b) // nothing may have changed, but the next change cannot be verified
	}
	if told(now) {
		return nil, now, nil
	}
	// This extent now counts as emitted, so a replica that lags must not answer.
	snapshot, err := s.snapshot(ctx, b, keys, max(upTo, now.last))
	return &snapshot, now, err
}

// finished handles the result of a job. Its error ends the feed.
func (f *feed) finished(ctx context.Context, o result) error {
	switch {
	case o.err != nil:
		return f.failed(o.err)
	case o.consumer != nil && f.again: // the connection was away meanwhile
		o.consumer.stop()
	case o.consumer != nil:
		f.consumer, f.parts, f.seen, f.since = o.consumer, f.store.newAssembly(), time.Now(), time.Now()
	default:
		f.suspected = time.Time{}
		if o.snapshot != nil {
			if err := f.compare(*o.snapshot); err != nil {
				return err
			}
		}
		f.extent = o.extent
		f.listed, f.blind, f.stale, f.failure = o.began, false, false, nil
		f.emit(store.Update{Kind: store.UpdateSynced, UpTo: f.upTo})
		if f.consumer != nil {
			f.attempts = 0
			break
		}
		f.seen = o.began
		if f.again {
			break
		}
		s, bucket, keys, upTo, heartbeat := f.store, f.bucket, f.keys, f.upTo, f.heartbeat
		f.start(ctx, func(ctx context.Context) result {
			c, err := s.consume(ctx, bucket, keys, upTo, heartbeat)
			return result{consumer: c, err: err}
		})
		return nil
	}
	wait := time.Until(f.listed.Add(resyncEvery))
	if f.again {
		wait = 0
	}
	f.due.Reset(max(wait, 0))
	return nil
}

// failed plans the next attempt, unless the store was replaced or is gone for good.
func (f *feed) failed(err error) error {
	switch {
	case f.store.js.Conn().IsClosed():
		return err
	case !errors.Is(err, ErrRolledBack):
		f.suspected = time.Time{}
	case f.suspected.IsZero():
		f.suspected = time.Now()
	case time.Since(f.suspected) >= suspicion:
		return err
	}
	if !errors.Is(err, context.Canceled) { // begun again on purpose
		f.failure = err
	}
	wait := min(20*time.Millisecond<<min(f.attempts, 7), 2*time.Second)
	f.attempts++
	if f.again {
		wait = crowd
	}
	f.due.Reset(wait/2 + rand.N(wait))
	return nil
}

// received emits what the consumer has delivered.
func (f *feed) received(ctx context.Context, m *nats.Msg) {
	e, ok, err := f.consumer.receive(ctx, f.bucket, m)
	if ok {
		if whole, ok := f.parts.add(e); ok {
			f.tell(whole)
		}
		f.last = e
		if f.bucket == store.Election && e.Kind == store.Put {
			if leader, err := record.DecodeLeader(e.Value); err == nil && leader.Plan > 0 {
				f.store.alarm.ring(f.alarm, hint(leader.Plan))
			}
		}
		f.upTo = max(f.upTo, e.Revision)
	}
	if err != nil {
		f.lose()
		return
	}
	f.seen = time.Now()
	if f.parts.newlyWaiting() { // for a part that should have come before
		f.due.Reset(crowd)
	}
}

// alarmed handles what another feed has found out.
func (f *feed) alarmed(h hint) {
	switch {
	case f.consumer == nil:
	case h == silence:
		if time.Since(f.seen) > awake {
			f.lose()
		}
	case f.bucket == store.Assignments && h != f.promised:
		f.promised, f.promiseBy = h, time.Now().Add(heartbeatGrace)
	}
}

// broken returns when a plan that is known to be stored is overdue; zero for never.
func (f *feed) broken() time.Time {
	if uint64(f.promised) <= f.told[store.PlanKey].revision {
		return time.Time{}
	}
	return f.promiseBy
}

// lose drops a consumer that is broken, or may be, and starts again.
func (f *feed) lose() {
	if f.consumer != nil {
		f.consumer.stop()
		f.consumer, f.lost = nil, time.Now()
		if time.Since(f.since) > consumeTimeout {
			f.attempts = 0
		}
	}
	if f.job != nil {
		f.again = true
		f.job()
	}
	f.due.Reset(rand.N(crowd))
}

// deadline returns when the feed has to act although nothing arrives.
func (f *feed) deadline() time.Time {
	never := time.Now().Add(time.Hour)
	silent, blind, stale := never, never, never
	if f.consumer != nil {
		silent = f.seen.Add(f.heartbeat + heartbeatGrace)
		if at := f.broken(); !at.IsZero() && at.Before(silent) {
			silent = at
		}
		if !f.stale {
			stale = f.staleFrom()
		}
	} else if !f.blind {
		blind = f.blindFrom()
	}
	first := silent
	for _, t := range []time.Time{blind, stale} {
		if t.Before(first) {
			first = t
		}
	}
	return first
}

// blindFrom returns when a feed without a consumer reports that it is blind.
func (f *feed) blindFrom() time.Time {
	seen, lost := f.seen.Add(blindAfter), f.lost.Add(blindLost)
	if lost.After(seen) {
		return lost
	}
	return seen
}

func (f *feed) staleFrom() time.Time {
	return f.listed.Add(resyncEvery + f.store.cfg.OperationTimeout)
}

// overdue does and reports whatever is due.
func (f *feed) overdue() {
	now := time.Now()
	switch {
	case f.consumer == nil:
		if !f.blind && !now.Before(f.blindFrom()) {
			f.blind = true
			f.emit(store.Update{Kind: store.UpdateBlind, Since: f.seen, Err: f.failure})
		}
	case !now.Before(f.seen.Add(f.heartbeat + heartbeatGrace)):
		f.store.alarm.ring(f.alarm, silence)
		f.lose()
	case !f.broken().IsZero() && !now.Before(f.broken()):
		f.promiseBy = time.Time{}
		f.lose()
	case !f.stale && !now.Before(f.staleFrom()):
		f.stale = true
		f.emit(store.Update{Kind: store.UpdateStale, Since: f.listed, Err: f.failure})
	}
}
