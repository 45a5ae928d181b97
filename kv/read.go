// Copyright The Parti Authors
// SPDX-License-Identifier: Apache-2.0

package kv

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/parti-go/parti/internal/record"
	"github.com/parti-go/parti/internal/store"
)

// patience is how long to wait for an answer before the request is repeated. Nobody answers a request for the leader while the
// cluster elects one, or if the server that got it has just failed.
func (s *Store) patience() time.Duration { return max(s.cfg.OperationTimeout/4, time.Second) }

// longer returns how long to wait for an answer after so many attempts without one. The wait grows: otherwise a busy server
// would spend its time on answers to requests that have been given up.
func (s *Store) longer(attempt int) time.Duration { return s.patience() << min(attempt, 4) }

// ask repeats a request that changes nothing until it is answered or the context ends.
func ask[T any](ctx context.Context, s *Store, question func(context.Context) (T, error)) (T, error) {
	for n := 0; ; n++ {
		attempt, cancel := context.WithTimeout(ctx, s.longer(n))
		answer, err := question(attempt)
		again := err != nil && attempt.Err() != nil && ctx.Err() == nil
		cancel()
		if !again {
			return answer, err
		}
	}
}

// Get reads the last message under a key, which may be a marker, from the leader of the stream. What it returns was true when
// the leader answered. [ErrNotFound] says that there is neither a value nor a marker.
func (s *Store) Get(ctx context.Context, b store.Bucket, key string) (store.Entry, error) {
	ctx, cancel := s.bound(ctx)
	defer cancel()
	for attempt := 0; ; attempt++ {
		stored, err := s.get(ctx, b, key)
		if err != nil {
			return store.Entry{}, err
		}
		whole, ok, err := s.getWhole(ctx, stored)
		switch {
		case ok:
			return whole, nil
		case err != nil && !errors.Is(err, ErrNotFound):
			return store.Entry{}, err
		case attempt >= mixtures || !pause(ctx, 10*time.Millisecond<<attempt):
			return stored, nil
		}
	}
}

// get reads one message.
func (s *Store) get(ctx context.Context, b store.Bucket, key string) (store.Entry, error) {
	var answer struct {
		Error   *jetstream.APIError `json:"error"`
		Message *struct {
			Subject  string    `json:"subject"`
			Sequence uint64    `json:"seq"`
			Header   []byte    `json:"hdrs"`
			Data     []byte    `json:"data"`
			Time     time.Time `json:"time"`
		} `json:"message"`
	}
	request, err := json.Marshal(map[string]string{"last_by_subj": s.subject(b, key)})
	if err != nil {
		return store.Entry{}, err
	}
	reply, err := ask(ctx, s, func(ctx context.Context) (*nats.Msg, error) {
		return bounded(ctx, func() (*nats.Msg, error) {
			return s.js.Conn().RequestWithContext(ctx, s.prefix+"STREAM.MSG.GET."+s.stream(b), request)
		})
	})
	if err == nil {
		err = json.Unmarshal(reply.Data, &answer)
	}
	switch {
	case err != nil:
		return store.Entry{}, fmt.Errorf("read %s %q: %w", b, key, notDone(err))
	case answer.Error != nil && answer.Error.ErrorCode == jetstream.JSErrCodeMessageNotFound:
		return store.Entry{}, fmt.Errorf("read %s %q: %w", b, key, ErrNotFound)
	case answer.Error != nil:
		return store.Entry{}, fmt.Errorf("read %s %q: %w", b, key, notDone(answer.Error))
	case answer.Message == nil:
		return store.Entry{}, fmt.Errorf("read %s %q: %w: empty answer", b, key, ErrNotDone)
	}
	m := answer.Message
	var header nats.Header
	if len(m.Header) > 0 {
		if header, err = nats.DecodeHeadersMsg(m.Header); err != nil {
			return store.Entry{}, fmt.Errorf("read %s %q: %w", b, key, notDone(err))
		}
	}
	return s.entry(b, m.Subject, m.Sequence, m.Time, header, m.Data), nil
}

// notDone wraps the error of a read in [ErrNotDone], because a read that fails has changed nothing.
func notDone(err error) error { return fmt.Errorf("%w: %w", ErrNotDone, plain(err)) }

