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
	"github.com/parti-go/parti/source"
)

// settings is what the command line says.
type settings struct {
	config     parti.Config
	url        string
	creds      string
	http       string
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
	id := flags.String("id", "", "worker `ID` to prefer, such as worker-3")
	state := flags.String("state", "", "`directory` of this worker alone; after a crash, the next process continues under its ID at once")
	standby := flags.Bool("standby", false, "wait without limit while no ID is free")
	verbose := flags.Bool("v", false, "log each step")
	flags.BoolVar(&set.json, "json", false, "log in JSON, one object a line, for programs")
	flags.DurationVar(&set.unit, "work", 100*time.Millisecond, "how long a unit of work takes; one that is begun is finished")
	flags.DurationVar(&set.drain, "drain", 0, "how long to hand everything over at the end, for a worker that will not come back; 0 to stop at once")
	flags.StringVar(&set.url, "nats", urlFromEnvironment(), "`URL` of a NATS server with JetStream")
	flags.IntVar(&set.partitions, "partitions", 24, "how many partitions there are")
	flags.StringVar(&set.list, "list", "", "`file` that lists the partitions, one ID a line, instead; a change is noticed within seconds, or at SIGHUP")
	flags.StringVar(&set.creds, "creds", "", "`file` with the credentials of the NATS user")
	flags.StringVar(&set.http, "http", "", "`address` on which to answer the probes /livez and /readyz, such as :8080")
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

// connect returns a connection that has what leases need.
func (s settings) connect() (*nats.Conn, error) {
	opts := append(parti.ConnectOptions(), nats.Name("parti-worker"))
	if s.creds != "" {
		opts = append(opts, nats.UserCredentials(s.creds))
	}
	nc, err := nats.Connect(s.url, opts...)
	if err != nil {
		return nil, fmt.Errorf("connect to %s: %w", withoutPasswords(s.url), err)
	}
	return nc, nil
}

// withoutPasswords returns the URLs of servers in a form for logs.
func withoutPasswords(urls string) string {
	shown := strings.Split(urls, ",")
	for i, one := range shown {
		at := strings.LastIndex(one, "@")
		if at < 0 {
			continue
		}
		scheme, _, found := strings.Cut(one, "://")
		if !found {
			scheme = "nats"
		}
		shown[i] = scheme + "://" + one[at+1:]
	}
	return strings.Join(shown, ",")
}

// source lists the partitions: those of the file, which the leader watches, or as many as asked for.
func (s settings) source() parti.PartitionSource {
	if s.list != "" {
		return source.File(s.list)
	}
	return parti.SourceFunc(func(context.Context) ([]parti.Partition, error) {
		var list []parti.Partition
		for i := range s.partitions {
			list = append(list, parti.Partition{Keys: []string{"orders", fmt.Sprintf("%02d", i)}})
		}
		return list, nil
	})
}
