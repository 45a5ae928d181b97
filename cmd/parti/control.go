// Copyright The Parti Authors
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"os"
	"os/user"
	"strings"
	"time"

	"github.com/choria-io/fisk"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/parti-go/parti/internal/control"
	"github.com/parti-go/parti/kv"
	"github.com/parti-go/parti/observe"
)

// asked is what --json writes of a worker that was asked for something.
type asked struct {
	Worker  string `json:"worker"`
	Action  string `json:"action"`
	Session uint64 `json:"session"`
	Done    bool   `json:"done"`
	Left    int    `json:"left"` // partitions that it has not let go of
	Error   string `json:"error,omitempty"`
}

// drainWait is how long a drain is waited for where nobody has said it.
const drainWait = 5 * time.Minute

// drain adds the command that has a worker hand everything over and leave.
func (a *app) drain(parent *fisk.Application) {
	var worker string
	var r control.Request
	cmd := parent.Command("drain", "Make a worker hand all its partitions over and leave for good, and wait until it has left")
	cmd.HelpLong("The command waits up to --timeout (5m by default). Once a worker has begun to drain, it goes on even if the command gives up " +
		"or you press ctrl-C.")
	cmd.Arg("worker", "ID of the worker").Required().HintAction(a.hintWorkers).StringVar(&worker)
	numberVar(cmd.Flag("session", "Drain only this session of the worker"), &r.Session)
	durationVar(cmd.Flag("within", "Stop the worker after this time, whatever is left; without it, the drain goes on until other workers "+
		"have taken over"), &r.Within)
	a.do(cmd, func(ctx context.Context) error {
		r.Action = control.Drain
		if !a.connection.timeoutSet {
			a.connection.timeout = drainWait
		}
		return a.ask(ctx, []string{worker}, r, "has left")
	})
}

// cordon and uncordon add the commands that keep new partitions from workers, and take that back.
func (a *app) cordon(parent *fisk.Application) {
	a.mark(parent, "cordon", "Give workers no new partitions; they keep those that they have", control.Cordon, "is cordoned")
}

func (a *app) uncordon(parent *fisk.Application) {
	a.mark(parent, "uncordon", "Take back a cordon, so that workers get their share again", control.Uncordon, "is not cordoned any more")
}

func (a *app) mark(parent *fisk.Application, name, help string, action control.Action, done string) {
	var workers []string
	cmd := parent.Command(name, help)
	cmd.Arg("workers", "IDs of the workers").Required().HintAction(a.hintWorkers).StringsVar(&workers)
	a.do(cmd, func(ctx context.Context) error { return a.ask(ctx, workers, control.Request{Action: action}, done) })
}

// refresh adds the command that has the leader list its source again.
func (a *app) refresh(parent *fisk.Application) {
	var worker string
	cmd := parent.Command("refresh", "Make the leader list the partitions again, and wait until it has planned for the new list")
	cmd.Flag("worker", "Send the request to this worker, which asks the leader").PlaceHolder("ID").HintAction(a.hintWorkers).StringVar(&worker)
	a.do(cmd, func(ctx context.Context) error {
		r := control.Request{Action: control.Refresh}
		if worker != "" {
			return a.ask(ctx, []string{worker}, r, "has made the leader list the partitions again")
		}
		err := a.observed(ctx, func(_ context.Context, _ *link, o *observe.Observer) error {
			worker = o.Group().Leader
			return nil
		})
		if err != nil {
			return fmt.Errorf("%w; with --worker the command need not read the group", err)
		}
		if worker != "" {
			if err = a.ask(ctx, []string{worker}, r, "has listed the partitions again"); !errors.Is(err, control.ErrNobody) {
				return err
			}
		}
		return a.refreshAnyone(ctx)
	})
}

// refreshAnyone asks whoever leads, for workers that take no requests of their own.
func (a *app) refreshAnyone(ctx context.Context) error {
	ctx, cancel := a.bounded(ctx)
	defer cancel()
	l, err := a.connect(ctx)
	if err != nil {
		return err
	}
	defer l.close()
	buckets, err := kv.Observe(ctx, l.js, storeConfig(l.cfg, a.connection.timeout))
	if err != nil {
		return err
	}
	if err := buckets.RequestRefresh(ctx); err != nil {
		return fmt.Errorf("refresh: %w", err)
	}
	return a.reply(asked{Action: string(control.Refresh), Done: true}, "the leader has listed the partitions again")
}

// ask has workers do something, one after the other, and shows how far they are.
func (a *app) ask(ctx context.Context, workers []string, r control.Request, done string) error {
	bounded, cancel := a.bounded(ctx)
	defer cancel()
	l, err := a.connect(bounded)
	if err != nil {
		return err
	}
	defer l.close()
	if r.Made, err = a.made(bounded, l); err != nil {
		return err
	}
	r.By = me()
	var failed []error
	for _, worker := range workers { // one that does not do it keeps the command from none of the others
		if err := a.askOne(ctx, l, worker, r, done); err != nil {
			failed = append(failed, err)
		}
	}
	return errors.Join(failed...)
}

