// Copyright The Parti Authors
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/choria-io/fisk"

	"github.com/parti-go/parti"
	"github.com/parti-go/parti/observe"
	"github.com/parti-go/parti/source"
	"github.com/parti-go/parti/strategy/whatif"
)

// shownMost is how many lines of a list are shown without --all.
const shownMost = 20

// question is what might change, as the flags say it.
type question struct {
	workers, capacity, strategy string
	labels, lose, drain, stop   []string
	weight, add, remove         []string
	weights, list               string // files
	all                         bool
}

// whatif adds the command that says what a change would cost.
func (a *app) whatif(parent *fisk.Application) {
	q := &question{}
	cmd := parent.Command("whatif", "Say what a change would cost: what moves, how even the loads become, and how long partitions are without an owner")
	cmd.Flag("workers", "Number of workers that join").PlaceHolder("+N").StringVar(&q.workers)
	cmd.Flag("capacity", "Capacity of the workers that join").PlaceHolder("N").StringVar(&q.capacity)
	cmd.Flag("label", "Label of the workers that join; repeatable").PlaceHolder("NAME=VALUE").StringsVar(&q.labels)
	cmd.Flag("lose", "Workers that crash, separated by commas").PlaceHolder("WORKER").StringsVar(&q.lose)
	cmd.Flag("drain", "Workers that drain").PlaceHolder("WORKER").StringsVar(&q.drain)
	cmd.Flag("stop", "Workers that stop and do not come back").PlaceHolder("WORKER").StringsVar(&q.stop)
	cmd.Flag("strategy", "Plan with another strategy: sticky, hash, hash(bound=1.05), roundrobin, rendezvous, zoned(sticky,LABEL)").
		PlaceHolder("STRATEGY").StringVar(&q.strategy)
	cmd.Flag("weight", "New weight of a partition").PlaceHolder("PARTITION=N").StringsVar(&q.weight)
	cmd.Flag("weights", "File with new weights: a partition and its weight on each line").PlaceHolder("FILE").StringVar(&q.weights)
	cmd.Flag("add", "Partition that is added, with an optional weight").PlaceHolder("PARTITION[=N]").StringsVar(&q.add)
	cmd.Flag("remove", "Partition that is removed").PlaceHolder("PARTITION").StringsVar(&q.remove)
	cmd.Flag("list", "File with the new list of the source, in the form that source.File reads").PlaceHolder("FILE").StringVar(&q.list)
	cmd.Flag("all", fmt.Sprintf("Show all lines instead of the first %d", shownMost)).UnNegatableBoolVar(&q.all)
	a.do(cmd, func(ctx context.Context) error {
		change, err := q.change(ctx)
		if err != nil {
			return err
		}
		return a.observed(ctx, func(ctx context.Context, l *link, o *observe.Observer) error {
			if err := q.relist(ctx, &change, l.cfg, o.Group()); err != nil {
				return err
			}
			answer, err := o.WhatIf(change, nil)
			if err != nil {
				return err
			}
			if a.group.file == "" {
				answer.Notes = append(answer.Notes, fmt.Sprintf("Times by the default configuration (HeartbeatTTL %s); --config gives another.", l.cfg.HeartbeatTTL))
			}
			if a.json {
				return a.write(answer)
			}
			_, err = io.WriteString(a.stdout, answerText(answer, q.all))
			return err
		})
	})
}

// change reads the flags.
func (q *question) change(ctx context.Context) (c whatif.Change, err error) {
	for _, flag := range []struct {
		name   string
		values []string
	}{
		{"workers", given(q.workers)},
		{"capacity", given(q.capacity)},
		{"label", q.labels},
		{"lose", q.lose},
		{"drain", q.drain},
		{"stop", q.stop},
		{"strategy", given(q.strategy)},
		{"weight", q.weight},
		{"add", q.add},
		{"remove", q.remove},
	} {
		for _, value := range flag.values {
			if err := c.Set(flag.name, value); err != nil {
				return c, fmt.Errorf("--%s: %w", flag.name, err)
			}
		}
	}
	if q.weights == "" {
		return c, nil
	}
	list, err := source.File(q.weights).ListPartitions(ctx)
	if err != nil {
		return c, fmt.Errorf("--weights: %w", err)
	}
	if c.Weights == nil {
		c.Weights = map[string]int64{}
	}
	for _, p := range list {
		c.Weights[p.ID()] = p.Load()
	}
	return c, nil
}

