// Copyright The Parti Authors
// SPDX-License-Identifier: Apache-2.0

//go:build process

package process

import (
	"context"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/parti-go/parti"
	"github.com/parti-go/parti/integration/checker"
)

// reader hands the messages of the four streams to the checker as they are stored. The streams keep one message a key:
// while the server that is read from is away, some are overwritten unseen. What is concluded from them being missing is
// left out then: claims are handed over until the first gap, and heartbeats, which show who had let go of what, at the
// end, if the streams of heartbeats and assignments have none.
type reader struct {
	t      *testing.T
	js     jetstream.JetStream
	judge  *checker.Checker
	cancel context.CancelFunc
	work   sync.WaitGroup

	mu    sync.Mutex
	next  map[checker.Bucket]uint64
	gaps  map[checker.Bucket]int
	beats []checker.Entry
	dead  int // heartbeats that expired
}

func read(t *testing.T, js jetstream.JetStream, buckets parti.KVBuckets, judge *checker.Checker) *reader {
	ctx, cancel := context.WithCancel(context.Background())
	r := &reader{
		t: t, js: js, judge: judge, cancel: cancel,
		next: map[checker.Bucket]uint64{}, gaps: map[checker.Bucket]int{},
	}
	for bucket, name := range map[checker.Bucket]string{
		checker.StableID: buckets.StableID, checker.Election: buckets.Election,
		checker.Heartbeat: buckets.Heartbeat, checker.Assignment: buckets.Assignment,
	} {
		r.work.Go(func() { r.read(ctx, bucket, name) })
	}
	return r
}

// close stops reading and hands over what had to wait for the end.
func (r *reader) close() {
	r.cancel()
	r.work.Wait()
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.gaps[checker.Heartbeat]+r.gaps[checker.Assignment] == 0 {
		for _, e := range r.beats {
			r.judge.Stored(e)
		}
	}
	r.t.Logf("read the streams with gaps %v; %d heartbeats were judged, %d expired", r.gaps, len(r.beats), r.dead)
}

// expired counts the heartbeats that the store let expire.
func (r *reader) expired() int {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.dead
}

// read follows one stream from the moment it exists.
func (r *reader) read(ctx context.Context, bucket checker.Bucket, name string) {
	for ctx.Err() == nil {
		attempt, cancel := context.WithTimeout(ctx, 5*time.Second)
		r.mu.Lock()
		config := jetstream.OrderedConsumerConfig{OptStartSeq: r.next[bucket]}
		r.mu.Unlock()
		if config.OptStartSeq > 0 {
			config.DeliverPolicy = jetstream.DeliverByStartSequencePolicy
		}
		consumer, err := r.js.OrderedConsumer(attempt, "KV_"+name, config)
		cancel()
		if err == nil {
			r.follow(ctx, consumer, bucket, name)
		}
		select {
		case <-time.After(poll):
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
	for {
		m, err := messages.Next()
		if err != nil {
			return
		}
		meta, err := m.Metadata()
		if err != nil {
			return
		}
		operation, marker := m.Headers().Get("KV-Operation"), m.Headers().Get("Nats-Marker-Reason")
		r.stored(checker.Entry{
			Bucket: bucket, Key: strings.TrimPrefix(m.Subject(), "$KV."+name+"."), Seq: meta.Sequence.Stream,
			At: meta.Timestamp, Value: m.Data(), Gone: operation == "DEL" || operation == "PURGE" || marker != "",
		}, marker == "MaxAge")
	}
}

func (r *reader) stored(e checker.Entry, expired bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	next := r.next[e.Bucket]
	if next > 0 && e.Seq < next {
		return // seen already
	}
	if next > 0 && e.Seq > next {
		r.gaps[e.Bucket]++
		r.judge.Note("reader: %s: %d messages were overwritten unseen", e.Bucket, e.Seq-next)
	}
	r.next[e.Bucket] = e.Seq + 1
	if e.Bucket == checker.Heartbeat {
		if expired {
			r.dead++
			r.judge.Note("reader: the heartbeat of %s expired", e.Key)
		}
		r.beats = append(r.beats, e)
		return
	}
	if e.Bucket == checker.StableID && r.gaps[e.Bucket] > 0 {
		return
	}
	r.judge.Stored(e)
}
