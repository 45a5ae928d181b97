// Package strategy decides who should own what. Everything in it is pure: a strategy is given the workers, the
// partitions and the present owners, and answers with the owners to come.
package strategy

import (
	"errors"
	"fmt"
	"strings"
	"unicode"
)

// Partition is a unit of work that one worker owns at a time.
type Partition struct {
	// Keys name the partition; they become subject tokens, so none may be empty or hold a dot, a star, a greater-than
	// sign, white space or a control character.
	Keys []string
	// Weight is the load it brings, in units of the user's choice; 0 means 100.
	Weight int64
}

// ID joins the keys with dots.
func (p Partition) ID() string { return strings.Join(p.Keys, ".") }

// Load is the weight with its default applied.
func (p Partition) Load() int64 {
	if p.Weight == 0 {
		return defaultWeight
	}
	return p.Weight
}

// Worker is a member of the group that can own partitions.
type Worker struct {
	ID string
	// Capacity is the share of the load it should have in relation to the others; 0 means 100.
	Capacity int64
	Labels   map[string]string
}

// Room is the capacity with its default applied.
func (w Worker) Room() int64 {
	if w.Capacity == 0 {
		return defaultCapacity
	}
	return w.Capacity
}

const (
	defaultWeight   = 100
	defaultCapacity = 100
	// MaxIDLength bounds a partition ID in bytes.
	MaxIDLength = 255
)

// None is the index of no worker.
const None = -1

// Strategy decides who should own what.
type Strategy interface {
	// Assign returns for each partition the index of the worker that should own it. previous[i] is the index of the
	// present owner or None. Assign is pure and deterministic: equal inputs, in whatever order, give equal owners.
	Assign(workers []Worker, partitions []Partition, previous []int) ([]int, error)
}

// What can be wrong with the input or the output of a strategy.
var (
	ErrNoWorkers        = errors.New("no workers")
	ErrDuplicateWorker  = errors.New("duplicate worker")
	ErrInvalidCapacity  = errors.New("invalid capacity")
	ErrNoKeys           = errors.New("partition without keys")
	ErrInvalidKey       = errors.New("invalid partition key")
	ErrDuplicateID      = errors.New("duplicate partition ID")
	ErrInvalidWeight    = errors.New("invalid partition weight")
	ErrInvalidPrevious  = errors.New("invalid previous owners")
	ErrInvalidOwner     = errors.New("invalid owner")
	ErrPartitionMissing = errors.New("partition without an owner")
)

// ValidatePartitions checks the keys, the IDs and the weights. Its error wraps ErrNoKeys, ErrInvalidKey, ErrDuplicateID
// or ErrInvalidWeight and names the partition.
func ValidatePartitions(partitions []Partition) error {
	seen := make(map[string]struct{}, len(partitions))
	for i, p := range partitions {
		if err := validatePartition(i, p); err != nil {
			return err
		}
		id := p.ID()
		if _, ok := seen[id]; ok {
			return fmt.Errorf("%w: partitions[%d] is %q, allowed: each ID once", ErrDuplicateID, i, id)
		}
		seen[id] = struct{}{}
	}
	return nil
}

func validatePartition(i int, p Partition) error {
	if len(p.Keys) == 0 {
		return fmt.Errorf("%w: partitions[%d].Keys is empty, allowed: at least one key", ErrNoKeys, i)
	}
	for j, key := range p.Keys {
		if key == "" || strings.ContainsFunc(key, illegal) {
			return fmt.Errorf("%w: partitions[%d].Keys[%d] is %q, allowed: not empty, without '.', '*', '>', white space and control characters",
				ErrInvalidKey, i, j, key)
		}
	}
	if id := p.ID(); len(id) > MaxIDLength {
		return fmt.Errorf("%w: partitions[%d] has an ID of %d bytes, allowed: at most %d", ErrInvalidKey, i, len(id), MaxIDLength)
	}
	if p.Weight < 0 || p.Weight > MaxWeight {
		return fmt.Errorf("%w: partitions[%d].Weight of %q is %d, allowed: 0 (the default of 100) to %d", ErrInvalidWeight, i, p.ID(), p.Weight, int64(MaxWeight))
	}
	return nil
}

// MaxWeight bounds a weight, so that sums of a million of them do not overflow.
const MaxWeight = 1 << 40

func illegal(r rune) bool {
	return r == '.' || r == '*' || r == '>' || r == unicode.ReplacementChar || unicode.IsSpace(r) || unicode.IsControl(r)
}

// validate checks what every strategy relies on.
func validate(workers []Worker, partitions []Partition, previous []int) error {
	if len(workers) == 0 {
		return fmt.Errorf("%w: workers is empty, allowed: at least one", ErrNoWorkers)
	}
	seen := make(map[string]struct{}, len(workers))
	for i, w := range workers {
		if _, ok := seen[w.ID]; ok || w.ID == "" {
			return fmt.Errorf("%w: workers[%d].ID is %q, allowed: not empty, each once", ErrDuplicateWorker, i, w.ID)
		}
		seen[w.ID] = struct{}{}
		if w.Capacity < 0 || w.Capacity > MaxWeight {
			return fmt.Errorf("%w: workers[%d].Capacity is %d, allowed: 0 (the default of 100) to %d", ErrInvalidCapacity, i, w.Capacity, int64(MaxWeight))
		}
	}
	if len(previous) != len(partitions) {
		return fmt.Errorf("%w: len(previous) is %d, allowed: len(partitions) = %d", ErrInvalidPrevious, len(previous), len(partitions))
	}
	for i, w := range previous {
		if w < None || w >= len(workers) {
			return fmt.Errorf("%w: previous[%d] is %d, allowed: %d to %d", ErrInvalidPrevious, i, w, None, len(workers)-1)
		}
	}
	return ValidatePartitions(partitions)
}

// Check reports what is wrong with an answer of a strategy: its length, an owner that does not exist, a partition
// without one.
func Check(workers []Worker, partitions []Partition, next []int) error {
	if len(next) != len(partitions) {
		return fmt.Errorf("%w: len(next) is %d, allowed: len(partitions) = %d", ErrPartitionMissing, len(next), len(partitions))
	}
	for i, w := range next {
		if w == None {
			return fmt.Errorf("%w: next[%d] (%q)", ErrPartitionMissing, i, partitions[i].ID())
		}
		if w < 0 || w >= len(workers) {
			return fmt.Errorf("%w: next[%d] is %d, allowed: 0 to %d", ErrInvalidOwner, i, w, len(workers)-1)
		}
	}
	return nil
}

// Moves counts the partitions that had an owner and get another.
func Moves(previous, next []int) int {
	n := 0
	for i := range next {
		if previous[i] != None && previous[i] != next[i] {
			n++
		}
	}
	return n
}

// Imbalance is the load of the fullest worker, in relation to its capacity, divided by what a perfectly even plan
// would give it: 1 is perfect.
func Imbalance(workers []Worker, partitions []Partition, next []int) float64 {
	loads := make([]int64, len(workers))
	var total, room int64
	for i, p := range partitions {
		loads[next[i]] += p.Load()
		total += p.Load()
	}
	for _, w := range workers {
		room += w.Room()
	}
	if total == 0 || room == 0 {
		return 1
	}
	worst := 0.0
	for i, w := range workers {
		if fair := float64(total) * float64(w.Room()) / float64(room); fair > 0 {
			worst = max(worst, float64(loads[i])/fair)
		}
	}
	return worst
}
