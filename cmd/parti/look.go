// Copyright The Parti Authors
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"cmp"
	"context"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/choria-io/fisk"

	"github.com/parti-go/parti"
	"github.com/parti-go/parti/observe"
)

// info adds the command that sums a group up.
func (a *app) info(parent *fisk.Application) {
	cmd := parent.Command("info", "Sum up a group: its leader, its plan, its workers")
	a.do(cmd, func(ctx context.Context) error {
		return a.observed(ctx, func(_ context.Context, l *link, o *observe.Observer) error {
			g := o.Group()
			v := viewGroup(l, g)
			if a.json {
				return a.write(struct {
					groupView
					Certificate certificateView `json:"certificate"`
					Fleet       []workerView    `json:"fleet"`
				}{v, viewCertificate(g), viewWorkers(o, g)})
			}
			return a.lines(a.summary(v, g))
		})
	})
}

type certificateView struct {
	Moves          int     `json:"moves"`
	LeastMoves     int     `json:"leastMoves"`
	Imbalance      float64 `json:"imbalance"`
	LeastImbalance float64 `json:"leastImbalance"`
}

func viewCertificate(g observe.Group) certificateView {
	c := g.Plan.Certificate
	return certificateView{c.Moves, c.LeastMoves, c.Imbalance, c.LeastImbalance}
}

func (a *app) summary(v groupView, g observe.Group) [][2]string {
	now := time.Now()
	var stuck, cordoned, leaving, damped []string
	for _, w := range g.Workers {
		for _, list := range []struct {
			is    bool
			names *[]string
		}{{len(w.Stuck) > 0, &stuck}, {w.Cordoned && w.Live, &cordoned}, {w.Leaving && w.Live, &leaving}, {w.Damped.After(now), &damped}} {
			if list.is {
				*list.names = append(*list.names, w.ID)
			}
		}
	}
	lines := [][2]string{
		{"Group", cmp.Or(v.Group, "(without a name)")},
		{"Assignment bucket", v.Bucket},
		{"Leader", cmp.Or(v.Leader, a.colour(red, "none"))},
		{"Workers", fmt.Sprintf("%d live, %d in the plan", v.Workers, len(v.Members))},
		{"Partitions", a.owned(v)},
		{"Plan", a.plan(v, g, now)},
	}
	for _, list := range []struct {
		what  string
		names []string
	}{{"Stuck", stuck}, {"Damped", damped}, {"Cordoned", cordoned}, {"Leaving", leaving}} {
		if len(list.names) > 0 {
			lines = append(lines, [2]string{list.what, a.colour(yellow, strings.Join(list.names, ", "))})
		}
	}
	if !g.Stale.IsZero() {
		lines = append(lines, [2]string{"Stale", a.colour(red, "the store has not answered for "+ago(g.Stale, now))})
	}
	return lines
}

func (a *app) owned(v groupView) string {
	if v.Unowned == 0 {
		return fmt.Sprintf("%d, all owned", v.Partitions)
	}
	return fmt.Sprintf("%d, %s", v.Partitions, a.colour(red, fmt.Sprintf("%d without an owner", v.Unowned)))
}

func (a *app) plan(v groupView, g observe.Group, now time.Time) string {
	if g.Plan.Stored.IsZero() {
		return "none yet"
	}
	c := g.Plan.Certificate
	return fmt.Sprintf("version %d, term %d, %s, stored %s ago; moves %d (least %d), imbalance %.3f (least %.3f)",
		v.Version, v.Term, v.Phase, ago(g.Plan.Stored, now), c.Moves, c.LeastMoves, c.Imbalance, c.LeastImbalance)
}

// lines writes names and values in two columns.
func (a *app) lines(lines [][2]string) error {
	t := &table{}
	for _, l := range lines {
		t.add(l[0]+":", l[1])
	}
	return a.show(nil, t)
}

// workers adds the command that lists the workers of a group.
func (a *app) workers(parent *fisk.Application) {
	cmd := parent.Command("workers", "List the workers of a group")
	a.do(cmd, func(ctx context.Context) error {
		return a.observed(ctx, func(_ context.Context, l *link, o *observe.Observer) error {
			views := viewWorkers(o, o.Group())
			return a.show(views, a.workerTable(l.cfg, views, time.Now()))
		})
	})
}

func (a *app) workerTable(cfg parti.Config, views []workerView, now time.Time) *table {
	t := newTable("WORKER", "STATE", "HEARD", "PARTITIONS", "CAPACITY", "CHANGED IN", "HOST", "PID", "SESSION", "STUCK")
	for _, v := range views {
		changed := ""
		if v.Applied > 0 {
			changed = fmt.Sprintf("version %d", v.Applied)
		}
		t.add(v.Worker, a.state(v, now), a.heard(cfg, v, now), strconv.Itoa(v.Partitions), number(v.Capacity), changed,
			v.Host, number(v.Process), number(v.Session), a.colour(red, strings.Join(v.Stuck, "; ")))
	}
	return t
}

// heard says how long ago a worker was heard. One that is silent for longer than its heartbeats are apart looks so.
func (a *app) heard(cfg parti.Config, v workerView, now time.Time) string {
	at := time.Time(v.Heard)
	if at.IsZero() {
		return ""
	}
	text := ago(at, now) + " ago"
	if v.Live && now.Sub(at) >= 2*cfg.HeartbeatInterval {
		return a.colour(yellow, text+", silent")
	}
	return text
}

// number writes a number; nothing for 0.
func number[N int | int64 | uint64](n N) string {
	if n == 0 {
		return ""
	}
	return fmt.Sprint(n)
}

// state says in words how a worker is.
func (a *app) state(v workerView, now time.Time) string {
	if !v.Live {
		return a.colour(red, "gone")
	}
	words := []string{"live"}
	if v.Leader {
		words[0] = a.colour(green, "leader")
	}
	if v.Cordoned {
		words = append(words, a.colour(yellow, "cordoned"))
	}
	if v.Leaving {
		words = append(words, a.colour(yellow, "leaving"))
	}
	if until := time.Time(v.Damped); until.After(now) {
		words = append(words, a.colour(yellow, "damped for "+brief(until.Sub(now))))
	}
	return strings.Join(words, ", ")
}
