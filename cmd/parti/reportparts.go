// Copyright The Parti Authors
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"runtime"
	"runtime/debug"
	"strings"
	"time"

	"github.com/goccy/go-yaml"
	"github.com/nats-io/nats.go/jetstream"
	"github.com/synadia-io/orbit.go/jetstreamext"

	"github.com/parti-go/parti"
	"github.com/parti-go/parti/internal/record"
	"github.com/parti-go/parti/observe"
)

// reporter makes the parts of a report.
type reporter struct {
	*app
	inquiry
	cfg   parti.Config
	link  *link // nil where there is no connection
	hosts hosts
}

// maker makes one part of a report. What it has got when it fails is written all the same.
type maker struct {
	name, file string
	make       func(ctx context.Context) ([]byte, error)
}

// makers are the parts. Those that need a connection say why there is none.
func (r *reporter) makers(configured, connected error) []maker {
	online := func(f func(ctx context.Context) ([]byte, error)) func(ctx context.Context) ([]byte, error) {
		if connected != nil {
			return func(context.Context) ([]byte, error) { return nil, connected }
		}
		return f
	}
	all := []maker{
		{"command", "command.json", func(context.Context) ([]byte, error) { return indented(aboutCommand()), nil }},
		{"configuration", "configuration.yaml", func(context.Context) ([]byte, error) { return r.configuration(configured) }},
		{"config file", "config.yaml", func(context.Context) ([]byte, error) { return r.configFile() }},
		{"server", "server.json", online(r.server)},
		{"verify", "verify.json", online(r.verified)},
		{"streams", "streams.json", online(r.streams)},
		{"group", "group.json", online(r.groupSeen)},
		{"journal", "journal.jsonl", online(r.journal)},
	}
	b := r.cfg.KVBuckets
	for _, bucket := range []struct{ name, bucket string }{
		{"stable IDs", b.StableID}, {"election", b.Election}, {"heartbeats", b.Heartbeat}, {"assignments", b.Assignment},
	} {
		file := "records-" + strings.ReplaceAll(bucket.name, " ", "-") + ".jsonl"
		all = append(all, maker{bucket.name, file, online(func(ctx context.Context) ([]byte, error) { return r.records(ctx, bucket.bucket) })})
	}
	return all
}

func indented(v any) []byte {
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetIndent("", "  ")
	e.SetEscapeHTML(false)
	if err := e.Encode(v); err != nil {
		return []byte(fmt.Sprintf("%+v\n", v))
	}
	return b.Bytes()
}

func aboutCommand() any {
	about := struct {
		Version string            `json:"version"`
		Go      string            `json:"go"`
		OS      string            `json:"os"`
		Arch    string            `json:"arch"`
		CPUs    int               `json:"cpus"`
		At      moment            `json:"at"`
		Build   map[string]string `json:"build,omitempty"`
		Modules map[string]string `json:"modules,omitempty"`
	}{version(), runtime.Version(), runtime.GOOS, runtime.GOARCH, runtime.NumCPU(), at(time.Now()), map[string]string{}, map[string]string{}}
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return about
	}
	for _, s := range info.Settings {
		if strings.HasPrefix(s.Key, "vcs") || s.Key == "CGO_ENABLED" {
			about.Build[s.Key] = s.Value
		}
	}
	for _, m := range info.Deps {
		if strings.Contains(m.Path, "nats-io") || strings.Contains(m.Path, "orbit.go") || strings.Contains(m.Path, "protoactor") {
			about.Modules[m.Path] = m.Version
		}
	}
	return about
}

// configFile is the file of --config without comments and secrets.
func (r *reporter) configFile() ([]byte, error) {
	if r.group.file == "" {
		return nil, nil
	}
	text, err := os.ReadFile(r.group.file)
	if err != nil {
		return nil, err
	}
	return withoutSecrets(text)
}

