// Copyright The Parti Authors
// SPDX-License-Identifier: Apache-2.0

//go:build !unix

package statedir

// seal returns nothing, because nothing here identifies the lock file.
func seal(string) (string, error) { return "", nil }
