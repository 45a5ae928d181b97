// Copyright The Parti Authors
// SPDX-License-Identifier: Apache-2.0

//go:build !linux && !darwin && !windows

package statedir

import "errors"

// local refuses what cannot be told apart.
func local(string) error {
	return errors.New("on this operating system Parti cannot tell a local file system from a network file system")
}
