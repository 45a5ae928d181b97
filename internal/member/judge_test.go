// Copyright The Parti Authors
// SPDX-License-Identifier: Apache-2.0

package member

import (
	"errors"
	"slices"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/parti-go/parti/fsm"
	"github.com/parti-go/parti/internal/store"
)

// judge holds what a worker does against what it promises. It knows the facts as well, and draws its own conclusions.
type judge struct {
	w        *world
	ended    bool
	state    fsm.State
	ready    bool
	leaving  bool
	leaveBy  time.Time
	letGo    time.Time
	standing Standing
	running  map[Kind]int
	over     bool // the session has ended, or there is none
	beat     store.Lease
	claim    store.Lease
	takes    bool
	carries  bool
	fence    store.Fence // of the term that the elector is in
	returned map[uint64]bool
	told     map[string]bool // waits
}

func newJudge(w *world) judge {
	state := w.cfg.Before.State
	if state == "" {
		state = fsm.Init
	}
	return judge{
		w: w, state: state, ready: w.cfg.Before.Ready, leaving: w.cfg.Before.Leaving, leaveBy: w.cfg.Before.LeaveBy, letGo: w.cfg.Before.LetGo,
		standing: w.cfg.Before.Standing, over: true, running: map[Kind]int{}, returned: map[uint64]bool{}, told: map[string]bool{},
	}
}

// until is the end of the trust, as the store has it.
func (j *judge) until() time.Time {
	if j.beat.Revision == 0 {
		return time.Time{}
	}
	return earlier(j.beat.TrustedUntil(), j.claim.TrustedUntil())
}

// hears notes a fact before the worker does.
func (j *judge) hears(f Fact) {
	switch f := f.(type) {
	case *Claimed:
		if j.over {
			j.claim, j.beat = f.Lease, store.Lease{}
		}
	case *Renewed:
		if !j.over {
			j.claim = f.Lease
		}
	case *Heard:
		if !j.over {
			j.beat = f.Lease
		}
	case *HookDone:
		j.returned[f.ID] = true
	case *Elected:
		j.fence = f.Fence
	case *Deposed:
		j.fence = store.Fence{}
	case *Stopped:
		j.running[f.Kind]--
	case *Ticked:
		for _, wait := range j.w.waits {
			if !wait.Due.After(f.At) {
				j.told[wait.Key] = true
			}
		}
	}
}

// sees judges an effect.
func (j *judge) sees(e Effect) {
	t, now := j.w.t, j.w.now
	require.False(t, j.ended, "after the end: %s", e)
	switch e := e.(type) {
	case *Spawn:
		require.False(t, j.w.lives[e.Kind], "a second %s", e.Kind)
		j.running[e.Kind]++
		if e.Kind == Elector || e.Kind == Follower || e.Kind == Calculator {
			require.False(t, j.over, "%s without a session", e)
			require.True(t, now.Before(j.until()), "%s after the trust", e)
		}
		switch e.Kind {
		case Elector:
			j.fence = store.Fence{}
		case Calculator:
			require.Equal(t, j.fence, e.Fence, "%s, and the elector is not in that term", e)
		}
		if e.Kind == Claimer {
			require.Empty(t, j.w.giving, "%s before everything is given up", e)
			require.True(t, j.over)
		}
	case *Stop:
		require.True(t, j.w.lives[e.Kind], "%s, which does not live", e)
	case *Begin:
		j.over, j.takes = false, true
		require.Equal(t, j.carries, e.Keeps)
	case *Trust:
		require.Equal(t, j.until(), e.Until)
		require.True(t, j.takes || !e.Takes, "something is taken up again")
		j.takes, j.letGo = e.Takes, e.LetGo
		require.False(t, j.over && e.Takes)
	case *Void:
		if errors.Is(e.Why, ErrFenced) {
			j.over = true
		}
	case *Carry:
		require.True(t, j.w.cfg.KeepServing || !e.Does)
		j.carries = e.Does
		j.over = j.over || e.Does
	case *Rejoin:
		j.over, j.beat = true, store.Lease{} // nothing of it is left, or it is carried without any trust
	case *GiveUp:
		require.False(t, j.takes && !j.beat.Sent.IsZero(), "%s, and something may still be taken up", e)
		if j.over && !j.beat.Sent.IsZero() {
			require.False(t, e.Until.After(j.beat.Sent.Add(j.w.cfg.HeartbeatTTL)), "%s: others may run it all by then", e)
		}
	case *Abandon:
		if !j.beat.Sent.IsZero() {
			end := earlier(j.beat.Sent.Add(j.w.cfg.HeartbeatTTL), j.claim.Sent.Add(j.w.cfg.WorkerIDTTL))
			require.False(t, now.Before(end), "%s: a handler that has not returned still counts", e)
		}
	case *Delete:
		require.Zero(t, j.running[writers[e.Bucket]], "%s beside its writer", e)
		if e.Bucket != store.Election {
			require.True(t, j.returned[e.ID], "%s before everything is given up", e)
		}
	case *Fire:
		require.Equal(t, j.state, e.From)
		require.True(t, fsm.Allowed(e.From, e.To), "%s", e)
		j.state = e.To
	case *Ready:
		j.ready = true
	case *Stand:
		j.standing = e.Standing
	case *Leave:
		j.leaving, j.leaveBy = !e.Again, e.By
	case *End:
		j.ended = true
		require.Equal(t, fsm.Shutdown, j.state)
		require.False(t, now.After(later(j.leaveBy, now)), "%s", e)
	}
}

// stepped judges what is after a step: whatever is waited for has somebody who wakes the worker.
func (j *judge) stepped() {
	ticks := func(f Fact) bool { _, is := f.(*Ticked); return is }
	if j.ended || slices.ContainsFunc(j.w.facts, ticks) { // it is woken already
		return
	}
	keys := map[string]bool{}
	for _, wait := range j.w.waits {
		keys[wait.Key] = true
		if !j.told[wait.Key] {
			require.False(j.w.t, j.w.wake.IsZero() || j.w.wake.After(wait.Due), "nobody wakes the worker for %s", wait.Key)
		}
	}
	for key := range j.told {
		if !keys[key] {
			delete(j.told, key)
		}
	}
}

// passed judges what is when all that is due has happened: a session whose trust is over has ended.
func (j *judge) passed() {
	carries := j.carries && !j.w.lives[Heartbeat] && !j.w.lives[Follower] // for as long as the store is away, and under no session
	if !j.over && !j.ended && !carries && j.beat.Revision != 0 {
		require.True(j.w.t, j.w.now.Before(j.until()), "the session goes on without trust")
	}
	if j.leaving && !j.ended {
		require.True(j.w.t, j.w.now.Before(j.leaveBy), "the leave lasts too long")
	}
	require.False(j.w.t, slices.ContainsFunc(j.w.waits, func(w Wait) bool { return w.Due.IsZero() }))
}
