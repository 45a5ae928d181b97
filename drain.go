// Copyright The Parti Authors
// SPDX-License-Identifier: Apache-2.0

package parti

import (
	"cmp"
	"context"
	"fmt"
	"strings"

	"github.com/parti-go/parti/actors"
)

// Drain hands all partitions over without a pause in the work, and leaves the group for good. Use it for a scale-in. For a
// restart use Stop, which keeps the worker's place.
//
// The worker announces that it leaves, and goes on working. The leader plans without it at once, and hands over each of its
// partitions as soon as the handler has let go. The worker gets nothing new. When it has nothing left it stops, as Stop
// does, and Drain returns nil. The leader does not wait for its return. A worker without a first assignment stops at once.
//
// If ctx ends before the drain does, the drain becomes a Stop, which takes up to ShutdownTimeout. Drain then returns an
// error that wraps ErrDrainIncomplete and says what was left. A drain cannot end if no other worker can take over, because
// this is the last worker or all others drain as well (cordoned workers take over if no other worker is left). It cannot
// end either while a handler does not let go, or while the store or the leader is away. If ctx has no deadline, the drain
// goes on until another worker can take over.
//
// A second call waits for the same end. A Stop in between ends the drain. Inside a hook, call Drain on a separate
// goroutine: OnAssignmentChanged would wait for itself until ctx ends, and any other hook would delay the end by
// ShutdownTimeout.
func (m *Manager) Drain(ctx context.Context) error {
	if m.endUnstarted() {
		return nil
	}
	m.send(&actors.Drain{})
	var late error
	select {
	case <-m.done:
	case <-ctx.Done():
		late = context.Cause(ctx)
		m.leave()
		<-m.done // bounded, see Stop
	}
	why := m.undrained(late)
	switch err := m.Err(); {
	case err != nil && why != nil:
		return fmt.Errorf("drain: %w; then: %w", why, err)
	case err != nil:
		return fmt.Errorf("drain: %w", err)
	case why != nil:
		return fmt.Errorf("drain: %w", why)
	}
	return nil
}

// undrained says what a drain that has ended has not handed over; late is why it became a Stop, nil where somebody else
// stopped the worker, or where it ended by itself.
func (m *Manager) undrained(late error) error {
	left := m.view.Undrained()
	switch {
	case len(left) > 0:
		return fmt.Errorf("%w: the worker stopped with %d partitions left: %s: %w", ErrDrainIncomplete, len(left), firstOf(left), cmp.Or(late, ErrStopped))
	case late != nil && !m.view.Drained(): // it was fenced, and others take over when its heartbeat has expired
		return fmt.Errorf("%w: the worker gave up all partitions before it could hand them over: %w", ErrDrainIncomplete, late)
	}
	return nil
}

// Cordon makes this worker take nothing new from now on. The worker keeps its partitions. Its heartbeat announces this at
// once, and the leader respects it in every later plan. Partitions that are already on their way to this worker still
// arrive. A cordon lasts over rejoins. If you call Cordon before Start, the worker starts cordoned. If every worker is
// cordoned, the leader ignores the cordons. You may call Cordon from a hook.
func (m *Manager) Cordon() { m.cordon(true) }

// Uncordon takes back Cordon or Config.Cordoned. The worker gets its share with the next planned window.
func (m *Manager) Uncordon() { m.cordon(false) }

func (m *Manager) cordon(cordoned bool) {
	m.mu.Lock()
	if !m.started {
		m.view.Begin(cordoned)
	}
	m.mu.Unlock()
	if cordoned {
		m.send(&actors.Cordon{})
	} else {
		m.send(&actors.Uncordon{})
	}
}

// firstOf names the first few partitions of a list.
func firstOf(list []Partition) string {
	const most = 5
	var names []string
	for _, p := range list[:min(len(list), most)] {
		names = append(names, p.ID())
	}
	text := strings.Join(names, ", ")
	if len(list) > most {
		text = fmt.Sprintf("%s and %d more", text, len(list)-most)
	}
	return text
}
