// Copyright The Parti Authors
// SPDX-License-Identifier: Apache-2.0

//go:build !linux && !darwin && !windows

package statedir

import "errors"

// local refuses every directory, because network file systems cannot be recognised here.
func local(string) error {
	return errors.New("on this operating system Parti cannot tell a local file system from a network file system")
}
