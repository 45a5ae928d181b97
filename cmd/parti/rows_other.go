//go:build !unix

package main

import "io"

// rows is how many lines the terminal shows; 0 where that is not known.
func rows(io.Writer) int { return 0 }