// configuration is what this command goes by: that of the file and the flags, or the defaults where that is wrong.
func (r *reporter) configuration(problem error) ([]byte, error) {
	text, err := yaml.Marshal(r.cfg)
	if err == nil {
		text, err = withoutSecrets(text)
	}
	if problem != nil {
		first, _, _ := strings.Cut(problem.Error(), "\n") // what follows may quote the file
		problem = errors.New(first)
	}
	return text, errors.Join(problem, err)
}

func (r *reporter) server(ctx context.Context) ([]byte, error) {
	nc := r.link.js.Conn()
	r.hosts.met(nc.ConnectedUrl(), nc.ConnectedAddr(), nc.ConnectedServerName(), nc.ConnectedClusterName(), nc.LocalAddr())
	r.hosts.met(append(nc.Servers(), nc.DiscoveredServers()...)...)
	rtt, silent := nc.RTT()
	var account *jetstream.AccountInfo
	err := mayAsk(ctx, nc, apiPrefix(r.link.js)+"INFO")
	if err == nil {
		account, err = r.link.js.AccountInfo(ctx)
	}
	if err != nil {
		err = fmt.Errorf("ask for the limits of the account: %w", err)
	}
	about := map[string]any{
		"url": nc.ConnectedUrlRedacted(), "name": nc.ConnectedServerName(), "version": nc.ConnectedServerVersion(),
		"cluster": nc.ConnectedClusterName(), "roundTrip": rtt.String(), "maxPayload": nc.MaxPayload(), "tls": nc.TLSRequired(),
		"apiPrefix": apiPrefix(r.link.js),
	}
	if account != nil {
		about["account"] = account
	}
	return indented(about), errors.Join(silent, err)
}

func (r *reporter) verified(ctx context.Context) ([]byte, error) {
	l := *r.link // its configuration is changed to fit what is there
	found, err := r.examineGroup(ctx, &l, &storage{}, "observer")
	return indented(found), err
}

// streams are the streams of the buckets as they are: configuration, size, replicas.
func (r *reporter) streams(ctx context.Context) ([]byte, error) {
	all, failed := map[string]any{}, []error{}
	b := r.cfg.KVBuckets
	for _, bucket := range []string{b.StableID, b.Election, b.Heartbeat, b.Assignment} {
		err := mayAsk(ctx, r.link.js.Conn(), apiPrefix(r.link.js)+"STREAM.INFO.KV_"+bucket)
		if err == nil {
			var stream jetstream.Stream
			if stream, err = r.link.js.Stream(ctx, "KV_"+bucket); err == nil {
				all[bucket] = stream.CachedInfo()
				r.meet(stream.CachedInfo().Cluster)
				continue
			}
		}
		failed = append(failed, fmt.Errorf("bucket %q: %w", bucket, err))
	}
	if len(all) == 0 {
		return nil, errors.Join(failed...)
	}
	return indented(all), errors.Join(failed...)
}

// meet notes the servers that keep a stream.
func (r *reporter) meet(c *jetstream.ClusterInfo) {
	if c == nil {
		return
	}
	r.hosts.met(c.Name, c.Leader)
	for _, p := range c.Replicas {
		r.hosts.met(p.Name)
	}
}

// groupSeen is what an observer sees, what check says of it, and what each worker waits for.
func (r *reporter) groupSeen(ctx context.Context) ([]byte, error) {
	o, err := r.link.observe(ctx)
	if err != nil {
		return nil, err
	}
	defer func() { _ = o.Close() }()
	l := limits{unowned: limit{critical: 1}, stuck: limit{warning: 1}, damped: limit{warning: 1}, workers: limit{critical: 1}, stale: 5 * time.Second}
	v, err := settled(ctx, r.settle, o, func(g observe.Group) verdict { return judge(r.cfg.Group, g, time.Now(), l) })
	g := o.Group()
	return indented(map[string]any{
		"check": v, "checkLine": v.line(l), "group": viewGroup(r.link, g), "certificate": viewCertificate(g), "strategy": g.Plan.Strategy,
		"fleet": viewWorkers(o, g), "partitions": viewPartitions(o),
	}), err
}

