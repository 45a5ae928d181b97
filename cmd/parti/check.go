// Copyright The Parti Authors
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/choria-io/fisk"

	"github.com/parti-go/parti/observe"
)

// level is how bad something is. Its number is the exit code that monitoring systems expect.
type level int

// The levels.
const (
	fine level = iota
	warning
	critical
	unknown
)

func (l level) String() string { return [...]string{"OK", "WARNING", "CRITICAL", "UNKNOWN"}[l] }

// worse compares levels: what is critical for sure is worse than what is unknown.
func (l level) worse(than level) bool {
	order := [...]int{fine: 0, warning: 1, unknown: 2, critical: 3}
	return order[l] > order[than]
}

// limit is from how many on something is a warning, and critical; 0 for never.
type limit struct{ warning, critical int }

func (l limit) judge(n int) level {
	switch {
	case l.critical > 0 && n >= l.critical:
		return critical
	case l.warning > 0 && n >= l.warning:
		return warning
	}
	return fine
}

// above writes a limit as monitoring systems do, for whom a number is the highest that is fine.
func (limit) above(n int) string {
	if n == 0 {
		return ""
	}
	return strconv.Itoa(n - 1)
}

// limits are what a group is judged by.
type limits struct {
	unowned, stuck, damped limit
	workers                limit // fewer than
	stale                  time.Duration
}

// problem is something that is not as it should be.
type problem struct {
	Level level  `json:"-"`
	Name  string `json:"level"`
	What  string `json:"what"`
}

// verdict is what a group was judged to be.
type verdict struct {
	Status   string    `json:"status"`
	Code     level     `json:"code"`
	Problems []problem `json:"problems"`
	Group    string    `json:"group,omitempty"`
	Leader   string    `json:"leader,omitempty"`
	Workers  int       `json:"workers"`
	Parts    int       `json:"partitions"`
	Unowned  int       `json:"unowned"`
	Stuck    int       `json:"stuck"`
	Damped   int       `json:"damped"`
}

func (v *verdict) add(l level, what string) {
	if l == fine {
		return
	}
	v.Problems = append(v.Problems, problem{l, l.String(), what})
	if l.worse(v.Code) {
		v.Code = l
	}
	v.Status = v.Code.String()
}

// judge judges a group at a time.
func judge(name string, g observe.Group, now time.Time, l limits) verdict {
	v := verdict{
		Status: fine.String(), Group: name, Leader: g.Leader, Parts: g.Plan.Partitions, Unowned: g.Unowned, Problems: []problem{},
	}
	var stuck, damped []string
	for _, w := range g.Workers {
		if w.Live {
			v.Workers++
		}
		if w.Live && len(w.Stuck) > 0 {
			stuck = append(stuck, w.ID+" ("+strings.Join(w.Stuck, "; ")+")")
		}
		if w.Damped.After(now) {
			damped = append(damped, w.ID)
		}
	}
	v.Stuck, v.Damped = len(stuck), len(damped)
	if age := now.Sub(g.Stale); !g.Stale.IsZero() && age >= l.stale {
		v.add(unknown, "the store has not answered for "+brief(age))
	}
	if g.Leader == "" {
		v.add(critical, "no leader")
	}
	if g.Plan.Stored.IsZero() {
		v.add(critical, "no plan yet")
	}
	v.add(l.unowned.judge(v.Unowned), count(v.Unowned, "partition")+" without an owner")
	switch {
	case v.Workers < l.workers.critical:
		v.add(critical, fmt.Sprintf("%s, fewer than %d", count(v.Workers, "live worker"), l.workers.critical))
	case v.Workers < l.workers.warning:
		v.add(warning, fmt.Sprintf("%s, fewer than %d", count(v.Workers, "live worker"), l.workers.warning))
	}
	v.add(l.stuck.judge(v.Stuck), "stuck: "+strings.Join(stuck, ", "))
	v.add(l.damped.judge(v.Damped), "damped: "+strings.Join(damped, ", "))
	if waiting := waitingToLeave(g, now); len(waiting) > 0 {
		v.add(warning, "no worker can take over from leaving workers: "+strings.Join(waiting, ", "))
	}
	return v
}

// waitingToLeave lists the workers that leave and keep what they have, because no other worker can take it.
func waitingToLeave(g observe.Group, now time.Time) (ids []string) {
	for _, w := range g.Workers {
		switch {
		case w.Live && !w.Leaving && !w.Damped.After(now):
			return nil
		case w.Live && w.Leaving && len(w.Partitions) > 0:
			ids = append(ids, w.ID)
		}
	}
	return ids
}

func count(n int, what string) string {
	if n == 1 {
		return "1 " + what
	}
	return fmt.Sprintf("%d %ss", n, what)
}

