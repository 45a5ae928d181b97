// Copyright The Parti Authors
// SPDX-License-Identifier: Apache-2.0

package strategy

import (
	"math"

	"github.com/cespare/xxhash/v2"
)

// Rendezvous is highest random weight hashing: every partition goes to the worker that scores highest for it, whatever its
// present owner. It keeps no bounds. Its advantage is that a program that knows the workers can compute the owner of a
// partition by itself:
//
//	u = mix(xxhash64(worker ID) xor xxhash64(partition ID)), as a number between 0 and 1: (u >> 11 + ½) ÷ 2^53
//	score = -capacity ÷ ln u
//
// with seed 0 and mix the finalizer of SplitMix64 (x ^= x>>30; x *= 0xbf58476d1ce4e5b9; x ^= x>>27; x *=
// 0x94d049bb133111eb; x ^= x>>31). Of equal scores the smallest worker ID wins. It ignores the weights of partitions. Its
// running time grows with workers × partitions.
type Rendezvous struct{}

// NewRendezvous returns the strategy. It has no settings.
func NewRendezvous() *Rendezvous { return &Rendezvous{} }

// Assign implements Strategy.
func (r *Rendezvous) Assign(workers []Worker, partitions []Partition, previous []int) ([]int, error) {
	return plain(r, workers, partitions, previous, nil)
}

// AssignPrepared implements Preparing. It ignores present owners and homes.
func (*Rendezvous) AssignPrepared(q Question) (Plan, error) {
	in, err := prepare(q)
	if err != nil {
		return Plan{}, err
	}
	hashes, uniform := make([]uint64, len(in.workers)), in.uniform()
	for i, w := range in.workers {
		hashes[i] = xxhash.Sum64String(w.ID)
	}
	next := make([]int, len(in.partitions))
	for q, h := range in.hashes {
		if uniform { // the highest u has the highest score
			var best uint64
			for w, x := range hashes {
				if u := mix(x^h)>>11 + 1; u > best {
					best, next[q] = u, w
				}
			}
			continue
		}
		best := 0.0
		for w, x := range hashes {
			u := (float64(mix(x^h)>>11) + 0.5) / (1 << 53)
			if score := -float64(in.workers[w].Room()) / math.Log(u); score > best {
				best, next[q] = score, w
			}
		}
	}
	return in.answer(next), nil
}
