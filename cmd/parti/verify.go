// Copyright The Parti Authors
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/choria-io/fisk"
	"github.com/nats-io/nats.go/jetstream"
	"github.com/synadia-io/orbit.go/jetstreamext"

	"github.com/parti-go/parti"
	"github.com/parti-go/parti/kv"
)

// report is what verify has found.
type report struct {
	Buckets []bucketView `json:"buckets"`
	// Missing are the permissions that the user of the connection does not have.
	As      string   `json:"as"`
	Missing []string `json:"missingPermissions"`
	// Leases are entries whose lifetime is not that of the configuration.
	Leases []leaseView `json:"leases"`
}

type leaseView struct {
	Bucket string `json:"bucket"`
	Key    string `json:"key"`
	TTL    string `json:"ttl"` // "" for none
	Want   string `json:"want"`
	Mend   string `json:"mend"`
}

func (r report) problems() int {
	n := len(r.Missing) + len(r.Leases)
	for _, b := range r.Buckets {
		if b.State == "missing" {
			n++
		}
		n += len(b.Problems)
	}
	return n
}

func (r report) who() string {
	if r.As == "worker" {
		return "a worker"
	}
	return "an observer"
}

// verify adds the command that checks the buckets of a group.
func (a *app) verify(parent *fisk.Application) {
	var s storage
	var as string
	cmd := parent.Command("verify", "Check the buckets of a group: settings, replicas, lifetimes, permissions; exit code 1 if there is a problem")
	s.flags(cmd)
	cmd.Flag("as", "Whose permissions to check: those of a worker or those of an observer").Default("observer").EnumVar(&as, "observer", "worker")
	a.do(cmd, func(ctx context.Context) error {
		r, err := a.examine(ctx, &s, as)
		if err != nil {
			return err
		}
		if a.json {
			err = a.write(r)
		} else {
			_, err = fmt.Fprint(a.stdout, a.bucketTable(r.Buckets).String(), r.advice())
		}
		if n := r.problems(); err == nil && n > 0 {
			return exit{exitFailed, fmt.Errorf("%s found", count(n, "problem"))}
		}
		return err
	})
}

func (a *app) examine(ctx context.Context, s *storage, as string) (report, error) {
	ctx, cancel := a.bounded(ctx)
	defer cancel()
	l, err := a.connect(ctx)
	if err != nil {
		return report{}, err
	}
	defer l.close()
	return a.examineGroup(ctx, l, s, as)
}

func (a *app) examineGroup(ctx context.Context, l *link, s *storage, as string) (report, error) {
	r := report{As: as, Missing: []string{}, Leases: []leaseView{}, Buckets: []bucketView{}}
	if err := s.apply(&l.cfg); err != nil {
		return r, err
	}
	cfg := storeConfig(l.cfg, a.connection.timeout)
	missing, err := kv.MissingPermissions(ctx, l.js, cfg, as == "worker")
	if err != nil {
		return r, err
	}
	r.Missing = append(r.Missing, missing...)
	if mentions(missing, "STREAM.INFO.") {
		return r, nil // a bucket that may not be looked at would only keep us waiting
	}
	found, err := a.inspect(ctx, l, s)
	if err != nil {
		return r, err
	}
	for _, i := range found {
		r.Buckets = append(r.Buckets, viewBucket(i))
		if i.Is == nil || !i.Is.AllowDirect || mentions(missing, "DIRECT.GET."+i.Want.Name) {
			continue
		}
		leases, err := leasesOf(ctx, l.js, l.cfg, i.Bucket, a.group.file != "")
		if err != nil {
			return r, fmt.Errorf("read bucket %q: %w", i.Bucket, err)
		}
		r.Leases = append(r.Leases, leases...)
	}
	return r, nil
}

func mentions(missing []string, subject string) bool {
	return slices.ContainsFunc(missing, func(m string) bool { return strings.Contains(m, subject) })
}

