// Copyright The Parti Authors
// SPDX-License-Identifier: Apache-2.0

package consume

import (
	"context"
	"errors"
	"fmt"
	"hash/fnv"
	"strconv"
	"strings"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
)

// durablePull requests messages for a short while only. An owner that is frozen leaves a request at the server, which takes
// messages from the next owner until the request is over.
var durablePull = pull{most: 128, expires: 3 * time.Second, signOfLife: time.Second}

const (
	// ackWait is the time after which the server delivers a message again by itself. Nothing waits for that: each owner begins
	// with a reset, which brings back at once, and in order, what the previous owner has not acknowledged.
	ackWait = time.Hour
	// longestName limits the part of a consumer's name that comes from the partition.
	longestName = 160
)

// runDurable works on one partition until ctx ends.
func (h *handler) runDurable(ctx context.Context, o owner, call handling) error {
	subject, done, err := h.filter(o.Partition())
	if err != nil {
		return err
	}
	defer done()
	if !h.patient(ctx, o) {
		return nil
	}
	info, err := h.input(ctx, subject)
	if err != nil {
		return ended(ctx, o, err)
	}
	w := &acknowledged{work: work{
		handler: h, ctx: ctx, owner: o, call: call, every: durablePull.signOfLife,
		open: h.durable(h.durableName(o.Partition().ID()), subject, info.Config.Retention),
	}}
	err = w.follow(w)
	if failed := w.settle(); err == nil {
		err = failed
	}
	return ended(ctx, o, err)
}

// durableName returns the name of a partition's consumer. A partition has one name, and different partitions have different
// names.
func (h *handler) durableName(id string) string {
	name := keyed(strings.ReplaceAll(id, ".", "_"), func(c byte) bool { return letter(c) || c == '_' })
	if strings.Contains(id, "_") || len(name) > longestName { // the name alone would not tell
		sum := fnv.New64a()
		_, _ = sum.Write([]byte(id))
		name = name[:min(len(name), longestName)] + "=" + strconv.FormatUint(sum.Sum64(), 16)
	}
	return h.cfg.Durable + "-" + name
}

// durable opens a reader of the durable consumer of a partition, which begins after the acknowledged messages. It creates a
// missing consumer, and never edits one, because a change of filters skips messages.
func (h *handler) durable(name, subject string, retention jetstream.RetentionPolicy) func(context.Context, uint64) (*reader, error) {
	want := jetstream.ConsumerConfig{
		Durable: name, FilterSubject: subject, DeliverPolicy: jetstream.DeliverAllPolicy,
		AckPolicy: jetstream.AckExplicitPolicy, AckWait: ackWait, MaxDeliver: -1, MaxAckPending: durablePull.most,
	}
	return func(ctx context.Context, _ uint64) (*reader, error) {
		return opened(ctx, func(ctx context.Context) (*reader, error) {
			if err := h.consumer(ctx, want); err != nil {
				return nil, err
			}
			if err := h.reset(ctx, want, retention); err != nil {
				return nil, err
			}
			return h.openReader(name, durablePull)
		})
	}
}

// consumer creates a durable consumer, or checks the existing one.
func (h *handler) consumer(ctx context.Context, want jetstream.ConsumerConfig) error {
	_, err := bounded(ctx, h.client.nc, func(ctx context.Context) (jetstream.Consumer, error) {
		return h.client.js.CreateConsumer(ctx, h.cfg.Stream, want)
	})
	var api *jetstream.APIError
	switch {
	case err == nil:
		return nil
	case errors.Is(err, jetstream.ErrStreamNotFound):
		return fmt.Errorf("%w: stream %q does not exist", ErrStream, h.cfg.Stream)
	case errors.As(err, &api) && api.ErrorCode == codeNotUnique:
		return fmt.Errorf("%w: another consumer of the work queue %q has a filter that overlaps %q, allowed: filters that do not overlap; "+
			"delete the consumers of partitions that the source does not list any more", ErrStream, h.cfg.Stream, want.FilterSubject)
	case tooMany(h.cfg.Stream, err) != nil:
		return tooMany(h.cfg.Stream, err)
	case !errors.Is(err, jetstream.ErrConsumerExists):
		return fmt.Errorf("make the consumer %q of stream %q: %w", want.Durable, h.cfg.Stream, err)
	}
	there, err := bounded(ctx, h.client.nc, func(ctx context.Context) (jetstream.Consumer, error) {
		return h.client.js.Consumer(ctx, h.cfg.Stream, want.Durable)
	})
	if err != nil {
		return fmt.Errorf("read the consumer %q of stream %q: %w", want.Durable, h.cfg.Stream, err)
	}
	if c := there.CachedInfo().Config; c.FilterSubject != want.FilterSubject || c.AckPolicy != want.AckPolicy || c.MaxDeliver > 0 || len(c.PriorityGroups) > 0 {
		return fmt.Errorf("%w: the consumer %q of stream %q has the filter %q, %s and MaxDeliver %d, allowed: %q, explicit acknowledgement and no MaxDeliver; "+
			"delete it, or set Config.Durable", ErrStream, want.Durable, h.cfg.Stream, c.FilterSubject, c.AckPolicy, c.MaxDeliver, want.FilterSubject)
	}
	return nil
}