// entry decodes a message of a bucket's stream.
func (s *Store) entry(b store.Bucket, subject string, sequence uint64, at time.Time, header nats.Header, data []byte) store.Entry {
	e := store.Entry{Bucket: b, Key: s.key(b, subject), Revision: sequence, Created: at}
	lifetime := lifetime(header)
	switch {
	case header.Get("KV-Operation") != "":
		e.Kind = store.Deleted
	case header.Get(jetstream.MarkerReasonHeader) == "MaxAge":
		e.Kind = store.Expired
	case header.Get(jetstream.MarkerReasonHeader) != "":
		e.Kind = store.Deleted
	case b == store.Election && (corruptLease(data) || lifetime == 0):
		e.Kind = store.Deleted
	default:
		e.Value, e.Lifetime, e.Endless = data, lifetime, s.TTL(b) > 0 && lifetime == 0
		e.Format, e.Token = record.Envelope(data)
	}
	return e
}

// lifetime returns how long the server keeps a message; 0 for good. The header holds a duration, seconds, or "never".
func lifetime(header nats.Header) time.Duration {
	text := header.Get(jetstream.MsgTTLHeader)
	if seconds, err := strconv.ParseInt(text, 10, 32); err == nil {
		return time.Duration(seconds) * time.Second
	}
	d, _ := time.ParseDuration(text)
	return d
}

// corruptLease reports whether the value in place of the lease on leadership is not a record, or has no lifetime, as a copy of a lease
// has not. Such a value counts as deleted. Nobody renews it and it need not expire, so the group would stay without a leader for good
// if workers respected it. Overwriting it is harmless, because only the term makes a leader.
func corruptLease(value []byte) bool {
	_, err := record.DecodeLeader(value)
	return errors.Is(err, ErrCorrupt)
}

// mixtures is how often a record with a missing part is read again, because its writer may be storing it at this moment. If a
// part is still missing then, it is missing for good, and the record is corrupt.
const mixtures = 4

// Snapshot returns what a bucket holds under the keys, or under all keys. The snapshot is complete up to a sequence that is not
// below atLeast: Snapshot repeats the request until that is so, or until ctx ends.
func (s *Store) Snapshot(ctx context.Context, b store.Bucket, keys []string, atLeast uint64) (store.Snapshot, error) {
	ctx, cancel := s.bound(ctx)
	defer cancel()
	snapshot, err := s.snapshot(ctx, b, keys, atLeast)
	snapshot.Entries = slices.DeleteFunc(snapshot.Entries, func(e store.Entry) bool { return e.Kind != store.Put })
	return snapshot, err
}

// snapshot returns markers as well.
func (s *Store) snapshot(ctx context.Context, b store.Bucket, keys []string, atLeast uint64) (store.Snapshot, error) {
	for attempt := 0; ; attempt++ {
		snapshot, err := s.readAll(ctx, b, keys, s.longer(attempt))
		switch {
		case err != nil:
		case snapshot.UpTo < atLeast:
			err = fmt.Errorf("%w: the answer is complete up to sequence %d, allowed: %d or later", ErrNotDone, snapshot.UpTo, atLeast)
		default:
			if b == store.Assignments && keys == nil {
				s.split.found(snapshot.Entries)
			}
			whole, complete := s.newAssembly().all(snapshot.Entries)
			if complete || attempt >= mixtures {
				slices.SortFunc(whole, func(a, b store.Entry) int { return cmp.Compare(a.Key, b.Key) })
				return store.Snapshot{Entries: whole, UpTo: snapshot.UpTo}, nil
			}
			err = fmt.Errorf("%w: a part of a record is missing", ErrNotDone)
		}
		if errors.Is(err, ErrBucketMismatch) || !pause(ctx, min(5*time.Millisecond<<min(attempt, 6), 200*time.Millisecond)) {
			return store.Snapshot{}, fmt.Errorf("snapshot of %s: %w", b, err)
		}
	}
}

const (
	// chunk is the number of keys in one request. The server answers for at most 1,024.
	chunk = 1000
	// answerMost is how many bytes of values one request asks for. It is well below what the client and the server keep for a
	// slow subscriber.
	answerMost = 16 << 20
)

// errTooMany is an [ErrNotDone] that a request for fewer keys avoids.
var errTooMany = fmt.Errorf("%w: the entries do not fit into one answer", ErrNotDone)

