// Copyright The Parti Authors
// SPDX-License-Identifier: Apache-2.0

package browsertest

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"sync"
	"time"
)

// Facts is what the page is told of a worker beside its partitions.
type Facts struct {
	ID       string            `json:"id"`
	Host     string            `json:"host"`
	Process  int               `json:"process"`
	Session  uint64            `json:"session"`
	State    string            `json:"state"`
	Live     bool              `json:"live"`
	Leader   bool              `json:"leader"`
	Leaving  bool              `json:"leaving"`
	Cordoned bool              `json:"cordoned"`
	Capacity int64             `json:"capacity"`
	Labels   map[string]string `json:"labels,omitempty"`
	Stuck    []string          `json:"stuck,omitempty"`
	Applied  int64             `json:"applied"`
	Damped   int64             `json:"damped"`
}

// Change is one line of the journal.
type Change struct {
	At        int64  `json:"at"`
	Partition string `json:"partition"`
	From      string `json:"from"`
	To        string `json:"to"`
	Epoch     int64  `json:"epoch"`
	Version   int64  `json:"version"`
	Term      uint64 `json:"term"`
	By        string `json:"by"`
	Why       string `json:"why"`
}

type plan struct {
	Term        uint64           `json:"term"`
	Version     int64            `json:"version"`
	Phase       string           `json:"phase"`
	Lifecycle   string           `json:"lifecycle"`
	Partitions  int              `json:"partitions"`
	Stored      int64            `json:"stored"`
	Members     []string         `json:"members"`
	Certificate map[string]int64 `json:"certificate"`
}

type head struct {
	Seq     uint64 `json:"seq"`
	At      int64  `json:"at"`
	Leader  string `json:"leader"`
	Stale   int64  `json:"stale"`
	Unowned int    `json:"unowned"`
	Plan    plan   `json:"plan"`
}

type snapshot struct {
	Group string `json:"group"`
	head
	Workers []workerOf `json:"workers"`
}

type workerOf struct {
	Facts
	Partitions [][4]any `json:"partitions"`
}

type delta struct {
	head
	Workers []Facts  `json:"workers,omitempty"`
	Gone    []string `json:"gone,omitempty"`
	Set     [][5]any `json:"set,omitempty"`
	Unset   [][2]any `json:"unset,omitempty"`
}

type holding struct {
	epoch, since int64
	releasing    bool
}

// Fake is a group that exists only in what it tells a page. A test changes it with [Fake.Change], which sends one delta.
type Fake struct {
	Allowed []string // actions
	Reasons []string // why any partition is where it is

	mu      sync.Mutex
	name    string
	head    head
	workers map[string]Facts
	held    map[string]map[string]holding // by worker and partition
	journal []Change
	actions []string // what was asked for
	clients map[chan event]struct{}
	hold    chan struct{} // while it is open no snapshot is answered
}

type event struct {
	name string
	data []byte
}

// NewFake returns a group in which every worker is stable and has its fair share.
func NewFake(workers, partitions int) *Fake {
	f := &Fake{name: "orders", workers: map[string]Facts{}, held: map[string]map[string]holding{}, clients: map[chan event]struct{}{}}
	f.head = head{Seq: 1, Plan: plan{Term: 3, Version: 100, Phase: "idle", Lifecycle: "stable", Partitions: partitions, Stored: time.Now().UnixMilli()}}
	f.head.Plan.Certificate = map[string]int64{"moves": 0, "leastMoves": 0, "imbalance": 0, "leastImbalance": 0}
	for i := range workers {
		id := Worker(i)
		f.workers[id] = Facts{
			ID: id, Host: fmt.Sprintf("node-%02d", i/4), Process: 4000 + i, Session: uint64(10 + i), State: "Stable", Live: true,
			Leader: i == 0, Capacity: 1, Applied: 100,
		}
		f.held[id] = map[string]holding{}
	}
	f.head.Leader = Worker(0)
	old := time.Now().Add(-3 * time.Hour).UnixMilli()
	for i := range partitions {
		f.held[Worker(i*7919%workers)][Partition(i)] = holding{epoch: 100, since: old}
	}
	return f
}

// Worker is the ID of a worker of a fake.
func Worker(i int) string { return fmt.Sprintf("worker-%d", i) }

// Partition is the ID of a partition of a fake.
func Partition(i int) string { return fmt.Sprintf("orders.%d", i) }

// Change makes a change and tells all pages of it in one delta, and of its lines in the journal.
func (f *Fake) Change(change func(d *Draft)) {
	f.mu.Lock()
	defer f.mu.Unlock()
	d := &Draft{fake: f, now: time.Now().UnixMilli()}
	change(d)
	f.head.Seq++
	f.head.At = d.now
	d.delta.head = f.head
	f.send("delta", d.delta)
	if len(d.changes) > 0 {
		f.journal = append(f.journal, d.changes...)
		f.send("change", d.changes)
	}
}

// Past puts a change into the journal that happened before any page looked.
func (f *Fake) Past(c Change) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.journal = append(f.journal, c)
	slices.SortStableFunc(f.journal, func(a, b Change) int { return int(a.At - b.At) })
}

// Lose makes a change that no page is told of: the next delta shows a gap.
func (f *Fake) Lose(change func(d *Draft)) {
	f.mu.Lock()
	clients := f.clients
	f.clients = nil
	f.mu.Unlock()
	f.Change(change)
	f.mu.Lock()
	f.clients = clients
	f.mu.Unlock()
}

// HoldSnapshots lets requests for a snapshot wait until the function is called that it returns.
func (f *Fake) HoldSnapshots() func() {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.hold = make(chan struct{})
	return sync.OnceFunc(func() { close(f.hold) })
}

// Disconnect ends all streams.
func (f *Fake) Disconnect() {
	f.mu.Lock()
	defer f.mu.Unlock()
	for c := range f.clients {
		close(c)
	}
	f.clients = map[chan event]struct{}{}
}

// Seq returns the number of the newest delta.
func (f *Fake) Seq() uint64 {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.head.Seq
}

// Actions returns what pages have asked for.
func (f *Fake) Actions() []string {
	f.mu.Lock()
	defer f.mu.Unlock()
	return slices.Clone(f.actions)
}

// send tells all pages. The caller holds the lock. A page that is far behind loses its stream, as on the real server.
func (f *Fake) send(name string, v any) {
	data, err := json.Marshal(v)
	if err != nil {
		panic(err)
	}
	for c := range f.clients {
		select {
		case c <- event{name, data}:
		default:
			close(c)
			delete(f.clients, c)
		}
	}
}

// snapshot returns everything. The caller holds the lock.
func (f *Fake) snapshot() snapshot {
	s := snapshot{Group: f.name, head: f.head}
	s.At = time.Now().UnixMilli()
	for _, id := range slices.Sorted(maps.Keys(f.workers)) {
		w := workerOf{Facts: f.workers[id], Partitions: [][4]any{}}
		for _, p := range slices.Sorted(maps.Keys(f.held[id])) {
			h := f.held[id][p]
			releasing := 0
			if h.releasing {
				releasing = 1
			}
			w.Partitions = append(w.Partitions, [4]any{p, h.epoch, h.since, releasing})
		}
		s.Workers = append(s.Workers, w)
	}
	return s
}
