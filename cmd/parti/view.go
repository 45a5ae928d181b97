// Copyright The Parti Authors
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"path"
	"slices"
	"strings"
	"time"

	"github.com/parti-go/parti/observe"
)

// The views are what --json writes. Their field names stay as they are; new ones may come.

type groupView struct {
	Group      string   `json:"group,omitempty"`
	Bucket     string   `json:"assignmentBucket"`
	Leader     string   `json:"leader,omitempty"`
	Workers    int      `json:"workers"` // that live
	Members    []string `json:"members,omitempty"`
	Partitions int      `json:"partitions"`
	Unowned    int      `json:"unowned"`
	Term       uint64   `json:"term"`
	Version    int64    `json:"version"`
	Phase      string   `json:"phase,omitempty"`
	Lifecycle  string   `json:"lifecycle,omitempty"`
	Planned    moment   `json:"planned,omitzero"`
	Stale      moment   `json:"stale,omitzero"` // since when this may be out of date
	Error      string   `json:"error,omitempty"`
	OtherNames bool     `json:"otherNames,omitempty"` // found by what is in the bucket: its name leads to no group
}

type workerView struct {
	Worker     string            `json:"worker"`
	Host       string            `json:"host,omitempty"`
	Process    int               `json:"process,omitempty"`
	Session    uint64            `json:"session,omitempty"`
	Live       bool              `json:"live"`
	Heard      moment            `json:"heard,omitzero"` // when its newest heartbeat was stored
	Leader     bool              `json:"leader"`
	Leaving    bool              `json:"leaving"`
	Cordoned   bool              `json:"cordoned"`
	Damped     moment            `json:"dampedUntil,omitzero"`
	Stuck      []string          `json:"stuck,omitempty"`
	Partitions int               `json:"partitions"`
	Releasing  int               `json:"releasing"`
	Capacity   int64             `json:"capacity,omitempty"`
	Applied    int64             `json:"applied"`
	Labels     map[string]string `json:"labels,omitempty"`
}

type partitionView struct {
	Partition string `json:"partition"`
	Owner     string `json:"owner,omitempty"` // "" for none
	Last      string `json:"last,omitempty"`  // whose record names it, where nobody owns it
	Host      string `json:"host,omitempty"`
	Session   uint64 `json:"session,omitempty"`
	Epoch     int64  `json:"epoch"`
	Since     moment `json:"since,omitzero"`
	Releasing bool   `json:"releasing"`
	Why       string `json:"why,omitempty"`
}

type changeView struct {
	At        moment `json:"at"`
	Partition string `json:"partition,omitempty"`
	From      string `json:"from,omitempty"`
	To        string `json:"to,omitempty"`
	Epoch     int64  `json:"epoch,omitempty"`
	Version   int64  `json:"version"`
	Term      uint64 `json:"term"`
	By        string `json:"by,omitempty"`
	Why       string `json:"why,omitempty"`
	Left      int    `json:"left,omitempty"` // changes of this version that the journal could not keep
}

type explanationView struct {
	Partition string      `json:"partition"`
	At        moment      `json:"at"`
	Standing  string      `json:"standing"` // owned, releasing, awaited, unowned, unlisted
	Owner     string      `json:"owner,omitempty"`
	Host      string      `json:"host,omitempty"`
	Session   uint64      `json:"session,omitempty"`
	Epoch     int64       `json:"epoch,omitempty"`
	Since     moment      `json:"since,omitzero"`
	Until     moment      `json:"until,omitzero"`    // until when the owner is awaited
	Granted   *changeView `json:"granted,omitempty"` // by which the owner got it
	Last      *changeView `json:"last,omitempty"`    // the newest change
	Today     string      `json:"today,omitempty"`   // who would get it if the leader planned anew now
	Heir      string      `json:"heir,omitempty"`    // who would get it if its owner crashed
	Sentences []string    `json:"sentences"`
}

// moment is a time that is written in UTC, to the millisecond.
type moment time.Time

// at makes a moment of a time.
func at(t time.Time) moment { return moment(t) }

// IsZero reports whether the moment is none.
func (m moment) IsZero() bool { return time.Time(m).IsZero() }

// MarshalText implements encoding.TextMarshaler.
func (m moment) MarshalText() ([]byte, error) { return []byte(m.String()), nil }

func (m moment) String() string {
	if m.IsZero() {
		return ""
	}
	return time.Time(m).UTC().Format("2006-01-02T15:04:05.000Z07:00")
}

func viewGroup(l *link, g observe.Group) groupView {
	v := groupView{
		Group: l.cfg.Group, Bucket: l.cfg.KVBuckets.Assignment, Leader: g.Leader, Members: g.Plan.Members,
		Partitions: g.Plan.Partitions, Unowned: g.Unowned, Term: g.Plan.Term, Version: g.Plan.Version,
		Phase: g.Plan.Phase, Lifecycle: g.Plan.Lifecycle, Planned: at(g.Plan.Stored), Stale: at(g.Stale),
	}
	for _, w := range g.Workers {
		if w.Live {
			v.Workers++
		}
	}
	return v
}

