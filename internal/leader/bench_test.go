// Copyright The Parti Authors
// SPDX-License-Identifier: Apache-2.0

package leader

import (
	"encoding/json"
	"fmt"
	"runtime"
	"testing"
	"time"

	"github.com/parti-go/parti/internal/record"
	"github.com/parti-go/parti/internal/topology"
	"github.com/parti-go/parti/strategy"
)

// stage is a leader in front of a store that takes everything at once, and of workers that obey at once. What is written is
// encoded, as it would be for a real store.
type bench struct {
	b        *testing.B
	now      time.Time
	leader   *Leader
	strategy strategy.Strategy
	list     []strategy.Partition
	beats    map[string]*Beat
	records  map[string]record.Assignment
	plan     record.Plan
	facts    []Fact
	written  int  // records
	deaf     bool // nobody lets go of anything
}

func (s *bench) config(term uint64) Config {
	return Config{
		Term: term, Worker: name(0), Session: 1, Joined: s.now, HandoffTimeout: time.Hour, HomeRetention: time.Hour, OperationTimeout: 10 * time.Second,
		MinRebalanceThreshold: 0.15, Topology: topology.Config{
			ColdStartWindow: 30 * time.Second, PlannedScaleWindow: 10 * time.Second, RestartDetectionRatio: 0.5, MassLossRatio: 0.2,
			HeartbeatInterval: beatEvery, HeartbeatTTL: beatTTL, RebalanceCooldown: 10 * time.Second, FlapBackoff: 5 * time.Minute,
		},
	}
}

func name(i int) string { return fmt.Sprintf("worker-%05d", i) }

// newBench returns a group that has its first plan.
func newBench(b *testing.B, workers, partitions int) *bench {
	b.Helper()
	s := &bench{b: b, now: start, strategy: strategy.NewConsistentHash(), beats: map[string]*Beat{}, records: map[string]record.Assignment{}}
	for i := range partitions {
		s.list = append(s.list, strategy.Partition{Keys: []string{"topic", fmt.Sprintf("%07d", i)}})
	}
	for i := range workers {
		s.beats[name(i)] = &Beat{Worker: name(i), Session: uint64(i + 1), Capacity: 100}
	}
	s.lead(1)
	s.pass(31 * time.Second)
	s.pass(time.Minute)
	return s
}

// lead begins a term.
func (s *bench) lead(term uint64) {
	var effects []Effect
	s.leader, effects = New(s.config(term))
	s.perform(effects)
	s.drain()
}

func (s *bench) tell(f Fact) {
	s.facts = append(s.facts, f)
	s.drain()
}

func (s *bench) drain() {
	for len(s.facts) > 0 {
		f := s.facts[0]
		s.facts = s.facts[1:]
		s.perform(s.leader.Step(s.now, f, nil))
	}
}

// pass lets time go by, in which everybody beats.
func (s *bench) pass(d time.Duration) {
	s.now = s.now.Add(d)
	for _, beat := range s.beats {
		s.tell(beat)
	}
	s.tell(&Ticked{})
}

func (s *bench) perform(effects []Effect) {
	for _, effect := range effects {
		switch e := effect.(type) {
		case *Read:
			restored := &Restored{Plan: s.plan}
			for _, r := range s.records {
				restored.Records = append(restored.Records, r)
			}
			s.facts = append(s.facts, restored)
		case *List:
			list, err := NewListing(s.list, 0)
			if err != nil {
				s.b.Fatal(err)
			}
			s.facts = append(s.facts, &Listed{List: list})
		case *Follow:
			for _, beat := range s.beats {
				s.facts = append(s.facts, beat)
			}
			s.facts = append(s.facts, &Synced{})
		case *Ask:
			p, err := strategy.Ask(s.strategy, e.Question)
			s.facts = append(s.facts, Answered(e, p, err))
		case *Write:
			s.write(e)
		case *End:
			s.b.Fatal(e)
		}
	}
}

func (s *bench) write(e *Write) {
	for _, r := range e.Records {
		if _, err := json.Marshal(r); err != nil {
			s.b.Fatal(err)
		}
		s.records[r.Worker] = r
	}
	for _, id := range e.Remove {
		delete(s.records, id)
	}
	s.written += len(e.Records) + len(e.Remove)
	s.plan = e.Plan
	s.facts = append(s.facts, &Written{ID: e.ID})
	for _, r := range e.Records {
		beat := s.beats[r.Worker]
		if len(r.Releasing) == 0 || s.deaf || beat == nil {
			continue
		}
		applied := *beat
		applied.Applied = r.Version
		s.beats[r.Worker] = &applied
		s.facts = append(s.facts, &applied)
	}
}

