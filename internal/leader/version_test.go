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
	plan := record.Plan{Version: 5, Members: []string{"w"}, Partitions: 2, Digest: listOf(t, 2, "a", "b").digest, SourceVersion: 2}
	owned := []record.Assignment{{Worker: "w", Session: 7, Owned: []record.Owned{{Partition: "a"}, {Partition: "b"}}}}
	let := []record.Assignment{{Worker: "w", Session: 7, Releasing: []record.Releasing{{Partition: "a"}, {Partition: "b"}}}}
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
		"a record cannot be read":  {listOf(t, 2, "x"), Restored{Plan: plan, Records: owned, Unreadable: []string{"v"}}, false},
		"the source lists nothing": {listOf(t, 2), Restored{Plan: plan, Records: owned}, false},
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
