// Copyright The Parti Authors
// SPDX-License-Identifier: Apache-2.0

//go:build process

package main

import (
	"bytes"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/parti-go/parti/kv/embedded"
)

// TestWorkersThatAreProcesses: one of them is killed by the system, one is asked to leave.
func TestWorkersThatAreProcesses(t *testing.T) {
	server, err := embedded.Start(embedded.WithPort(embedded.RandomPort))
	require.NoError(t, err)
	defer server.Shutdown()
	var out bytes.Buffer
	err = run(t.Context(), []string{"-nats", server.URL()}, &out)
	t.Log("\n" + out.String())
	require.NoError(t, err)
	require.Regexp(t, `shipments processed \d{4,}, lost 0, twice 0, out of order 0`, out.String())
	require.Regexp(t, `ledger    processed \d{4,}, lost 0, twice 0, out of order 0`, out.String())
	require.Regexp(t, `begins partition \d, epoch \d+`, out.String())
	require.Contains(t, out.String(), "has handed everything over and leaves")
	require.Contains(t, out.String(), "one is killed")
	require.NotContains(t, out.String(), "problem:")

	// Whoever counts later, another process for instance, comes to the same result.
	again := out.Len()
	require.NoError(t, run(t.Context(), []string{"-nats", server.URL(), "-count"}, &out))
	require.Contains(t, out.String()[again:], "lost 0, twice 0, out of order 0")
}
