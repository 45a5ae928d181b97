// Copyright The Parti Authors
// SPDX-License-Identifier: Apache-2.0

package leader

import (
	"slices"
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
	plan := record.Plan{Version: 5, Members: []string{"w"}, Partitions: 2, Digest: planned.digest, Names: planned.names, Sample: planned.sample.bytes(), SourceVersion: 2}
	owned := []record.Assignment{{Worker: "w", Session: 7, Owned: []record.Owned{{Partition: "a"}, {Partition: "b"}}}}
	let := []record.Assignment{{Worker: "w", Session: 7, Releasing: []record.Releasing{{Partition: "a"}, {Partition: "b"}}}}
	half := plan
	all := listOf(t, 2, "a", "b", "c", "d")
	half.Partitions, half.Names, half.Sample = 4, all.names, all.sample.bytes()
	heavy := []record.Assignment{{Worker: "w", Session: 7, Owned: []record.Owned{{Partition: "a", Weight: 7}, {Partition: "b", Weight: 2}}}}
	left := []record.Assignment{{Worker: "v", Session: 7, Releasing: []record.Releasing{{Partition: "c", Unlisted: true}, {Partition: "d", Unlisted: true}}}}
	mixed := []record.Assignment{owned[0], left[0]}
	most := plan
	all = listOf(t, 2, "a", "b", "c")
	most.Partitions, most.Names, most.Sample = 3, all.names, all.sample.bytes()
	names := named("p%d", 200)
	at := slices.IndexFunc(names, func(id string) bool { return !sampled(names).names([]string{id}) }) // not in the sample
	last := names[at]
	many := record.Plan{Version: 5, Members: []string{"w"}, Partitions: 200, Digest: "?", Names: listOf(t, 2, names...).names, Sample: listOf(t, 2, names...).sample.bytes(), SourceVersion: 2}
	var but []record.Owned
	for _, id := range slices.Delete(slices.Clone(names), at, at+1) {
		but = append(but, record.Owned{Partition: id})
	}
	beside := []record.Assignment{{Worker: "w", Session: 7, Owned: but}}
	earlier := plan
	earlier.Names, earlier.Sample = "", nil
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
		"a record cannot be read":  {listOf(t, 2, "x", "y"), Restored{Plan: most, Records: owned, Unreadable: []string{"v"}}, true},
		"that may name half":       {listOf(t, 2, "x"), Restored{Plan: half, Records: owned, Unreadable: []string{"v"}}, false},
		"one that names nothing":   {listOf(t, 2, "x"), Restored{Plan: plan, Records: owned, Unreadable: []string{"v"}}, true},
		"the source lists nothing": {listOf(t, 2), Restored{Plan: plan, Records: owned}, false},
		"one has no owner":         {listOf(t, 2, "x", "y"), Restored{Plan: most, Records: owned}, true},
		"that is what is listed":   {listOf(t, 2, "c"), Restored{Plan: most, Records: owned}, false},
		"that is not what is":      {listOf(t, 2, "x"), Restored{Plan: most, Records: owned}, true},
		"that and one more":        {listOf(t, 2, "c", "d"), Restored{Plan: most, Records: owned}, false},
		"the one of many that is":  {listOf(t, 2, last), Restored{Plan: many, Records: beside}, false},
		"half has no owner":        {listOf(t, 2, "x"), Restored{Plan: half, Records: owned}, false},
		"other weights":            {listOf(t, 2, "x"), Restored{Plan: plan, Records: heavy}, true},
		"only what was listed":     {listOf(t, 2, "x"), Restored{Plan: plan, Records: left}, false},
		"and the list as well":     {listOf(t, 2, "x"), Restored{Plan: plan, Records: mixed}, true},
		"an earlier release":       {listOf(t, 2, "x"), Restored{Plan: earlier, Records: owned}, true},
	} {
		t.Run(name, func(t *testing.T) {
			err := c.own.Foreign("bucket", &c.stored)
			if !c.refused {
				require.NoError(t, err)
				return
			}
			require.ErrorIs(t, err, ErrForeignGroup)
			require.ErrorContains(t, err, `the group with bucket "bucket" divides `)
			require.ErrorContains(t, err, `partitions (a, b`)
			require.ErrorContains(t, err, ` partitions (x`)
		})
	}
}
