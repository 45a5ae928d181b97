// Copyright The Parti Authors
// SPDX-License-Identifier: Apache-2.0

package statedir

import (
	"errors"
	"fmt"

	"golang.org/x/sys/unix"
)

// local refuses a directory on a network file system.
func local(path string) error {
	var stat unix.Statfs_t
	if err := unix.Statfs(path, &stat); err != nil {
		return fmt.Errorf("ask for its file system: %w", err)
	}
	if stat.Flags&unix.MNT_LOCAL == 0 {
		return errors.New("it is on a network file system, where a lock does not prove that a process is dead")
	}
	return nil
}
