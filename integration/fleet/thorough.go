// Copyright The Parti Authors
// SPDX-License-Identifier: Apache-2.0

package fleet

import "os"

// Thorough reports whether PARTITEST_THOROUGH is set: then a test that varies two things goes through all combinations, and a
// test whose promise holds at any size takes the largest. Otherwise such a test takes some of them, so that all tests are quick.
func Thorough() bool { return os.Getenv("PARTITEST_THOROUGH") != "" }

// Some returns the elements of all that a test goes through: all of them when it is [Thorough], else every n-th from the one
// at first. Under the race detector, where each costs seven times as much, it is the one at first only: the elements differ in
// when something happens, and not in which goroutines share memory.
func Some[E any](all []E, first, n int) []E {
	if Thorough() {
		return all
	}
	if RaceDetector {
		n = len(all)
	}
	var some []E
	for i := first % n; i < len(all); i += n {
		some = append(some, all[i])
	}
	return some
}