// line writes a verdict as monitoring systems read it: the level, what is wrong, and figures behind a bar.
func (v verdict) line(l limits) string {
	said := make([]string, 0, len(v.Problems))
	for _, p := range v.Problems {
		said = append(said, p.What)
	}
	if len(said) == 0 {
		said = []string{fmt.Sprintf("%s, %s, leader %s", count(v.Workers, "worker"), count(v.Parts, "partition"), v.Leader)}
	}
	name := ""
	if v.Group != "" {
		name = v.Group + ": "
	}
	text := clean(strings.NewReplacer("|", "/", "\n", " ").Replace(name + strings.Join(said, "; ")))
	figure := func(label string, n int, l limit) string {
		return fmt.Sprintf(" %s=%d;%s;%s", label, n, l.above(l.warning), l.above(l.critical))
	}
	return fmt.Sprintf("%s: %s | workers=%d partitions=%d", v.Status, text, v.Workers, v.Parts) +
		figure("unowned", v.Unowned, l.unowned) + figure("stuck", v.Stuck, l.stuck) + figure("damped", v.Damped, l.damped)
}

// check adds the command for monitoring systems.
func (a *app) check(parent *fisk.Application) {
	var l limits
	var settle time.Duration
	cmd := parent.Command("check", "Judge a group in one line, for monitoring: exit code 0 fine, 1 warning, 2 critical, 3 unknown")
	number := func(name, help, value string, n *int) {
		numberVar(cmd.Flag(name, help+" (default "+value+")").Default(value), n)
	}
	number("unowned-warning", "Warn at this many partitions without an owner; 0: never", "0", &l.unowned.warning)
	number("unowned-critical", "Critical at this many partitions without an owner; 0: never", "1", &l.unowned.critical)
	number("stuck-warning", "Warn at this many stuck workers; 0: never", "1", &l.stuck.warning)
	number("stuck-critical", "Critical at this many stuck workers; 0: never", "0", &l.stuck.critical)
	number("damped-warning", "Warn at this many workers that fail again and again; 0: never", "1", &l.damped.warning)
	number("damped-critical", "Critical at this many workers that fail again and again; 0: never", "0", &l.damped.critical)
	number("workers-warning", "Warn if fewer workers are live", "0", &l.workers.warning)
	number("workers-critical", "Critical if fewer workers are live", "1", &l.workers.critical)
	durationVar(cmd.Flag("stale", "Unknown if the store has not answered for this long (default 5s)").Default("5s"), &l.stale)
	durationVar(cmd.Flag("settle", "Report only problems that last this long, because a handoff leaves a partition without an owner "+
		"for a moment (default 2s)").
		Default("2s"), &settle)
	a.do(cmd, func(ctx context.Context) error {
		if err := l.validate(); err != nil {
			return a.unjudged(unknown, err)
		}
		var v verdict
		err := a.observed(ctx, func(ctx context.Context, link *link, o *observe.Observer) (err error) {
			v, err = settled(ctx, settle, o, func(g observe.Group) verdict { return judge(link.cfg.Group, g, time.Now(), l) })
			return err
		})
		switch {
		case errors.Is(err, observe.ErrNoGroup):
			return a.unjudged(critical, err)
		case err != nil:
			return a.unjudged(unknown, err)
		case a.json:
			err = a.write(v)
		default:
			_, err = fmt.Fprintln(a.stdout, v.line(l))
		}
		return cmp.Or(err, error(exit{code: int(v.Code)}))
	})
}

func (l limits) validate() error {
	for name, n := range map[string]int{
		"unowned-warning": l.unowned.warning, "unowned-critical": l.unowned.critical, "stuck-warning": l.stuck.warning,
		"stuck-critical": l.stuck.critical, "damped-warning": l.damped.warning, "damped-critical": l.damped.critical,
		"workers-warning": l.workers.warning, "workers-critical": l.workers.critical,
	} {
		if n < 0 {
			return fmt.Errorf("--%s is %d, allowed: 0 or more", name, n)
		}
	}
	return nil
}

// unjudged says why there is no verdict, where monitoring systems look for it.
func (a *app) unjudged(l level, err error) error {
	v := verdict{Status: fine.String()}
	v.add(l, strings.ReplaceAll(err.Error(), "\n", " "))
	if a.json {
		_ = a.write(v)
	} else {
		fmt.Fprintf(a.stdout, "%s: %s\n", v.Status, clean(v.Problems[0].What))
	}
	return exit{code: int(l)}
}

// settled judges what is seen until it is fine, or the time is over.
func settled(ctx context.Context, within time.Duration, o *observe.Observer, judge func(observe.Group) verdict) (verdict, error) {
	patient, cancel := context.WithTimeout(ctx, within)
	defer cancel()
	for g := o.Group(); ; {
		v := judge(g)
		if v.Code == fine {
			return v, nil
		}
		next, err := o.Wait(patient, g)
		switch {
		case ctx.Err() != nil:
			return v, ctx.Err()
		case err != nil: // the time is over
			return judge(o.Group()), nil
		}
		g = next
	}
}
