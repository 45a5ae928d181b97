// Copyright The Parti Authors
// SPDX-License-Identifier: Apache-2.0

package leader

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/parti-go/parti/internal/record"
	"github.com/parti-go/parti/strategy"
)

func listOf(t *testing.T, version uint64, ids ...string) *Listing {
	t.Helper()
	var list []strategy.Partition
	for _, id := range ids {
		list = append(list, strategy.Partition{Keys: []string{id}})
	}
	l, err := NewListing(list, version)
	require.NoError(t, err)
	return l
}

// TestAWorkerIsRefusedOnlyOnEvidence: the group has planned a and b, under version 2.
func TestAWorkerIsRefusedOnlyOnEvidence(t *testing.T) {
	planned := listOf(t, 2, "a", "b")
	plan := record.Plan{Version: 5, Members: []string{"w"}, Partitions: 2, Digest: planned.digest, Names: planned.names, SourceVersion: 2}
	owned := []record.Assignment{{Worker: "w", Session: 7, Owned: []record.Owned{{Partition: "a"}, {Partition: "b"}}}}
	let := []record.Assignment{{Worker: "w", Session: 7, Releasing: []record.Releasing{{Partition: "a"}, {Partition: "b"}}}}
	heavy := []record.Assignment{{Worker: "w", Session: 7, Owned: []record.Owned{{Partition: "a", Weight: 7}, {Partition: "b", Weight: 2}}}}
	stale := []record.Assignment{{Worker: "v", Session: 7, Owned: []record.Owned{{Partition: "c"}, {Partition: "d"}}}}
	most := plan
	most.Partitions, most.Names = 3, listOf(t, 2, "a", "b", "x").names
	blind := plan // of a leader that knew the names of two of the three
	blind.Partitions = 3
	earlier := plan // of a release whose plans do not tell names from weights
	earlier.Names = ""
	renames := plan
	renames.SourceVersion, renames.Listed = 3, listOf(t, 3, "x").digest // whose leader has not planned for that yet
	for name, c := range map[string]struct {
		own     *Listing
		stored  Restored
		refused bool
	}{
		"the same list":            {listOf(t, 2, "a", "b"), Restored{Plan: plan, Records: owned}, false},
		"one in common":            {listOf(t, 2, "b", "x"), Restored{Plan: plan, Records: owned}, false},
		"none":                     {listOf(t, 2, "x"), Restored{Plan: plan, Records: owned}, true},
		"none, earlier":            {listOf(t, 1, "x"), Restored{Plan: plan, Records: owned}, true},
		"none, without a version":  {listOf(t, 0, "x"), Restored{Plan: plan, Records: owned}, true},
		"none, but newer":          {listOf(t, 3, "x"), Restored{Plan: plan, Records: owned}, false},
		"that of the leader":       {listOf(t, 3, "x"), Restored{Plan: renames, Records: owned}, false},
		"what is being released":   {listOf(t, 2, "b"), Restored{Plan: plan, Records: let}, false},
		"nothing is recorded":      {listOf(t, 2, "x"), Restored{Plan: plan}, false},
		"there is no plan":         {listOf(t, 0, "x"), Restored{Records: owned}, false},
		"a record cannot be read":  {listOf(t, 2, "x"), Restored{Plan: most, Records: owned, Unreadable: []string{"v"}}, false},
		"one that names nothing":   {listOf(t, 2, "x"), Restored{Plan: plan, Records: owned, Unreadable: []string{"v"}}, true},
		"the source lists nothing": {listOf(t, 2), Restored{Plan: plan, Records: owned}, false},
		"one has no owner":         {listOf(t, 2, "x"), Restored{Plan: most, Records: owned}, false},
		"one is known to nobody":   {listOf(t, 2, "x"), Restored{Plan: blind, Records: owned}, false},
		"other weights":            {listOf(t, 2, "x"), Restored{Plan: plan, Records: heavy}, true},
		"an old record":            {listOf(t, 2, "x"), Restored{Plan: plan, Records: stale}, false},
		"an earlier release":       {listOf(t, 2, "x"), Restored{Plan: earlier, Records: owned}, true},
		"and other weights":        {listOf(t, 2, "x"), Restored{Plan: earlier, Records: heavy}, false},
	} {
		t.Run(name, func(t *testing.T) {
			err := c.own.Foreign("bucket", &c.stored)
			if !c.refused {
				require.NoError(t, err)
				return
			}
			require.ErrorIs(t, err, ErrForeignGroup)
			require.ErrorContains(t, err, `bucket "bucket" divides 2 partitions (a, b), the source lists 1 partitions (x)`)
		})
	}
}
