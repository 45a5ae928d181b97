// Copyright The Parti Authors
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"errors"
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"

	"github.com/choria-io/fisk"
	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/parti-go/parti/kv"
	"github.com/parti-go/parti/strategy"
)

// An edit changes the keys of a bucket that is a source of partitions, one by one. Each write is conditional on what was read,
// so several editors at once do not undo each other's work, and a write whose answer is lost is found out about by reading.

// edit is a change of one key.
type edit struct {
	id     string
	weight string // "" for the default
}

// result is what has become of an edit.
type result struct {
	Partition string `json:"partition"`
	Result    string `json:"result"` // added, removed, weighed, unchanged
	Was       string `json:"was,omitempty"`
	Weight    string `json:"weight,omitempty"`
}

// entry is what is stored under a key.
type entry struct {
	there    bool
	value    string
	revision uint64 // of the marker, where a key has been deleted
}

// verb says what an edit makes of what is there: what to store, or nothing where it is as wanted.
type verb struct {
	done   string
	decide func(e edit, is entry) (m *nats.Msg, err error)
}

var (
	adding = verb{"added", func(e edit, is entry) (*nats.Msg, error) {
		switch {
		case !is.there:
			return message(e.weight), nil
		case is.value == e.weight:
			return nil, nil
		}
		return nil, fmt.Errorf("it exists already, with %s; to change the weight, use parti partitions weigh", weightOf(is.value))
	}}
	removing = verb{"removed", func(_ edit, is entry) (*nats.Msg, error) {
		if !is.there {
			return nil, nil
		}
		m := message("")
		m.Header.Set("KV-Operation", "DEL")
		return m, nil
	}}
	weighing = verb{"weighed", func(e edit, is entry) (*nats.Msg, error) {
		switch {
		case !is.there:
			return nil, errors.New("it does not exist; to add it, use parti partitions add")
		case is.value == e.weight:
			return nil, nil
		}
		return message(e.weight), nil
	}}
)

func message(value string) *nats.Msg { return &nats.Msg{Header: nats.Header{}, Data: []byte(value)} }

func weightOf(value string) string {
	if value == "" {
		return "the default weight"
	}
	return "weight " + value
}

// editing adds the commands that edit a bucket of partitions.
func (a *app) editing(parent *fisk.CmdClause) {
	for _, c := range []struct {
		name, help, arg string
		weights         bool
		verb            verb
	}{
		{"add", "Add partitions to the bucket that source.KV lists", "ID, or ID=WEIGHT", true, adding},
		{"remove", "Remove partitions from the bucket that source.KV lists", "ID", false, removing},
		{"weigh", "Change weights in the bucket that source.KV lists", "ID=WEIGHT; ID= for the default", true, weighing},
	} {
		var names []string
		var ed editor
		cmd := parent.Command(c.name, c.help)
		cmd.Arg("partitions", c.arg).Required().StringsVar(&names)
		cmd.Flag("bucket", "The bucket of the list").Required().PlaceHolder("BUCKET").StringVar(&ed.bucket)
		cmd.Flag("under", "Prefix of the keys, as in source.Under").PlaceHolder("PREFIX").StringVar(&ed.under)
		a.do(cmd, func(ctx context.Context) error {
			edits, err := parseEdits(names, c.weights, c.name == "weigh")
			if err == nil {
				ed.group, err = a.group.config()
			}
			if err == nil {
				err = ed.check()
			}
			if err != nil {
				return exit{exitUsage, err}
			}
			return a.edit(ctx, ed, edits, c.verb)
		})
	}
}

func (a *app) edit(ctx context.Context, ed editor, edits []edit, v verb) error {
	ctx, cancel := a.bounded(ctx)
	defer cancel()
	js, err := a.connection.jetStream(ctx)
	if err != nil {
		return err
	}
	defer js.Conn().Close()
	ed.js = js
	for _, subject := range []string{"STREAM.INFO.KV_", "STREAM.MSG.GET.KV_"} {
		if err := mayAsk(ctx, js.Conn(), apiPrefix(js)+subject+ed.bucket); err != nil {
			return fmt.Errorf("bucket %q: %w", ed.bucket, err)
		}
	}
	if _, err := js.KeyValue(ctx, ed.bucket); err != nil {
		return fmt.Errorf("bucket %q: %w", ed.bucket, err)
	}
	if err := ed.coordinates(ctx); err != nil {
		return err
	}
	results := make([]result, 0, len(edits))
	t := newTable("PARTITION", "RESULT", "WAS", "WEIGHT")
	var failed error
	for _, e := range edits {
		r, err := ed.apply(ctx, e, v)
		if err != nil {
			failed = fmt.Errorf("%s: %w (%d of %d partitions are done)", e.id, err, len(results), len(edits))
			break
		}
		results = append(results, r)
		t.add(r.Partition, r.Result, r.Was, r.Weight)
	}
	return errors.Join(a.show(results, t), failed)
}

