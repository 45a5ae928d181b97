// Copyright The Parti Authors
// SPDX-License-Identifier: Apache-2.0

package actors

import (
	"context"
	"runtime"
	"strconv"
	"sync/atomic"
	"testing"

	"github.com/parti-go/parti/strategy"
)

func manyPartitions(n int) map[string]holding {
	target := make(map[string]holding, n)
	for i := range n {
		p := strategy.Partition{Keys: []string{"p" + strconv.Itoa(i)}}
		target[p.ID()] = holding{p, 1}
	}
	return target
}

// BenchmarkGrantingAThousandHandlers measures from the grant until every handler has been called.
func BenchmarkGrantingAThousandHandlers(b *testing.B) {
	var begun atomic.Int64
	h := newHosted(b, Handling{Run: func(ctx context.Context, _ *Ownership) error {
		begun.Add(1)
		<-ctx.Done()
		return nil
	}})
	target := manyPartitions(1000)
	for b.Loop() {
		begun.Store(0)
		if err := h.want(target); err != nil {
			b.Fatal(err)
		}
		until(&begun, len(target))
		b.StopTimer()
		if err := h.want(nil); err != nil {
			b.Fatal(err)
		}
		for len(h.handlers.Held().Holding) > 0 {
			runtime.Gosched()
		}
		b.StartTimer()
	}
}

// BenchmarkTenThousandHandlers reports what 10,000 owned partitions take: with handlers that are idle, which have no
// goroutines, and with handlers that run, whose goroutines' stacks are included.
func BenchmarkTenThousandHandlers(b *testing.B) {
	b.Run("idle", func(b *testing.B) { ownTenThousand(b, func(context.Context) {}) })
	b.Run("running", func(b *testing.B) { ownTenThousand(b, func(ctx context.Context) { <-ctx.Done() }) })
}

func ownTenThousand(b *testing.B, work func(context.Context)) {
	for b.Loop() {
		var begun atomic.Int64
		h := newHosted(b, Handling{Run: func(ctx context.Context, _ *Ownership) error {
			begun.Add(1)
			work(ctx)
			return nil
		}})
		target := manyPartitions(10_000)
		before := inUse()
		if err := h.want(target); err != nil {
			b.Fatal(err)
		}
		until(&begun, len(target))
		b.ReportMetric(float64(inUse()-before)/1e6, "MB")
		runtime.KeepAlive(h)
	}
}

// until waits until so many handlers have begun.
func until(begun *atomic.Int64, n int) {
	for begun.Load() < int64(n) {
		runtime.Gosched()
	}
}

// inUse is what the heap and the stacks take.
func inUse() uint64 {
	runtime.GC()
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return m.HeapInuse + m.StackInuse
}