func given(value string) []string {
	if value == "" {
		return nil
	}
	return []string{value}
}

// relist compares the list of a file with that of the group.
func (q *question) relist(ctx context.Context, c *whatif.Change, cfg parti.Config, g observe.Group) error {
	if q.list == "" {
		return nil
	}
	list, err := source.File(q.list).ListPartitions(ctx)
	if err != nil {
		return fmt.Errorf("--list: %w", err)
	}
	c.Relist(g.Fleet(cfg, time.Now()), list)
	return nil
}

// answerText writes an answer for people.
func answerText(a whatif.Answer, all bool) string {
	var b strings.Builder
	fmt.Fprintf(&b, "What if %s? The strategy is %s.\n\n", clean(a.Change), clean(a.Strategy))
	b.WriteString(balanceTable(a, all))
	if len(a.Moves) > 0 {
		b.WriteString("\n" + moveTable(a.Moves, all))
	}
	if len(a.Ownerless) > 0 {
		b.WriteString("\n")
	}
	for _, o := range a.Ownerless {
		fmt.Fprintf(&b, "%s of %s: %s\n", sentence(o.What), count(o.Partitions, "partition"), o.Why)
	}
	if len(a.Notes) > 0 {
		b.WriteString("\n")
	}
	for _, note := range a.Notes {
		b.WriteString(clean(note) + "\n")
	}
	fmt.Fprintf(&b, "\n%s.\n", sentence(clean(a.Verdict)))
	return b.String()
}

func sentence(text string) string { return strings.ToUpper(text[:1]) + text[1:] }

// balanceTable shows who has how much before and after.
func balanceTable(a whatif.Answer, all bool) string {
	before, after := loads(a.Before), loads(a.After)
	var ids []string
	for _, w := range a.Before.Workers {
		ids = append(ids, w.ID)
	}
	for _, w := range a.After.Workers {
		if _, known := before[w.ID]; !known {
			ids = append(ids, w.ID)
		}
	}
	t, left := newTable("WORKER", "CAPACITY", "PARTITIONS", "LOAD", "SHARE", ""), 0
	for i, id := range ids {
		if !all && i >= shownMost {
			left++
			continue
		}
		was, had := before[id]
		is, has := after[id]
		w := is
		if !has {
			w = was
		}
		shares := arrow(fmt.Sprintf("%.2f", was.Share), fmt.Sprintf("%.2f", is.Share))
		switch {
		case !had:
			shares = fmt.Sprintf("- -> %.2f", is.Share)
		case !has:
			shares = fmt.Sprintf("%.2f -> -", was.Share)
		}
		t.add(id, fmt.Sprint(w.Capacity), arrow(fmt.Sprint(was.Partitions), fmt.Sprint(is.Partitions)), arrow(fmt.Sprint(was.Load), fmt.Sprint(is.Load)), shares, w.State)
	}
	if left > 0 {
		t.add(fmt.Sprintf("… %d more", left))
	}
	t.add("all", "", arrow(fmt.Sprint(a.Before.Partitions), fmt.Sprint(a.After.Partitions)), "",
		arrow(fmt.Sprintf("%.2f", a.Before.Imbalance), fmt.Sprintf("%.2f", a.After.Imbalance)), fmt.Sprintf("at best %.2f", a.After.LeastImbalance))
	return t.String()
}

func loads(b whatif.Balance) map[string]whatif.Load {
	loads := make(map[string]whatif.Load, len(b.Workers))
	for _, w := range b.Workers {
		loads[w.ID] = w
	}
	return loads
}

// arrow shows what changes, and what stays once.
func arrow(was, is string) string {
	if was == is {
		return is
	}
	return was + " -> " + is
}

func moveTable(moves []whatif.Move, all bool) string {
	shown := moves
	if !all && len(moves) > shownMost {
		shown = moves[:shownMost]
	}
	t := newTable("PARTITION", "FROM", "TO", "WHEN", "WHY")
	for _, m := range shown {
		t.add(m.Partition, dash(m.From), m.To, m.When, m.Why)
	}
	text := t.String()
	if left := len(moves) - len(shown); left > 0 {
		text += fmt.Sprintf("… %d more, see --all\n", left)
	}
	return text
}
