// Copyright The Parti Authors
// SPDX-License-Identifier: Apache-2.0

package source

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/parti-go/parti"
)

// This file reads a bucket while others edit it. The ways of the client's KeyValue do not do: they follow the stream until
// as many messages have come as there were in the beginning, or until none is pending, and an entry that is written again
// meanwhile moves behind those. A list without it would take a partition away for a moment. So the leader of the stream is
// asked which keys there are, in one answer, and then each of them is read.

const (
	// chunk is the number of keys in one request. The server answers for at most 1,024.
	chunk = 1000
	// attempts is how often a read is repeated because a replica lags behind the leader of the stream.
	attempts = 6
)

// errBehind says that the replica that answered lags behind the leader of the stream.
var errBehind = errors.New("the replica that answered lags behind the leader of the bucket")

// read returns the entries whose keys match a filter. It includes every key that exists all the time, with its value at the
// time of the call or a later one. Beyond 100,000 keys the leader answers in pages, and this holds only while no key is
// removed.
func read(ctx context.Context, js jetstream.JetStream, bucket, filter string) (map[string][]byte, error) {
	stream, err := js.Stream(ctx, "KV_"+bucket)
	if err != nil {
		return nil, err
	}
	r := reader{js: js, stream: stream, prefix: "$KV." + bucket + "."}
	switch config := stream.CachedInfo().Config; {
	case !config.AllowDirect:
		return nil, fmt.Errorf("%w: direct gets of the bucket are off, allowed: on (nats stream edit KV_%s --allow-direct)", parti.ErrInvalidConfig, bucket)
	case config.Mirror != nil: // the keys of a mirror bear the name of its origin
		r.prefix = "$KV." + strings.TrimPrefix(config.Mirror.Name, "KV_") + "."
	}
	for attempt := 0; ; attempt++ {
		entries, err := r.once(ctx, filter)
		if !errors.Is(err, errBehind) || attempt == attempts {
			return entries, err
		}
		select {
		case <-time.After(5 * time.Millisecond << attempt):
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	}
}

type reader struct {
	js     jetstream.JetStream
	stream jetstream.Stream
	prefix string
}

func (r reader) once(ctx context.Context, filter string) (map[string][]byte, error) {
	info, err := r.stream.Info(ctx, jetstream.WithSubjectFilter(r.prefix+filter))
	if err != nil {
		return nil, err
	}
	entries := map[string][]byte{}
	for part := range slices.Chunk(slices.Sorted(maps.Keys(info.State.Subjects)), chunk) {
		if err := r.last(ctx, part, info.State.LastSeq, entries); err != nil {
			return nil, err
		}
	}
	return entries, nil
}

// last reads the last entry of each subject, from a replica that is complete up to a sequence. It leaves out deleted keys, and
// keys that are gone.
func (r reader) last(ctx context.Context, subjects []string, upTo uint64, entries map[string][]byte) error {
	request, err := json.Marshal(map[string]any{"multi_last": subjects})
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, leastPatience)
	defer cancel()
	nc := r.js.Conn()
	inbox := nc.NewInbox()
	sub, err := nc.SubscribeSync(inbox)
	if err != nil {
		return err
	}
	defer func() { _ = sub.Unsubscribe() }()
	if err := nc.PublishRequest(apiPrefix(r.js)+"DIRECT.GET."+r.stream.CachedInfo().Config.Name, inbox, request); err != nil {
		return err
	}
	for {
		m, err := sub.NextMsgWithContext(ctx)
		if err != nil {
			return err
		}
		switch m.Header.Get("Status") {
		case "":
			if m.Header.Get("KV-Operation") == "" && m.Header.Get(jetstream.MarkerReasonHeader) == "" {
				entries[strings.TrimPrefix(m.Header.Get(jetstream.SubjectHeader), r.prefix)] = m.Data
			}
		case "204":
			return complete(m, upTo)
		case "404": // none of them is there any more, or not yet there
			return errBehind
		default:
			return fmt.Errorf("read the keys: %s %s", m.Header.Get("Status"), m.Header.Get("Description"))
		}
	}
}

// apiPrefix returns the prefix of the subjects of JetStream's API.
func apiPrefix(js jetstream.JetStream) string {
	o := js.Options()
	switch {
	case o.APIPrefix != "":
		return strings.TrimSuffix(o.APIPrefix, ".") + "."
	case o.Domain != "":
		return "$JS." + o.Domain + ".API."
	}
	return jetstream.DefaultAPIPrefix
}

// complete checks the end of an answer.
func complete(m *nats.Msg, upTo uint64) error {
	if left := m.Header.Get("Nats-Num-Pending"); left != "0" {
		return fmt.Errorf("read the keys: the answer is too large, %s keys are left; are the values weights?", left)
	}
	known, err := strconv.ParseUint(m.Header.Get("Nats-UpTo-Sequence"), 10, 64)
	if err != nil {
		return fmt.Errorf("read the keys: %w", err)
	}
	if known < upTo {
		return errBehind
	}
	return nil
}
