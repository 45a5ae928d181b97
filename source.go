package parti

import (
	"context"
	"fmt"
	"slices"

	"github.com/parti-go/parti/strategy"
)

// Partition is a unit of work. One worker owns it at a time. Two partitions of a list must differ in their keys.
//
//   - Keys []string name the partition, for instance a topic and a number. They become parts of NATS subjects, so each has at
//     least one character, and none holds a dot, a star, a greater-than sign, white space or a control character.
//   - Weight int64 is the load that the partition brings, in units of your choice; 0 means 100.
//   - ID() string joins the keys with dots. Logs, epochs and the command line name a partition so.
//   - Load() int64 returns the weight, and 100 for a weight of 0.
type Partition = strategy.Partition

// PartitionSource lists the partitions to divide. Every worker's source is asked once at its start, the leader's again
// when it begins to lead and at each RefreshPartitions, every RelistInterval and when a WatchedSource says so; all workers of a group should have the same one. A call is
// bounded by OperationTimeout.
//
// A worker whose source has no partition in common with what the group divides does not start (ErrForeignGroup): it is
// another application with the same buckets, see [Config.Group]. [VersionedSource] says how to change the list of a group.
//
// A source that fails after the start, or lists nothing, or lists something invalid, takes nothing away: the last good
// list stays in force, and Hooks.OnError is told. The same holds for a list that has nothing in common with it. A list that
// lacks more than half of the partitions takes nothing away before [Config.SourceShrinkConfirmations] listings agree.
type PartitionSource interface {
	// ListPartitions returns all partitions, in any order. It runs on a goroutine of its own and must return when ctx ends.
	ListPartitions(ctx context.Context) ([]Partition, error)
}

// VersionedSource is a source whose lists are ordered, for deployments that change the list: while old and new workers run
// side by side, whoever leads goes by the newer list, and partitions neither vanish nor go back and forth.
//
// A leader whose source has a lower version than the list that the group divides goes on with the group's, as far as the
// records of the workers show it, and reports ErrOlderSource. A list of the same version is taken as it is. Only a list of
// a higher version may have nothing in common with the one before it: that is how all partitions are renamed. 0 is the
// version of a source that is not versioned.
type VersionedSource interface {
	PartitionSource
	// SourceVersion is asked just before ListPartitions, on the same goroutine. It must not block.
	SourceVersion() uint64
}

// WatchedSource is a source that says when its list has changed, so that nobody has to call RefreshPartitions.
type WatchedSource interface {
	PartitionSource
	// Watch runs on the leader only, on a goroutine of its own, from the begin of its term to the end. It calls changed when
	// the list may be another one: from any goroutine, as often as it likes; changed never blocks. The leader lists the source
	// one second after the first change of a burst. A needless call costs a listing, and a missing one leaves the old list in
	// force until the next term, the next RefreshPartitions or the next RelistInterval.
	//
	// Watch returns when ctx ends. What it returns then is ignored. A Watch that returns earlier, with an error or without one,
	// or that panics, is reported to Hooks.OnError and called again, after a pause that grows from 1s to 30s; the source is
	// listed again then. The end of the term does not wait for Watch: one that is still running OperationTimeout after that is
	// reported, and Watch is not called again before it has returned. Calls of Watch and of ListPartitions overlap.
	Watch(ctx context.Context, changed func()) error
}

// SourceFunc is a function that is a PartitionSource.
type SourceFunc func(ctx context.Context) ([]Partition, error)

// ListPartitions implements PartitionSource.
func (f SourceFunc) ListPartitions(ctx context.Context) ([]Partition, error) {
	if f == nil {
		return nil, fmt.Errorf("%w: SourceFunc is nil, allowed: a function", ErrNilArgument)
	}
	return f(ctx)
}

// StaticSource lists always the same partitions.
func StaticSource(partitions ...Partition) PartitionSource {
	list := cloneAll(partitions)
	return SourceFunc(func(context.Context) ([]Partition, error) { return cloneAll(list), nil })
}

func cloneAll(partitions []Partition) []Partition {
	list := slices.Clone(partitions)
	for i := range list {
		list[i].Keys = slices.Clone(list[i].Keys)
	}
	return list
}

// listPartitions asks a source and checks the answer.
func listPartitions(ctx context.Context, source PartitionSource) ([]Partition, error) {
	list, err := source.ListPartitions(ctx)
	if err != nil {
		return nil, err
	}
	if len(list) == 0 {
		return nil, fmt.Errorf("%w: len(partitions) is 0, allowed: at least 1", ErrNoPartitions)
	}
	if err := strategy.ValidatePartitions(list); err != nil {
		return nil, err
	}
	return list, nil
}
