package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/nats-io/nats.go/jetstream"
)

const customers = 40

// order is what a customer orders: the number counts that customer's orders.
type order struct {
	Customer int       `json:"customer"`
	Number   int       `json:"number"`
	At       time.Time `json:"at"`
}

// shop publishes orders until it is closed.
type shop struct {
	cancel context.CancelFunc
	done   chan struct{}
	counts [customers]int
}

func open(js jetstream.JetStream) *shop {
	ctx, cancel := context.WithCancel(context.Background())
	s := &shop{cancel: cancel, done: make(chan struct{})}
	go func() {
		defer close(s.done)
		for ctx.Err() == nil { // in bursts: a batch of a pipeline is at its best with many orders
			for i := range 2 * customers {
				s.sell(js, i%customers)
			}
			pause(ctx, time.Second)
		}
	}()
	return s
}

// sell publishes one order, as often as it takes. The message ID keeps it from being stored twice.
func (s *shop) sell(js jetstream.JetStream, customer int) {
	o := order{customer, s.counts[customer] + 1, time.Now()}
	data, err := json.Marshal(o)
	if err != nil {
		panic(err)
	}
	for {
		ctx, cancel := context.WithTimeout(context.Background(), time.Second)
		_, err := js.Publish(ctx, fmt.Sprintf("orders.c%d", customer), data, jetstream.WithMsgID(fmt.Sprint(customer, "-", o.Number)))
		cancel()
		if err == nil {
			s.counts[customer] = o.Number
			return
		}
		pause(context.Background(), 20*time.Millisecond)
	}
}

// close ends the sale; closing twice is no error.
func (s *shop) close() {
	s.cancel()
	<-s.done
}

func (s *shop) sold() (total int) {
	for _, n := range s.counts {
		total += n
	}
	return total
}

// ledger is a sink that stores the position with the effect, and refuses an owner whose epoch is older than one it has seen.
// That makes it exactly once.
type ledger struct {
	mu        sync.Mutex
	epochs    map[string]int64
	positions map[string]uint64
	last      map[int]int // number of each customer
	booked    int
	disorder  int
	pause     time.Duration
}

func newLedger() *ledger {
	return &ledger{epochs: map[string]int64{}, positions: map[string]uint64{}, last: map[int]int{}}
}

func (l *ledger) enter(partition string, epoch int64, position uint64, data []byte) error {
	var o order
	if err := json.Unmarshal(data, &o); err != nil {
		return err
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if epoch < l.epochs[partition] {
		return errors.New("a late writer is refused")
	}
	l.epochs[partition] = epoch
	if position <= l.positions[partition] {
		return nil // it is booked already
	}
	l.positions[partition] = position
	l.booked++
	if o.Number != l.last[o.Customer]+1 {
		l.disorder++
	}
	l.last[o.Customer] = o.Number
	l.pause = max(l.pause, time.Since(o.At))
	return nil
}

// slowest is the longest that an order had to wait since the last call.
func (l *ledger) slowest() time.Duration {
	l.mu.Lock()
	defer l.mu.Unlock()
	longest := l.pause
	l.pause = 0
	return longest
}

func (l *ledger) entries() (booked, disorder int) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.booked, l.disorder
}

// count waits until everything is done, and adds up.
func (f *fleet) count(ctx context.Context, js jetstream.JetStream, sold int) error {
	shipped, booked, disorder := 0, 0, 0
	for deadline := time.Now().Add(30 * time.Second); time.Now().Before(deadline) && (shipped < sold || booked < sold); {
		pause(ctx, 100*time.Millisecond)
		booked, disorder = f.ledger.entries()
		var err error
		if shipped, err = stored(ctx, js); err != nil {
			return err
		}
	}
	twice, unordered, err := review(ctx, js, shipped)
	if err != nil {
		return err
	}
	f.say("orders    published %d", sold)
	f.say("shipments processed %d, lost %d, twice %d, out of order %d", shipped, sold-shipped+twice, twice, unordered)
	f.say("ledger    processed %d, lost %d, twice %d, out of order %d", booked, max(0, sold-booked), max(0, booked-sold), disorder)
	if shipped != sold || booked != sold || twice+unordered+disorder > 0 {
		return errors.New("the numbers do not add up")
	}
	return nil
}

// stored is how many shipments there are.
func stored(ctx context.Context, js jetstream.JetStream) (n int, err error) {
	s, err := js.Stream(ctx, "SHIPMENTS")
	if err != nil {
		return 0, err
	}
	info, err := s.Info(ctx, jetstream.WithSubjectFilter("shipments.*"))
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
	c, err := js.OrderedConsumer(ctx, "SHIPMENTS", jetstream.OrderedConsumerConfig{FilterSubjects: []string{"shipments.*"}})
	if err != nil {
		return 0, 0, err
	}
	batch, err := c.Fetch(max(1, n))
	if err != nil {
		return 0, 0, err
	}
	seen, last := map[[2]int]bool{}, map[int]int{}
	for m := range batch.Messages() {
		var o order
		if err := json.Unmarshal(m.Data(), &o); err != nil {
			return 0, 0, err
		}
		key := [2]int{o.Customer, o.Number}
		switch {
		case seen[key]:
			twice++
		case o.Number != last[o.Customer]+1:
			unordered++
		}
		seen[key] = true
		last[o.Customer] = o.Number
	}
	return twice, unordered, batch.Error()
}
