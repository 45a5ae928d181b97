package fleet

import (
	"context"
	"fmt"
	"sync"

	"github.com/parti-go/parti"
)

// Source is a list of partitions that a test can change, and that can fail.
type Source struct {
	mu    sync.Mutex
	list  []parti.Partition
	err   error
	calls int
	told  func(ids []string) // of each list; nil for nobody
}

func newSource(n int) *Source {
	s := &Source{}
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
