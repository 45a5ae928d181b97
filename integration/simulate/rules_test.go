// Copyright The Parti Authors
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"bytes"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestNoRuleIsStale(t *testing.T) {
	t.Chdir("../..")
	said := map[string]bool{}
	for _, r := range rules {
		_, _, err := r.find()
		require.NoError(t, err)
		require.False(t, said[r.says], "two rules say %q", r.says)
		said[r.says] = true
	}
}

func TestAProfileIsAddedUpAndSaysWhichRulesMattered(t *testing.T) {
	t.Chdir("../..")
	profile := "mode: count\n"
	for range 2 { // of two packages that both used the code
		profile += module + "internal/topology/decide.go:1.1,500.1 3 7\n"
	}
	blocks, err := readProfile([]byte(profile))
	require.NoError(t, err)
	require.Equal(t, []block{{"internal/topology/decide.go", 1, 1, 500, 1, 14}}, blocks)
	defer func(all []rule) { rules = all }(rules)
	rules = rules[:1]
	var out bytes.Buffer
	require.NoError(t, tellReach(&out, blocks, 5))
	require.Contains(t, out.String(), "14  urgent     a worker whose heartbeat expired")
	require.Contains(t, out.String(), "1 of 1 rules mattered")
	require.Contains(t, out.String(), "internal/topology: 1 of 1 blocks ran")
}
