// Copyright The Parti Authors
// SPDX-License-Identifier: Apache-2.0

//go:build process

package process

import (
	"encoding/json"
	"errors"
	"net"
	"net/http"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"
)

// sink is a store outside of NATS, which outlives every kill: it is in the process of the tests. It keeps the highest position
// and epoch of each partition with the effect, and judges the order. It knows nothing of the code that it judges.
type sink struct {
	t   testing.TB
	url string

	mu    sync.Mutex
	pages map[string]*sinkPage
	again int
	stale int
}

// sinkPage is what the sink has of one partition.
type sinkPage struct {
	epoch    int64
	position uint64
	number   int // of the last effect
	count    int // of effects
	process  string
}

func newSink(t testing.TB) *sink {
	t.Helper()
	s := &sink{t: t, pages: map[string]*sinkPage{}}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	s.url = "http://" + l.Addr().String()
	server := &http.Server{Handler: s}
	go func() { _ = server.Serve(l) }()
	t.Cleanup(func() { _ = server.Close() })
	return s
}

// ServeHTTP implements http.Handler: each request is one effect.
func (s *sink) ServeHTTP(w http.ResponseWriter, request *http.Request) {
	var e effect
	if err := json.NewDecoder(request.Body).Decode(&e); err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	if err := s.store(e); err != nil {
		http.Error(w, err.Error(), http.StatusConflict)
	}
}

var errStaleEffect = errors.New("an owner with a higher epoch was here")

// store takes an effect unless it has it. One that is not the next of its partition says that something is lost or overtaken.
func (s *sink) store(e effect) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	p := s.page(e.Partition)
	if e.Epoch < p.epoch {
		s.stale++
		return errStaleEffect
	}
	p.epoch = e.Epoch
	if e.Position <= p.position {
		s.again++
		return nil
	}
	if e.Number != p.number+1 {
		s.t.Errorf("partition %s: %d came from %s under epoch %d when %d was the last", e.Partition, e.Number, e.Process, e.Epoch, p.number)
	}
	p.position, p.number, p.process = e.Position, e.Number, e.Process
	p.count++
	return nil
}

func (s *sink) page(partition string) *sinkPage {
	if s.pages[partition] == nil {
		s.pages[partition] = &sinkPage{}
	}
	return s.pages[partition]
}

func (s *sink) last(partition string) int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.page(partition).number
}

func (s *sink) count(partition string) int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.page(partition).count
}

func (s *sink) owner(partition string) string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.page(partition).process
}

// noted is how many effects came again, and how many came from stale owners.
func (s *sink) noted() (again, stale int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.again, s.stale
}

// TestTheSinkNoticesWhatIsLostOrOvertaken: a judge that is content with everything shows nothing.
func TestTheSinkNoticesWhatIsLostOrOvertaken(t *testing.T) {
	for _, c := range []struct {
		what  string
		next  effect
		fails bool
		wrong bool
	}{
		{"the next", effect{Epoch: 2, Position: 11, Number: 3}, false, false},
		{"again", effect{Epoch: 3, Position: 10, Number: 2}, false, false},
		{"a stale owner", effect{Epoch: 1, Position: 11, Number: 3}, true, false},
		{"a gap", effect{Epoch: 2, Position: 12, Number: 4}, false, true},
		{"a second time under another position", effect{Epoch: 2, Position: 12, Number: 2}, false, true},
	} {
		judge := &complaint{TB: t}
		s := &sink{t: judge, pages: map[string]*sinkPage{}}
		require.NoError(t, s.store(effect{Epoch: 1, Position: 9, Number: 1}))
		require.NoError(t, s.store(effect{Epoch: 2, Position: 10, Number: 2}))
		require.Equal(t, c.fails, s.store(c.next) != nil, c.what)
		require.Equal(t, c.wrong, judge.made, c.what)
	}
}

// complaint notes that a test was found to fail.
type complaint struct {
	testing.TB
	made bool
}

// Errorf implements testing.TB.
func (c *complaint) Errorf(string, ...any) { c.made = true }
