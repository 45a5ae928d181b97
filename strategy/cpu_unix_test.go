// Copyright The Parti Authors
// SPDX-License-Identifier: Apache-2.0

//go:build unix

package strategy_test

import (
	"syscall"
	"testing"
	"time"
)

// cpuTime reports the processor time of an operation beside its time: other programs do not change it as much.
func cpuTime(b *testing.B) (report func()) {
	b.Helper()
	var before, after syscall.Rusage
	_ = syscall.Getrusage(syscall.RUSAGE_SELF, &before)
	return func() {
		_ = syscall.Getrusage(syscall.RUSAGE_SELF, &after)
		used := time.Duration(after.Utime.Nano() + after.Stime.Nano() - before.Utime.Nano() - before.Stime.Nano())
		b.ReportMetric(float64(used)/float64(b.N), "cpu-ns/op")
	}
}
