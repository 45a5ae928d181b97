// Copyright The Parti Authors
// SPDX-License-Identifier: Apache-2.0

package compare

import (
	"cmp"
	"fmt"
	"math"
	"slices"
	"strconv"
	"time"

	"github.com/buraksezer/consistent"
	"github.com/cespare/xxhash/v2"
	"github.com/dgryski/go-jump"
	"github.com/dgryski/go-rendezvous"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/parti-go/parti/strategy"
)

// Whom the table compares. Those that take their input in another form are timed without the translation.
func contestants() []contestant {
	return []contestant{
		{"parti ConsistentHash", &prepared{s: strategy.NewConsistentHash()}, false, false},
		{"parti ConsistentHash, homes", &prepared{s: strategy.NewConsistentHash()}, true, false},
		{"parti Sticky", &prepared{s: strategy.NewSticky()}, false, false},
		{"parti Sticky, homes", &prepared{s: strategy.NewSticky()}, true, false},
		{"parti RoundRobin", &prepared{s: strategy.NewRoundRobin()}, false, false},
		{"parti Rendezvous", &prepared{s: strategy.NewRendezvous()}, false, false},
		{"franz-go sticky", &kafka{balancer: kgo.StickyBalancer()}, false, false},
		{"franz-go range", &kafka{balancer: kgo.RangeBalancer()}, false, false},
		{"franz-go round robin", &kafka{balancer: kgo.RoundRobinBalancer()}, false, false},
		{"ring, 150 nodes", ring{}, false, false},
		{"buraksezer/consistent", &bounded{}, false, true},
		{"go-jump", jumping{}, false, false},
		{"go-rendezvous", &highest{}, false, false},
	}
}

type contestant struct {
	name  string
	s     strategy.Strategy
	homes bool // told where partitions are at home
	slow  bool // takes seconds for a hundred thousand partitions
}

// prepared runs a strategy of ours as the leader does: with a list that was prepared when it came from the source.
type prepared struct {
	s    strategy.Strategy
	of   []strategy.Partition
	list *strategy.Prepared
	took time.Duration
}

func (s *prepared) Assign(w []strategy.Worker, p []strategy.Partition, previous []int) ([]int, error) {
	return s.AssignHome(w, p, previous, nil)
}

func (s *prepared) AssignHome(w []strategy.Worker, p []strategy.Partition, previous, home []int) ([]int, error) {
	if len(s.of) != len(p) || &s.of[0] != &p[0] {
		list, err := strategy.Prepare(p)
		if err != nil {
			return nil, err
		}
		s.of, s.list = p, list
	}
	start := clock()
	plan, err := strategy.Ask(s.s, strategy.Question{Workers: w, List: s.list, Previous: previous, Home: home})
	s.took = clock() - start
	return plan.Owners, err
}

func (s *prepared) own() time.Duration { return s.took }

// kafka runs a group balancer of franz-go: one topic, whose partitions are numbered in the order of the input.
type kafka struct {
	balancer kgo.GroupBalancer
	took     time.Duration
}

func (k *kafka) Assign(workers []strategy.Worker, partitions []strategy.Partition, previous []int) ([]int, error) {
	owned := make([][]int32, len(workers))
	for q, w := range previous {
		if w != strategy.None {
			owned[w] = append(owned[w], int32(q))
		}
	}
	members := make([]kmsg.JoinGroupResponseMember, len(workers))
	index := make(map[string]int, len(workers))
	for i, w := range workers {
		members[i] = kmsg.NewJoinGroupResponseMember()
		members[i].MemberID = w.ID
		members[i].ProtocolMetadata = k.balancer.JoinGroupMetadata([]string{"topic"}, map[string][]int32{"topic": owned[i]}, 1)
		index[w.ID] = i
	}
	b, _, err := k.balancer.MemberBalancer(members)
	if err != nil {
		return nil, err
	}
	start := clock()
	var into kgo.IntoSyncAssignment
	if e, ok := b.(kgo.GroupMemberBalancerOrError); ok {
		into, err = e.BalanceOrError(map[string]int32{"topic": int32(len(partitions))})
	} else {
		into = b.Balance(map[string]int32{"topic": int32(len(partitions))})
	}
	k.took = clock() - start
	if err != nil {
		return nil, err
	}
	next := make([]int, len(partitions))
	for id, topics := range into.(*kgo.BalancePlan).AsMemberIDMap() {
		for _, q := range topics["topic"] {
			next[q] = index[id]
		}
	}
	return next, nil
}

func (k *kafka) own() time.Duration { return k.took }

// ring is plain consistent hashing with 150 places for each worker; the present owners play no part.
type ring struct{}

func (ring) Assign(workers []strategy.Worker, partitions []strategy.Partition, _ []int) ([]int, error) {
	type point struct {
		hash   uint64
		worker int
	}
	var points []point
	for i, w := range workers {
		for v := range 150 {
			points = append(points, point{xxhash.Sum64String(w.ID + "#" + strconv.Itoa(v)), i})
		}
	}
	slices.SortFunc(points, func(a, b point) int { return cmp.Compare(a.hash, b.hash) })
	next := make([]int, len(partitions))
	for q := range partitions {
		h := xxhash.Sum64String(partitions[q].ID())
		at, _ := slices.BinarySearchFunc(points, h, func(p point, h uint64) int { return cmp.Compare(p.hash, h) })
		next[q] = points[at%len(points)].worker
	}
	return next, nil
}

