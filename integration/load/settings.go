// Copyright The Parti Authors
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"time"

	"github.com/parti-go/parti"
)

// settings is what the command line says.
type settings struct {
	workers    int
	partitions int
	procs      int
	ramp       time.Duration
	idle       time.Duration
	watch      time.Duration
	timeout    time.Duration
	config     parti.Config
	json       bool
	verbose    bool
}

// errSettings marks a setting that is out of range.
var errSettings = errors.New("invalid setting")

// fewestWorkers leaves two workers after the three kinds of crashes.
const fewestWorkers = 5

func parse(args []string, out io.Writer) (settings, error) {
	var set settings
	flags := flag.NewFlagSet("load", flag.ContinueOnError)
	flags.SetOutput(out)
	flags.IntVar(&set.workers, "workers", 200, "how many workers")
	flags.IntVar(&set.partitions, "partitions", 100_000, "how many partitions")
	flags.IntVar(&set.procs, "procs", 10, "how many processes share the workers; as many as workers: a crash kills the process")
	flags.DurationVar(&set.ramp, "ramp", 0, "start the workers evenly over this time instead of all at once")
	flags.DurationVar(&set.idle, "idle", 30*time.Second, "how long the fleet is measured while nothing happens")
	flags.DurationVar(&set.watch, "watch", 20*time.Second, "how long each crash is watched; longer while partitions have no owner")
	flags.DurationVar(&set.timeout, "timeout", 15*time.Minute, "the longest that the whole run may take")
	config := flags.String("config", "", "YAML `file` with the workers' configuration; empty for the defaults")
	flags.BoolVar(&set.json, "json", false, "print JSON instead of Markdown")
	flags.BoolVar(&set.verbose, "v", false, "log what the workers warn of, and each step")
	if err := flags.Parse(args); err != nil {
		return settings{}, err
	}
	if flags.NArg() > 0 {
		return settings{}, fmt.Errorf("%w: unknown argument %q, allowed: flags only", errSettings, flags.Arg(0))
	}
	set.config = parti.DefaultConfig()
	if *config != "" {
		f, err := os.Open(*config)
		if err != nil {
			return settings{}, err
		}
		defer func() { _ = f.Close() }()
		if set.config, err = parti.LoadConfig(f); err != nil {
			return settings{}, fmt.Errorf("%s: %w", *config, err)
		}
	}
	// There are as many IDs as workers, and a tenth more, whatever the configuration says.
	set.config.WorkerIDMax = max(set.config.WorkerIDMax, set.config.WorkerIDMin+set.workers+set.workers/10)
	return set, set.validate()
}

// validate reports everything that is wrong, joined.
func (s settings) validate() error {
	var errs []error
	check := func(ok bool, name string, value any, allowed string, args ...any) {
		if !ok {
			errs = append(errs, fmt.Errorf("%w: %s is %v, allowed: %s", errSettings, name, value, fmt.Sprintf(allowed, args...)))
		}
	}
	check(s.workers >= fewestWorkers && s.workers <= 10_000, "workers", s.workers, "%d to 10000", fewestWorkers)
	check(s.partitions >= 1 && s.partitions <= 10_000_000, "partitions", s.partitions, "1 to 10000000")
	check(s.procs >= 2 && s.procs <= s.workers, "procs", s.procs,
		"2 (one process to compare the leader's with) to the number of workers, %d", s.workers)
	check(s.ramp >= 0, "ramp", s.ramp, "0 or more")
	check(s.idle > 0, "idle", s.idle, "more than 0")
	check(s.watch > 0, "watch", s.watch, "more than 0")
	least := s.ramp + s.idle + 3*s.watch
	check(s.timeout > least, "timeout", s.timeout, "more than ramp, idle and three times watch (%s)", least)
	return errors.Join(append(errs, s.config.Validate())...)
}
