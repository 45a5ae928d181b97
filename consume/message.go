// Copyright The Parti Authors
// SPDX-License-Identifier: Apache-2.0

package consume

import (
	"context"
	"strconv"
	"strings"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
)

// Message is a message of a stream. The return value of its function acknowledges it: Ack, Nak, Term and similar methods do
// nothing and return [ErrManaged]. Do not change its data and headers, because a message that fails is delivered to the
// function again.
type Message struct {
	jetstream.Msg
	sequence uint64
	attempt  int
}

// Position returns the sequence of the message in its stream. Within a partition it grows from message to message. A sink
// that stores the position together with the effect, and ignores messages up to the stored position, handles each message
// exactly once.
func (m Message) Position() uint64 { return m.sequence }

// Attempt returns the number of attempts for this message since this worker took the partition, including this one: 1 at
// first.
func (m Message) Attempt() int { return m.attempt }

// delivery is a message as it came from the server.
type delivery struct{ m *nats.Msg }

var _ jetstream.Msg = delivery{}

func (d delivery) Data() []byte                     { return d.m.Data }
func (d delivery) Headers() nats.Header             { return d.m.Header }
func (d delivery) Subject() string                  { return d.m.Subject }
func (d delivery) Reply() string                    { return d.m.Reply }
func (d delivery) Ack() error                       { return ErrManaged }
func (d delivery) DoubleAck(context.Context) error  { return ErrManaged }
func (d delivery) Nak() error                       { return ErrManaged }
func (d delivery) NakWithDelay(time.Duration) error { return ErrManaged }
func (d delivery) InProgress() error                { return ErrManaged }
func (d delivery) Term() error                      { return ErrManaged }
func (d delivery) TermWithReason(string) error      { return ErrManaged }

func (d delivery) Metadata() (*jetstream.MsgMetadata, error) {
	meta, err := d.m.Metadata()
	if err != nil {
		return nil, err
	}
	return &jetstream.MsgMetadata{
		Sequence:     jetstream.SequencePair{Consumer: meta.Sequence.Consumer, Stream: meta.Sequence.Stream},
		NumDelivered: meta.NumDelivered, NumPending: meta.NumPending, Timestamp: meta.Timestamp,
		Stream: meta.Stream, Consumer: meta.Consumer, Domain: meta.Domain,
	}, nil
}

// sequences reads the sequences of the stream and of the consumer from the reply subject of a message: its tokens are
// "$JS.ACK", the domain and a hash of the account in the newer form, stream, consumer, deliveries, the two, time, pending.
func sequences(reply string) (stream, consumer uint64, ok bool) {
	rest, ok := strings.CutPrefix(reply, "$JS.ACK.")
	if !ok {
		return 0, 0, false
	}
	skip := 3 // stream, consumer, deliveries
	if strings.Count(rest, ".") >= 8 {
		skip = 5
	}
	for range skip {
		if _, rest, ok = strings.Cut(rest, "."); !ok {
			return 0, 0, false
		}
	}
	first, rest, _ := strings.Cut(rest, ".")
	second, _, _ := strings.Cut(rest, ".")
	stream, err := strconv.ParseUint(first, 10, 64)
	if err != nil {
		return 0, 0, false
	}
	consumer, err = strconv.ParseUint(second, 10, 64)
	return stream, consumer, err == nil
}
