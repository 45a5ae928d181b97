// Copyright The Parti Authors
// SPDX-License-Identifier: Apache-2.0

package sim

import (
	"maps"
	"slices"
	"time"

	"github.com/parti-go/parti/internal/member"
)

// This file is what a worker is asked from outside.

// running lists what its user runs, sorted.
func (w *Worker) running() []string { return slices.Sorted(maps.Keys(w.Owned)) }

// Leave asks the worker to leave.
func (w *Worker) Leave() { w.asks(&member.LeaveAsked{}) }

// Drain asks the worker to hand everything over and then to leave, for so long.
func (w *Worker) Drain(most time.Duration) { w.asks(&member.DrainAsked{By: w.client.now.Add(most)}) }

// Cordon asks the worker to take nothing new, or takes that back.
func (w *Worker) Cordon(on bool) { w.asks(&member.CordonAsked{On: on}) }

// Become changes how the user's code behaves.
func (w *Worker) Become(m Mood) { w.user.become(m) }

func (w *Worker) asks(f member.Fact) {
	if w.dead {
		return
	}
	w.client.ice.pass(func() {
		if !w.dead {
			w.tell(f)
		}
	})
}
