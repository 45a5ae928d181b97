// Copyright The Parti Authors
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/choria-io/fisk"

	"github.com/parti-go/parti/observe"
)

// event is one thing that has changed.
type event struct {
	At        moment `json:"at"`
	Kind      string `json:"kind"` // group, leader, plan, joined, gone, changed, stuck, moved, released, stale, fresh
	Worker    string `json:"worker,omitempty"`
	Partition string `json:"partition,omitempty"`
	From      string `json:"from,omitempty"`
	To        string `json:"to,omitempty"`
	Epoch     int64  `json:"epoch,omitempty"`
	Text      string `json:"text"`
}

// scene is what watch compares.
type scene struct {
	group      groupView
	workers    map[string]workerView
	partitions map[string]partitionView
}

func look(l *link, o *observe.Observer, g observe.Group) scene {
	s := scene{viewGroup(l, g), map[string]workerView{}, map[string]partitionView{}}
	for _, w := range g.Workers {
		s.workers[w.ID] = viewWorker(w)
	}
	for _, p := range viewPartitions(o) {
		s.partitions[p.Partition] = p
	}
	return s
}

// since lists what is different from the scene before.
func (s scene) since(before scene, now time.Time) (events []event) {
	add := func(e event, format string, args ...any) {
		e.At, e.Text = at(now), fmt.Sprintf(format, args...)
		events = append(events, e)
	}
	if s.group.Stale.IsZero() != before.group.Stale.IsZero() {
		if s.group.Stale.IsZero() {
			add(event{Kind: "fresh"}, "the store answers again")
		} else {
			add(event{Kind: "stale"}, "the store has not answered since %s", s.group.Stale)
		}
	}
	if s.group.Leader != before.group.Leader {
		from, to := before.group.Leader, s.group.Leader
		add(event{Kind: "leader", Worker: to, From: from, To: to}, "leader: %s -> %s", dash(from), dash(to))
	}
	if s.group.Version != before.group.Version || s.group.Phase != before.group.Phase || s.group.Term != before.group.Term {
		add(event{Kind: "plan"}, "plan: version %d, term %d, %s, %s, %d without an owner",
			s.group.Version, s.group.Term, dash(s.group.Phase), count(s.group.Partitions, "partition"), s.group.Unowned)
	}
	for _, id := range slices.Sorted(maps.Keys(union(s.workers, before.workers))) {
		changedWorker(before.workers[id], s.workers[id], id, add)
	}
	for _, id := range slices.Sorted(maps.Keys(union(s.partitions, before.partitions))) {
		changedPartition(before.partitions[id], s.partitions[id], id, add)
	}
	return events
}

func union[V any](a, b map[string]V) map[string]V {
	all := maps.Clone(a)
	maps.Copy(all, b)
	return all
}

func changedWorker(was, is workerView, id string, add func(event, string, ...any)) {
	kind := func(kind string) event { return event{Kind: kind, Worker: id} }
	switch {
	case is.Live && (!was.Live || is.Session != was.Session):
		add(kind("joined"), "%s: joined, session %d on %s", id, is.Session, dash(is.Host))
	case was.Live && !is.Live:
		add(kind("gone"), "%s: gone", id)
	}
	for _, flag := range []struct {
		was, is  bool
		on, over string
	}{
		{was.Cordoned, is.Cordoned, "cordoned", "not cordoned any more"},
		{was.Leaving, is.Leaving && is.Live, "leaving", ""},
		{!was.Damped.IsZero(), !is.Damped.IsZero(), "damped until " + is.Damped.String(), "not damped any more"},
	} {
		switch {
		case flag.is && !flag.was:
			add(kind("changed"), "%s: %s", id, flag.on)
		case flag.was && !flag.is && flag.over != "" && is.Live:
			add(kind("changed"), "%s: %s", id, flag.over)
		}
	}
	for _, what := range is.Stuck {
		if !slices.Contains(was.Stuck, what) {
			add(kind("stuck"), "%s: stuck: %s", id, what)
		}
	}
}

func changedPartition(was, is partitionView, id string, add func(event, string, ...any)) {
	e := event{Kind: "moved", Partition: id, From: was.Owner, To: is.Owner, Epoch: is.Epoch}
	switch {
	case is.Owner != was.Owner || is.Epoch != was.Epoch && is.Owner != "":
		add(e, "%s: %s -> %s, epoch %d", id, dash(was.Owner), dash(is.Owner), is.Epoch)
	case is.Releasing && !was.Releasing:
		e.Kind, e.To = "released", ""
		add(e, "%s: %s has been asked to let go", id, is.Owner)
	}
}

