// Copyright The Parti Authors
// SPDX-License-Identifier: Apache-2.0

package process

import (
	"bytes"
	"fmt"
	"os"
	"strconv"
	"strings"
)

// Usage is what processes have used so far.
type Usage struct {
	CPU     float64 // seconds
	Memory  float64 // MiB, resident
	Written float64 // bytes that have to go to the disk
	Calls   float64 // calls of the system that write, to files and to sockets
}

// Less returns what was used since an earlier look. Memory is what it is now.
func (u Usage) Less(before Usage) Usage {
	return Usage{u.CPU - before.CPU, u.Memory, u.Written - before.Written, u.Calls - before.Calls}
}

// Used adds up what processes have used, as /proc has it.
func Used(processes []*Process) (sum Usage, err error) {
	for _, p := range processes {
		u, err := used(p.PID())
		if err != nil {
			return sum, err
		}
		sum = Usage{sum.CPU + u.CPU, sum.Memory + u.Memory, sum.Written + u.Written, sum.Calls + u.Calls}
	}
	return sum, nil
}

// ticks is the unit of CPU time in /proc: a hundredth of a second on Linux.
const ticks = 100

func used(pid int) (u Usage, err error) {
	read := func(name string) string {
		data, failed := os.ReadFile(fmt.Sprintf("/proc/%d/%s", pid, name))
		if failed != nil {
			err = failed
		}
		return string(data)
	}
	stat, status, io := read("stat"), read("status"), read("io")
	if err != nil {
		return u, err
	}
	fields := strings.Fields(stat[strings.LastIndexByte(stat, ')')+1:])
	for _, field := range fields[11:13] {
		t, err := strconv.ParseFloat(field, 64)
		if err != nil {
			return u, fmt.Errorf("read the CPU time of process %d: %w", pid, err)
		}
		u.CPU += t / ticks
	}
	u.Memory = number(status, "VmRSS:") / 1024
	u.Written, u.Calls = number(io, "\nwrite_bytes:"), number(io, "syscw:")
	return u, nil
}

// number reads the number behind a word; 0 where there is none.
func number(text, word string) float64 {
	_, rest, _ := bytes.Cut([]byte(text), []byte(word))
	var n float64
	_, _ = fmt.Sscan(string(rest), &n)
	return n
}
