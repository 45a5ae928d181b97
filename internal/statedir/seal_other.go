// Copyright The Parti Authors
// SPDX-License-Identifier: Apache-2.0

//go:build !unix

package statedir

// seal has nothing to name the lock file by.
func seal(string) (string, error) { return "", nil }
