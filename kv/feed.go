package kv

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
)

const (
	resyncEvery   = 30 * time.Second
	feedHeartbeat = 500 * time.Millisecond
	// suspicion is how long a store has to look rolled back: just after a change of leader a replica can look so.
	suspicion = 2 * time.Second
	// consumeTimeout bounds the making of a consumer, and is how long an idle one is kept by the server.
	consumeTimeout = 5 * time.Second
)

// Feed tells what is stored under the keys (nil for all) and every change of it, until ctx ends, whose error it then
// returns, or until the store is not the one it was, or was emptied ([ErrRolledBack]), or the connection is closed for good.
//
// First comes a snapshot that is complete at least up to atLeast: its markers and values, then an update of kind
// [UpdateSynced]. Then come the changes. After each reconnect, and every 30 s, a fresh snapshot repairs what was missed:
// a value or marker that is newer, [UpdateGone] for a key that is not there any more, and [UpdateSynced] again. An
// outage of the store only makes it wait. A heartbeat that is no record at all is told, and told as expired by one of the
// snapshots after a TTL, though it is still there.
//
// emit is called from one goroutine at a time and must not block. Revisions of a key never go back.
func (s *Store) Feed(ctx context.Context, b Bucket, keys []string, atLeast uint64, emit func(Update)) error {
	f := &feed{store: s, bucket: b, keys: keys, emit: emit, told: map[string]write{}, live: map[string]bool{}, corrupt: map[string]sighting{}, upTo: atLeast}
	nc := s.js.Conn()
	f.reconnected = nc.StatusChanged(nats.CONNECTED)
	defer nc.RemoveStatusListener(f.reconnected)
	for attempt := 0; ; attempt++ {
		err := f.resync(ctx)
		if err == nil {
			began := time.Now()
			if err = f.follow(ctx); time.Since(began) > consumeTimeout {
				attempt = 0
			}
		}
		if !errors.Is(err, ErrRolledBack) {
			f.suspected = time.Time{}
		} else if f.suspected.IsZero() {
			f.suspected = time.Now()
		}
		switch {
		case ctx.Err() != nil:
			return ctx.Err()
		case f.proven, !f.suspected.IsZero() && time.Since(f.suspected) >= suspicion, nc.IsClosed():
			return fmt.Errorf("feed of %s: %w", b, err)
		}
		f.wait(ctx, min(20*time.Millisecond<<min(attempt, 7), 2*time.Second))
	}
}

type feed struct {
	store       *Store
	bucket      Bucket
	keys        []string
	emit        func(Update)
	reconnected chan nats.Status
	told        map[string]write // the newest told, by key
	live        map[string]bool  // keys whose last told update was a value
	corrupt     map[string]sighting
	upTo        uint64    // everything up to here is told
	suspected   time.Time // since when the store seems to be another than it was; zero for not
	proven      bool      // it is
}

// write is one write of a key.
type write struct {
	revision uint64
	token    token
}

// sighting is when a snapshot first showed a revision.
type sighting struct {
	revision uint64
	at       time.Time
}

// wait pauses between attempts; a reconnect ends the pause.
func (f *feed) wait(ctx context.Context, d time.Duration) {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
	case <-f.reconnected:
	case <-ctx.Done():
	}
}

// resync tells what a fresh snapshot shows that was not told yet.
func (f *feed) resync(ctx context.Context) error {
	ctx, cancel := f.store.bound(ctx)
	defer cancel()
	info, err := f.store.info(ctx, f.bucket)
	if err != nil {
		return err
	}
	if info.State.LastSeq < f.upTo {
		return fmt.Errorf("%w: bucket %q is at sequence %d, %d was seen", ErrRolledBack, f.store.cfg.bucket(f.bucket), info.State.LastSeq, f.upTo)
	}
	snapshot, err := f.store.snapshot(ctx, f.bucket, f.keys, f.upTo)
	if err != nil {
		return err
	}
	there := make(map[string]bool, len(snapshot.Entries))
	for _, e := range snapshot.Entries {
		told := f.told[e.Key]
		if e.Revision < told.revision || e.Revision == told.revision && e.Token != told.token {
			// The snapshot is complete beyond what was told, so this is no replica that lags.
			f.proven = true
			return fmt.Errorf("%w: %q of bucket %q is at revision %d, %d was seen", ErrRolledBack, e.Key, f.store.cfg.bucket(f.bucket), e.Revision, told.revision)
		}
	}
	for _, e := range snapshot.Entries {
		there[e.Key] = true
		f.tell(e)
	}
	if f.bucket == Assignments && f.live[TermKey] && f.live[PlanKey] && !there[TermKey] && !there[PlanKey] {
		// Nobody of the group deletes one of them, and a stranger's deletion leaves a marker: the stream was purged.
		f.proven = true
		return fmt.Errorf("%w: bucket %q was emptied", ErrRolledBack, f.store.cfg.bucket(f.bucket))
	}
	for key := range f.live {
		if !there[key] && f.told[key].revision <= snapshot.UpTo {
			delete(f.live, key)
			f.emit(Update{Kind: UpdateGone, Entry: Entry{Bucket: f.bucket, Key: key}})
		}
	}
	f.expireCorrupt(snapshot.Entries)
	f.upTo = max(f.upTo, snapshot.UpTo)
	f.emit(Update{Kind: UpdateSynced, UpTo: f.upTo})
	return nil
}

