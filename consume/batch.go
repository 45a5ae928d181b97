// Copyright The Parti Authors
// SPDX-License-Identifier: Apache-2.0

package consume

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
	"github.com/synadia-io/orbit.go/jetstreamext"

	"github.com/parti-go/parti"
)

// exit is the output of one partition.
type exit struct {
	config     jetstream.StreamConfig // of the output stream
	position   string                 // the subject of this partition's position
	head, tail string                 // what the positions of all partitions begin and end with, as far as one of them shows it
	most       int                    // bytes of a message
}

// headersMost is the part of the server's max_payload that is reserved for the headers of a message and those of the batch.
const headersMost = 4096

// exit checks the output stream for a partition.
func (p *pipeline) exit(ctx context.Context, partition parti.Partition, input string) (*exit, error) {
	info, err := p.known(ctx, p.out.Stream, false)
	if err != nil {
		return nil, err
	}
	e := &exit{config: info.Config, most: int(p.client.nc.MaxPayload()) - headersMost}
	if size := int(info.Config.MaxMsgSize); size > 0 {
		e.most = min(e.most, size-headersMost)
	}
	id := partition.ID()
	if err := contained(func() error { e.position = p.out.Position(partition); return nil }); err != nil {
		return nil, fmt.Errorf("Output.Position of partition %s: %w", id, err)
	}
	if !literal(e.position) {
		return nil, &parti.ConfigError{Field: "Output.Position of partition " + id, Value: e.position, Allowed: "a subject without wildcards"}
	}
	if p.out.Stream == p.cfg.Stream && overlap(input, e.position) {
		return nil, &parti.ConfigError{
			Field: "Output.Position of partition " + id, Value: e.position,
			Allowed: fmt.Sprintf("a subject that the filter %q does not match, because both are of one stream", input),
		}
	}
	e.head, e.tail = e.position, ""
	if head, tail, ok := strings.Cut(e.position, id); ok {
		e.head, e.tail = head, tail
	}
	return e, fitOutput(info.Config, e.position)
}

// collides reports whether a subject may be the position of a partition, because it looks like the subject of this partition's
// position.
func (e *exit) collides(subject string) bool {
	if e.head == e.position {
		return subject == e.position
	}
	return len(subject) > len(e.head)+len(e.tail) && strings.HasPrefix(subject, e.head) && strings.HasSuffix(subject, e.tail)
}

// check returns the reason why the results of a message cannot be stored. If there is none, the server accepts them, unless it
// is full.
func (e *exit) check(results []*nats.Msg) error {
	if len(results) >= batchMost {
		return fmt.Errorf("%w: there are %d messages, allowed: at most %d, because a batch has at most %d and one of them is the position",
			ErrOutput, len(results), batchMost-1, batchMost)
	}
	for i, m := range results {
		if err := e.checkOne(m); err != nil {
			return fmt.Errorf("%w: message %d of %d: %w", ErrOutput, i+1, len(results), err)
		}
	}
	return nil
}

func (e *exit) checkOne(m *nats.Msg) error {
	switch {
	case m == nil:
		return fmt.Errorf("it is nil, allowed: a message: %w", parti.ErrNilArgument)
	case !literal(m.Subject):
		return fmt.Errorf("its subject is %q, allowed: a subject without wildcards", m.Subject)
	case e.collides(m.Subject):
		return fmt.Errorf("its subject is %q, allowed: one that does not look like the subject of a position, %q", m.Subject, e.head+"…"+e.tail)
	}
	if err := takes(e.config, m.Subject, "it"); err != nil {
		return err
	}
	size := len(m.Data)
	for name, values := range m.Header {
		if reserved(name) && (name != jetstream.MsgTTLHeader || !e.config.AllowMsgTTL) {
			return fmt.Errorf("it has the header %s, allowed: no header that the server interprets, except %s if the stream has AllowMsgTTL; "+
				"a batch is stored once even without %s", name, jetstream.MsgTTLHeader, jetstream.MsgIDHeader)
		}
		for _, value := range values {
			size += len(name) + len(value)
		}
	}
	if size > e.most {
		return fmt.Errorf("it has %d bytes with its headers, allowed: %d", size, e.most)
	}
	return nil
}

// send stores a batch, once, and returns the outcome. It ends with ctx, or with operation.
func (w *pipelined) send(ctx context.Context, b *batch, at *mark) wrote {
	r := wrote{position: b.position}
	position, err := at.message(b.position)
	if err != nil {
		return wrote{err: err}
	}
	if len(b.messages) == 0 {
		r.sequence, r.err = w.client.publish(ctx, position, at.sequence)
		return r
	}
	position.Header.Set(jetstream.ExpectedLastSubjSeqHeader, strconv.FormatUint(at.sequence, 10))
	messages := make([]*nats.Msg, 0, len(b.messages)+1)
	for _, m := range b.messages { // a batch that was given up may still be on its way: no two share a message
		h := make(nats.Header, len(m.Header)+3)
		maps.Copy(h, m.Header)
		messages = append(messages, &nats.Msg{Subject: m.Subject, Data: m.Data, Header: h})
	}
	messages = append(messages, position)
	ack, err := bounded(ctx, w.client.nc, func(ctx context.Context) (*jetstreamext.BatchAck, error) {
		return jetstreamext.PublishMsgBatch(ctx, w.client.js, slices.Clip(messages), jetstreamext.BatchFlowControl{})
	})
	if err != nil {
		r.err = outcome(err)
		return r
	}
	r.sequence = ack.Sequence
	return r
}
