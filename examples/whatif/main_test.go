// Copyright The Parti Authors
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"bytes"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestEveryStrategyCanBeTriedBeforehand(t *testing.T) {
	for _, name := range names() {
		for _, s := range []settings{
			{workers: 30, scale: 45, partitions: 500, strategy: name, weights: "equal", bound: 1.1},
			{workers: 9, scale: 6, partitions: 100, strategy: name, weights: "zipf", bound: 1.2, zones: 3},
			{workers: 9, scale: 9, partitions: 100, strategy: name, weights: "giant", bound: 1.1},
		} {
			var out bytes.Buffer
			require.NoError(t, run(&out, s), name)
			require.Contains(t, out.String(), "scale to")
			require.Contains(t, out.String(), "of fair")
		}
	}
}

func TestWrongFlagsAreNamedWithWhatIsAllowed(t *testing.T) {
	good := settings{workers: 3, scale: 4, partitions: 5, strategy: "hash", weights: "equal", bound: 1.1}
	for _, spoil := range []func(*settings){
		func(s *settings) { s.workers = 0 }, func(s *settings) { s.strategy = "magic" },
		func(s *settings) { s.weights = "none" }, func(s *settings) { s.bound = 0.5 },
	} {
		bad := good
		spoil(&bad)
		require.ErrorContains(t, run(&bytes.Buffer{}, bad), "allowed")
	}
}
