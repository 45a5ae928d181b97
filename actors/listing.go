package actors

import (
	"encoding/hex"
	"slices"
	"strconv"
	"strings"

	"github.com/cespare/xxhash/v2"

	"github.com/parti-go/parti/internal/topology"
	"github.com/parti-go/parti/strategy"
)

// listing is a list of partitions as a source gave it, sorted by ID. It never changes, so that what is worked out once
// stays true.
type listing struct {
	partitions []strategy.Partition
	ids        []string
	digest     string // names the list, with its weights
}

func newListing(partitions []strategy.Partition) *listing {
	type named struct {
		id string
		strategy.Partition
	}
	all := make([]named, len(partitions))
	for i, p := range partitions {
		all[i] = named{p.ID(), p}
	}
	slices.SortFunc(all, func(a, b named) int { return strings.Compare(a.id, b.id) })
	l := &listing{partitions: make([]strategy.Partition, len(all)), ids: make([]string, len(all))}
	d := xxhash.New()
	for i, p := range all {
		l.partitions[i], l.ids[i] = p.Partition, p.id
		_, _ = d.WriteString(p.id + "=" + strconv.FormatInt(p.Weight, 10) + "\n")
	}
	l.digest = hex.EncodeToString(d.Sum(nil))
	return l
}

// change is what kind of difference there is to a later list.
func (l *listing) change(after *listing) topology.Kind {
	if l == after {
		return topology.None
	}
	if !slices.Equal(l.ids, after.ids) {
		return topology.Partitions
	}
	for i := range l.partitions {
		if l.partitions[i].Weight != after.partitions[i].Weight {
			return topology.Weights
		}
	}
	return topology.None
}