// watch adds the command that shows a group as it changes.
func (a *app) watch(parent *fisk.Application) {
	var lines bool
	cmd := parent.Command("watch", "Show a group as it changes, until ctrl-C: as a screen on a terminal, otherwise one line for each change")
	cmd.Flag("lines", "Write one line for each change on a terminal, too").UnNegatableBoolVar(&lines)
	a.do(cmd, func(ctx context.Context) error {
		err := a.observed(ctx, func(ctx context.Context, l *link, o *observe.Observer) error {
			if a.terminal && !lines && !a.json {
				return a.watchScreen(ctx, l, o)
			}
			return a.watchLines(ctx, l, o)
		})
		if ctx.Err() != nil {
			return nil // that is how it ends
		}
		return err
	})
}

// calm is the least time between two looks at a group: what changes together is shown together.
const calm = 100 * time.Millisecond

// pause waits for that long.
func pause(ctx context.Context) error {
	select {
	case <-time.After(calm):
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

func (a *app) watchLines(ctx context.Context, l *link, o *observe.Observer) error {
	g := o.Group()
	before := look(l, o, g)
	v := before.group
	text := fmt.Sprintf("group %s: %s, %s, %d without an owner, leader %s, version %d",
		dash(v.Group), count(v.Workers, "worker"), count(v.Partitions, "partition"), v.Unowned, dash(v.Leader), v.Version)
	first := event{At: at(time.Now()), Kind: "group", Worker: v.Leader, Text: text}
	if err := a.tell(first); err != nil {
		return err
	}
	for {
		if _, err := o.Wait(ctx, g); err != nil {
			return err
		}
		if err := pause(ctx); err != nil {
			return err
		}
		g = o.Group()
		now := look(l, o, g)
		if err := a.tell(now.since(before, time.Now())...); err != nil {
			return err
		}
		before = now
	}
}

// tell writes events, one a line.
func (a *app) tell(events ...event) error {
	for _, e := range events {
		line := e.At.String() + "  " + clean(e.Text)
		if a.json {
			text, err := json.Marshal(e)
			if err != nil {
				return err
			}
			line = string(text)
		}
		if _, err := fmt.Fprintln(a.stdout, line); err != nil {
			return err
		}
	}
	return nil
}

// refreshEvery is how often the screen is drawn where nothing changes, because of the times on it.
const refreshEvery = time.Second

func (a *app) watchScreen(ctx context.Context, l *link, o *observe.Observer) error {
	if _, err := io.WriteString(a.stdout, escape+"2J"); err != nil {
		return err
	}
	for {
		g := o.Group()
		if _, err := io.WriteString(a.stdout, a.screen(l, g, viewWorkers(o, g), time.Now(), sizeOf(a.stdout))); err != nil {
			return err
		}
		patient, cancel := context.WithTimeout(ctx, refreshEvery)
		_, err := o.Wait(patient, g)
		over := patient.Err() != nil
		cancel()
		if err != nil && !over {
			return err
		}
		if err := pause(ctx); err != nil {
			return err
		}
	}
}

// size is how many lines a terminal has, and how many characters in each; 0 where that is not known.
type size struct{ rows, columns int }

// screen draws a group over what was drawn before, in as many lines as there are, each cut to the width.
func (a *app) screen(l *link, g observe.Group, workers []workerView, now time.Time, s size) string {
	summary := &table{}
	for _, line := range a.summary(viewGroup(l, g), g) {
		summary.add(line[0]+":", line[1])
	}
	text := now.Format(time.TimeOnly) + "  (ctrl-C ends this)\n\n" + summary.String() + "\n" + a.workerTable(l.cfg, workers, now).String()
	lines := strings.Split(strings.TrimSuffix(text, "\n"), "\n")
	if s.rows > 1 && len(lines) > s.rows-1 {
		lines = append(lines[:s.rows-2], fmt.Sprintf("… %d more lines", len(lines)-s.rows+2))
	}
	var b strings.Builder
	b.WriteString(escape + "H")
	for _, line := range lines {
		b.WriteString(cut(line, s.columns) + escape + "K\n") // a line that wraps would be two, and drawn over wrongly
	}
	b.WriteString(escape + "J")
	return b.String()
}
