// Copyright The Parti Authors
// SPDX-License-Identifier: Apache-2.0

package fleet

import (
	"context"
	"fmt"
	"sync"

	"github.com/parti-go/parti"
)

// Source is a list of partitions that a test can change, and that can fail.
type Source struct {
	mu      sync.Mutex
	list    []parti.Partition
	version uint64 // grows with each change
	err     error
	calls   int
	told    func(ids []string) // of each list; nil for nobody
}

// Versioned makes the process know the version of the fleet's source.
func Versioned() With {
	return func(s *Spec) {
		if source, ok := s.Source.(*Source); ok {
			s.Source = versioned{source}
		}
	}
}

type versioned struct{ *Source }

// SourceVersion implements parti.VersionedSource.
func (v versioned) SourceVersion() uint64 {
	v.mu.Lock()
	defer v.mu.Unlock()
	return v.version
}

func newSource(n int) *Source {
	s := &Source{version: 1}
	for i := range n {
		s.list = append(s.list, Partition(i))
	}
	return s
}

// Partition returns the i-th partition of a source.
func Partition(i int) parti.Partition {
	return parti.Partition{Keys: []string{"topic", fmt.Sprintf("%04d", i)}}
}

// ListPartitions implements parti.PartitionSource.
func (s *Source) ListPartitions(context.Context) ([]parti.Partition, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.calls++
	return append([]parti.Partition(nil), s.list...), s.err
}

// Set replaces the list.
func (s *Source) Set(list ...parti.Partition) {
	s.mu.Lock()
	s.list = list
	s.version++
	s.mu.Unlock()
	if s.told != nil {
		s.told(ids(list))
	}
}

// List returns the list.
func (s *Source) List() []parti.Partition {
	s.mu.Lock()
	defer s.mu.Unlock()
	return append([]parti.Partition(nil), s.list...)
}

// IDs returns the IDs of the list.
func (s *Source) IDs() []string { return ids(s.List()) }

// Fail makes every listing fail with the error until it is nil.
func (s *Source) Fail(err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.err = err
}

// Calls counts the listings.
func (s *Source) Calls() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.calls
}
