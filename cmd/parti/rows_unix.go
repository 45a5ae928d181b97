// Copyright The Parti Authors
// SPDX-License-Identifier: Apache-2.0

//go:build unix

package main

import (
	"io"
	"os"

	"golang.org/x/sys/unix"
)

// sizeOf is the size of a terminal.
func sizeOf(w io.Writer) size {
	file, is := w.(*os.File)
	if !is {
		return size{}
	}
	found, err := unix.IoctlGetWinsize(int(file.Fd()), unix.TIOCGWINSZ)
	if err != nil {
		return size{}
	}
	return size{rows: int(found.Row), columns: int(found.Col)}
}
