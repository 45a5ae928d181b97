// Copyright The Parti Authors
// SPDX-License-Identifier: Apache-2.0

package fleet

import (
	"context"
	"errors"
	"sync/atomic"
	"time"

	"github.com/parti-go/parti"
)

// The times of the default configuration that most scenarios are about.
const (
	HeartbeatTTL = 6 * time.Second
	LeaderTTL    = 3 * time.Second
	Window       = 10 * time.Second // PlannedScaleWindow
	ColdStart    = 30 * time.Second // ColdStartWindow
)

// Recovery is how long a group may need to be whole again, whatever it was that was lost.
const Recovery = ColdStart + 2*time.Minute

// Refresh has the process ask the leader to list the source again.
func (p *Process) Refresh() error {
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	return p.Manager.RefreshPartitions(ctx)
}

// Saw says whether OnError of the process was told of an error that wraps target.
func (p *Process) Saw(target error) bool {
	for _, err := range p.Errors() {
		if errors.Is(err, target) {
			return true
		}
	}
	return false
}

// Writes sums the last sequences of the four streams.
func (f *Fleet) Writes() (n uint64) {
	f.t.Helper()
	b := parti.DefaultConfig().KVBuckets
	for _, name := range []string{b.StableID, b.Election, b.Heartbeat, b.Assignment} {
		stream, err := f.JS.Stream(context.Background(), "KV_"+name)
		if err != nil {
			f.Fatalf("stream of bucket %s: %v", name, err)
		}
		n += stream.CachedInfo().State.LastSeq
	}
	return n
}

// SlowSource lists what is there when it is asked and answers some time later.
type SlowSource struct {
	*Source
	Delay atomic.Int64
	Over  <-chan struct{} // closed when it answers at once, whatever its delay
}

// Slowly puts a slow source in the place of the fleet's.
func Slowly(source *SlowSource) With {
	return func(s *Spec) {
		if own, is := s.Source.(*Source); is {
			source.Source, s.Source = own, source
		}
	}
}

// ListPartitions implements parti.PartitionSource.
func (s *SlowSource) ListPartitions(ctx context.Context) ([]parti.Partition, error) {
	list, err := s.Source.ListPartitions(ctx)
	select {
	case <-time.After(time.Duration(s.Delay.Load())):
	case <-s.Over:
	}
	return list, err
}
