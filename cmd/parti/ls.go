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
)

// The default names of the buckets of assignments: those are what a group is found by.
const (
	bucketPrefix = "parti-"
	bucketSuffix = "assignment"
)

// ls adds the command that lists the groups on the server.
func (a *app) ls(parent *fisk.Application) {
	cmd := parent.Command("ls", "List the groups on the server that have buckets of the default names")
	a.do(cmd, func(ctx context.Context) error {
		bounded, cancel := a.bounded(ctx)
		defer cancel()
		js, err := a.connection.jetStream(bounded)
		if err != nil {
			return err
		}
		defer js.Conn().Close()
		groups, err := groupsOf(bounded, js)
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
			t.add(dash(v.Group), strconv.Itoa(v.Workers), strconv.Itoa(v.Partitions), a.some(v.Unowned), cmp.Or(v.Leader, a.colour(red, "none")),
				number(v.Version), v.Phase, v.Bucket)
		}
		return a.show(views, t)
	})
}

// some writes a number that should be 0.
func (a *app) some(n int) string {
	if n == 0 {
		return "0"
	}
	return a.colour(red, strconv.Itoa(n))
}

// groupsOf lists the groups by the names of their buckets; "" is the group without a name.
func groupsOf(ctx context.Context, js jetstream.JetStream) ([]string, error) {
	nc := js.Conn()
	before := nc.LastError()
	names := js.StreamNames(ctx, jetstream.WithStreamListSubject("$KV.>"))
	var groups []string
	for name := range names.Name() {
		if group, is := groupOf(strings.TrimPrefix(name, "KV_")); is {
			groups = append(groups, group)
		}
	}
	if err := names.Err(); err != nil {
		if denied := nc.LastError(); denied != before && errors.Is(denied, nats.ErrPermissionViolation) { //nolint:errorlint // identity is meant
			return nil, fmt.Errorf("list the streams: %w; say with --group or --config which group is meant, and use info", denied)
		}
		return nil, fmt.Errorf("list the streams: %w", err)
	}
	slices.Sort(groups)
	return groups, nil
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
