// Copyright The Parti Authors
// SPDX-License-Identifier: Apache-2.0

package kv

import (
	"fmt"
	"testing"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/parti-go/parti/internal/record"
	"github.com/parti-go/parti/internal/store"
	"github.com/parti-go/parti/kv/embedded"
)

func benchStore(b *testing.B, storage string) *Store {
	b.Helper()
	srv, err := embedded.Start()
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(srv.Shutdown)
	nc, err := srv.Connect(ConnectOptions()...)
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(nc.Close)
	js, err := jetstream.New(nc)
	if err != nil {
		b.Fatal(err)
	}
	cfg := testConfig()
	cfg.IDMax, cfg.Storage = 999, storage
	s, err := Open(b.Context(), js, cfg)
	if err != nil {
		b.Fatal(err)
	}
	return s
}

func BenchmarkRenew(b *testing.B) {
	s := benchStore(b, "memory")
	l, err := s.Acquire(b.Context(), store.Heartbeats, "worker-0", beat(1), nil)
	if err != nil {
		b.Fatal(err)
	}
	for b.Loop() {
		if l, err = s.Renew(b.Context(), l, beat(1)); err != nil {
			b.Fatal(err)
		}
	}
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "renewals/s")
}

// BenchmarkWritePlan is the time until a plan is stored that changes so many records of so many partitions each.
func BenchmarkWritePlan(b *testing.B) {
	for _, storage := range []string{"memory", "file"} {
		for _, size := range [][2]int{{10, 100}, {200, 100}, {1000, 100}} {
			b.Run(fmt.Sprintf("storage=%s/records=%d/partitions=%d", storage, size[0], size[1]), func(b *testing.B) {
				benchWritePlan(b, benchStore(b, storage), size[0], size[1])
			})
		}
	}
}

func benchWritePlan(b *testing.B, s *Store, records, partitions int) {
	f, err := s.BeginTerm(b.Context(), record.Term{}, 0, always)
	if err != nil {
		b.Fatal(err)
	}
	w := plan(1, workers(records-1)...) // and the plan itself
	for i := range w.Assignments {
		for q := range partitions {
			id := fmt.Sprintf("topic.%07d", partitions*i+q)
			w.Assignments[i].Owned = append(w.Assignments[i].Owned, record.Owned{Partition: id, Epoch: 1})
		}
	}
	for b.Loop() {
		if err := s.WritePlan(b.Context(), f, w); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkSnapshotOfAThousandKeys(b *testing.B) {
	s := benchStore(b, "memory")
	f, err := s.BeginTerm(b.Context(), record.Term{}, 0, always)
	if err != nil {
		b.Fatal(err)
	}
	if err := s.WritePlan(b.Context(), f, plan(1, workers(998)...)); err != nil {
		b.Fatal(err)
	}
	for b.Loop() {
		snapshot, err := s.Snapshot(b.Context(), store.Assignments, nil, f.Revision)
		if err != nil || len(snapshot.Entries) != 1000 {
			b.Fatal(len(snapshot.Entries), err)
		}
	}
}

// BenchmarkWritePlanWithItsJournal is what the journal adds: the same plan, without an entry and with one that names every
// partition of it.
func BenchmarkWritePlanWithItsJournal(b *testing.B) {
	for _, storage := range []string{"memory", "file"} {
		for _, size := range [][2]int{{10, 100}, {100, 1000}} {
			for _, journal := range []bool{false, true} {
				b.Run(fmt.Sprintf("storage=%s/partitions=%d/journal=%t", storage, size[0]*size[1], journal), func(b *testing.B) {
					s := benchStore(b, storage)
					f, err := s.BeginTerm(b.Context(), record.Term{}, 0, always)
					if err != nil {
						b.Fatal(err)
					}
					w := plan(1, workers(size[0])...)
					w.Format = record.FormatPacked
					j := &record.Journal{Version: 1, By: "worker-0", Why: "worker-9 is lost"}
					for i := range w.Assignments {
						for q := range size[1] {
							id := fmt.Sprintf("topic.%07d", size[1]*i+q)
							w.Assignments[i].Owned = append(w.Assignments[i].Owned, record.Owned{Partition: id, Epoch: 1})
							j.Note(id, "worker-9", w.Assignments[i].Worker, 1)
						}
					}
					if journal {
						w.Journal = j
					}
					for b.Loop() {
						if err := s.WritePlan(b.Context(), f, w); err != nil {
							b.Fatal(err)
						}
					}
				})
			}
		}
	}
}
