// Copyright The Parti Authors
// SPDX-License-Identifier: Apache-2.0

package kv

import "sync"

// alarm tells all feeds of a store what one of them has found out. The feeds follow the same servers, so each can act on it
// before it would notice by itself.
type alarm struct {
	mu    sync.Mutex
	feeds map[chan hint]bool
}

// hint is the revision of a plan that is stored. 0 means that the server has been silent for too long.
type hint uint64

const silence hint = 0

// listen returns a channel on which the alarm rings.
func (a *alarm) listen() chan hint {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.feeds == nil {
		a.feeds = map[chan hint]bool{}
	}
	ear := make(chan hint, 4)
	a.feeds[ear] = true
	return ear
}

func (a *alarm) leave(ear chan hint) {
	a.mu.Lock()
	defer a.mu.Unlock()
	delete(a.feeds, ear)
}

// ring wakes all feeds except the one that rings.
func (a *alarm) ring(own chan hint, h hint) {
	a.mu.Lock()
	defer a.mu.Unlock()
	for ear := range a.feeds {
		if ear == own {
			continue
		}
		select {
		case ear <- h:
		default: // it is told again, or is busy with others
		}
	}
}
