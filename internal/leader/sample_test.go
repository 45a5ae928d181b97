// Copyright The Parti Authors
// SPDX-License-Identifier: Apache-2.0

package leader

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"
)

func named(format string, n int) (ids []string) {
	for i := range n {
		ids = append(ids, fmt.Sprintf(format, i))
	}
	return ids
}

func sampled(ids []string) (s sample) {
	for _, id := range ids {
		s = s.add(hash(id))
	}
	return s
}

func TestASampleHasTheLowestHashes(t *testing.T) {
	ids := named("orders.%d", 1000)
	rand.New(rand.NewPCG(1, 2)).Shuffle(len(ids), func(i, j int) { ids[i], ids[j] = ids[j], ids[i] })
	var all []uint64
	for _, id := range ids {
		all = append(all, hash(id))
	}
	slices.Sort(all)
	require.Equal(t, sample(all[:sampleSize]), sampled(append(ids, ids...)))
}

func TestASampleOfTwoListsIsThatOfBothTogether(t *testing.T) {
	for _, n := range []int{0, 1, 40, 63, 64, 65, 500} {
		ids := named("orders.%d", 2*n)
		one, other := sampled(ids[:n]), sampled(ids[n:])
		before := slices.Clone(one)
		require.Equal(t, append(sample{}, sampled(ids)...), append(sample{}, one.with(other)...), "%d and %d", n, n)
		require.Equal(t, before, one, "the sample itself stays as it is")
		require.Equal(t, one, sampleOf(one.bytes()))
	}
}

func TestASampleTellsWhichListHasNamesInCommon(t *testing.T) {
	small, large := named("orders.%d", sampleSize), named("orders.%d", 100_000)
	for _, id := range small {
		require.True(t, sampled(small).names([]string{id}), "a small list is in its sample as a whole")
	}
	require.False(t, sampled(large).names(named("invoices.%d", 100_000)), "another application's list")
	missed := 0
	for seed := range uint64(100) { // a tenth of a large list
		rand.New(rand.NewPCG(seed, 3)).Shuffle(len(large), func(i, j int) { large[i], large[j] = large[j], large[i] })
		if !sampled(large).names(large[:10_000]) {
			missed++
		}
	}
	require.LessOrEqual(t, missed, 2, "of 100; 0.1 are to be expected")
}

func TestAStoredSampleMayBeAnything(t *testing.T) {
	require.Empty(t, sampleOf(nil))
	require.Empty(t, sampleOf([]byte("1234567")), "less than one hash")
	require.Len(t, sampleOf(make([]byte, 8*sampleSize)), 1, "one and the same")
	var more sample
	for h := range uint64(2 * sampleSize) {
		more = append(more, h)
	}
	require.Equal(t, more[:sampleSize], sampleOf(more.bytes()), "of a release with longer samples")
}
