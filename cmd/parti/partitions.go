// Copyright The Parti Authors
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"errors"
	"fmt"
	"path"
	"slices"
	"strings"
	"time"

	"github.com/choria-io/fisk"

	"github.com/parti-go/parti/observe"
)

// partitions adds the commands about the partitions of a group.
func (a *app) partitions(parent *fisk.Application) {
	cmd := parent.Command("partitions", "List the partitions of a group, or edit the list that they come from")
	a.partitionsList(cmd)
	a.editing(cmd)
}

type partitionFilter struct {
	pattern, worker    string
	unowned, releasing bool
}

func (f partitionFilter) check() error {
	if _, err := path.Match(strings.ReplaceAll(f.pattern, ">", "*"), ""); err != nil {
		return fmt.Errorf("FILTER is %q, allowed: tokens like those of an ID, with the wildcards * and >", f.pattern)
	}
	return nil
}

func (f partitionFilter) takes(v partitionView) bool {
	return matches(f.pattern, v.Partition) && (f.worker == "" || v.Owner == f.worker || v.Owner == "" && v.Last == f.worker) &&
		(!f.unowned || v.Owner == "") && (!f.releasing || v.Releasing)
}

func (a *app) partitionsList(parent *fisk.CmdClause) {
	var f partitionFilter
	cmd := parent.Command("ls", "List the partitions of a group with owner, epoch and time of the grant").Default()
	cmd.Arg("filter", "Only matching IDs, with the wildcards * (one token) and > (the rest)").StringVar(&f.pattern)
	cmd.Flag("worker", "Only partitions of this worker").PlaceHolder("ID").HintAction(a.hintWorkers).StringVar(&f.worker)
	cmd.Flag("unowned", "Only partitions without an owner").UnNegatableBoolVar(&f.unowned)
	cmd.Flag("releasing", "Only partitions that their owner has been asked to give up").UnNegatableBoolVar(&f.releasing)
	a.do(cmd, func(ctx context.Context) error {
		if err := f.check(); err != nil {
			return exit{exitUsage, err}
		}
		return a.observed(ctx, func(ctx context.Context, _ *link, o *observe.Observer) error {
			all := viewPartitions(o)
			views := slices.DeleteFunc(slices.Clone(all), func(v partitionView) bool { return !f.takes(v) })
			ctx, cancel := a.bounded(ctx)
			defer cancel()
			if err := explain(ctx, o, observe.Query{}, views); err != nil {
				return err
			}
			unnamed := o.Group().Unowned
			for _, v := range all {
				if v.Owner == "" {
					unnamed--
				}
			}
			unnamed = max(unnamed, 0)
			if a.json {
				return a.write(struct {
					Partitions []partitionView `json:"partitions"`
					// Unnamed are partitions of the plan that nobody owns and no record names.
					Unnamed int `json:"unnamed"`
				}{views, unnamed})
			}
			if unnamed > 0 {
				fmt.Fprintf(a.stderr, "parti: %d more partitions have no owner, and no record names them\n", unnamed)
			}
			return a.show(nil, a.partitionTable(views, time.Now()))
		})
	})
}

func (a *app) partitionTable(views []partitionView, now time.Time) *table {
	t := newTable("PARTITION", "OWNER", "EPOCH", "SINCE", "STATE")
	for _, v := range views {
		since := ago(time.Time(v.Since), now)
		switch {
		case v.Owner == "":
			t.add(v.Partition, a.colour(red, "none"), number(v.Epoch), since, "last "+v.Last)
		case v.Releasing:
			t.add(v.Partition, v.Owner, number(v.Epoch), since, a.colour(yellow, "releasing"))
		default:
			t.add(v.Partition, v.Owner, number(v.Epoch), since, "owned")
		}
	}
	return t
}

