package kv

import (
	"fmt"
	"testing"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/parti-go/parti/kv/embedded"
)

func benchStore(b *testing.B) *Store {
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
	cfg.IDMax = 999
	s, err := Open(b.Context(), js, cfg)
	if err != nil {
		b.Fatal(err)
	}
	return s
}

func BenchmarkRenew(b *testing.B) {
	s := benchStore(b)
	l, err := s.Acquire(b.Context(), Heartbeats, "worker-0", beat(1), nil)
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

func BenchmarkWritePlan(b *testing.B) {
	for _, n := range []int{10, 200, 1000} {
		b.Run(fmt.Sprintf("records=%d", n), func(b *testing.B) {
			s := benchStore(b)
			f, err := s.BeginTerm(b.Context(), Term{}, 0, always)
			if err != nil {
				b.Fatal(err)
			}
			w := plan(1, workers(n-1)...) // and the plan itself
			for b.Loop() {
				if err := s.WritePlan(b.Context(), f, w); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

func BenchmarkSnapshotOfAThousandKeys(b *testing.B) {
	s := benchStore(b)
	f, err := s.BeginTerm(b.Context(), Term{}, 0, always)
	if err != nil {
		b.Fatal(err)
	}
	if err := s.WritePlan(b.Context(), f, plan(1, workers(998)...)); err != nil {
		b.Fatal(err)
	}
	for b.Loop() {
		snapshot, err := s.Snapshot(b.Context(), Assignments, nil, f.Revision)
		if err != nil || len(snapshot.Entries) != 1000 {
			b.Fatal(len(snapshot.Entries), err)
		}
	}
}