// askOne asks one worker, and waits for that worker up to --timeout.
func (a *app) askOne(ctx context.Context, l *link, worker string, r control.Request, done string) error {
	bounded, cancel := a.bounded(ctx)
	defer cancel()
	result := asked{Worker: worker, Action: string(r.Action), Session: r.Session}
	p, heard := &progress{a: a}, false
	err := control.Ask(bounded, l.js.Conn(), l.cfg.KVBuckets.Assignment, worker, r, func(now control.Progress) {
		heard, result.Session, result.Left = true, now.Session, now.Left
		if r.Action == control.Drain {
			p.show(worker, now)
		}
	})
	p.end()
	if errors.Is(err, control.ErrNobody) && !heard {
		err = l.missing(ctx, worker, err)
	}
	if err != nil {
		if a.json {
			result.Error = err.Error()
			_ = a.write(result)
		}
		return err
	}
	result.Done = true
	return a.reply(result, worker+" "+done)
}

// missing says which workers live where one was asked that does not. Who may ask workers need not be allowed to look.
func (l *link) missing(ctx context.Context, worker string, err error) error {
	ctx, cancel := context.WithTimeout(ctx, lookUpWithin)
	defer cancel()
	o, failed := observe.Open(ctx, l.js, l.cfg)
	if failed != nil {
		return err
	}
	defer func() { _ = o.Close() }()
	var live []string
	for _, w := range o.Group().Workers {
		switch {
		case w.Live && w.ID == worker: // it is between two sessions, or takes no requests
			return err
		case w.Live:
			live = append(live, w.ID)
		}
	}
	text := fmt.Sprintf("no worker %s lives in %s", worker, cmp.Or(l.cfg.Group, "the group without a name"))
	if len(live) == 0 {
		return reworded{text + ", nor does any other", err}
	}
	const most = 20
	names := strings.Join(live[:min(len(live), most)], ", ")
	if more := len(live) - most; more > 0 {
		names += fmt.Sprintf(" and %d more", more)
	}
	return reworded{fmt.Sprintf("%s (live: %s)", text, names), err}
}

func (a *app) reply(result asked, text string) error {
	if a.json {
		return a.write(result)
	}
	_, err := fmt.Fprintln(a.stdout, text)
	return err
}

// lookUpWithin bounds how long it is tried to find out which bucket is meant.
const lookUpWithin = time.Second

// made is when the bucket of the assignments was created, which tells it from one of that name in another JetStream domain. Who
// may ask workers need not be allowed to look at the buckets: it is zero where it is not known and does not matter.
func (a *app) made(ctx context.Context, l *link) (time.Time, error) {
	js, bucket := l.js, l.cfg.KVBuckets.Assignment
	bounded, cancel := context.WithTimeout(ctx, lookUpWithin)
	defer cancel()
	var stream jetstream.Stream
	err := mayAsk(bounded, js.Conn(), apiPrefix(js)+"STREAM.INFO.KV_"+bucket)
	if err == nil {
		stream, err = js.Stream(bounded, "KV_"+bucket)
	}
	switch {
	case err == nil:
		return stream.CachedInfo().Created, nil
	case errors.Is(err, jetstream.ErrStreamNotFound):
		return time.Time{}, noGroup(l.cfg, bucket)
	case apiPrefix(js) != jetstream.DefaultAPIPrefix:
		return time.Time{}, fmt.Errorf("bucket %q: another JetStream domain may have a bucket of that name, and "+
			"the command could not find out which one is meant: %w", bucket, err)
	}
	return time.Time{}, nil
}

// me says who asks, for the log of the worker.
func me() string {
	name := "somebody"
	if u, err := user.Current(); err == nil {
		name = u.Username
	}
	host, _ := os.Hostname() // "" is unknown
	return name + "@" + cmp.Or(host, "unknown")
}

// progress shows how far a worker is: in one line on a terminal, else in a line for each step. It goes to the error output, so
// that the output is the result.
type progress struct {
	a     *app
	said  string
	drawn bool
}

func (p *progress) show(worker string, now control.Progress) {
	text := fmt.Sprintf("%s: %s left", clean(worker), count(now.Left, "partition"))
	if now.Leaving {
		text = worker + ": leaving"
	}
	if text == p.said {
		return
	}
	p.said = text
	if p.drawn = isTerminal(p.a.stderr); p.drawn {
		fmt.Fprint(p.a.stderr, "\r"+text+escape+"K")
		return
	}
	fmt.Fprintln(p.a.stderr, text)
}

func (p *progress) end() {
	if p.drawn {
		fmt.Fprint(p.a.stderr, "\r"+escape+"K")
	}
}
