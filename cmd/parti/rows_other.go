//go:build !unix

package main

import "io"

// sizeOf is the size of a terminal, which nobody knows here.
func sizeOf(io.Writer) size { return size{} }
