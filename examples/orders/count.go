// Copyright The Parti Authors
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"encoding/json"
	"errors"
	"time"

	"github.com/nats-io/nats.go/jetstream"
)

// catchUp is how long workers may need for what is published: the longest takeover, and some time on top.
const catchUp = 30 * time.Second

// count waits until everything is done, and adds up.
func count(ctx context.Context, js jetstream.JetStream, say telling) error {
	book, err := openLedger(ctx, js)
	if err != nil {
		return err
	}
	var published, shipped, booked, disorder int
	for deadline := time.Now().Add(catchUp); ; pause(ctx, 100*time.Millisecond) {
		if published, shipped, err = progress(ctx, js); err != nil {
			return err
		}
		if booked, disorder, err = book.total(ctx); err != nil {
			return err
		}
		if shipped >= published && booked >= published || time.Now().After(deadline) || ctx.Err() != nil {
			break
		}
	}
	twice, unordered, err := review(ctx, js, shipped)
	if err != nil {
		return err
	}
	say("orders    published %d", published)
	say("shipments processed %d, lost %d, twice %d, out of order %d", shipped, published-shipped+twice, twice, unordered)
	say("ledger    processed %d, lost %d, twice %d, out of order %d", booked, max(0, published-booked), max(0, booked-published), disorder)
	if shipped != published || booked != published || twice+unordered+disorder > 0 {
		return errors.New("the numbers do not add up")
	}
	return nil
}

// progress is how many orders and shipments there are.
func progress(ctx context.Context, js jetstream.JetStream) (published, shipped int, err error) {
	if published, err = stored(ctx, js, "ORDERS", "orders.>"); err != nil {
		return 0, 0, err
	}
	shipped, err = stored(ctx, js, "SHIPMENTS", "shipments.*")
	return published, shipped, err
}

func stored(ctx context.Context, js jetstream.JetStream, stream, subject string) (n int, err error) {
	s, err := js.Stream(ctx, stream)
	if err != nil {
		return 0, err
	}
	info, err := s.Info(ctx, jetstream.WithSubjectFilter(subject))
	if err != nil {
		return 0, err
	}
	for _, messages := range info.State.Subjects {
		n += int(messages)
	}
	return n, nil
}

// review looks at each shipment: those of a customer have to be numbered 1, 2, 3 and so on.
func review(ctx context.Context, js jetstream.JetStream, n int) (twice, unordered int, err error) {
	seen, last := map[[2]int]bool{}, map[int]int{}
	_, err = shipments(ctx, js, 1, n, func(o order, _ time.Time) {
		key := [2]int{o.Customer, o.Number}
		switch {
		case seen[key]:
			twice++
		case o.Number != last[o.Customer]+1:
			unordered++
		}
		seen[key] = true
		last[o.Customer] = o.Number
	})
	return twice, unordered, err
}

// shipments hands out n shipments, beginning at a sequence of their stream, with the time at which each was stored. It returns
// the sequence behind them.
func shipments(ctx context.Context, js jetstream.JetStream, from uint64, n int, see func(order, time.Time)) (next uint64, err error) {
	if n == 0 {
		return from, nil
	}
	c, err := js.OrderedConsumer(ctx, "SHIPMENTS", jetstream.OrderedConsumerConfig{
		FilterSubjects: []string{"shipments.*"}, DeliverPolicy: jetstream.DeliverByStartSequencePolicy, OptStartSeq: from,
	})
	if err != nil {
		return from, err
	}
	batch, err := c.Fetch(n, jetstream.FetchMaxWait(5*time.Second))
	if err != nil {
		return from, err
	}
	for m := range batch.Messages() {
		var o order
		if err := json.Unmarshal(m.Data(), &o); err != nil {
			return from, err
		}
		meta, err := m.Metadata()
		if err != nil {
			return from, err
		}
		see(o, meta.Timestamp)
		from = meta.Sequence.Stream + 1
	}
	return from, batch.Error()
}

// lookout sees how long orders wait until they are shipped.
type lookout struct {
	js   jetstream.JetStream
	next uint64 // the first sequence that it has not looked at
	seen int    // shipments that it has
}

// slowest is the longest that an order had to wait that was shipped since the last call.
func (l *lookout) slowest(ctx context.Context) (longest time.Duration, err error) {
	_, shipped, err := progress(ctx, l.js)
	if err != nil {
		return 0, err
	}
	next, err := shipments(ctx, l.js, max(1, l.next), shipped-l.seen, func(o order, at time.Time) {
		l.seen++
		longest = max(longest, at.Sub(o.At))
	})
	l.next = next
	return longest, err
}
