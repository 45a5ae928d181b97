// Copyright The Parti Authors
// SPDX-License-Identifier: Apache-2.0

package storetest

import (
	"time"

	"github.com/parti-go/parti/internal/store"
	"github.com/parti-go/parti/internal/store/model"
)

// Modelled is the model as a subject.
type Modelled struct {
	m      *model.Store
	cfg    model.Config
	now    time.Time
	copied model.Copy
	known  map[model.ID]model.Event   // outcomes
	told   map[model.ID][]model.Event // by feeds
}

// NewModelled returns a new model as a subject.
func NewModelled(cfg model.Config, source model.Source) *Modelled {
	return &Modelled{
		m: model.New(cfg, source), cfg: cfg, now: cfg.Start,
		known: map[model.ID]model.Event{}, told: map[model.ID][]model.Event{},
	}
}

// advance lets time pass until then, or until something happens before.
func (m *Modelled) advance(until time.Time) {
	if at, ok := m.m.Next(); ok && at.Before(until) {
		until = at
	}
	if until.After(m.now) {
		m.now = until
	}
	for _, e := range m.m.Advance(m.now, nil) {
		if e.Kind == model.Delivered || e.Kind == model.Lost {
			m.told[e.ID] = append(m.told[e.ID], e)
		} else {
			m.known[e.ID] = e
		}
	}
}

// Ask sends requests at once and waits for all their outcomes.
func (m *Modelled) Ask(requests ...Request) []model.Event {
	waits := make([]func() model.Event, len(requests))
	for i, r := range requests {
		waits[i] = m.Send(r)
	}
	events := make([]model.Event, len(requests))
	for i, wait := range waits {
		events[i] = wait()
	}
	return events
}

// Send sends one request.
func (m *Modelled) Send(r Request) (outcome func() model.Event) {
	m.advance(m.now)
	id := m.send(r)
	return func() model.Event {
		for {
			if e, ok := m.known[id]; ok {
				return e
			}
			m.advance(m.now.Add(time.Hour))
		}
	}
}

func (m *Modelled) send(r Request) model.ID {
	switch r.Kind {
	case model.Got:
		return m.m.Get(m.now, r.Client, r.Bucket, r.Keys[0], r.Within)
	case model.Listed:
		return m.m.List(m.now, r.Client, r.Bucket, r.Keys, r.Within)
	case model.Described:
		return m.m.Info(m.now, r.Client, r.Bucket, r.Within)
	case model.Followed:
		return m.m.Follow(m.now, r.Client, r.Bucket, r.Keys, r.After, patience, r.Within)
	default:
		if r.Atomic {
			return m.m.Batch(m.now, r.Client, r.Bucket, r.Messages, r.When, r.Within)
		}
		return m.m.Write(m.now, r.Client, r.Bucket, r.Messages[0], r.When, r.Within)
	}
}

// Told returns what a feed has told.
func (m *Modelled) Told(feed model.ID) []model.Event {
	told := m.told[feed]
	delete(m.told, feed)
	return told
}

// Sleep lets time pass.
func (m *Modelled) Sleep(d time.Duration) {
	for end := m.now.Add(d); m.now.Before(end); {
		m.advance(end)
	}
}

// Now is what time it is.
func (m *Modelled) Now() time.Time { return m.now }

// Late is how late a marker may be.
func (m *Modelled) Late() time.Duration {
	if m.cfg.Replicas > 1 {
		return model.LateReplicated + m.cfg.Commit
	}
	return model.LateAlone
}

// Suffer begins or ends a trouble.
func (m *Modelled) Suffer(what Trouble, c model.Client, b store.Bucket) {
	m.advance(m.now)
	switch what {
	case StallUp:
		m.m.Stall(m.now, c, true, false)
	case StallDown:
		m.m.Stall(m.now, c, false, true)
	case Cut:
		m.m.Cut(m.now, c)
	case Heal:
		m.m.Heal(m.now, c)
	case Stop:
		m.m.Stop(m.now)
	case Start:
		m.m.Start(m.now)
	case Copy:
		m.copied = m.m.Copy()
	case Restore:
		must(m.m.Restore(m.now, m.copied, b))
	case RestoreAll:
		must(m.m.Restore(m.now, m.copied))
	case Delete:
		m.m.Delete(m.now, b)
	case Create:
		must(m.m.Create(m.now, b))
	case Purge:
		m.m.Purge(m.now, b)
	case Elect:
		m.m.Elect(m.now, b, m.now.Add(2*time.Second))
	}
}

func must(err error) {
	if err != nil {
		panic(err)
	}
}
