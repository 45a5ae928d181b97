// Copyright The Parti Authors
// SPDX-License-Identifier: Apache-2.0

package consume

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"sync/atomic"
	"time"

	"github.com/nats-io/nats.go"
)

const (
	// pullExpires is how long a request for messages lasts. signOfLife is the length of a silence after which the server has to
	// send a sign of life. It sends none for a request that is over, so a busy reader has to hold only the status messages of
	// that time.
	pullExpires = 30 * time.Second
	signOfLife  = 5 * time.Second
	// slack is the room for these status messages.
	slack = 64
	// prefetchMost and prefetchBytes limit the messages of one partition that are requested and not handled yet.
	prefetchMost  = 256
	prefetchBytes = 4 << 20
	// sharedMost and sharedBytes limit them for all partitions of a handler together, as long as each gets prefetchLeast.
	// Messages under way delay the answers to all requests of the connection.
	sharedMost    = 64 << 10
	sharedBytes   = 256 << 20
	prefetchLeast = 16
)

// pull says how a reader requests messages.
type pull struct {
	most       int // messages under way, at most
	expires    time.Duration
	signOfLife time.Duration
}

var checkpointPull = pull{prefetchMost, pullExpires, signOfLife}

// reader reads from a consumer. It sends the requests to the server itself, because it has to see each delivery: a missing
// delivery must end the reader, and must never be skipped. It has no goroutine: the loop of the partition reads messages and
// passes each to take.
//
// After any error the reader is useless: close it, and open another one behind the last message that was handled.
type reader struct {
	client   *client
	others   *atomic.Int64 // the readers of all partitions, this one included
	pull     pull
	next     string // the subject of requests
	remove   string // the subject that ends the consumer; "" for one that stays
	sub      *nats.Subscription
	messages chan *nats.Msg

	left      int    // messages still to come of those asked for
	delivered uint64 // the sequence of the consumer
	size      int    // of a message, about
	heard     time.Time
}

// openReader subscribes to a consumer, and requests the first messages.
func (h *handler) openReader(consumer string, p pull) (*reader, error) {
	c, stream := h.client, h.cfg.Stream
	r := &reader{
		client: c, others: &h.readers, pull: p, next: c.prefix + "CONSUMER.MSG.NEXT." + stream + "." + consumer,
		messages: make(chan *nats.Msg, p.most+slack), size: prefetchBytes / prefetchMost, heard: time.Now(),
	}
	var err error
	if r.sub, err = c.nc.ChanSubscribe(c.nc.NewInbox(), r.messages); err != nil {
		return nil, err
	}
	r.others.Add(1)
	if err := r.ask(); err != nil {
		r.close()
		return nil, err
	}
	return r, nil
}

// close ends the reader, and its consumer if that belongs to the reader. If the server does not hear of it, it removes the
// consumer by itself.
func (r *reader) close() {
	r.others.Add(-1)
	_ = r.sub.Unsubscribe()
	if r.remove != "" {
		_ = r.client.nc.Publish(r.remove, nil)
	}
}

// ask requests more messages if less than half of the requested ones are still to come.
func (r *reader) ask() error {
	most := r.most()
	if 2*r.left > most {
		return nil
	}
	n := most - r.left
	request, err := json.Marshal(struct {
		Batch     int           `json:"batch"`
		Expires   time.Duration `json:"expires"`
		Heartbeat time.Duration `json:"idle_heartbeat"`
	}{n, r.pull.expires, r.pull.signOfLife})
	if err != nil {
		return err
	}
	r.left += n
	if err := r.client.nc.PublishRequest(r.next, r.sub.Subject, request); err != nil {
		return fmt.Errorf("%w: ask for messages: %w", errConsumer, err)
	}
	return nil
}

// most returns how many messages may be under way.
func (r *reader) most() int {
	others := int(max(1, r.others.Load()))
	fit := min(prefetchBytes, sharedBytes/others) / max(1, r.size)
	return min(r.pull.most, max(prefetchLeast, sharedMost/others), max(1, fit))
}

// take decodes a message. ok is false if it was only a status message of the server.
func (r *reader) take(m *nats.Msg) (d Message, ok bool, err error) {
	r.heard = time.Time{}
	if m.Reply == "" {
		return Message{}, false, r.word(m)
	}
	stream, consumer, ok := sequences(m.Reply)
	if !ok {
		return Message{}, false, fmt.Errorf("%w: its message has the reply subject %q", errConsumer, m.Reply)
	}
	if r.delivered++; consumer != r.delivered {
		return Message{}, false, fmt.Errorf("%w: delivery %d of the consumer came after delivery %d", errGap, consumer, r.delivered-1)
	}
	r.left--
	r.size += (len(m.Data) - r.size) / 8
	return Message{Msg: delivery{m}, sequence: stream}, true, r.ask()
}

// word handles a status message of the server.
func (r *reader) word(m *nats.Msg) error {
	switch status := m.Header.Get("Status"); status {
	case "100": // a sign of life, which says how many messages there should have been
		last, err := strconv.ParseUint(m.Header.Get("Nats-Last-Consumer"), 10, 64)
		if err == nil && last > r.delivered {
			return fmt.Errorf("%w: the server has sent %d messages, and %d have arrived", errGap, last, r.delivered)
		}
		return nil
	case "404", "408": // a request is over, with so many messages not sent
		left, err := strconv.Atoi(m.Header.Get("Nats-Pending-Messages"))
		if err != nil {
			left = r.left
		}
		r.left = max(0, r.left-left)
		return r.ask()
	default:
		return fmt.Errorf("%w: %s %s", errConsumer, status, m.Header.Get("Description"))
	}
}

// silent returns an error if the server has said nothing for so long that the consumer is given up. It is called when no
// message has come.
func (r *reader) silent(now time.Time) error {
	if r.heard.IsZero() {
		r.heard = now
	}
	if d := now.Sub(r.heard); d > 2*r.pull.signOfLife {
		return fmt.Errorf("%w for %s", errSilent, d)
	}
	return nil
}

// lost reports whether a reader ended in a way that a new reader may mend.
func lost(err error) bool {
	return errors.Is(err, errGap) || errors.Is(err, errSilent) || errors.Is(err, errConsumer) || errors.Is(err, errReconnected)
}

// errReconnected ends a reader, because deliveries that were under way when the connection broke did not arrive.
var errReconnected = errors.New("the client reconnected")

// opened tries to open a reader as long as patience allows.
func opened(ctx context.Context, open func(context.Context) (*reader, error)) (*reader, error) {
	deadline := time.Now().Add(patience)
	again := pauses{pauseFirst, pauseMost}
	for {
		r, err := open(ctx)
		switch {
		case err == nil:
			return r, nil
		case errors.Is(err, ErrStream), errors.Is(err, ErrStreamChanged), ctx.Err() != nil:
			return nil, err
		case time.Now().After(deadline), !again.wait(ctx):
			return nil, err
		}
	}
}