// lose has a worker expire; join has it come back in a new session and live through its window.
func (s *bench) lose(id string) {
	delete(s.beats, id)
	s.tell(&Gone{Worker: id})
}

func (s *bench) join(id string, session uint64) {
	s.pass(20 * time.Minute) // what it did before is forgotten
	beat := &Beat{Worker: id, Session: session, Capacity: 100}
	s.beats[id] = beat
	s.tell(beat)
	s.pass(8 * time.Second)
	s.now = s.now.Add(2 * time.Second)
}

// admit is the moment in which a newcomer's window closes.
func (s *bench) admit(id string) {
	s.tell(s.beats[id])
	s.tell(&Ticked{})
}

var sizes = [][2]int{{200, 10_000}, {1000, 100_000}}

// BenchmarkHeartbeat is a heartbeat that says nothing new: in a fresh term, after a write, and while 30,000 let-goes are
// pending.
func BenchmarkHeartbeat(b *testing.B) {
	for _, size := range append(sizes, [2]int{10_000, 1_000_000}) {
		for _, when := range []string{"fresh term", "after a write", "handoffs pending"} {
			b.Run(fmt.Sprintf("%s/W=%d/P=%d", when, size[0], size[1]), func(b *testing.B) {
				s := newBench(b, size[0], size[1])
				switch when {
				case "fresh term":
					s.lead(2)
				case "handoffs pending":
					s.deaf = true
					for i := range size[0] / 2 {
						newcomer := &Beat{Worker: name(size[0] + i), Session: uint64(size[0] + i), Capacity: 100}
						s.beats[newcomer.Worker] = newcomer
					}
					s.pass(0)
					s.pass(9 * time.Second)
					s.pass(time.Second)
					if pending := len(s.leader.ledger.Pending()); pending < size[1]*3/10 {
						b.Fatalf("%d let-goes are pending", pending)
					}
				}
				s.now = s.now.Add(time.Second)
				beat, out := s.beats[name(size[0]-1)], make([]Effect, 0, 8)
				b.ReportAllocs()
				for b.Loop() {
					out = s.leader.Step(s.now, beat, out[:0])
				}
			})
		}
	}
}

// BenchmarkTakeover is everything that a new leader does before it leads: what is stored, the source, all heartbeats.
// Reading what is stored means decoding it, too.
func BenchmarkTakeover(b *testing.B) {
	for _, size := range append(sizes, [2]int{10_000, 1_000_000}) {
		b.Run(fmt.Sprintf("W=%d/P=%d", size[0], size[1]), func(b *testing.B) {
			s := newBench(b, size[0], size[1])
			var stored [][]byte
			for _, r := range s.records {
				value, err := record.Encode("token", r)
				if err != nil {
					b.Fatal(err)
				}
				stored = append(stored, value)
			}
			term, written := uint64(1), s.written
			b.ReportAllocs()
			for b.Loop() {
				for _, value := range stored {
					r, err := record.DecodeAssignment(value)
					if err != nil {
						b.Fatal(err)
					}
					s.records[r.Worker] = r
				}
				term++
				s.lead(term)
			}
			if s.written != written {
				b.Fatalf("%d records written although nothing changed", s.written-written)
			}
		})
	}
}

// BenchmarkChange is the leader's whole way from a worker that is lost to encoded records (leave), and from the moment in
// which the window of one that joined closes to the records that ask others to let go, and then those that grant (join).
// records is how many were written.
func BenchmarkChange(b *testing.B) {
	for _, size := range append(sizes, [2]int{10_000, 1_000_000}) {
		for _, change := range []string{"leave", "join"} {
			b.Run(fmt.Sprintf("%s/W=%d/P=%d", change, size[0], size[1]), func(b *testing.B) {
				s := newBench(b, size[0], size[1])
				id, session := name(size[0]/2), uint64(size[0])
				back := func() { session++; s.join(id, session) }
				if change == "join" {
					s.lose(id)
					back()
				}
				runtime.GC() // what building the group left behind is nobody's cost here
				b.ReportAllocs()
				written, runs := 0, 0
				for b.Loop() {
					before := s.written
					if change == "leave" {
						s.lose(id)
					} else {
						s.admit(id)
					}
					written += s.written - before
					runs++
					b.StopTimer()
					if change == "leave" {
						back()
						s.admit(id)
						s.pass(time.Minute)
					} else {
						s.lose(id)
						back()
					}
					b.StartTimer()
				}
				b.ReportMetric(float64(written)/float64(runs), "records")
			})
		}
	}
}
