// Copyright The Parti Authors
// SPDX-License-Identifier: Apache-2.0

package consume

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/nats-io/nats.go/jetstream"
)

func unfit(stream, property string, value any, allowed string, args ...any) error {
	return fmt.Errorf("%w: stream %q has %s %v, allowed: %s", ErrStream, stream, property, value, fmt.Sprintf(allowed, args...))
}

// fitCheckpoint reports whether a stream can be read with positions of our own.
func fitCheckpoint(info *jetstream.StreamInfo) error {
	c := info.Config
	switch c.Retention {
	case jetstream.WorkQueuePolicy:
		return unfit(c.Name, "Retention", c.Retention, "Limits; a work queue removes what is acknowledged and takes no consumer without "+
			"acknowledgements. Stream reads it with Mode Durable")
	case jetstream.LimitsPolicy:
	case jetstream.InterestPolicy:
		return unfit(c.Name, "Retention", c.Retention, "Limits; such a stream removes messages as they are delivered to a consumer without "+
			"acknowledgements, so a crash would lose what was not handled yet. Stream reads it with Mode Durable")
	}
	return nil
}

// fitDurable reports whether a stream can be read with durable consumers.
func fitDurable(info *jetstream.StreamInfo) error {
	if c := info.Config; c.Sealed && c.Retention != jetstream.LimitsPolicy {
		return unfit(c.Name, "Sealed", true, "false, because a sealed stream cannot remove what is acknowledged")
	}
	return nil
}

// matches reports whether a stream can store a subject that the filter matches. Sources, mirrors and transforms bring subjects
// that its list does not name.
func matches(c jetstream.StreamConfig, subject string) error {
	if c.Mirror != nil || len(c.Sources) > 0 || c.SubjectTransform != nil {
		return nil
	}
	if !slices.ContainsFunc(c.Subjects, func(s string) bool { return overlap(s, subject) }) {
		return fmt.Errorf("%w: Config.Subject is %q, allowed: a subject of stream %q, which has %s", ErrStream, subject, c.Name, strings.Join(c.Subjects, ", "))
	}
	return nil
}

// same reports whether a stream is the one that a position belongs to. A stream keeps its last sequence when it is purged, and
// loses it when it is created again or restored from an older copy.
func same(info *jetstream.StreamInfo, created time.Time, position uint64) error {
	if !info.Created.Equal(created) {
		return fmt.Errorf("%w: stream %q was made anew at %s while it was read; position %d belongs to the stream made at %s",
			ErrStreamChanged, info.Config.Name, info.Created, position, created)
	}
	if info.State.LastSeq < position {
		return fmt.Errorf("%w: the position in stream %q is %d, but the stream ends at sequence %d; was it restored from an older copy?",
			ErrStreamChanged, info.Config.Name, position, info.State.LastSeq)
	}
	return nil
}

// tooMany returns the error of a stream that allows no further consumer; nil if the server refused something else.
func tooMany(stream string, err error) error {
	var api *jetstream.APIError
	if !errors.As(err, &api) || api.ErrorCode != codeConsumers {
		return nil
	}
	return fmt.Errorf("%w: stream %q has reached its limit of consumers, allowed: a limit above the number of partitions (MaxConsumers of the "+
		"stream, or else the limit of the server): %w", ErrStream, stream, err)
}

// checkpoints creates the bucket of the positions if it is missing, and checks it. It returns the place of a partition's
// position.
func (h *handler) checkpoints(ctx context.Context, input *jetstream.StreamInfo, partition string) (place, error) {
	name := "KV_" + h.cfg.Checkpoints
	info, err := h.known(ctx, name, false)
	if errors.Is(err, ErrStream) {
		_, err = bounded(ctx, h.client.nc, func(ctx context.Context) (jetstream.KeyValue, error) {
			return h.client.js.CreateKeyValue(ctx, jetstream.KeyValueConfig{
				Bucket: h.cfg.Checkpoints, Description: "positions in the stream " + h.cfg.Stream, History: 1,
				Storage: jetstream.FileStorage, Replicas: max(1, input.Config.Replicas),
			})
		})
		if err != nil && !errors.Is(err, jetstream.ErrBucketExists) {
			return place{}, fmt.Errorf("make the bucket %q: %w", h.cfg.Checkpoints, err)
		}
		info, err = h.known(ctx, name, true)
	}
	if err != nil {
		return place{}, err
	}
	key := "$KV." + h.cfg.Checkpoints + "." + keyOf(partition)
	return place{client: h.client, stream: name, subject: key, publish: h.client.kv + key, never: info.Config.AllowMsgTTL}, keeps(info.Config)
}

// keeps reports whether a stream keeps the last message of each subject until the next one is stored.
func keeps(c jetstream.StreamConfig) error {
	switch full := c.MaxMsgs > 0 || c.MaxBytes > 0; {
	case c.Retention != jetstream.LimitsPolicy:
		return unfit(c.Name, "Retention", c.Retention, "Limits, or positions would vanish")
	case c.MaxAge > 0 && !c.AllowMsgTTL:
		return unfit(c.Name, "MaxAge", c.MaxAge, "0, or positions of partitions in which nothing happens would vanish; with AllowMsgTTL positions outlive MaxAge")
	case full && c.Discard == jetstream.DiscardOld:
		return unfit(c.Name, "Discard", c.Discard, "New where MaxMsgs or MaxBytes is set, or positions of partitions in which nothing happens would vanish; "+
			"a full stream then refuses results, and nothing is lost")
	case c.DiscardNewPerSubject:
		return unfit(c.Name, "DiscardNewPerSubject", true, "false, or positions could not be replaced")
	case c.NoAck:
		return unfit(c.Name, "NoAck", true, "false, because a write counts when it is acknowledged")
	case c.Sealed:
		return unfit(c.Name, "Sealed", true, "false, because it is written to")
	case c.Mirror != nil:
		return unfit(c.Name, "Mirror", c.Mirror.Name, "no mirror, because it is written to")
	}
	return nil
}

// fitOutput reports whether a stream can take results and positions in one batch.
func fitOutput(c jetstream.StreamConfig, position string) error {
	if !c.AllowAtomicPublish {
		return unfit(c.Name, "AllowAtomicPublish", false, "true, because results and position are stored in one atomic batch")
	}
	if err := keeps(c); err != nil {
		return err
	}
	if c.AllowMsgCounter {
		return unfit(c.Name, "AllowMsgCounter", true, "false, because a position is no counter")
	}
	if t := c.SubjectTransform; t != nil && (t.Source == "" || overlap(t.Source, position)) {
		return unfit(c.Name, "SubjectTransform", t.Source, "one that leaves the position %q as it is", position)
	}
	return takes(c, position, "the position")
}

// takes reports whether a stream stores the messages of a subject.
func takes(c jetstream.StreamConfig, subject, what string) error {
	if !slices.ContainsFunc(c.Subjects, func(s string) bool { return covers(s, subject) }) {
		return fmt.Errorf("%w: %s has the subject %q, allowed: a subject of stream %q, which has %s", ErrStream, what, subject, c.Name, strings.Join(c.Subjects, ", "))
	}
	return nil
}
