// Copyright The Parti Authors
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/choria-io/fisk"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/parti-go/parti"
	"github.com/parti-go/parti/kv"
)

// bucketView is what --json writes of a bucket.
type bucketView struct {
	Bucket   string        `json:"bucket"`
	State    string        `json:"state"` // fine, missing, differs, made, mended; with --dry-run: would be made, would be mended
	Storage  string        `json:"storage,omitempty"`
	Replicas int           `json:"replicas,omitempty"`
	Problems []problemView `json:"problems,omitempty"`
}

type problemView struct {
	Field   string `json:"field"`
	Is      string `json:"is"`
	Allowed string `json:"allowed"`
	Mend    string `json:"mend"`
}

// storage says how the buckets of a group are to be stored.
type storage struct {
	kind     string
	replicas int
}

func (s *storage) flags(cmd *fisk.CmdClause) {
	cmd.Flag("storage", "file or memory; default: as in --config, or as in the existing buckets").
		PlaceHolder("KIND").EnumVar(&s.kind, "file", "memory")
	numberVar(cmd.Flag("replicas", "Copies of each bucket: 1, 3 or 5; default: as in --config, or 1"), &s.replicas)
}

// apply changes a configuration, and checks it.
func (s *storage) apply(cfg *parti.Config) error {
	if s.kind != "" {
		cfg.KVBuckets.Storage = s.kind
	}
	if s.replicas != 0 {
		cfg.KVBuckets.Replicas = s.replicas
	}
	return cfg.Validate()
}

func storeConfig(cfg parti.Config, patience time.Duration) kv.Config {
	return kv.Config{
		StableID: cfg.KVBuckets.StableID, Election: cfg.KVBuckets.Election, Heartbeat: cfg.KVBuckets.Heartbeat,
		Assignment: cfg.KVBuckets.Assignment, Storage: cfg.KVBuckets.Storage, Replicas: cfg.KVBuckets.Replicas,
		IDPrefix: cfg.WorkerIDPrefix, IDMin: cfg.WorkerIDMin, IDMax: cfg.WorkerIDMax,
		WorkerIDTTL: cfg.WorkerIDTTL, HeartbeatTTL: cfg.HeartbeatTTL, LeaderTTL: cfg.LeaderTTL, OperationTimeout: patience,
	}
}

// errDiffers says that a bucket is not as workers need it.
var errDiffers = errors.New("a bucket does not have the settings that workers need")

// init adds the command that makes the buckets of a group.
func (a *app) init(parent *fisk.Application) {
	var s storage
	var dry, mend bool
	cmd := parent.Command("init", "Make the buckets of a group; this never deletes anything")
	s.flags(cmd)
	cmd.Flag("dry-run", "Only say what would be done").UnNegatableBoolVar(&dry)
	cmd.Flag("mend", "Edit existing buckets that differ, if an edit can mend them").UnNegatableBoolVar(&mend)
	a.do(cmd, func(ctx context.Context) error {
		return a.inspected(ctx, &s, func(ctx context.Context, l *link, found []kv.Inspection) error {
			views, differs := make([]bucketView, 0, len(found)), false
			for _, i := range found {
				v, err := prepare(ctx, l.js, i, mend, dry)
				if err != nil {
					return fmt.Errorf("bucket %q: %w; run the command again, and it continues there", i.Bucket, err)
				}
				differs = differs || len(v.Problems) > 0
				views = append(views, v)
			}
			if err := a.show(views, a.bucketTable(views)); err != nil || !differs {
				return err
			}
			return fmt.Errorf("%w; parti verify says what to do", errDiffers)
		})
	})
}

// inspected connects and inspects the buckets.
func (a *app) inspected(ctx context.Context, s *storage, f func(ctx context.Context, l *link, found []kv.Inspection) error) error {
	ctx, cancel := a.bounded(ctx)
	defer cancel()
	l, err := a.connect(ctx)
	if err != nil {
		return err
	}
	defer l.close()
	if err := s.apply(&l.cfg); err != nil {
		return err
	}
	found, err := a.inspect(ctx, l, s)
	if err != nil {
		return err
	}
	return f(ctx, l, found)
}

// inspect looks at the buckets. Where nobody has said how they are to be stored, they are to be as the first that is there.
func (a *app) inspect(ctx context.Context, l *link, s *storage) ([]kv.Inspection, error) {
	found, err := kv.Inspect(ctx, l.js, storeConfig(l.cfg, a.connection.timeout))
	if err != nil || s.kind != "" || a.group.file != "" {
		return found, err
	}
	for _, i := range found {
		if i.Is == nil {
			continue
		}
		if i.Is.Storage == i.Want.Storage {
			break
		}
		l.cfg.KVBuckets.Storage = strings.ToLower(i.Is.Storage.String())
		return kv.Inspect(ctx, l.js, storeConfig(l.cfg, a.connection.timeout))
	}
	return found, nil
}

// prepare makes or mends one bucket, and says what it has done.
func prepare(ctx context.Context, js jetstream.JetStream, i kv.Inspection, mend, dry bool) (bucketView, error) {
	v := viewBucket(i)
	switch {
	case i.Is == nil && dry:
		v.State = "would be made"
	case i.Is == nil:
		if _, err := js.CreateStream(ctx, i.Want); err != nil {
			return v, fmt.Errorf("make it: %w", err)
		}
		v.State = "made"
	case len(i.Problems) == 0 || !mend:
		return v, nil
	case dry:
		v.State, v.Problems = "would be mended", lasting(i)
	default:
		if _, err := js.UpdateStream(ctx, i.Mended); err != nil {
			return v, fmt.Errorf("mend it: %w", err)
		}
		v.State, v.Problems = "mended", lasting(i)
	}
	return v, nil
}

// lasting are the problems that no edit solves.
func lasting(i kv.Inspection) (views []problemView) {
	for _, p := range i.Problems {
		if !p.Editable {
			views = append(views, viewProblem(p))
		}
	}
	return views
}

func viewBucket(i kv.Inspection) bucketView {
	v := bucketView{
		Bucket: i.Bucket, State: "missing", Storage: strings.ToLower(i.Want.Storage.String()), Replicas: i.Want.Replicas,
	}
	if i.Is == nil {
		return v
	}
	v.State, v.Storage, v.Replicas = "fine", strings.ToLower(i.Is.Storage.String()), i.Is.Replicas
	for _, p := range i.Problems {
		v.State = "differs"
		v.Problems = append(v.Problems, viewProblem(p))
	}
	return v
}

func viewProblem(p kv.Problem) problemView {
	mend := "run parti init --mend"
	switch {
	case p.Field == "storage":
		mend = "set KVBuckets.Storage to " + strings.ToLower(p.Value) + " for all workers; or stop them, delete the bucket and make it anew"
	case !p.Editable:
		mend = "edit the stream by hand, because somebody may need what was added"
	}
	return problemView{p.Field, p.Value, p.Allowed, mend}
}

func (a *app) bucketTable(views []bucketView) *table {
	t := newTable("BUCKET", "STORAGE", "REPLICAS", "STATE")
	for _, v := range views {
		state := v.State
		switch v.State {
		case "missing", "differs":
			state = a.colour(red, v.State)
		case "fine", "made", "mended":
			state = a.colour(green, v.State)
		}
		for _, p := range v.Problems {
			state += fmt.Sprintf("; %s is %s, allowed: %s", p.Field, p.Is, p.Allowed)
		}
		t.add(v.Bucket, v.Storage, strconv.Itoa(v.Replicas), state)
	}
	return t
}
