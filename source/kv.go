// Copyright The Parti Authors
// SPDX-License-Identifier: Apache-2.0

package source

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/parti-go/parti"
)

// Option changes what [KV] lists.
type Option func(*bucket)

// Under makes [KV] list only the keys that begin with this prefix and a dot, for buckets that also hold other things. The ID
// is what follows the dot.
func Under(prefix string) Option {
	return func(b *bucket) { b.prefix, b.under = prefix, true }
}

// KV returns a source that lists the keys of an existing key-value bucket. A key is the ID of a partition, and its value is
// the weight. With an empty value the partition has the default weight of 100.
//
//	nats kv put partitions orders.eu ""
//	nats kv put partitions orders.us 300
//	nats kv del partitions orders.ap
//
// Each partition has its own key. So several people and programs can edit the list at once, and none undoes the work of
// another. An edit of many partitions is many edits: a listing in between sees only some of them.
//
// Watch follows the bucket. An invalid ID and an invalid weight are errors that name key and value. Until you fix it, the
// group keeps its last list.
func KV(js jetstream.JetStream, name string, opts ...Option) parti.WatchedSource {
	b := bucket{js: js, name: name}
	for _, set := range opts {
		if set != nil {
			set(&b)
		}
	}
	return b
}

type bucket struct {
	js     jetstream.JetStream
	name   string
	prefix string
	under  bool
}

// bucketCheck is how often Watch checks that the bucket still exists and that no update was missed.
const bucketCheck = 30 * time.Second

// open returns the bucket and the filter of its keys.
func (b bucket) open(ctx context.Context) (jetstream.KeyValue, string, error) {
	switch {
	case b.js == nil:
		return nil, "", missing("KV", "js", "a JetStream context")
	case b.name == "":
		return nil, "", argument("KV", "bucket", `""`, "the name of a bucket")
	case b.under && (b.prefix == "" || strings.ContainsAny(b.prefix, "*> \t\r\n") || strings.Contains("."+b.prefix+".", "..")):
		return nil, "", argument("KV", "Under", fmt.Sprintf("%q", b.prefix), "keys without wildcards and white space, with dots between them")
	}
	kv, err := b.js.KeyValue(ctx, b.name)
	if err != nil {
		return nil, "", fmt.Errorf("bucket %q: %w", b.name, err)
	}
	if b.under {
		return kv, b.prefix + ".>", nil
	}
	return kv, ">", nil
}

// ListPartitions implements parti.PartitionSource.
func (b bucket) ListPartitions(ctx context.Context) ([]parti.Partition, error) {
	_, filter, err := b.open(ctx)
	if err != nil {
		return nil, err
	}
	entries, err := read(ctx, b.js, b.name, filter)
	if err != nil {
		return nil, fmt.Errorf("bucket %q: %w", b.name, err)
	}
	made := newBuilder(fmt.Sprintf("bucket %q", b.name))
	for key, value := range entries {
		id := key
		if b.under {
			id = strings.TrimPrefix(key, b.prefix+".")
		}
		made.add(fmt.Sprintf("key %q", key), id, strings.TrimSpace(string(value)))
	}
	return made.done()
}

// Watch implements parti.WatchedSource. It follows the updates; a check of the bucket now and then finds what they missed,
// and a bucket that was made anew.
func (b bucket) Watch(ctx context.Context, changed func()) error {
	kv, filter, err := b.open(ctx)
	if err != nil {
		return err
	}
	w, err := kv.Watch(ctx, filter, jetstream.UpdatesOnly(), jetstream.MetaOnly())
	if err != nil {
		return fmt.Errorf("bucket %q: %w", b.name, err)
	}
	defer func() { _ = w.Stop() }()
	was, err := stateOf(ctx, kv)
	if err != nil {
		return fmt.Errorf("bucket %q: %w", b.name, err)
	}
	changed() // for what was edited before this watch began
	checks := time.NewTicker(bucketCheck)
	defer checks.Stop()
	for seen := false; ; {
		select {
		case _, open := <-w.Updates():
			if !open {
				return fmt.Errorf("bucket %q: the watch has ended", b.name)
			}
			seen = true
			changed()
		case <-checks.C:
			is, err := stateOf(ctx, kv)
			if errors.Is(err, jetstream.ErrStreamNotFound) || errors.Is(err, jetstream.ErrBucketNotFound) {
				return fmt.Errorf("bucket %q: %w", b.name, err)
			}
			if err != nil {
				continue // the server is away: the watch goes on when it is back
			}
			if !is.created.Equal(was.created) {
				return fmt.Errorf("bucket %q: it was made anew", b.name)
			}
			if is.last != was.last && !seen {
				changed()
			}
			was, seen = is, false
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// state distinguishes a bucket from another one of the same name, and shows whether its content has changed.
type state struct {
	created time.Time
	last    uint64
}

func stateOf(ctx context.Context, kv jetstream.KeyValue) (state, error) {
	ctx, cancel := context.WithTimeout(ctx, leastPatience)
	defer cancel()
	status, err := kv.Status(ctx)
	if err != nil {
		return state{}, err
	}
	s, is := status.(*jetstream.KeyValueBucketStatus)
	if !is {
		return state{}, nil
	}
	return state{s.StreamInfo().Created, s.StreamInfo().State.LastSeq}, nil
}
