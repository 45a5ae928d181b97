// Copyright The Parti Authors
// SPDX-License-Identifier: Apache-2.0

package parti_test

import (
	"context"
	"fmt"
	"log/slog"
	"sync"

	"github.com/parti-go/parti"
	"github.com/parti-go/parti/strategy"
)

// topics is a list that the application keeps itself, and that says when it has changed.
type topics struct {
	mu    sync.Mutex
	list  []parti.Partition
	heard chan struct{} // closed when the list changes
}

func newTopics() *topics { return &topics{heard: make(chan struct{})} }

// add adds partitions and wakes whoever watches.
func (t *topics) add(names ...string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	for _, name := range names {
		t.list = append(t.list, parti.Partition{Keys: []string{name}})
	}
	close(t.heard)
	t.heard = make(chan struct{})
}

func (t *topics) next() <-chan struct{} {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.heard
}

// ListPartitions implements parti.PartitionSource.
func (t *topics) ListPartitions(context.Context) ([]parti.Partition, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	return append([]parti.Partition(nil), t.list...), nil
}

// Watch implements parti.WatchedSource.
func (t *topics) Watch(ctx context.Context, changed func()) error {
	for {
		next := t.next()
		changed() // the first time for what changed before
		select {
		case <-next:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// A source that says when its list has changed: a new partition has an owner about a second later, and nobody has to call
// RefreshPartitions. Package source has such sources for buckets, files, tables and streams.
func ExampleWatchedSource() {
	js, end, err := store()
	if err != nil {
		fmt.Println(err)
		return
	}
	defer end()
	cfg := parti.DefaultConfig()
	cfg.ExpectedWorkers = 1

	source, added := newTopics(), make(chan string, 9)
	source.add("orders", "payments")
	worker, err := parti.NewManager(cfg, js, source, strategy.NewSticky(), parti.WithLogger(slog.New(slog.DiscardHandler)),
		parti.WithHooks(parti.Hooks{OnAssignmentChanged: func(_ context.Context, in, _ []parti.Partition) error {
			added <- names(in)
			return nil
		}}))
	if err != nil {
		fmt.Println(err)
		return
	}
	defer worker.Close()
	if err := worker.Start(context.Background()); err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(<-added)
	source.add("refunds")
	fmt.Println(<-added)
	// Output:
	// orders, payments
	// refunds
}
