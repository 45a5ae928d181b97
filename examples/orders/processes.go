// Copyright The Parti Authors
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"time"
)

// processes is a crew in which each worker is a process of this program.
type processes struct {
	url     string
	out     io.Writer // for several goroutines
	workers []*worker
}

// worker is a process.
type worker struct {
	command *exec.Cmd
	ready   chan struct{} // closed when it says that it is
	ended   chan struct{}
	err     error // how it ended
}

func (c *processes) join(ctx context.Context, n int) error {
	var begun []*worker
	for range n {
		w, err := c.start()
		if err != nil {
			return err
		}
		begun = append(begun, w)
	}
	for _, w := range begun {
		select {
		case <-w.ready:
		case <-w.ended:
			return fmt.Errorf("a worker ended before it was ready: %w", w.err)
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
	return nil
}

func (c *processes) start() (*worker, error) {
	binary, err := os.Executable()
	if err != nil {
		return nil, err
	}
	w := &worker{command: exec.Command(binary, "-worker", "-nats", c.url), ready: make(chan struct{}), ended: make(chan struct{})}
	w.command.Stderr = os.Stderr
	out, err := w.command.StdoutPipe()
	if err != nil {
		return nil, err
	}
	if err := w.command.Start(); err != nil {
		return nil, fmt.Errorf("start a worker: %w", err)
	}
	c.workers = append(c.workers, w)
	go func() {
		defer close(w.ended)
		for lines := bufio.NewScanner(out); lines.Scan(); {
			c.pass(lines.Text())
			if strings.Contains(lines.Text(), " is ready, pid ") {
				close(w.ready)
			}
		}
		w.err = w.command.Wait()
	}()
	return w, nil
}

// pass prints what a worker says.
func (c *processes) pass(line string) {
	_, text, _ := strings.Cut(strings.TrimSpace(line), "  ") // without its time
	fmt.Fprintf(c.out, "         | %s\n", text)
}

func (c *processes) kill() error {
	w := c.workers[0]
	err := w.command.Process.Kill()
	<-w.ended
	return err
}

// drain asks the second worker to leave, and waits until it has.
func (c *processes) drain(ctx context.Context) error {
	w := c.workers[1]
	if err := w.command.Process.Signal(syscall.SIGTERM); err != nil {
		return err
	}
	select {
	case <-w.ended:
		return w.err
	case <-time.After(30 * time.Second):
		return errors.New("the worker has not left after 30s")
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

func (c *processes) restart(context.Context) error { return errNotMine }

// close ends all workers. What they had is done, and nobody is left to take anything over.
func (c *processes) close() {
	for _, w := range c.workers {
		_ = w.command.Process.Kill()
		<-w.ended
	}
}
