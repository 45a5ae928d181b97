// Copyright The Parti Authors
// SPDX-License-Identifier: Apache-2.0

package life

import (
	"context"
	"maps"
	"sync"
	"time"

	"github.com/parti-go/parti/integration/fleet"
)

const (
	// attempt is the pause between two attempts at most: of a claim, of a reconnect, of an actor that is begun anew.
	attempt = 2400 * time.Millisecond
	// lag is how late the store may be to drop what has expired.
	lag = 300 * time.Millisecond
	// exchange is room for all round trips and jitters together: in virtual time the store answers at once.
	exchange = time.Second
	// strategyRetry is the longest that a leader waits before it asks a strategy again that failed.
	strategyRetry = 30 * time.Second
)

// promised is how long it may take, once all faults are over, until every partition has exactly one owner. What is urgent
// waits for nothing else: no cooldown, no newcomer, no other member's window, no weight is in here. It is less
// where a worker kept its identity all the time. What can come one after the other:
func (l *Life) promised(kept bool) time.Duration {
	c := l.config
	// One request under way whose answer is lost: what follows waits until it is given up, and then for the next attempt.
	request := max(c.OperationTimeout, c.ElectionTimeout) + attempt
	// The lease of the last leader ends. One that was deposed while it held the lease campaigns again a fifth later than that.
	leader := c.LeaderTTL + c.LeaderTTL/5 + lag
	if !kept {
		// Meanwhile each waits for its own dead claim.
		leader = max(leader, c.WorkerIDTTL+lag)
	}
	// Then each partition has a deadline of its own: that of its absent holder. A restart, and a group that begins, has the
	// cold start window. Heartbeats expire one HeartbeatTTL after their last renewal, are held for one more when they are
	// many, and have the grace. Who left cleanly is waited for one planned window.
	expiry := 2*c.HeartbeatTTL + lag + c.EmergencyGracePeriod
	holder := max(c.ColdStartWindow, expiry, c.PlannedScaleWindow)
	// A strategy that fails or hangs stands between nothing urgent and its next owner for longer than an operation.
	var strategy time.Duration
	if l.fails {
		strategy = c.OperationTimeout
	}
	return request + leader + holder + strategy + exchange
}

// allowed is how long everything may take that is not urgent: every worker is Stable, a refresh is answered. More can come
// one after the other: newcomers have a window of their own and the cooldown, those that failed again and again are held
// back, and a strategy that failed is asked again after a pause.
func (l *Life) allowed() time.Duration {
	c := l.config
	return l.blockedFor() + l.promised(false) + 2*(c.PlannedScaleWindow+c.RebalanceCooldown) + c.OperationTimeout + strategyRetry + c.FlapBackoff
}

// blockedFor is how long a hook or a strategy that began before the calm may still block. Whoever waits for it can go on when
// it returns.
func (l *Life) blockedFor() time.Duration {
	l.mu.Lock()
	defer l.mu.Unlock()
	return max(0, time.Until(l.blocked))
}

// settle ends all faults. Every partition must get an owner as promised, and everything else must be done soon after. A
// refresh could wake a leader that has lost a timer. So there is none before everything has an owner, unless the source has
// changed since it was listed, and half of the lives do without until the end.
func (l *Life) settle() {
	l.Fleet.Watch(nil)
	l.mu.Lock()
	l.over = true
	l.mu.Unlock()
	l.undone.Wait()
	close(l.calm)
	l.note("calm")
	for _, p := range l.Fleet.Live() {
		p.Thaw()
		p.Link.Heal()
		p.Link.Slow(0)
	}
	refreshed, stale := func() bool { return true }, l.stale()
	if stale {
		refreshed = l.refresh()
	}
	l.awaitOwners()
	if !stale && !l.quiet {
		refreshed = l.refresh()
	}
	began, allowed := time.Now(), l.allowed()
	for l.reviveLast() || !refreshed() || l.Fleet.Unsettled() != nil {
		if time.Since(began) >= allowed {
			l.Fleet.Fatalf("not settled after %s: refreshed %t, %v", allowed, refreshed(), l.Fleet.Unsettled())
		}
		l.wait(5 * time.Millisecond)
	}
}

// awaitOwners waits until every partition has an owner.
func (l *Life) awaitOwners() {
	began, blocked, kept := time.Now(), l.blockedFor(), l.identities()
	for l.reviveLast() || l.Fleet.Checker.Complete(l.Fleet.Source.IDs()) != nil {
		if l.revived.After(began) {
			began, blocked = l.revived, 0
		}
		maps.DeleteFunc(kept, func(p *fleet.Process, id string) bool { return !p.Lives() || p.Manager.WorkerID() != id })
		l.took, l.promise = time.Since(began), blocked+l.promised(len(kept) > 0)
		if l.took >= l.promise {
			l.Fleet.Fatalf("not owned after %s, as promised: %v", l.promise, l.Fleet.Checker.Complete(l.Fleet.Source.IDs()))
		}
		l.wait(5 * time.Millisecond)
	}
}

// identities returns the workers that have an ID, each with its ID.
func (l *Life) identities() map[*fleet.Process]string {
	ids := map[*fleet.Process]string{}
	for _, p := range l.Fleet.Live() {
		if id := p.Manager.WorkerID(); id != "" {
			ids[p] = id
		}
	}
	return ids
}

// reviveLast starts a worker where none is left, and says so. A worker that had no assignment within its StartupTimeout
// gives up, as it should.
func (l *Life) reviveLast() bool {
	if len(l.Fleet.Live()) > 0 {
		return false
	}
	l.start(1)
	l.revived = time.Now()
	return true
}

// stale says that the source has changed since a leader is known to have listed it.
func (l *Life) stale() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.listed < l.changed
}

// refresh has the leader list the source, in the background, until it has. All workers are asked: one may be about to end,
// or have no store yet.
func (l *Life) refresh() (done func() bool) {
	answered, answer := context.WithCancel(context.Background())
	go func() {
		for answered.Err() == nil {
			var asking sync.WaitGroup
			for _, p := range l.Fleet.Live() {
				asking.Go(func() {
					attempt, stop := context.WithTimeout(answered, 10*time.Second)
					defer stop()
					if p.Manager.RefreshPartitions(attempt) == nil {
						answer()
					}
				})
			}
			asking.Wait()
			select {
			case <-l.Fleet.Closing():
				answer()
			case <-time.After(time.Second):
			}
		}
	}()
	return func() bool { return answered.Err() != nil }
}
