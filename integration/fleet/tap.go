// Copyright The Parti Authors
// SPDX-License-Identifier: Apache-2.0

package fleet

import (
	"fmt"
	"sync"
	"sync/atomic"

	"github.com/parti-go/parti/internal/inject"
)

// tap stands where every actor takes its next message: there an actor of a frozen process waits, and there a panic is
// put in.
type tap struct {
	fleet  *Fleet
	active atomic.Int32 // frozen processes and panics to come: at zero, nobody is held up

	mu     sync.Mutex
	panics map[panicAt]any
}

type panicAt struct{ kind, worker string }

func newTap(f *Fleet) *tap {
	t := &tap{fleet: f, panics: make(map[panicAt]any)}
	receive := t.receive
	inject.Receive.Store(&receive)
	return t
}

func (t *tap) close() { inject.Receive.Store(nil) }

func (t *tap) receive(kind, worker string, _ any) {
	if t.active.Load() == 0 {
		return
	}
	if p := t.fleet.frozenAs(worker); p != nil {
		p.pass()
	}
	t.mu.Lock()
	at := panicAt{kind, worker}
	v, ok := t.panics[at]
	if ok {
		delete(t.panics, at)
		t.active.Add(-1)
	}
	t.mu.Unlock()
	if ok {
		t.fleet.Checker.Note("panic in the %s of %s", kind, worker)
		panic(v)
	}
}

// Panic makes the actor of that kind in the process panic at its next message. Kinds: manager, claimer, heartbeat,
// elector, calculator, follower.
func (p *Process) Panic(kind string) {
	t := p.fleet.tap
	t.mu.Lock()
	defer t.mu.Unlock()
	t.panics[panicAt{kind, p.Manager.WorkerID()}] = fmt.Sprintf("a panic put into the %s", kind)
	t.active.Add(1)
}

// Panicked says that every panic asked for has happened.
func (f *Fleet) Panicked() bool {
	f.tap.mu.Lock()
	defer f.tap.mu.Unlock()
	return len(f.tap.panics) == 0
}

// frozenAs returns the frozen process that acts under the worker ID; nil if there is none, or if the ID is by now that
// of another one as well. Before it has an ID nothing tells a process's actors from those of others.
func (f *Fleet) frozenAs(worker string) *Process {
	if worker == "" {
		return nil
	}
	var frozen *Process
	for _, p := range f.Live() {
		if p.Manager.WorkerID() != worker {
			continue
		}
		if !p.Frozen() {
			return nil
		}
		frozen = p
	}
	return frozen
}