// expireCorrupt ends a heartbeat that is no record, whose writer need not have given it a TTL: nobody renews it, and its
// worker would seem to live for good. The worker's last own heartbeat is older, so after a TTL it is over in any case.
func (f *feed) expireCorrupt(entries []Entry) {
	if f.bucket != Heartbeats {
		return
	}
	for _, e := range entries {
		if _, err := DecodeHeartbeat(e.Value); e.Kind != Put || !f.live[e.Key] || !errors.Is(err, ErrCorrupt) {
			continue
		}
		first := f.corrupt[e.Key]
		switch {
		case first.revision != e.Revision:
			f.corrupt[e.Key] = sighting{e.Revision, time.Now()}
		case time.Since(first.at) >= f.store.TTL(f.bucket):
			delete(f.live, e.Key)
			delete(f.corrupt, e.Key)
			f.emit(Update{Kind: UpdateExpired, Entry: Entry{Bucket: f.bucket, Key: e.Key, Revision: e.Revision, Kind: Expired}, UpTo: e.Revision})
		}
	}
}

// tell passes an entry on if it is newer than what was told of its key.
func (f *feed) tell(e Entry) {
	if e.Revision <= f.told[e.Key].revision {
		return
	}
	f.told[e.Key] = write{e.Revision, e.Token}
	u := Update{Kind: UpdatePut, Entry: e, UpTo: e.Revision}
	switch e.Kind {
	case Put:
		f.live[e.Key] = true
		f.emit(u)
		return
	case Deleted:
		u.Kind = UpdateDeleted
	case Expired:
		u.Kind = UpdateExpired
	}
	delete(f.live, e.Key)
	f.emit(u)
}

// follow tells changes as they come, until the consumer breaks or the connection was away; a fresh snapshot and a new
// consumer then go on. Recovering is the feed's own work because it has to be quick, complete, and over at once when
// ctx ends: an ordered consumer of the client is not.
func (f *feed) follow(ctx context.Context) error {
	ctx, cancel := context.WithCancel(ctx)
	messages, err := f.consume(ctx)
	if err != nil {
		cancel()
		return err
	}
	arrivals := make(chan jetstream.Msg)
	broken := make(chan error, 1)
	go func() {
		defer close(arrivals)
		defer messages.Stop()
		for {
			m, err := messages.Next(jetstream.NextContext(ctx))
			if err != nil {
				broken <- err
				return
			}
			select {
			case arrivals <- m:
			case <-ctx.Done():
				broken <- ctx.Err()
				return
			}
		}
	}()
	defer func() {
		cancel()
		for range arrivals { // until the goroutine has ended
		}
	}()
	return f.loop(ctx, arrivals, broken)
}

// consume makes a consumer of this feed's own, from where it stands. The server forgets it some seconds after the last
// pull.
func (f *feed) consume(ctx context.Context) (jetstream.MessagesContext, error) {
	ctx, cancel := context.WithTimeout(ctx, consumeTimeout)
	defer cancel()
	config := jetstream.ConsumerConfig{
		DeliverPolicy: jetstream.DeliverByStartSequencePolicy, OptStartSeq: f.upTo + 1, AckPolicy: jetstream.AckNonePolicy,
		MemoryStorage: true, Replicas: 1, InactiveThreshold: consumeTimeout, MaxDeliver: 1,
	}
	config.FilterSubjects = f.store.withParts(f.bucket, f.keys)
	consumer, err := f.store.js.CreateConsumer(ctx, f.store.stream(f.bucket), config)
	if err != nil {
		return nil, err
	}
	return consumer.Messages(jetstream.PullHeartbeat(feedHeartbeat), jetstream.WithMessagesErrOnMissingHeartbeat(true))
}

var errGap = errors.New("messages are missing")

func (f *feed) loop(ctx context.Context, arrivals <-chan jetstream.Msg, broken <-chan error) error {
	due := time.NewTicker(resyncEvery)
	defer due.Stop()
	var delivered uint64
	parts := f.store.newAssembly()
	for {
		select {
		case m, ok := <-arrivals:
			if !ok {
				return <-broken
			}
			meta, err := m.Metadata()
			if err != nil {
				return err
			}
			if delivered++; meta.Sequence.Consumer != delivered {
				return errGap
			}
			if e, ok := parts.add(f.store.entry(f.bucket, m.Subject(), meta.Sequence.Stream, meta.Timestamp, m.Headers(), m.Data())); ok {
				f.tell(e)
			}
			f.upTo = max(f.upTo, meta.Sequence.Stream)
		case <-due.C:
			if err := f.resync(ctx); err != nil {
				return err
			}
		case <-f.reconnected:
			return nil
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}
