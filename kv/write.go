package kv

import (
	"context"
	"strconv"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
)

// Headers that nats.go has no names for, and ours.
const (
	headerStatus       = "Status"
	headerOperation    = "KV-Operation"
	headerMarkerReason = "Nats-Marker-Reason"
	headerToken        = "Parti-Token" // of a delete marker, which has no value to carry it

	operationDelete = "DEL"
	operationPurge  = "PURGE"
	reasonMaxAge    = "MaxAge"
)

// markerTTL is how long the markers of deletions and expiries are kept: whoever was away for less sees them.
const markerTTL = time.Hour

func (s *Store) stream(b Bucket) string { return "KV_" + s.cfg.bucket(b) }

func (s *Store) subject(b Bucket, key string) string { return "$KV." + s.cfg.bucket(b) + "." + key }

// message makes a message for a key. The condition is for the caller to add.
func (s *Store) message(b Bucket, key string, value []byte, ttl time.Duration) *nats.Msg {
	msg := &nats.Msg{Subject: s.writes + s.subject(b, key), Data: value, Header: nats.Header{}}
	// Without it a misdirected write would be stored wherever its subject leads, its condition unchecked.
	msg.Header.Set(jetstream.ExpectedStreamHeader, s.stream(b))
	if ttl > 0 {
		msg.Header.Set(jetstream.MsgTTLHeader, ttl.String())
	}
	return msg
}

// marker makes the message that deletes a key. It says PURGE, not DEL: the server would follow an expired DEL with an
// expiry marker, and the key would seem to end a second time, an hour later.
func (s *Store) marker(b Bucket, key string, t token) *nats.Msg {
	msg := s.message(b, key, nil, markerTTL)
	msg.Header.Set(headerOperation, operationPurge)
	msg.Header.Set(headerToken, string(t))
	return msg
}

// expect makes a message conditional on the revision of its own key; 0 means that there never was one.
func expect(msg *nats.Msg, revision uint64) *nats.Msg {
	msg.Header.Set(jetstream.ExpectedLastSubjSeqHeader, strconv.FormatUint(revision, 10))
	return msg
}

// fenced makes a message conditional on a term. The server checks it only within the stream of the message.
func (s *Store) fenced(msg *nats.Msg, f Fence) *nats.Msg {
	msg.Header.Set(jetstream.ExpectedLastSubjSeqSubjHeader, s.subject(Assignments, TermKey))
	return expect(msg, f.Revision)
}

// put writes a value on the condition that its key is at expected. sent is the time just before the attempt that
// decided.
func (s *Store) put(ctx context.Context, b Bucket, key string, t token, record any, expected uint64) (revision uint64, sent time.Time, err error) {
	value, err := encode(t, record)
	if err != nil {
		return 0, time.Time{}, err
	}
	err = s.attempt(ctx, func(ctx context.Context) error {
		var err error
		sent = time.Now()
		revision, err = s.wire.publish(ctx, expect(s.message(b, key, value, s.cfg.ttl(b)), expected))
		return err
	})
	return revision, sent, err
}