// bounded runs buraksezer/consistent, bounded loads at 1.1, with as many partitions of its own as there are of ours.
type bounded struct{ took time.Duration }

type member string

func (m member) String() string { return string(m) }

type hasher struct{}

func (hasher) Sum64(b []byte) uint64 { return xxhash.Sum64(b) }

func (r *bounded) Assign(workers []strategy.Worker, partitions []strategy.Partition, _ []int) ([]int, error) {
	members, index := make([]consistent.Member, len(workers)), make(map[string]int, len(workers))
	for i, w := range workers {
		members[i], index[w.ID] = member(w.ID), i
	}
	owners := make([]string, len(partitions))
	start := clock()
	c := consistent.New(members, consistent.Config{PartitionCount: len(partitions), ReplicationFactor: 150, Load: 1.1, Hasher: hasher{}})
	for q := range partitions {
		owners[q] = c.GetPartitionOwner(q).String()
	}
	r.took = clock() - start
	next := make([]int, len(partitions))
	for q, owner := range owners {
		next[q] = index[owner]
	}
	return next, nil
}

func (r *bounded) own() time.Duration { return r.took }

// jumping runs dgryski/go-jump over the workers in the order of their IDs.
type jumping struct{}

func (jumping) Assign(workers []strategy.Worker, partitions []strategy.Partition, _ []int) ([]int, error) {
	order := make([]int, len(workers))
	for i := range order {
		order[i] = i
	}
	slices.SortFunc(order, func(a, b int) int { return cmp.Compare(workers[a].ID, workers[b].ID) })
	next := make([]int, len(partitions))
	for q := range partitions {
		next[q] = order[jump.Hash(xxhash.Sum64String(partitions[q].ID()), len(workers))]
	}
	return next, nil
}

// highest runs dgryski/go-rendezvous.
type highest struct{ took time.Duration }

func (r *highest) Assign(workers []strategy.Worker, partitions []strategy.Partition, _ []int) ([]int, error) {
	nodes, index := make([]string, len(workers)), make(map[string]int, len(workers))
	for i, w := range workers {
		nodes[i], index[w.ID] = w.ID, i
	}
	ids := make([]string, len(partitions))
	for q := range partitions {
		ids[q] = partitions[q].ID()
	}
	start := clock()
	h := rendezvous.New(nodes, xxhash.Sum64String)
	for q, id := range ids {
		ids[q] = h.Lookup(id)
	}
	r.took = clock() - start
	next := make([]int, len(partitions))
	for q, id := range ids {
		next[q] = index[id]
	}
	return next, nil
}

func (r *highest) own() time.Duration { return r.took }

// recorder watches a strategy plan. The least that could have moved is counted for plans as even as the ones it watched.
type recorder struct {
	contestant
	plans, moves, least      int
	movedWeight, leastWeight float64
	kept, possible           int
	highest, lowest          float64
	took                     time.Duration
}

func (r *recorder) Assign(w []strategy.Worker, p []strategy.Partition, previous []int) ([]int, error) {
	return r.AssignHome(w, p, previous, nil)
}

func (r *recorder) AssignHome(w []strategy.Worker, p []strategy.Partition, previous, home []int) (next []int, err error) {
	start := clock()
	if h, ok := r.s.(strategy.Homing); ok && r.homes && home != nil {
		next, err = h.AssignHome(w, p, previous, home)
	} else {
		next, err = r.s.Assign(w, p, previous)
	}
	took := clock() - start
	if t, ok := r.s.(interface{ own() time.Duration }); ok {
		took = t.own()
	}
	if err != nil {
		return nil, fmt.Errorf("%s: %w", r.name, err)
	}
	r.plans++
	r.took += took
	r.weigh(w, p, previous, next)
	return next, nil
}

func (r *recorder) weigh(w []strategy.Worker, p []strategy.Partition, previous, next []int) {
	c, owned := strategy.Certify(w, p, previous, next), 0
	r.moves += c.Moves
	r.least += c.LeastMoves
	r.highest = max(r.highest, c.Imbalance/c.LeastImbalance)
	before, after, fair := make([]float64, len(w)), make([]float64, len(w)), make([]float64, len(w))
	var total, room, free float64
	for q, o := range next {
		load := float64(p[q].Load())
		total += load
		after[o] += load
		if was := previous[q]; was == strategy.None {
			free += load
		} else {
			owned++
			before[was] += load
			if was != o {
				r.movedWeight += load
			}
		}
	}
	for _, worker := range w {
		room += float64(worker.Room())
	}
	lowest := math.Inf(1)
	for i := range w {
		fair[i] = total * float64(w[i].Room()) / room
		lowest = min(lowest, after[i]/fair[i])
	}
	over, lack := 0.0, -free
	for i := range w {
		over += max(0, before[i]-fair[i]*c.Imbalance)
		lack += max(0, fair[i]*lowest-before[i])
	}
	r.lowest = min(r.lowest, lowest)
	r.leastWeight += max(over, lack, 0)
	r.kept += owned - c.Moves
	r.possible += owned - c.LeastMoves
}
