// Copyright The Parti Authors
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/choria-io/fisk"
	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/parti-go/parti"
	"github.com/parti-go/parti/internal/record"
)

// The default names of the buckets of assignments: those are what a group is found by.
const (
	bucketPrefix = "parti-"
	bucketSuffix = "assignment"
)

// ls adds the command that lists the groups on the server.
func (a *app) ls(parent *fisk.Application) {
	cmd := parent.Command("ls", "List the groups on the server")
	a.do(cmd, func(ctx context.Context) error {
		bounded, cancel := a.bounded(ctx)
		defer cancel()
		js, err := a.connection.jetStream(bounded)
		if err != nil {
			return err
		}
		defer js.Conn().Close()
		groups, others, err := groupsOf(bounded, js)
		if err != nil {
			return err
		}
		views := make([]groupView, 0, len(groups))
		t := newTable("GROUP", "WORKERS", "PARTITIONS", "UNOWNED", "LEADER", "VERSION", "PHASE", "BUCKET")
		for _, name := range groups {
			v := lookAt(bounded, js, name)
			views = append(views, v)
			if v.Error != "" {
				t.add(dash(v.Group), "", "", "", a.colour(red, v.Error))
				continue
			}
			t.add(dash(v.Group), strconv.Itoa(v.Workers), strconv.Itoa(v.Partitions), a.some(v.Unowned),
				cmp.Or(v.Leader, a.colour(red, "none")), number(v.Version), v.Phase, v.Bucket)
		}
		for _, bucket := range others {
			v, is := groupIn(bounded, js, bucket)
			if !is {
				continue
			}
			views = append(views, v)
			t.add("?", "", strconv.Itoa(v.Partitions), "", "", number(v.Version), v.Phase, v.Bucket)
			fmt.Fprintf(a.stderr, "%s belongs to a group whose buckets have custom names: for other commands give --config, or "+
				"--assignment-bucket and the other bucket flags\n", clean(v.Bucket))
		}
		return a.show(views, t)
	})
}

// groupIn looks whether a bucket of another name is one of assignments, by the plan in it. What cannot be read is none.
func groupIn(ctx context.Context, js jetstream.JetStream, bucket string) (groupView, bool) {
	ctx, cancel := context.WithTimeout(ctx, lookUpWithin)
	defer cancel()
	if mayAsk(ctx, js.Conn(), apiPrefix(js)+"DIRECT.GET.KV_"+bucket) != nil {
		return groupView{}, false
	}
	found, err := lastOf(ctx, js, "KV_"+bucket, "$KV."+bucket+".plan")
	if err != nil || len(found) == 0 {
		return groupView{}, false
	}
	p, err := record.DecodePlan(found[0].Data)
	if err != nil {
		return groupView{}, false
	}
	return groupView{
		Bucket: bucket, Members: p.Members, Partitions: p.Partitions, Term: p.Term, Version: p.Version, Phase: string(p.Phase),
		Lifecycle: string(p.Lifecycle), Planned: at(found[0].Time), OtherNames: true,
	}, true
}

// some writes a number that should be 0.
func (a *app) some(n int) string {
	if n == 0 {
		return "0"
	}
	return a.colour(red, strconv.Itoa(n))
}

// groupsOf lists the groups by the names of their buckets, "" for the group without a name, and the other buckets.
func groupsOf(ctx context.Context, js jetstream.JetStream) (groups, others []string, err error) {
	if err := mayAsk(ctx, js.Conn(), apiPrefix(js)+"STREAM.NAMES"); err != nil {
		return nil, nil, fmt.Errorf("list the streams: %w; say with --group or --config which group is meant, and use info", err)
	}
	names := js.StreamNames(ctx, jetstream.WithStreamListSubject("$KV.>"))
	for name := range names.Name() {
		bucket, is := strings.CutPrefix(name, "KV_")
		if group, named := groupOf(bucket); named {
			groups = append(groups, group)
		} else if is {
			others = append(others, bucket)
		}
	}
	if err := names.Err(); err != nil {
		return nil, nil, fmt.Errorf("list the streams: %w", err)
	}
	slices.Sort(groups)
	slices.Sort(others)
	return groups, others, nil
}

// mayAsk reports a missing permission for a subject of JetStream's API. A request would never be answered: the server says what is
// not permitted beside it. A message that asks for no answer is none, and what the server has to say is there with the answer to
// a ping.
func mayAsk(ctx context.Context, nc *nats.Conn, subject string) error {
	before := nc.LastError()
	if err := nc.Publish(subject, nil); err != nil {
		return err
	}
	if err := nc.FlushWithContext(ctx); err != nil {
		return err
	}
	after := nc.LastError()
	if after != before && errors.Is(after, nats.ErrPermissionViolation) { //nolint:errorlint // the same twice is two errors
		return after
	}
	return nil
}

// groupOf returns the group whose bucket of assignments has a name.
func groupOf(bucket string) (group string, is bool) {
	middle, is := strings.CutPrefix(bucket, bucketPrefix)
	if !is || !strings.HasSuffix(middle, bucketSuffix) {
		return "", false
	}
	if middle == bucketSuffix {
		return "", true
	}
	return strings.CutSuffix(middle, "-"+bucketSuffix)
}

// lookAt sums one group up. What goes wrong is in the view: the others are shown all the same.
func lookAt(ctx context.Context, js jetstream.JetStream, name string) groupView {
	cfg := parti.Config{Group: name}
	cfg.ApplyDefaults()
	l := &link{js: js, cfg: cfg}
	o, err := l.observe(ctx)
	if err != nil {
		return groupView{Group: name, Bucket: cfg.KVBuckets.Assignment, Error: err.Error()}
	}
	defer func() { _ = o.Close() }()
	return viewGroup(l, o.Group())
}