// reset makes a consumer begin again after the acknowledged messages. Without it, the server would deliver new messages first,
// and later those that the previous owner has fetched and not acknowledged.
func (h *handler) reset(ctx context.Context, want jetstream.ConsumerConfig, retention jetstream.RetentionPolicy) error {
	if h.resets(h.client.nc.ConnectedServerVersion()) {
		_, err := bounded(ctx, h.client.nc, func(ctx context.Context) (*jetstream.ConsumerResetResponse, error) {
			return h.client.js.ResetConsumer(ctx, h.cfg.Stream, want.Durable)
		})
		if err != nil {
			return fmt.Errorf("reset the consumer %q of stream %q: %w", want.Durable, h.cfg.Stream, err)
		}
		return nil
	}
	if retention != jetstream.WorkQueuePolicy {
		return fmt.Errorf("%w: stream %q has Retention %s and nats-server is %s, allowed in Mode Durable: 2.14 or newer, which can reset a consumer, "+
			"or a work queue; a stream whose retention is limits can be read with Mode Checkpoint", ErrStream, h.cfg.Stream, retention, h.client.nc.ConnectedServerVersion())
	}
	// A work queue holds what is not acknowledged, and only that: a new consumer begins where the old one would.
	err := h.client.js.DeleteConsumer(ctx, h.cfg.Stream, want.Durable)
	if err != nil && !errors.Is(err, jetstream.ErrConsumerNotFound) {
		return fmt.Errorf("delete the consumer %q of stream %q to make it anew: %w", want.Durable, h.cfg.Stream, err)
	}
	return h.consumer(ctx, want)
}

// resetting reports whether a server of this version can reset a consumer.
func resetting(version string) bool {
	var major, minor int
	_, err := fmt.Sscanf(version, "%d.%d", &major, &minor)
	return err == nil && (major > 2 || major == 2 && minor >= 14)
}

// acknowledged is a partition whose position is what a durable consumer knows to be acknowledged. The acknowledgement of one
// message is kept back until the next one is handled, so that the last of each run of messages can be confirmed. The
// acknowledgements before it went the same way and have most likely arrived. If one has not, for instance because the consumer
// has changed its leader, the next reset brings its message back.
type acknowledged struct {
	work
	last    *nats.Msg // handled, and not acknowledged yet; nil for none
	pending int       // acknowledgements that no confirmed one followed
}

var errUnconfirmed = fmt.Errorf("%w: the server did not confirm an acknowledgement", errConsumer)

func (w *acknowledged) turn() chan<- struct{} { return nil }
func (w *acknowledged) granted() error        { return nil }
func (w *acknowledged) wrote() <-chan wrote   { return nil }
func (w *acknowledged) settled(wrote) error   { return nil }
func (w *acknowledged) tick() error           { return w.settle() }
func (w *acknowledged) drained() error        { return w.settle() }

// take handles one message.
func (w *acknowledged) take(m Message) error {
	if _, err := w.try(w.ctx, w.owner, &m, w.call); err != nil {
		return err
	}
	w.handled = m.sequence
	return w.acknowledge(m)
}

// repeated acknowledges a message that was handled before and whose acknowledgement was lost.
func (w *acknowledged) repeated(m Message) error { return w.acknowledge(m) }

func (w *acknowledged) acknowledge(m Message) error {
	if w.pending+1 >= w.cfg.Every {
		if err := w.settle(); err != nil {
			return err
		}
	}
	if w.last != nil {
		if w.owner.Valid() != nil {
			return errEnding
		}
		if err := w.client.nc.Publish(w.last.Reply, acknowledgement); err != nil {
			return fmt.Errorf("%w: %w", errUnconfirmed, err)
		}
		w.pending++
	}
	w.last = m.Msg.(delivery).m
	return nil
}

var acknowledgement = []byte("+ACK")

// settle acknowledges the last message and waits until the server has confirmed it.
func (w *acknowledged) settle() error {
	if w.last == nil {
		return nil
	}
	if w.owner.Valid() != nil {
		return errEnding
	}
	reply := w.last.Reply
	w.last, w.pending = nil, 0
	_, err := bounded(w.owner.Held(), w.client.nc, func(ctx context.Context) (*nats.Msg, error) {
		return w.client.nc.RequestWithContext(ctx, reply, acknowledgement)
	})
	if err != nil {
		return fmt.Errorf("%w: %w", errUnconfirmed, err)
	}
	return nil
}
