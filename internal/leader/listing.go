// Copyright The Parti Authors
// SPDX-License-Identifier: Apache-2.0

package leader

import (
	"encoding/hex"
	"slices"
	"strconv"
	"strings"

	"github.com/cespare/xxhash/v2"

	"github.com/parti-go/parti/internal/topology"
	"github.com/parti-go/parti/strategy"
)

// Listing is a list of partitions as a source gave it, sorted by ID and prepared for strategies. It never changes, so that
// what is worked out once stays true.
type Listing struct {
	prepared   *strategy.Prepared
	partitions []strategy.Partition
	ids        []string
	digest     string // names the list, with its weights
	names      string // names the list, without them
	sample     sample // of the names
	version    uint64 // of the source; 0 where it is not versioned
	unknown    int    // partitions that belong to it and that no record names
	unproven   bool   // records name it, and the plan does not prove that this is all
}

// NewListing sorts and prepares a list of a version; 0 says that it has none. Its error is that of [strategy.Prepare].
func NewListing(partitions []strategy.Partition, version uint64) (l *Listing, err error) {
	l = Unprepared(partitions, version)
	l.prepared, err = strategy.Prepare(l.partitions)
	return l, err
}

// Unprepared is a listing to compare with others, and not for strategies.
func Unprepared(partitions []strategy.Partition, version uint64) *Listing {
	type named struct {
		id string
		strategy.Partition
	}
	all := make([]named, len(partitions))
	for i, p := range partitions {
		all[i] = named{p.ID(), p}
	}
	byID := func(a, b named) int { return strings.Compare(a.id, b.id) }
	if !slices.IsSortedFunc(all, byID) {
		slices.SortFunc(all, byID)
	}
	l := &Listing{partitions: make([]strategy.Partition, len(all)), ids: make([]string, len(all)), version: version}
	d, names, line := xxhash.New(), xxhash.New(), []byte{}
	for i, p := range all {
		l.partitions[i], l.ids[i] = p.Partition, p.id
		line = append(append(line[:0], p.id...), '=')
		_, _ = names.Write(line)
		line = append(strconv.AppendInt(line, p.Weight, 10), '\n')
		_, _ = d.Write(line)
		l.sample = l.sample.add(hash(p.id))
	}
	l.digest, l.names = hex.EncodeToString(d.Sum(nil)), hex.EncodeToString(names.Sum(nil))
	return l
}

// size is how many partitions belong to the list.
func (l *Listing) size() int { return len(l.ids) + l.unknown }

// Edition tells a listing from others.
type Edition struct {
	digest  string
	version uint64
}

// Edition is that of the listing.
func (l *Listing) Edition() Edition { return Edition{l.digest, l.version} }

// sameNames reports whether both lists name the same partitions.
func (l *Listing) sameNames(other *Listing) bool { return l == other || slices.Equal(l.ids, other.ids) }

// weighs reports whether both lists give the partitions that they share the same weights.
func (l *Listing) weighs(other *Listing) bool {
	if l == other {
		return true
	}
	j := 0
	for i, id := range l.ids {
		for j < len(other.ids) && other.ids[j] < id {
			j++
		}
		if j < len(other.ids) && other.ids[j] == id && other.partitions[j].Weight != l.partitions[i].Weight {
			return false
		}
	}
	return true
}

// change is what is different in a list from the one that is planned for, and from the one whose weights were heeded last.
func change(planned, balanced, now *Listing) topology.Kind {
	switch {
	case !planned.sameNames(now):
		return topology.Partitions
	case !balanced.weighs(now):
		return topology.Weights
	}
	return topology.None
}

// Name is what names the content of the listing, and its version.
func (e Edition) Name() (digest string, version uint64) { return e.digest, e.version }

// Content is what the listing was made of, sorted by ID. Nobody may change it.
func (l *Listing) Content() (partitions []strategy.Partition, version uint64) {
	return l.partitions, l.version
}
