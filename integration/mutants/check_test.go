// Copyright The Parti Authors
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"testing"

	"github.com/stretchr/testify/require"
)

func TestAMutantThatDoesNotCompileIsNamed(t *testing.T) {
	t.Chdir("../..")
	c, err := newChecker(t.Context(), "./internal/lease")
	require.NoError(t, err)
	m := mutant{name: "m", file: "internal/lease/lease.go", old: "func (o Outcome) String() string { "}
	m.new = m.old
	require.NoError(t, c.check(m))
	m.new = m.old + "unused := 1; "
	require.ErrorContains(t, c.check(m), "mutant m does not compile")
	m.new = m.old + "}"
	require.ErrorContains(t, c.check(m), "mutant m: ")
	require.ErrorContains(t, c.check(mutant{name: "m", file: "kv/lease.go", old: "package kv\n"}), "in no package that is built here")
}
