// Copyright The Parti Authors
// SPDX-License-Identifier: Apache-2.0

package bubble

import (
	"os"
	"syscall"
	"testing"
)

// memory is where Linux keeps files in memory.
const memory = "/dev/shm"

// enough is the room without which the files stay on the disk: a container may have 64 MiB there.
const enough = 1 << 30

// storeDir returns a directory for the server's files, in memory if there is room. The server syncs the files that describe its
// streams, and time in a bubble stands still while a disk works: with files on a disk the tests take almost twice as long.
func storeDir(t *testing.T) string {
	t.Helper()
	var s syscall.Statfs_t
	if err := syscall.Statfs(memory, &s); err != nil || s.Bavail*uint64(s.Bsize) < enough { //nolint:gosec // sizes are positive
		return t.TempDir()
	}
	dir, err := os.MkdirTemp(memory, "parti-bubble-")
	if err != nil {
		return t.TempDir()
	}
	t.Cleanup(func() {
		if err := os.RemoveAll(dir); err != nil {
			t.Errorf("remove the server's files: %v", err)
		}
	})
	return dir
}
