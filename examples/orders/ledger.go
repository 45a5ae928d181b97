// Copyright The Parti Authors
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"sync"

	"github.com/nats-io/nats.go/jetstream"
)

// ledger is a sink that stores the position with the effect, in one write, and refuses an owner whose epoch is older than one
// that it has seen. That makes it exactly once. It has one page for each partition, which is a key of a bucket. A row of a
// database, with "update … where revision = …", would do as well.
type ledger struct {
	bucket jetstream.KeyValue
	mu     sync.Mutex
	pages  map[string]*page // as this worker knows them; a page is used by one goroutine at a time
}

// page is what is booked of one partition.
type page struct {
	Epoch    int64       `json:"epoch"`    // of the last owner that booked
	Position uint64      `json:"position"` // of the last order that is booked
	Booked   int         `json:"booked"`
	Disorder int         `json:"disorder"` // orders whose number was not the next of their customer
	Last     map[int]int `json:"last"`     // number of each customer
	revision uint64
}

var errLate = errors.New("a late writer is refused")

func openLedger(ctx context.Context, js jetstream.JetStream) (*ledger, error) {
	bucket, err := js.CreateKeyValue(ctx, jetstream.KeyValueConfig{Bucket: "LEDGER"})
	if errors.Is(err, jetstream.ErrBucketExists) {
		bucket, err = js.KeyValue(ctx, "LEDGER")
	}
	if err != nil {
		return nil, fmt.Errorf("open the ledger: %w", err)
	}
	return &ledger{bucket: bucket, pages: map[string]*page{}}, nil
}

// enter books one order. Whatever goes wrong with a write, the page is read again: it says whether the order is booked.
func (l *ledger) enter(ctx context.Context, partition string, epoch int64, position uint64, data []byte) error {
	var o order
	if err := json.Unmarshal(data, &o); err != nil {
		return err
	}
	p := l.known(partition)
	for {
		if p.revision == 0 {
			if err := l.read(ctx, partition, p); err != nil {
				return err
			}
		}
		switch {
		case epoch < p.Epoch:
			return fmt.Errorf("%w: epoch %d came after %d", errLate, epoch, p.Epoch)
		case position <= p.Position:
			return nil // it is booked already
		}
		p.add(o, epoch, position)
		err := l.write(ctx, partition, p)
		if err == nil {
			return nil
		}
		p.revision = 0
		if !errors.Is(err, jetstream.ErrKeyRevisionMismatch) { // that another owner has written is no failure
			return err
		}
	}
}

// known returns the page of a partition as this worker knows it.
func (l *ledger) known(partition string) *page {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.pages[partition] == nil {
		l.pages[partition] = &page{}
	}
	return l.pages[partition]
}

func (p *page) add(o order, epoch int64, position uint64) {
	p.Epoch, p.Position = epoch, position
	p.Booked++
	if o.Number != p.Last[o.Customer]+1 {
		p.Disorder++
	}
	p.Last[o.Customer] = o.Number
}

func (l *ledger) read(ctx context.Context, partition string, p *page) error {
	*p = page{Last: map[int]int{}}
	entry, err := l.bucket.Get(ctx, partition)
	if errors.Is(err, jetstream.ErrKeyNotFound) {
		return nil
	}
	if err != nil {
		return err
	}
	if err := json.Unmarshal(entry.Value(), p); err != nil {
		return fmt.Errorf("read page %s of the ledger: %w", partition, err)
	}
	p.revision = entry.Revision()
	return nil
}

// write stores a page, on the condition that it is the one that was read.
func (l *ledger) write(ctx context.Context, partition string, p *page) error {
	data, err := json.Marshal(p)
	if err != nil {
		return err
	}
	p.revision, err = l.bucket.Update(ctx, partition, data, p.revision) // 0 says that there must be none
	return err
}

// total adds up all pages.
func (l *ledger) total(ctx context.Context) (booked, disorder int, err error) {
	for i := range partitions {
		var p page
		if err := l.read(ctx, fmt.Sprint(i), &p); err != nil {
			return 0, 0, err
		}
		booked, disorder = booked+p.Booked, disorder+p.Disorder
	}
	return booked, disorder, nil
}
