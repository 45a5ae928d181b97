// Copyright The Parti Authors
// SPDX-License-Identifier: Apache-2.0

package kv

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/parti-go/parti/internal/store"
)

const (
	// consumeTimeout limits the creation of a consumer. The server also removes a consumer that nobody has asked for so long.
	consumeTimeout = 5 * time.Second
	// pullBatch is the number of messages in one request, and pullExpires is how long the request lasts.
	pullBatch   = 256
	pullExpires = 2 * time.Minute
)

// consumer follows a stream from one sequence on. It sends the requests to the server itself, because it has to know when the
// server was last heard. A consumer of the client library reports a silence only after two heartbeats are missing, and does not
// say when it began.
type consumer struct {
	store     *Store
	subject   string // of the requests
	heartbeat time.Duration
	sub       *nats.Subscription
	messages  chan *nats.Msg
	left      int    // messages still to come of those asked for
	delivered uint64 // messages
}

var (
	errGap      = errors.New("messages are missing")
	errConsumer = errors.New("the server has ended the consumer")
)

// consume creates a consumer of the keys (nil for all) that begins after a sequence. The server sends a sign of life whenever
// it has been silent for the duration heartbeat.
func (s *Store) consume(ctx context.Context, b store.Bucket, keys []string, after uint64, heartbeat time.Duration) (*consumer, error) {
	ctx, cancel := context.WithTimeout(ctx, consumeTimeout)
	defer cancel()
	made, err := s.js.CreateConsumer(ctx, s.stream(b), jetstream.ConsumerConfig{
		DeliverPolicy: jetstream.DeliverByStartSequencePolicy, OptStartSeq: after + 1, AckPolicy: jetstream.AckNonePolicy,
		MemoryStorage: true, Replicas: 1, InactiveThreshold: consumeTimeout, MaxDeliver: 1, FilterSubjects: s.withParts(b, keys),
	})
	if err != nil {
		return nil, err
	}
	c := &consumer{
		store: s, subject: s.prefix + "CONSUMER.MSG.NEXT." + s.stream(b) + "." + made.CachedInfo().Name, heartbeat: heartbeat,
		// The channel has room for every requested message, and for a few status messages of the server.
		messages: make(chan *nats.Msg, 2*pullBatch),
	}
	nc := s.js.Conn()
	if c.sub, err = nc.ChanSubscribe(nc.NewInbox(), c.messages); err != nil {
		return nil, err
	}
	if err := c.pull(ctx); err != nil {
		c.stop()
		return nil, err
	}
	return c, nil
}

// stop ends the consumer. The server removes it some seconds later.
func (c *consumer) stop() { _ = c.sub.Unsubscribe() }

// pull requests more messages.
func (c *consumer) pull(ctx context.Context) error {
	request, err := json.Marshal(map[string]any{"batch": pullBatch, "expires": pullExpires, "idle_heartbeat": c.heartbeat})
	if err != nil {
		return err
	}
	c.left = pullBatch
	ctx, cancel := context.WithTimeout(ctx, c.heartbeat)
	defer cancel()
	_, err = bounded(ctx, func() (struct{}, error) {
		return struct{}{}, c.store.js.Conn().PublishRequest(c.subject, c.sub.Subject, request)
	})
	return err
}

// receive decodes a message of the subscription. ok is false if it was only a status message of the server.
func (c *consumer) receive(ctx context.Context, b store.Bucket, m *nats.Msg) (e store.Entry, ok bool, err error) {
	if m.Reply == "" {
		return store.Entry{}, false, c.word(ctx, m)
	}
	meta, err := m.Metadata()
	if err != nil {
		return store.Entry{}, false, err
	}
	if c.delivered++; meta.Sequence.Consumer != c.delivered {
		return store.Entry{}, false, errGap
	}
	if c.left--; c.left <= 0 {
		err = c.pull(ctx)
	}
	return c.store.entry(b, m.Subject, meta.Sequence.Stream, meta.Timestamp, m.Header, m.Data), true, err
}

// word handles a status message of the server.
func (c *consumer) word(ctx context.Context, m *nats.Msg) error {
	switch status := m.Header.Get("Status"); status {
	case "100": // a heartbeat, which says how many messages there should have been
		last, err := strconv.ParseUint(m.Header.Get("Nats-Last-Consumer"), 10, 64)
		if err == nil && last > c.delivered {
			return errGap
		}
		return nil
	case "404", "408": // the request is over
		return c.pull(ctx)
	default:
		return fmt.Errorf("%w: %s %s", errConsumer, status, m.Header.Get("Description"))
	}
}
