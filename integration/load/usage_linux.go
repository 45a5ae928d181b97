// Copyright The Parti Authors
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"bytes"
	"fmt"
	"os"
	"syscall"
)

// usage is what this process has used so far.
func usage() (sample, error) {
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		return sample{}, fmt.Errorf("ask for the CPU used: %w", err)
	}
	status, err := os.ReadFile("/proc/self/status")
	if err != nil {
		return sample{}, fmt.Errorf("ask for the memory used: %w", err)
	}
	var kilobytes float64
	_, rest, _ := bytes.Cut(status, []byte("VmRSS:"))
	if _, err := fmt.Sscan(string(rest), &kilobytes); err != nil {
		return sample{}, fmt.Errorf("read the memory used: %w", err)
	}
	seconds := func(t syscall.Timeval) float64 { return float64(t.Sec) + float64(t.Usec)/1e6 }
	return sample{CPU: seconds(u.Utime) + seconds(u.Stime), Memory: kilobytes / 1024}, nil
}
