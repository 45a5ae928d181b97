// Copyright The Parti Authors
// SPDX-License-Identifier: Apache-2.0

package fleet

import (
	"context"
	"strings"
	"sync"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/parti-go/parti"
	"github.com/parti-go/parti/integration/checker"
	"github.com/parti-go/parti/internal/record"
)

// reader hands every message of the four streams to the checker, in stream order, from the first one on. The streams
// keep one message a key, so it reads while they are written: what is overwritten before it is delivered is not seen.
type reader struct {
	js      jetstream.JetStream
	buckets map[checker.Bucket]string
	stored  func(checker.Entry)
	cancel  context.CancelFunc
	work    sync.WaitGroup
}

func newReader(js jetstream.JetStream, buckets parti.KVBuckets, stored func(checker.Entry)) *reader {
	r := &reader{js: js, stored: stored, buckets: map[checker.Bucket]string{
		checker.StableID: buckets.StableID, checker.Election: buckets.Election,
		checker.Heartbeat: buckets.Heartbeat, checker.Assignment: buckets.Assignment,
	}}
	r.start()
	return r
}

func (r *reader) start() {
	ctx, cancel := context.WithCancel(context.Background())
	r.cancel = cancel
	for bucket, name := range r.buckets {
		r.work.Go(func() { r.read(ctx, bucket, name) })
	}
}

func (r *reader) stop() {
	r.cancel()
	r.work.Wait()
}

// read follows one stream from the moment it exists.
func (r *reader) read(ctx context.Context, bucket checker.Bucket, name string) {
	for ctx.Err() == nil {
		consumer, err := r.js.OrderedConsumer(ctx, "KV_"+name, jetstream.OrderedConsumerConfig{})
		if err == nil {
			r.follow(ctx, consumer, bucket, name)
			continue
		}
		select {
		case <-time.After(Poll):
		case <-ctx.Done():
		}
	}
}

func (r *reader) follow(ctx context.Context, consumer jetstream.Consumer, bucket checker.Bucket, name string) {
	messages, err := consumer.Messages(jetstream.PullHeartbeat(500 * time.Millisecond))
	if err != nil {
		return
	}
	stop := context.AfterFunc(ctx, messages.Stop)
	defer stop()
	defer messages.Stop()
	records := unpacker{}
	for {
		m, err := messages.Next()
		if err != nil {
			return
		}
		meta, err := m.Metadata()
		if err != nil {
			return
		}
		h := m.Headers()
		operation := h.Get("KV-Operation")
		e := checker.Entry{
			Bucket:  bucket,
			Key:     strings.TrimPrefix(m.Subject(), "$KV."+name+"."),
			Seq:     meta.Sequence.Stream,
			At:      meta.Timestamp,
			Value:   m.Data(),
			Expired: h.Get("Nats-Marker-Reason") == "MaxAge",
			Gone:    operation == "DEL" || operation == "PURGE" || h.Get("Nats-Marker-Reason") != "",
		}
		if records.whole(&e) {
			r.stored(e)
		}
	}
}

// unpacker puts records together that are stored packed: the pieces that arrived, by the token of their write.
type unpacker map[record.Token][][]byte

// whole unpacks an entry. It reports false for a part, and for a record of which a part was overwritten before it was
// delivered.
func (u unpacker) whole(e *checker.Entry) bool {
	p, packed := record.PieceOf(e.Value)
	switch {
	case e.Bucket != checker.Assignment:
		return true
	case strings.HasPrefix(e.Key, "journal."): // one message, packed or not
		if packed {
			value, err := p.Unpack(nil)
			e.Value = value
			return err == nil
		}
		return true
	case !packed:
		return !strings.Contains(e.Key, ".")
	case p.Part > 0:
		u[p.Token] = append(u[p.Token], p.Packed)
		return false
	}
	parts := u[p.Token]
	delete(u, p.Token)
	if len(parts) < p.Parts {
		return false
	}
	value, err := p.Unpack(func(n int) []byte { return parts[n-1] })
	e.Value = value
	return err == nil
}