func (s *Store) readAll(ctx context.Context, b store.Bucket, keys []string, within time.Duration) (store.Snapshot, error) {
	if keys == nil {
		snapshot, err := s.readEverything(ctx, b, within)
		if !errors.Is(err, errTooMany) {
			return snapshot, err
		}
		keys = s.allKeys(b)
	}
	return s.readKeys(ctx, b, keys, within)
}

// readEverything reads all that a bucket holds. Of the assignments it reads the records, and then the parts of those that are
// split. It does not read the journal, which can be large.
func (s *Store) readEverything(ctx context.Context, b store.Bucket, within time.Duration) (store.Snapshot, error) {
	if b != store.Assignments {
		return s.readChunk(ctx, b, []string{">"}, within)
	}
	snapshot, err := s.readChunk(ctx, b, []string{"*"}, within)
	if err != nil {
		return store.Snapshot{}, err
	}
	packed := false
	keys := make([]string, 0, len(snapshot.Entries))
	for _, e := range snapshot.Entries {
		p, ok := record.PieceOf(e.Value)
		packed = packed || ok && p.Parts > 0
		keys = append(keys, e.Key)
	}
	if !packed {
		return snapshot, nil
	}
	// A record and its parts are read in one answer. From two answers they would not match while a newer version is being
	// written.
	whole, err := s.readKeys(ctx, b, keys, within)
	whole.UpTo = min(whole.UpTo, snapshot.UpTo) // what was stored since under another key is not in it
	return whole, err
}

// readKeys reads as many keys in one request as the server answers for.
func (s *Store) readKeys(ctx context.Context, b store.Bucket, keys []string, within time.Duration) (store.Snapshot, error) {
	var all store.Snapshot
	parts := slices.Collect(slices.Chunk(keys, chunk))
	for len(parts) > 0 {
		part := parts[0]
		parts = parts[1:]
		snapshot, err := s.readChunk(ctx, b, part, within)
		switch {
		case errors.Is(err, errTooMany) && len(part) > 1:
			parts = append(parts, part[:len(part)/2], part[len(part)/2:])
			continue
		case err != nil:
			return store.Snapshot{}, err
		}
		if all.UpTo == 0 || snapshot.UpTo < all.UpTo {
			all.UpTo = snapshot.UpTo
		}
		all.Entries = append(all.Entries, snapshot.Entries...)
	}
	return all, nil
}

// allKeys lists every key that a bucket can hold.
func (s *Store) allKeys(b store.Bucket) []string {
	if b == store.Election {
		return []string{store.LeaderKey}
	}
	keys := []string{}
	if b == store.Assignments {
		keys = append(keys, store.TermKey, store.PlanKey)
	}
	for n := s.cfg.IDMin; n <= s.cfg.IDMax; n++ {
		keys = append(keys, s.cfg.ID(n))
	}
	return keys
}

// readChunk asks a replica for the last messages of some subjects, and gives up after within. The answer ends with a message
// that says up to which sequence it is complete.
func (s *Store) readChunk(ctx context.Context, b store.Bucket, keys []string, within time.Duration) (store.Snapshot, error) {
	ctx, cancel := context.WithTimeout(ctx, within)
	defer cancel()
	subjects := s.withParts(b, keys)
	request, err := json.Marshal(map[string]any{"multi_last": subjects, "max_bytes": answerMost})
	if err != nil {
		return store.Snapshot{}, err
	}
	nc := s.js.Conn()
	inbox := nc.NewInbox()
	sub, err := nc.SubscribeSync(inbox)
	if err != nil {
		return store.Snapshot{}, notDone(err)
	}
	defer func() { _ = sub.Unsubscribe() }()
	if err := nc.PublishRequest(s.prefix+"DIRECT.GET."+s.stream(b), inbox, request); err != nil {
		return store.Snapshot{}, notDone(err)
	}
	var snapshot store.Snapshot
	for {
		m, err := sub.NextMsgWithContext(ctx)
		if errors.Is(err, nats.ErrNoResponders) {
			return store.Snapshot{}, s.unanswered(ctx, b)
		}
		if err != nil {
			return store.Snapshot{}, notDone(err)
		}
		switch m.Header.Get("Status") {
		case "":
			e, err := s.direct(b, m)
			if err != nil {
				return store.Snapshot{}, err
			}
			snapshot.Entries = append(snapshot.Entries, e)
		case "204":
			snapshot.UpTo, err = strconv.ParseUint(m.Header.Get("Nats-UpTo-Sequence"), 10, 64)
			if err != nil {
				return store.Snapshot{}, notDone(err)
			}
			if m.Header.Get("Nats-Num-Pending") != "0" { // cut short
				return store.Snapshot{}, errTooMany
			}
			return snapshot, nil
		case "404":
			return s.emptySnapshot(ctx, b, keys)
		case "413":
			return store.Snapshot{}, errTooMany
		default:
			return store.Snapshot{}, fmt.Errorf("%w: %s %s", ErrNotDone, m.Header.Get("Status"), m.Header.Get("Description"))
		}
	}
}

