package kv

import (
	"context"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
)

type wire struct{}

func Open(ctx context.Context, js jetstream.JetStream, cfg Config) (*Store, error) {
	panic("to do")
}

func (s *Store) Acquire(ctx context.Context, b Bucket, key string, rec Record, over func(Entry) bool) (Lease, error) {
	panic("to do")
}
func (s *Store) Renew(ctx context.Context, l Lease, rec Record) (Lease, error) { panic("to do") }
func (s *Store) Release(ctx context.Context, l Lease) error                    { panic("to do") }

type ClaimOptions struct {
	Prefer []string
	Spread bool
	Prior  *Lease
}

func (s *Store) ClaimID(ctx context.Context, rec Claim, opts ClaimOptions) (Lease, error) {
	panic("to do")
}

type Fence struct{ Term, Revision uint64 }

type PlanWrite struct {
	Assignments []Assignment
	Remove      []string
	Plan        Plan
}

func (s *Store) BeginTerm(ctx context.Context, rec Term, floor uint64, valid func() bool) (Fence, error) {
	panic("to do")
}
func (s *Store) WritePlan(ctx context.Context, f Fence, w PlanWrite) error      { panic("to do") }
func (s *Store) Get(ctx context.Context, b Bucket, key string) (Entry, error) { panic("to do") }
func (s *Store) Snapshot(ctx context.Context, b Bucket, keys []string, atLeast uint64) (Snapshot, error) {
	panic("to do")
}
func (s *Store) Feed(ctx context.Context, b Bucket, keys []string, atLeast uint64, emit func(Update)) error {
	panic("to do")
}
func (s *Store) RequestRefresh(ctx context.Context) error { panic("to do") }
func (s *Store) ServeRefresh(handle func(reply func(error))) (stop func(), err error) {
	panic("to do")
}
func CheckConnection(nc *nats.Conn) []string { panic("to do") }
func ConnectOptions() []nats.Option          { panic("to do") }
