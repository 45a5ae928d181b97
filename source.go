// Copyright The Parti Authors
// SPDX-License-Identifier: Apache-2.0

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

// PartitionSource lists the partitions to divide. All workers of a group should have the same source. Every worker lists
// its source once when it starts. The leader lists its source again when its term begins, at each RefreshPartitions, every
// RelistInterval, and when a WatchedSource reports a change. OperationTimeout limits each call.
//
// A worker whose source has no partition in common with the group's list does not start (ErrForeignGroup), because it
// belongs to another application with the same buckets; see [Config.Group]. [VersionedSource] says how to change the list
// of a group.
//
// If a source fails after the start, lists nothing, or lists something invalid, the last good list stays in force, and
// Hooks.OnError gets the error. The same holds for a list that has nothing in common with the last one. If a list lacks
// more than half of the partitions, the leader keeps them until [Config.SourceShrinkConfirmations] listings agree.
type PartitionSource interface {
	// ListPartitions returns all partitions, in any order. It runs on a goroutine of its own and must return when ctx ends.
	ListPartitions(ctx context.Context) ([]Partition, error)
}

// VersionedSource is a source whose lists have versions, for deployments that change the list. While old and new workers
// run side by side, every leader uses the newer list, so partitions neither vanish nor move back and forth.
//
// A leader whose source has a lower version than the group's list goes on with the group's list, as far as the records of
// the workers show it, and reports ErrOlderSource. It accepts a list of the same version as it is. Only a list of a higher
// version may have nothing in common with the list before it: use this to rename all partitions. A source without versions
// has version 0.
type VersionedSource interface {
	PartitionSource
	// SourceVersion returns the version of the list. It is called just before ListPartitions, on the same goroutine. It must
	// not block.
	SourceVersion() uint64
}

// WatchedSource is a source that reports when its list has changed, so that you need not call RefreshPartitions.
type WatchedSource interface {
	PartitionSource
	// Watch calls changed when the list may have changed. It runs only on the leader, on a goroutine of its own, from the
	// beginning of the term to its end. It may call changed from any goroutine, as often as it likes; changed never blocks.
	// The leader lists the source one second after the first change of a burst. A needless call costs one listing. After a
	// missing call the old list stays in force until the next term, the next RefreshPartitions or the next RelistInterval.
	//
	// Watch returns when ctx ends. The leader ignores what it returns then. If Watch returns earlier, with an error or
	// without one, or panics, the leader reports that to Hooks.OnError. It calls Watch again after a pause that grows from
	// 1s to 30s, and lists the source again. The end of the term does not wait for Watch. The worker reports a Watch that
	// still runs OperationTimeout after the end of the term, and does not call Watch again before it has returned. Calls of
	// Watch and of ListPartitions can overlap.
	Watch(ctx context.Context, changed func()) error
}

// SourceFunc makes a PartitionSource of a function.
type SourceFunc func(ctx context.Context) ([]Partition, error)

// ListPartitions implements PartitionSource.
func (f SourceFunc) ListPartitions(ctx context.Context) ([]Partition, error) {
	if f == nil {
		return nil, fmt.Errorf("%w: SourceFunc is nil, allowed: a function", ErrNilArgument)
	}
	return f(ctx)
}

// StaticSource returns a source that always lists the same partitions.
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
