// Copyright The Parti Authors
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"flag"
	"fmt"
	"io"
	"log/slog"
	"os"
	"strings"
	"time"

	"github.com/nats-io/nats.go"

	"github.com/parti-go/parti"
)

// settings is what the command line says.
type settings struct {
	config     parti.Config
	url        string
	partitions int
	list       string
	level      slog.Level
	json       bool
	unit       time.Duration
	drain      time.Duration
}

func parse(args []string) (settings, error) {
	var set settings
	flags := flag.NewFlagSet("worker", flag.ContinueOnError)
	config := flags.String("config", "", "YAML `file` with the configuration; the environment (PARTI_…) wins over it")
	id := flags.String("id", "", "worker `ID` to prefer, as worker-3")
	state := flags.String("state", "", "`directory` of this worker alone: restarted after a crash it goes on under its ID at once")
	standby := flags.Bool("standby", false, "wait for an ID as long as none is free")
	verbose := flags.Bool("v", false, "log each step")
	flags.BoolVar(&set.json, "json", false, "log in JSON, one object a line, for programs")
	flags.DurationVar(&set.unit, "work", 100*time.Millisecond, "how long a unit of work takes; one that is begun is finished")
	flags.DurationVar(&set.drain, "drain", 0, "how long to hand everything over at the end, for a worker that will not come back; 0 to stop at once")
	flags.StringVar(&set.url, "nats", urlFromEnvironment(), "`URL` of a NATS server with JetStream")
	flags.IntVar(&set.partitions, "partitions", 24, "how many partitions there are")
	flags.StringVar(&set.list, "list", "", "`file` that lists the partitions, one ID a line, instead; read again at SIGHUP")
	if err := flags.Parse(args); err != nil {
		return settings{}, err
	}
	if flags.NArg() > 0 {
		return settings{}, fmt.Errorf("unknown argument %q, allowed: flags only", flags.Arg(0))
	}
	var err error
	if set.config, err = load(*config); err != nil {
		return settings{}, err
	}
	if *id != "" {
		set.config.PreferredID = *id
	}
	if *state != "" {
		set.config.StateDir = *state
	}
	set.config.Standby = set.config.Standby || *standby
	if *verbose {
		set.level = slog.LevelDebug
	}
	return set, nil
}

// load reads the file, if there is one, and the environment.
func load(name string) (parti.Config, error) {
	if name == "" {
		return parti.LoadConfig(nil)
	}
	f, err := os.Open(name)
	if err != nil {
		return parti.Config{}, err
	}
	defer func() { _ = f.Close() }()
	config, err := parti.LoadConfig(f)
	if err != nil {
		return parti.Config{}, fmt.Errorf("%s: %w", name, err)
	}
	return config, nil
}

// logger is for people or, if asked for, for programs.
func (s settings) logger(out io.Writer) *slog.Logger {
	opts := &slog.HandlerOptions{Level: s.level}
	if s.json {
		return slog.New(slog.NewJSONHandler(out, opts))
	}
	return slog.New(slog.NewTextHandler(out, opts))
}

func urlFromEnvironment() string {
	if url := os.Getenv("NATS_URL"); url != "" {
		return url
	}
	return nats.DefaultURL
}

// source lists the partitions: those of the file as it is now, or as many as asked for.
func (s settings) source() parti.PartitionSource {
	return parti.SourceFunc(func(context.Context) ([]parti.Partition, error) {
		var list []parti.Partition
		if s.list == "" {
			for i := range s.partitions {
				list = append(list, parti.Partition{Keys: []string{"orders", fmt.Sprintf("%02d", i)}})
			}
			return list, nil
		}
		text, err := os.ReadFile(s.list)
		if err != nil {
			return nil, err
		}
		for _, id := range strings.Fields(string(text)) {
			list = append(list, parti.Partition{Keys: strings.Split(id, ".")})
		}
		return list, nil
	})
}