// parseEdits reads the arguments; all are checked before anything is stored.
func parseEdits(names []string, weights, needed bool) (edits []edit, err error) {
	var partitions []strategy.Partition
	for _, name := range names {
		e := edit{id: name}
		at := strings.LastIndex(name, "=")
		switch {
		case at >= 0 && weights:
			e.id, e.weight = name[:at], name[at+1:]
		case needed:
			return nil, fmt.Errorf("%q has no weight, allowed: ID=WEIGHT, or ID= for the default", name)
		}
		if n, err := strconv.ParseInt(e.weight, 10, 64); e.weight != "" && (err != nil || n < 1 || n > strategy.MaxWeight) {
			return nil, fmt.Errorf("%w: the weight of %q is %q, allowed: none (the default of 100), or 1 to %d",
				strategy.ErrInvalidWeight, e.id, e.weight, int64(strategy.MaxWeight))
		}
		if strings.ContainsFunc(e.id, notInKey) {
			return nil, fmt.Errorf("%w: %q, allowed in a bucket: dots, and a-z, A-Z, 0-9, -, _, /, =", strategy.ErrInvalidKey, e.id)
		}
		edits = append(edits, e)
		partitions = append(partitions, strategy.Partition{Keys: strings.Split(e.id, ".")})
	}
	return edits, strategy.ValidatePartitions(partitions)
}

func notInKey(r rune) bool {
	return (r < 'a' || r > 'z') && (r < 'A' || r > 'Z') && (r < '0' || r > '9') && !strings.ContainsRune("-_/=.", r)
}

// check refuses the buckets that workers coordinate in: whoever writes there by hand breaks the group.
func (ed editor) check() error {
	b := ed.group.KVBuckets
	refused := slices.Contains([]string{b.StableID, b.Election, b.Heartbeat, b.Assignment}, ed.bucket)
	for _, kind := range []string{"stableid", "election", "heartbeat", "assignment"} {
		refused = refused || strings.HasPrefix(ed.bucket, bucketPrefix) && strings.HasSuffix(ed.bucket, kind)
	}
	if refused {
		return ed.refuse()
	}
	if ed.under != "" && (strings.ContainsFunc(ed.under, notInKey) || strings.Contains("."+ed.under+".", "..")) {
		return fmt.Errorf("--under is %q, allowed: keys with dots between them", ed.under)
	}
	return nil
}

func (ed editor) refuse() error {
	return exit{exitUsage, fmt.Errorf("--bucket %s is one that workers coordinate in, allowed: the bucket that source.KV lists", ed.bucket)}
}

// coordinates refuses a bucket of a group whose buckets have names of their own: it has the settings and the keys of one.
func (ed editor) coordinates(ctx context.Context) error {
	stream, err := ed.js.Stream(ctx, "KV_"+ed.bucket)
	if err != nil {
		return fmt.Errorf("bucket %q: %w", ed.bucket, err)
	}
	if cfg := stream.CachedInfo().Config; !cfg.AllowMsgTTL || cfg.SubjectDeleteMarkerTTL == 0 {
		return nil
	}
	info, err := stream.Info(ctx, jetstream.WithSubjectFilter("$KV."+ed.bucket+".*"))
	if err != nil {
		return fmt.Errorf("bucket %q: %w", ed.bucket, err)
	}
	ids := kv.Config{IDPrefix: ed.group.WorkerIDPrefix, IDMax: math.MaxInt32}
	for subject := range info.State.Subjects {
		key := strings.TrimPrefix(subject, "$KV."+ed.bucket+".")
		if _, isID := ids.ParseID(key); isID || key == "leader" || key == "term" || key == "plan" {
			return ed.refuse()
		}
	}
	return nil
}