// owner adds the command that says who owns a partition.
func (a *app) owner(parent *fisk.Application) {
	var id string
	cmd := parent.Command("owner", "Say who owns a partition, since when and why; exit code 1 if it has no owner")
	cmd.Arg("partition", "ID of the partition").Required().HintAction(a.hintPartitions).StringVar(&id)
	a.do(cmd, func(ctx context.Context) error {
		return a.observed(ctx, func(ctx context.Context, _ *link, o *observe.Observer) error {
			if _, err := o.Owner(id); errors.Is(err, observe.ErrUnowned) {
				return fmt.Errorf("%s: %w%s", id, err, lastOwner(o, id))
			}
			views := []partitionView{viewPartition(o, id, partitionView{})}
			ctx, cancel := a.bounded(ctx)
			defer cancel()
			if err := explain(ctx, o, observe.Query{Partition: id}, views); err != nil {
				return err
			}
			if a.json {
				return a.write(views[0])
			}
			return a.lines(ownerLines(views[0], time.Now()))
		})
	})
}

// lastOwner says whose record still names a partition that nobody owns.
func lastOwner(o *observe.Observer, id string) string {
	for _, v := range viewPartitions(o) {
		if v.Partition == id && v.Last != "" {
			return fmt.Sprintf("; %s had it last, under epoch %d", v.Last, v.Epoch)
		}
	}
	return "; no record of the group names it"
}

func ownerLines(v partitionView, now time.Time) [][2]string {
	since, why := v.Since.String(), v.Why
	if since == "" {
		since, why = "longer than the journal goes back", "not in the journal any more"
	} else {
		since += " (" + ago(time.Time(v.Since), now) + ")"
	}
	lines := [][2]string{
		{"Partition", v.Partition},
		{"Owner", v.Owner},
		{"Host", v.Host},
		{"Session", number(v.Session)},
		{"Epoch", number(v.Epoch)},
		{"Since", since},
		{"Why", why},
	}
	if v.Releasing {
		lines = append(lines, [2]string{"State", "releasing: the owner has been asked to let go"})
	}
	return lines
}

// history adds the command that reads the journal.
func (a *app) history(parent *fisk.Application) {
	var q observe.Query
	var since time.Duration
	cmd := parent.Command("history", "Show which partitions have moved in the last day, and why")
	cmd.Arg("partition", "Only this partition").HintAction(a.hintPartitions).StringVar(&q.Partition)
	cmd.Flag("worker", "Only changes from or to this worker").PlaceHolder("ID").HintAction(a.hintWorkers).StringVar(&q.Worker)
	durationVar(cmd.Flag("since", "Only changes within this time"), &since)
	numberVar(cmd.Flag("limit", "Only this many of the newest changes; 0: all (default 100)").Default("100"), &q.Limit)
	a.do(cmd, func(ctx context.Context) error {
		if since < 0 {
			return exit{exitUsage, fmt.Errorf("--since is %s, allowed: 0 or more", since)}
		}
		if since > 0 {
			q.Since = time.Now().Add(-since)
		}
		return a.observed(ctx, func(ctx context.Context, _ *link, o *observe.Observer) error {
			ctx, cancel := a.bounded(ctx)
			defer cancel()
			changes, err := o.History(ctx, q)
			if err != nil {
				return err
			}
			views := make([]changeView, 0, len(changes))
			t := newTable("WHEN", "PARTITION", "FROM", "TO", "EPOCH", "VERSION", "WHY")
			for _, c := range changes {
				v := viewChange(c)
				views = append(views, v)
				if c.Left > 0 {
					t.add(v.At.String(), fmt.Sprintf("(%d more)", c.Left), "", "", "", number(v.Version), v.Why)
					continue
				}
				t.add(v.At.String(), v.Partition, dash(v.From), dash(v.To), number(v.Epoch), number(v.Version), v.Why)
			}
			return a.show(views, t)
		})
	})
}

func dash(s string) string {
	if s == "" {
		return "-"
	}
	return s
}