// unanswered says why nobody answers direct gets: the cluster is electing a leader, or somebody has switched direct gets off.
func (s *Store) unanswered(ctx context.Context, b store.Bucket) error {
	ctx, cancel := context.WithTimeout(ctx, 250*time.Millisecond)
	defer cancel()
	if info, err := s.info(ctx, b); err == nil && !info.Config.AllowDirect {
		return s.noDirectGet(b)
	}
	return fmt.Errorf("%w: nobody answers direct gets of bucket %q", ErrNotDone, s.cfg.bucket(b))
}

// noDirectGet is the error of a bucket whose direct gets somebody has switched off since it was opened. When they are on again,
// the bucket works as before.
func (s *Store) noDirectGet(b store.Bucket) error {
	return fmt.Errorf("%w: %w", ErrNotDone, &BucketError{s.cfg.bucket(b), "direct get", "off", "on"})
}

func (s *Store) direct(b store.Bucket, m *nats.Msg) (store.Entry, error) {
	sequence, err := strconv.ParseUint(m.Header.Get(jetstream.SequenceHeader), 10, 64)
	if err != nil {
		return store.Entry{}, notDone(err)
	}
	at, err := time.Parse(time.RFC3339Nano, m.Header.Get(jetstream.TimeStampHeaer))
	if err != nil {
		return store.Entry{}, notDone(err)
	}
	return s.entry(b, m.Header.Get(jetstream.SubjectHeader), sequence, at, m.Header, m.Data), nil
}

// emptySnapshot checks the answer of a replica that has none of the keys, and so does not say up to which sequence it is
// complete. It asks the leader of the stream. The sequence that the leader names counts only if the leader has none of the keys
// either, in the same answer.
func (s *Store) emptySnapshot(ctx context.Context, b store.Bucket, keys []string) (store.Snapshot, error) {
	info, err := s.info(ctx, b, jetstream.WithSubjectFilter(s.subject(b, ">")))
	if err != nil {
		return store.Snapshot{}, err
	}
	for subject := range info.State.Subjects {
		key, _ := splitKey(s.key(b, subject))
		if isJournal(s.key(b, subject)) {
			continue
		}
		if keys[0] == ">" || keys[0] == "*" || slices.Contains(keys, key) {
			return store.Snapshot{}, fmt.Errorf("%w: one replica lacks %q, and the stream has it", ErrNotDone, key)
		}
	}
	return store.Snapshot{UpTo: info.State.LastSeq}, nil
}

// info asks the leader of the stream about the stream, and notices if the stream is a different one than before.
func (s *Store) info(ctx context.Context, b store.Bucket, opts ...jetstream.StreamInfoOpt) (*jetstream.StreamInfo, error) {
	stream, err := ask(ctx, s, func(ctx context.Context) (jetstream.Stream, error) { return s.js.Stream(ctx, s.stream(b)) })
	if err == nil && len(opts) == 0 {
		return s.sameStream(b, stream.CachedInfo())
	}
	var info *jetstream.StreamInfo
	if err == nil {
		info, err = stream.Info(ctx, opts...)
	}
	switch {
	case errors.Is(err, jetstream.ErrStreamNotFound):
		return nil, fmt.Errorf("%w: bucket %q is gone", ErrRolledBack, s.cfg.bucket(b))
	case err != nil:
		return nil, notDone(err)
	}
	return s.sameStream(b, info)
}

func (s *Store) sameStream(b store.Bucket, info *jetstream.StreamInfo) (*jetstream.StreamInfo, error) {
	if !info.Created.Equal(s.created[b]) {
		return nil, fmt.Errorf("%w: bucket %q was created at %s, the one in use before at %s", ErrRolledBack, s.cfg.bucket(b), info.Created, s.created[b])
	}
	return info, nil
}
