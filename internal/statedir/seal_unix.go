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

// seal names the lock file itself and the run of the operating system that knows of its lock. A directory that was copied,
// or is mounted on another machine, has another one, and so has a lock file that somebody replaced. Where the run of the
// operating system has no name (all but Linux), the lock file alone counts.
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
