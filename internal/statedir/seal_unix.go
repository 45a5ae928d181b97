// Copyright The Parti Authors
// SPDX-License-Identifier: Apache-2.0

//go:build unix

package statedir

import (
	"os"
	"strconv"
	"strings"
	"syscall"
)

// seal identifies the lock file, and the run of the operating system that knows its lock. A directory that was copied, or that
// is mounted on another machine, has another seal, and so has a lock file that somebody has replaced. If the run of the
// operating system has no name (everywhere but on Linux), only the lock file counts.
func seal(lock string) (string, error) {
	info, err := os.Stat(lock)
	if err != nil {
		return "", err
	}
	boot, _ := os.ReadFile("/proc/sys/kernel/random/boot_id")
	name := strings.TrimSpace(string(boot))
	if stat, ok := info.Sys().(*syscall.Stat_t); ok {
		name += "/" + strconv.FormatUint(stat.Ino, 10)
	}
	return name, nil
}
