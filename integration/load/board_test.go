// Copyright The Parti Authors
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// at is n seconds after the beginning of a test's step.
func at(n int) int64 { return time.Unix(int64(n), 0).UnixNano() }

// owned returns a board of three workers and six partitions: each worker owns two.
func owned() *board {
	b := newBoard(3, 6)
	for w := range 3 {
		b.note(change{Worker: w, At: at(0), Added: []int{2 * w, 2*w + 1}})
	}
	b.begin()
	return b
}

func TestACrashLeavesItsPartitionsWithoutAnOwnerUntilAnotherWorkerIsGivenThem(t *testing.T) {
	b := owned()
	b.crash(1, time.Unix(10, 0))
	require.Equal(t, 2, b.missing())
	b.note(change{Worker: 0, At: at(13), Added: []int{2}})
	b.note(change{Worker: 2, At: at(15), Added: []int{3}})
	require.Zero(t, b.missing())
	<-b.whole
	require.Equal(t, outcome{lost: 2, reowned: 5 * time.Second, ownerless: 3 + 5, given: 2}, b.outcome(time.Unix(10, 0), time.Unix(20, 0)))
}

func TestAPartitionThatNobodyIsGivenCountsToTheEndOfTheStep(t *testing.T) {
	b := owned()
	b.crash(1, time.Unix(10, 0))
	b.note(change{Worker: 0, At: at(11), Added: []int{2}})
	require.Equal(t, outcome{lost: 2, ownerless: 1 + 10, given: 1}, b.outcome(time.Unix(10, 0), time.Unix(20, 0)))
}

func TestReportsThatArriveInTheWrongOrderAreJudgedByTheirTimes(t *testing.T) {
	b := owned()
	b.note(change{Worker: 2, At: at(14), Added: []int{0}})
	require.Zero(t, b.missing())
	b.note(change{Worker: 0, At: at(12), Removed: []int{0}})
	require.Zero(t, b.missing())
	require.Equal(t, outcome{lost: 1, reowned: 4 * time.Second, ownerless: 2, given: 1}, b.outcome(time.Unix(10, 0), time.Unix(20, 0)))
}

func TestWhatACrashedWorkerSaysDoesNotCount(t *testing.T) {
	b := owned()
	b.crash(1, time.Unix(10, 0))
	b.note(change{Worker: 1, At: at(11), Added: []int{2, 3}})
	require.Equal(t, 2, b.missing())
}

func TestAColdStartIsOverWhenTheLastPartitionHasAnOwner(t *testing.T) {
	b := newBoard(2, 3)
	b.begin()
	b.note(change{Worker: 0, At: at(31), Added: []int{0, 2}})
	b.note(change{Worker: 1, At: at(32), Added: []int{1}})
	<-b.whole
	require.Equal(t, outcome{lost: 3, reowned: 32 * time.Second, ownerless: 31 + 32 + 31, given: 3}, b.outcome(time.Unix(0, 0), time.Unix(40, 0)))
}
