// Copyright The Parti Authors
// SPDX-License-Identifier: Apache-2.0

package statedir

import (
	"errors"
	"fmt"
	"path/filepath"

	"golang.org/x/sys/windows"
)

// local refuses a directory on a network drive.
func local(path string) error {
	whole, err := filepath.Abs(path)
	if err != nil {
		return fmt.Errorf("ask for its drive: %w", err)
	}
	root, err := windows.UTF16PtrFromString(filepath.VolumeName(whole) + `\`)
	if err != nil {
		return fmt.Errorf("ask for its drive: %w", err)
	}
	switch windows.GetDriveType(root) {
	case windows.DRIVE_FIXED, windows.DRIVE_REMOVABLE, windows.DRIVE_RAMDISK:
		return nil
	}
	return errors.New("it is not on a local drive, and elsewhere a lock does not prove that a process is dead")
}