// leasesOf lists the leases of a bucket that never expire and, where somebody has said which configuration is meant, those that
// live for another time than it says.
func leasesOf(ctx context.Context, js jetstream.JetStream, cfg parti.Config, bucket string, strict bool) (views []leaseView, err error) {
	want := map[string]time.Duration{
		cfg.KVBuckets.StableID: cfg.WorkerIDTTL, cfg.KVBuckets.Heartbeat: cfg.HeartbeatTTL, cfg.KVBuckets.Election: cfg.LeaderTTL,
	}[bucket]
	if want == 0 {
		return nil, nil // what is assigned is kept
	}
	prefix := "$KV." + bucket + "."
	messages, err := lastOf(ctx, js, "KV_"+bucket, prefix+">")
	if err != nil {
		// There may be more of them than one answer holds: those that the configuration allows, part by part.
		var keys []string
		for n := cfg.WorkerIDMin; n <= cfg.WorkerIDMax; n++ {
			keys = append(keys, fmt.Sprintf("%s%s-%d", prefix, cfg.WorkerIDPrefix, n))
		}
		for part := range slices.Chunk(keys, 1000) {
			some, err := lastOf(ctx, js, "KV_"+bucket, part...)
			if err != nil {
				return nil, err
			}
			messages = append(messages, some...)
		}
	}
	for _, m := range messages {
		if m.Header.Get("KV-Operation") != "" || m.Header.Get(jetstream.MarkerReasonHeader) != "" {
			continue
		}
		v := leaseView{
			Bucket: bucket, Key: strings.TrimPrefix(m.Subject, prefix), TTL: m.Header.Get(jetstream.MsgTTLHeader), Want: want.String(),
		}
		ttl, err := lifetime(v.TTL)
		switch {
		case err != nil || ttl == 0:
			v.Mend = "it never expires, so no worker has written it: nats kv del " + bucket + " " + v.Key
		case strict && ttl != want:
			v.Mend = "the worker has another configuration than this one: give all workers of a group the same"
		default:
			continue
		}
		views = append(views, v)
	}
	return views, nil
}

// lastOf returns the last message of each subject; none where there is none.
func lastOf(ctx context.Context, js jetstream.JetStream, stream string, subjects ...string) (all []*jetstream.RawStreamMsg, err error) {
	messages, err := jetstreamext.GetLastMsgsFor(ctx, js, stream, subjects)
	if err != nil {
		return nil, err
	}
	for m, err := range messages {
		switch {
		case errors.Is(err, jetstreamext.ErrNoMessages):
			return all, nil
		case err != nil:
			return nil, err
		}
		all = append(all, m)
	}
	return all, nil
}

// lifetime reads the lifetime of a message: a duration, or a number of seconds; 0 for none.
func lifetime(header string) (time.Duration, error) {
	if header == "" {
		return 0, nil
	}
	if !strings.ContainsAny(header, "hms") {
		header += "s"
	}
	return time.ParseDuration(header)
}

// advice says what to do about each problem.
func (r report) advice() string {
	var b strings.Builder
	line := func(format string, args ...any) { fmt.Fprintf(&b, format+"\n", args...) }
	for _, v := range r.Buckets {
		if v.State == "missing" {
			line("- bucket %s is missing: run parti init", v.Bucket)
		}
		for _, p := range v.Problems {
			line("- bucket %s: %s is %s, allowed: %s: %s", v.Bucket, p.Field, p.Is, p.Allowed, p.Mend)
		}
	}
	for _, m := range r.Missing {
		line("- the user of this connection may not %s, and %s needs that: grant the permission", m, r.who())
	}
	for _, l := range r.Leases {
		ttl := l.TTL
		if ttl == "" {
			ttl = "none"
		}
		line("- bucket %s, key %s: its lifetime is %s, the configuration says %s: %s", l.Bucket, l.Key, ttl, l.Want, l.Mend)
	}
	if b.Len() == 0 {
		return "\nThe buckets are as workers need them, and this user has the permissions of " + r.who() + ".\n"
	}
	return "\n" + b.String()
}
