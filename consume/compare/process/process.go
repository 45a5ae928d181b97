// Copyright The Parti Authors
// SPDX-License-Identifier: Apache-2.0

// Package process starts servers and workers as processes of this binary, and reads what they use.
package process

import (
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"time"
)

// The environment tells this binary to be one of the processes of a run: which role, and with what.
const (
	roleVariable  = "PARTITEST_COMPARE_ROLE"
	setupVariable = "PARTITEST_COMPARE_SETUP"
)

// Play runs the role that the environment names and ends the process. It returns where the environment names none. A role
// ends with its standard input, so that no process outlives the run.
func Play(roles map[string]func(setup string) error) {
	name := os.Getenv(roleVariable)
	if name == "" {
		return
	}
	role := roles[name]
	if name == serverRole {
		role = serve
	}
	if role == nil {
		fmt.Fprintf(os.Stderr, "%s is %q, allowed: one of the roles of this program\n", roleVariable, name)
		os.Exit(2)
	}
	go func() {
		_, _ = io.Copy(io.Discard, os.Stdin)
		os.Exit(1)
	}()
	if err := role(os.Getenv(setupVariable)); err != nil {
		fmt.Fprintf(os.Stderr, "%s: %v\n", name, err)
		os.Exit(1)
	}
	os.Exit(0)
}

// Process is a process of this binary.
type Process struct {
	command *exec.Cmd
	stdin   io.Closer
	ended   chan struct{}
}

// Start starts a process in a role.
func Start(role, setup string) (*Process, error) {
	binary, err := os.Executable()
	if err != nil {
		return nil, err
	}
	p := &Process{command: exec.Command(binary), ended: make(chan struct{})}
	p.command.Env = append(os.Environ(), roleVariable+"="+role, setupVariable+"="+setup)
	p.command.Stderr = os.Stderr
	if p.stdin, err = p.command.StdinPipe(); err != nil {
		return nil, err
	}
	if err := p.command.Start(); err != nil {
		return nil, fmt.Errorf("start the process of a %s: %w", role, err)
	}
	go func() {
		_ = p.command.Wait()
		close(p.ended)
	}()
	return p, nil
}

// PID returns the process's number.
func (p *Process) PID() int { return p.command.Process.Pid }

// Kill ends the process without goodbye.
func (p *Process) Kill() {
	_ = p.command.Process.Kill()
	<-p.ended
	_ = p.stdin.Close()
}

// leaveWithin is how long a process has for a clean end.
const leaveWithin = 20 * time.Second

// Interrupt asks the process to end and waits until it has.
func (p *Process) Interrupt() error {
	_ = p.command.Process.Signal(os.Interrupt)
	select {
	case <-p.ended:
		return nil
	case <-time.After(leaveWithin):
		p.Kill()
		return errors.New("a process did not end within " + leaveWithin.String())
	}
}
