package actors

import "time"

// pace spaces what must not happen too often: two at once, then one a step. In any three steps at most four happen.
type pace struct {
	step time.Duration
	due  time.Time // when the one after the last would come if they came evenly
}

// wait returns how long the next one has to wait; zero or less if it need not.
func (p *pace) wait(now time.Time) time.Duration { return p.due.Add(-p.step).Sub(now) }

// take notes that one happened.
func (p *pace) take(now time.Time) {
	if now.After(p.due) {
		p.due = now
	}
	p.due = p.due.Add(p.step)
}