// stored is a record as it is stored.
type stored struct {
	Key      string              `json:"key"`
	Revision uint64              `json:"revision"`
	At       moment              `json:"at"`
	Headers  map[string][]string `json:"headers,omitempty"`
	Value    json.RawMessage     `json:"value,omitempty"`
	Raw      []byte              `json:"raw,omitempty"` // of what is no JSON, in base64
}

// answerHeaders are those that the server adds when it answers. The rest is stored.
var answerHeaders = []string{"Nats-Stream", "Nats-Subject", "Nats-Sequence", "Nats-Time-Stamp", "Nats-Last-Sequence", "Nats-Num-Pending"}

// mostBytes bounds what is read of one bucket.
const mostBytes = 64 << 20

// records are the raw records of a bucket, a line for each. The entries of the journal are a part of their own.
func (r *reporter) records(ctx context.Context, bucket string) ([]byte, error) {
	var b bytes.Buffer
	err := r.read(ctx, bucket, func(key string, m *jetstream.RawStreamMsg) error {
		if strings.HasPrefix(key, journalKeys) {
			return nil
		}
		s := stored{Key: key, Revision: m.Sequence, At: at(m.Time), Headers: m.Header}
		for _, name := range answerHeaders {
			delete(s.Headers, name)
		}
		switch {
		case len(m.Data) > 0 && json.Valid(m.Data):
			s.Value = m.Data
		case r.anonymous && len(m.Data) > 0:
			s.Raw = []byte(fmt.Sprintf("%d bytes that are not JSON", len(m.Data)))
		default:
			s.Raw = m.Data
		}
		return line(&b, s)
	})
	return b.Bytes(), err
}

// journalKeys is what the keys of the journal begin with.
const journalKeys = "journal."

// journal is what the leaders have written down of the last hour, or since --since.
func (r *reporter) journal(ctx context.Context) ([]byte, error) {
	var b bytes.Buffer
	from := time.Now().Add(-r.since)
	err := r.read(ctx, r.cfg.KVBuckets.Assignment, func(key string, m *jetstream.RawStreamMsg) error {
		if !strings.HasPrefix(key, journalKeys) || m.Time.Before(from) || len(m.Data) == 0 {
			return nil
		}
		entry, err := record.DecodeJournal(m.Data)
		if err != nil {
			return line(&b, map[string]any{"key": key, "at": at(m.Time), "error": err.Error()})
		}
		return line(&b, map[string]any{"at": at(m.Time), "entry": entry})
	})
	return b.Bytes(), err
}

func line(b *bytes.Buffer, v any) error {
	text, err := json.Marshal(v)
	b.Write(append(text, '\n'))
	return err
}

// read hands over all messages of a bucket, in their order.
func (r *reporter) read(ctx context.Context, bucket string, f func(key string, m *jetstream.RawStreamMsg) error) error {
	js, next, size := r.link.js, uint64(1), 0
	if err := mayAsk(ctx, js.Conn(), apiPrefix(js)+"DIRECT.GET.KV_"+bucket); err != nil {
		return fmt.Errorf("bucket %q: %w", bucket, err)
	}
	for {
		messages, err := jetstreamext.GetBatch(ctx, js, "KV_"+bucket, 1000, jetstreamext.GetBatchSeq(next), jetstreamext.GetBatchMaxBytes(4<<20))
		if err != nil {
			return fmt.Errorf("bucket %q: %w", bucket, err)
		}
		before := next
		for m, err := range messages {
			if errors.Is(err, jetstreamext.ErrNoMessages) {
				return nil
			}
			if err != nil {
				return fmt.Errorf("bucket %q: read from revision %d on: %w", bucket, next, err)
			}
			next = m.Sequence + 1
			if size += len(m.Data); size > mostBytes {
				return fmt.Errorf("bucket %q has more than %d bytes: what is stored from revision %d on is left out", bucket, mostBytes, m.Sequence)
			}
			if err := f(strings.TrimPrefix(m.Subject, "$KV."+bucket+"."), m); err != nil {
				return err
			}
		}
		if next == before {
			return ctx.Err()
		}
	}
}
