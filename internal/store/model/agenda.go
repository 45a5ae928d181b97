// Copyright The Parti Authors
// SPDX-License-Identifier: Apache-2.0

package model

// task is what is to happen inside the model at a time.
type task struct {
	at   int64 // nanoseconds since the start
	n    uint64
	what action
	ref  int32 // of the request, the feed or the entry
	gen  uint32
	b    int8 // bucket
}

type action int8

const (
	arrives  action = iota // a request, at the server
	commits                // the first write that waits in a bucket
	answers                // a request, at its client
	gives                  // up: a request at its deadline
	expires                // an entry
	marks                  // an entry, whatever it is by then
	delivers               // a feed
	catches                // a feed, up with what it was not sent
	notices                // a follower that its feed has ended
)

// agenda is what is to happen. Tasks of one time come in the order in which they were put in. The ends of lifetimes, of which
// there are many and far away, have a heap of their own, so that they do not slow down the rest.
type agenda struct {
	near, far heap
	n         uint64
}

func (a *agenda) push(t task) {
	a.n++
	t.n = a.n
	if t.what == expires {
		a.far.push(t)
	} else {
		a.near.push(t)
	}
}

// first returns the next task, nil if there is none.
func (a *agenda) first() *task {
	switch {
	case len(a.near) == 0 && len(a.far) == 0:
		return nil
	case len(a.near) == 0, len(a.far) > 0 && a.far[0].before(&a.near[0]):
		return &a.far[0]
	}
	return &a.near[0]
}

// pop takes the next task; there must be one.
func (a *agenda) pop() task {
	if len(a.near) == 0 || len(a.far) > 0 && a.far[0].before(&a.near[0]) {
		return a.far.pop()
	}
	return a.near.pop()
}

type heap []task

func (t *task) before(other *task) bool { return t.at < other.at || t.at == other.at && t.n < other.n }

func (h *heap) push(t task) {
	*h = append(*h, t)
	tasks := *h
	i := len(tasks) - 1
	for i > 0 {
		parent := (i - 1) / 2
		if !t.before(&tasks[parent]) {
			break
		}
		tasks[i] = tasks[parent]
		i = parent
	}
	tasks[i] = t
}

func (h *heap) pop() task {
	tasks := *h
	first, last := tasks[0], len(tasks)-1
	t := tasks[last]
	*h = tasks[:last]
	for i := 0; last > 0; {
		child := 2*i + 1
		if child+1 < last && tasks[child+1].before(&tasks[child]) {
			child++
		}
		if child >= last || !tasks[child].before(&t) {
			tasks[i] = t
			break
		}
		tasks[i] = tasks[child]
		i = child
	}
	return first
}