// viewWorkers lists the workers of a group.
func viewWorkers(o *observe.Observer, g observe.Group) []workerView {
	views := make([]workerView, 0, len(g.Workers))
	for _, w := range g.Workers {
		v := viewWorker(w)
		v.Heard = at(o.Heard(w.ID))
		views = append(views, v)
	}
	return views
}

func viewWorker(w observe.Worker) workerView {
	v := workerView{
		Worker: w.ID, Host: w.Host, Process: w.Process, Session: w.Session, Live: w.Live, Leader: w.Leader, Leaving: w.Leaving,
		Cordoned: w.Cordoned, Damped: at(w.Damped), Stuck: w.Stuck, Partitions: len(w.Partitions), Capacity: w.Capacity,
		Applied: w.Applied, Labels: w.Labels,
	}
	for _, p := range w.Partitions {
		if p.Releasing {
			v.Releasing++
		}
	}
	return v
}

// viewPartitions lists every partition that a record names, sorted, each once.
func viewPartitions(o *observe.Observer) []partitionView {
	named := map[string]partitionView{}
	for _, w := range o.Group().Workers {
		for _, p := range w.Partitions {
			if p.Unlisted && !w.Live {
				continue // nobody has it, and nobody gets it
			}
			if v, known := named[p.ID]; !known || v.Owner == "" && p.Epoch > v.Epoch {
				named[p.ID] = viewPartition(o, p.ID, partitionView{Last: w.ID, Epoch: p.Epoch})
			}
		}
	}
	views := make([]partitionView, 0, len(named))
	for _, v := range named {
		views = append(views, v)
	}
	slices.SortFunc(views, func(a, b partitionView) int { return strings.Compare(a.Partition, b.Partition) })
	return views
}

// viewPartition says who owns a partition; what is known without an owner is in unowned.
func viewPartition(o *observe.Observer, id string, unowned partitionView) partitionView {
	owner, err := o.Owner(id)
	if err != nil {
		unowned.Partition = id
		return unowned
	}
	return partitionView{
		Partition: id, Owner: owner.Worker, Host: owner.Host, Session: owner.Session, Epoch: owner.Epoch, Since: at(owner.Since),
		Releasing: owner.Releasing,
	}
}

func viewChange(c observe.Change) changeView {
	return changeView{
		At: at(c.At), Partition: c.Partition, From: c.From, To: c.To, Epoch: c.Epoch, Version: c.Version, Term: c.Term, By: c.By,
		Why: c.Why, Left: c.Left,
	}
}

func viewExplanation(e observe.Explanation) explanationView {
	change := func(c observe.Change) *changeView {
		if c.Partition == "" {
			return nil
		}
		v := viewChange(c)
		return &v
	}
	return explanationView{
		Partition: e.Partition, At: at(e.At), Standing: string(e.Standing), Owner: e.Owner.Worker, Host: e.Owner.Host,
		Session: e.Owner.Session, Epoch: e.Owner.Epoch, Since: at(e.Owner.Since), Until: at(e.Until), Granted: change(e.Granted),
		Last: change(e.Last), Today: e.Today, Heir: e.Heir, Sentences: e.Sentences,
	}
}

// explain adds to the views since when and why each partition is where it is, as far as the journal knows: an observer that
// has just been opened has not seen it.
func explain(ctx context.Context, o *observe.Observer, q observe.Query, views []partitionView) error {
	changes, err := o.History(ctx, q)
	if err != nil {
		return err
	}
	type grant struct {
		partition, to string
		epoch         int64
	}
	grants := map[grant]observe.Change{}
	for _, c := range changes {
		grants[grant{c.Partition, c.To, c.Epoch}] = c
	}
	for i := range views {
		v := &views[i]
		if c, known := grants[grant{v.Partition, v.Owner, v.Epoch}]; known && v.Owner != "" {
			v.Since, v.Why = at(c.At), c.Why
		}
	}
	return nil
}

// matches reports whether an ID is meant by a filter: "" for all, else tokens with the wildcards of NATS subjects, or of
// file names within a token.
func matches(filter, id string) bool {
	if filter == "" {
		return true
	}
	wanted, tokens := strings.Split(filter, "."), strings.Split(id, ".")
	for i, w := range wanted {
		switch {
		case w == ">" && i == len(wanted)-1:
			return len(tokens) > i
		case i >= len(tokens):
			return false
		}
		if is, err := path.Match(w, tokens[i]); err != nil || !is {
			return false
		}
	}
	return len(tokens) == len(wanted)
}
