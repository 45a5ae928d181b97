// Copyright The Parti Authors
// SPDX-License-Identifier: Apache-2.0

//go:build !unix

package main

import "io"

// sizeOf is the size of a terminal, which nobody knows here.
func sizeOf(io.Writer) size { return size{} }
