// Copyright The Parti Authors
// SPDX-License-Identifier: Apache-2.0

//go:build !linux

package main

import (
	"errors"
	"runtime"
)

// usage is not measured here.
func usage() (sample, error) {
	return sample{}, errors.New("measure a process on " + runtime.GOOS + ": not supported, allowed: linux")
}
