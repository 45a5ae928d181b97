// Copyright The Parti Authors
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"os/exec"
	"time"
)

// child is a process of a run, seen by the parent.
type child struct {
	name    string
	command *exec.Cmd
	stdin   io.WriteCloser
	orders  *json.Encoder
	ready   chan ready
	samples chan sample
	ended   chan struct{} // closed when the process has ended and everything that it said is heard
	killed  bool
}

// spawn starts a process. Everything it says but its readiness and its samples is passed to hear, one at a time.
func spawn(name, role string, s setup, hear func(notice)) (*child, error) {
	binary, err := os.Executable()
	if err != nil {
		return nil, fmt.Errorf("find this binary: %w", err)
	}
	c := &child{name: name, command: exec.Command(binary), ready: make(chan ready, 1), samples: make(chan sample, 1), ended: make(chan struct{})}
	c.command.Env = append(os.Environ(), roleVariable+"="+role)
	c.command.Stderr = os.Stderr
	if c.stdin, err = c.command.StdinPipe(); err != nil {
		return nil, err
	}
	c.orders = json.NewEncoder(c.stdin)
	out, err := c.command.StdoutPipe()
	if err != nil {
		return nil, err
	}
	if err := c.command.Start(); err != nil {
		return nil, fmt.Errorf("start the process of %s: %w", name, err)
	}
	go c.listen(out, hear)
	return c, c.order(order{Setup: &s})
}

func (c *child) listen(out io.Reader, hear func(notice)) {
	defer close(c.ended)
	notices := json.NewDecoder(out)
	for {
		var n notice
		if err := notices.Decode(&n); err != nil {
			_ = c.command.Wait()
			return
		}
		switch {
		case n.Ready != nil:
			c.ready <- *n.Ready
		case n.Sample != nil:
			c.samples <- *n.Sample
		default:
			hear(n)
		}
	}
}

func (c *child) order(o order) error {
	if err := c.orders.Encode(o); err != nil {
		return fmt.Errorf("tell the process of %s: %w", c.name, err)
	}
	return nil
}

// answer waits for what a process says.
func answer[T any](ctx context.Context, c *child, from <-chan T) (T, error) {
	select {
	case t := <-from:
		return t, nil
	case <-c.ended:
		return *new(T), fmt.Errorf("the process of %s ended", c.name)
	case <-ctx.Done():
		return *new(T), fmt.Errorf("wait for the process of %s: %w", c.name, context.Cause(ctx))
	}
}

func (c *child) sample(ctx context.Context) (sample, error) {
	if err := c.order(order{Sample: true}); err != nil {
		return sample{}, err
	}
	return answer(ctx, c, c.samples)
}

// kill ends the process without goodbye.
func (c *child) kill() {
	c.killed = true
	_ = c.command.Process.Kill()
	<-c.ended
}

// endIn is how long a process may take to end by itself.
const endIn = 5 * time.Second

// end lets the process end by itself, and ends it if it does not.
func (c *child) end() {
	_ = c.stdin.Close()
	select {
	case <-c.ended:
	case <-time.After(endIn):
		c.kill()
	}
}
