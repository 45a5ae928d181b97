// Copyright The Parti Authors
// SPDX-License-Identifier: Apache-2.0

package member

import "time"

// electionPace spaces what must not happen too often: two at once, then one a step. In any three steps at most four happen.
type electionPace struct {
	step time.Duration
	due  time.Time // when the one after the last would come if they came evenly
}

// next returns when the next one may happen; a time that is over where it may at once.
func (p *electionPace) next() time.Time { return p.due.Add(-p.step) }

// take notes that one happened.
func (p *electionPace) take(now time.Time) {
	if now.After(p.due) {
		p.due = now
	}
	p.due = p.due.Add(p.step)
}
