// Copyright The Parti Authors
// SPDX-License-Identifier: Apache-2.0

//go:build !linux

package bubble

import "testing"

// storeDir returns a directory for the server's files.
func storeDir(t *testing.T) string {
	t.Helper()
	return t.TempDir()
}
