// Copyright The Parti Authors
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"fmt"
	"sync"
	"time"

	"github.com/nats-io/nats.go"
)

// sink sees what members have handled, in the order in which the server was told.
type sink struct {
	mu   sync.Mutex
	keys []seen
	part counts
}

// seen is what became of the messages of a partition, numbered from 1.
type seen struct {
	numbers map[int]bool
	highest int
	last    time.Time // when something new was handled
}

// counts is what was seen in a part of a run.
type counts struct {
	handled, repeated, unordered int
	longest                      time.Duration // without anything new in a partition
}

func newSink(partitions int) *sink {
	s := &sink{keys: make([]seen, partitions)}
	for i := range s.keys {
		s.keys[i] = seen{numbers: map[int]bool{}, last: time.Now()}
	}
	return s
}

// take notes one message, "<partition> <number>".
func (s *sink) take(m *nats.Msg) {
	var partition, number int
	if _, err := fmt.Sscan(string(m.Data), &partition, &number); err != nil {
		panic(err) // nobody else publishes there
	}
	s.note(partition, number, time.Now())
}

func (s *sink) note(partition, number int, at time.Time) {
	s.mu.Lock()
	defer s.mu.Unlock()
	k := &s.keys[partition]
	if k.numbers[number] {
		s.part.repeated++
		return
	}
	if number < k.highest {
		s.part.unordered++
	}
	k.numbers[number] = true
	s.part.handled++
	s.part.longest = max(s.part.longest, at.Sub(k.last))
	k.highest, k.last = max(k.highest, number), at
}

// next ends a part: what was seen in it. A partition that stands still is counted up to now.
func (s *sink) next(now time.Time) counts {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, k := range s.keys {
		s.part.longest = max(s.part.longest, now.Sub(k.last))
	}
	ended := s.part
	s.part = counts{}
	return ended
}

// missing is how many of the published messages were never handled.
func (s *sink) missing(published []int) (n int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for i, k := range s.keys {
		n += published[i] - len(k.numbers)
	}
	return n
}
