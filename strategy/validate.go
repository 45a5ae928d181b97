// Copyright The Parti Authors
// SPDX-License-Identifier: Apache-2.0

package strategy

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/cespare/xxhash/v2"
)

// Errors in the input or the output of a strategy.
var (
	ErrNoWorkers        = errors.New("no workers")                 // there are partitions and no workers
	ErrDuplicateWorker  = errors.New("duplicate worker")           // two workers have the same ID
	ErrInvalidCapacity  = errors.New("invalid capacity")           // a capacity is negative, or too large
	ErrNoKeys           = errors.New("partition without keys")     // a partition has no key to be named by
	ErrInvalidKey       = errors.New("invalid partition key")      // a key that cannot be a part of a NATS subject
	ErrDuplicateID      = errors.New("duplicate partition ID")     // two partitions have the same keys
	ErrInvalidWeight    = errors.New("invalid partition weight")   // a weight is negative, or too large
	ErrInvalidPrevious  = errors.New("invalid previous owners")    // a list of owners that does not fit workers and partitions
	ErrInvalidOwner     = errors.New("invalid owner")              // a plan names a worker that is not there
	ErrPartitionMissing = errors.New("partition without an owner") // a plan leaves a partition without an owner
	// ErrInvalidOption says that an option of a strategy is out of range; Assign returns it.
	ErrInvalidOption = errors.New("invalid option")
)

// MaxWeight is the highest weight and the highest capacity, so that sums of millions of them do not overflow.
const MaxWeight = 1 << 40

// ValidatePartitions checks the keys, the IDs and the weights. Its error wraps ErrNoKeys, ErrInvalidKey, ErrDuplicateID
// or ErrInvalidWeight and names the partition.
func ValidatePartitions(partitions []Partition) error {
	_, err := hashPartitions(partitions)
	return err
}

// hashPartitions checks the partitions and returns the hashes of their IDs.
func hashPartitions(partitions []Partition) ([]uint64, error) {
	hashes := make([]uint64, len(partitions))
	var id [MaxIDLength]byte
	for i := range partitions {
		n, err := validatePartition(i, &partitions[i], &id)
		if err != nil {
			return nil, err
		}
		hashes[i] = xxhash.Sum64(id[:n])
	}
	return hashes, unique(partitions, hashes)
}

// unique finds partitions of one ID by their hashes, in a table of open addresses: a map of a million IDs would take
// longer than all the rest.
func unique(partitions []Partition, hashes []uint64) error {
	size := 2
	for size < 2*len(hashes) {
		size *= 2
	}
	table, mask := make([]uint32, size), uint64(size-1)
	for i, h := range hashes {
		at := h & mask
		for table[at] != 0 {
			j := table[at] - 1
			if hashes[j] == h && partitions[j].ID() == partitions[i].ID() {
				return fmt.Errorf("%w: partitions[%d] and [%d] are %q, allowed: each ID once", ErrDuplicateID, j, i, partitions[i].ID())
			}
			at = (at + 1) & mask
		}
		table[at] = uint32(i + 1)
	}
	return nil
}

// validatePartition checks one partition and writes its ID to id.
func validatePartition(i int, p *Partition, id *[MaxIDLength]byte) (n int, err error) {
	if len(p.Keys) == 0 {
		return 0, fmt.Errorf("%w: partitions[%d].Keys is empty, allowed: at least one key", ErrNoKeys, i)
	}
	if p.Weight < 0 || p.Weight > MaxWeight {
		return 0, fmt.Errorf("%w: partitions[%d].Weight of %q is %d, allowed: 0 (the default of 100) to %d", ErrInvalidWeight, i, p.ID(), p.Weight, int64(MaxWeight))
	}
	for j, key := range p.Keys {
		if !legal(key) {
			return 0, fmt.Errorf("%w: partitions[%d].Keys[%d] is %q, allowed: not empty, without '.', '*', '>', white space and control characters",
				ErrInvalidKey, i, j, key)
		}
		if j > 0 && n < len(id) {
			id[n] = '.'
			n++
		}
		if n+len(key) > len(id) {
			return 0, fmt.Errorf("%w: partitions[%d] has an ID of %d bytes, allowed: at most %d", ErrInvalidKey, i, len(p.ID()), MaxIDLength)
		}
		n += copy(id[n:], key)
	}
	return n, nil
}

// legal reports whether a key can be a token of a subject.
func legal(key string) bool {
	for i := range len(key) {
		if c := key[i]; c <= ' ' || c == '.' || c == '*' || c == '>' || c == 0x7f {
			return false
		} else if c >= utf8.RuneSelf {
			return !strings.ContainsFunc(key, illegal)
		}
	}
	return key != ""
}

func illegal(r rune) bool {
	return r == '.' || r == '*' || r == '>' || r == unicode.ReplacementChar || unicode.IsSpace(r) || unicode.IsControl(r)
}

// validateWorkers checks the IDs and the capacities, and returns the order of the IDs.
func validateWorkers(workers []Worker) ([]int, error) {
	if len(workers) == 0 {
		return nil, fmt.Errorf("%w: workers is empty, allowed: at least one", ErrNoWorkers)
	}
	order := make([]int, len(workers))
	for i, w := range workers {
		order[i] = i
		if w.Capacity < 0 || w.Capacity > MaxWeight {
			return nil, fmt.Errorf("%w: workers[%d].Capacity is %d, allowed: 0 (the default of 100) to %d", ErrInvalidCapacity, i, w.Capacity, int64(MaxWeight))
		}
	}
	slices.SortFunc(order, func(a, b int) int { return strings.Compare(workers[a].ID, workers[b].ID) })
	for i, w := range order {
		if id := workers[w].ID; id == "" || i > 0 && id == workers[order[i-1]].ID {
			return nil, fmt.Errorf("%w: workers[%d].ID is %q, allowed: not empty, each once", ErrDuplicateWorker, w, id)
		}
	}
	return order, nil
}

func validateOwners(name string, owners []int, workers, partitions int) error {
	if len(owners) != partitions {
		return fmt.Errorf("%w: len(%s) is %d, allowed: len(partitions) = %d", ErrInvalidPrevious, name, len(owners), partitions)
	}
	for i, w := range owners {
		if w < None || w >= workers {
			return fmt.Errorf("%w: %s[%d] is %d, allowed: %d to %d", ErrInvalidPrevious, name, i, w, None, workers-1)
		}
	}
	return nil
}
