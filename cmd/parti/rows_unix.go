//go:build unix

package main

import (
	"io"
	"os"

	"golang.org/x/sys/unix"
)

// rows is how many lines the terminal shows; 0 where that is not known.
func rows(w io.Writer) int {
	file, is := w.(*os.File)
	if !is {
		return 0
	}
	size, err := unix.IoctlGetWinsize(int(file.Fd()), unix.TIOCGWINSZ)
	if err != nil {
		return 0
	}
	return int(size.Row)
}
