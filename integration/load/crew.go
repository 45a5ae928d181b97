// Copyright The Parti Authors
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"slices"
	"strconv"
	"sync"
	"time"

	"github.com/parti-go/parti"
)

// crew is a process with some workers of the fleet.
type crew struct {
	setup   setup
	tell    *speaker
	log     *slog.Logger
	source  parti.PartitionSource
	workers []*worker // from setup.First on
}

// man is the process of a crew.
func man(in io.Reader, out io.Writer) error {
	orders := json.NewDecoder(in)
	s, err := readSetup(orders)
	if err != nil {
		return err
	}
	c, err := newCrew(s, newSpeaker(out))
	if err != nil {
		return err
	}
	c.tell.say(notice{Ready: &ready{}})
	for {
		var o order
		if err := orders.Decode(&o); errors.Is(err, io.EOF) {
			return nil // the run is over, and nobody waits for a clean leave
		} else if err != nil {
			return fmt.Errorf("read an order: %w", err)
		}
		if err := c.obey(o); err != nil {
			return err
		}
	}
}

// newCrew returns a crew whose workers are connected and not started.
func newCrew(s setup, tell *speaker) (*crew, error) {
	c := &crew{setup: s, tell: tell, log: slog.New(slog.DiscardHandler), source: partitions(s.Partitions)}
	if s.Verbose {
		c.log = slog.New(slog.NewTextHandler(os.Stderr, &slog.HandlerOptions{Level: slog.LevelWarn}))
	}
	c.workers = make([]*worker, s.Workers)
	errs := make([]error, s.Workers)
	var all sync.WaitGroup
	for i := range c.workers {
		all.Go(func() { c.workers[i], errs[i] = c.newWorker(s.First + i) })
	}
	all.Wait()
	return c, errors.Join(errs...)
}

func (c *crew) obey(o order) error {
	if o.Start != nil {
		for i, w := range c.workers {
			time.AfterFunc(o.Start.Ramp*time.Duration(i)/time.Duration(len(c.workers)), w.start)
		}
	}
	for _, i := range o.Crash {
		c.workers[i-c.setup.First].crash()
	}
	if o.Sample {
		taken, err := usage()
		if err != nil {
			return err
		}
		for _, w := range c.workers {
			if w.leads() {
				taken.Leaders = append(taken.Leaders, w.number)
			}
		}
		c.tell.say(notice{Sample: &taken})
	}
	return nil
}

// partitions lists n partitions, each named by its number. The workers of a process share the names.
func partitions(n int) parti.PartitionSource {
	list := make([]parti.Partition, n)
	for i := range list {
		list[i].Keys = []string{"load", fmt.Sprintf("%07d", i)}
	}
	return parti.SourceFunc(func(context.Context) ([]parti.Partition, error) { return slices.Clone(list), nil })
}

// numbers translates partitions back.
func numbers(list []parti.Partition) ([]int, error) {
	var found []int
	for _, p := range list {
		n, err := strconv.Atoi(p.Keys[len(p.Keys)-1])
		if err != nil {
			return nil, fmt.Errorf("partition %q has no number: %w", p.ID(), err)
		}
		found = append(found, n)
	}
	return found, nil
}
