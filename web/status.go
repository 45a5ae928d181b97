// Copyright The Parti Authors
// SPDX-License-Identifier: Apache-2.0

package web

import (
	"net/http"

	"github.com/parti-go/parti"
)

// statusWords is a [parti.Status] in JSON. Times are in milliseconds since 1970, 0 for unknown.
type statusWords struct {
	WorkerID   string           `json:"workerID"`
	Session    uint64           `json:"session"`
	State      string           `json:"state"`
	Leader     bool             `json:"leader"`
	Term       uint64           `json:"term"`
	Version    int64            `json:"version"`
	Lifecycle  string           `json:"lifecycle"`
	Ready      bool             `json:"ready"`
	Degraded   bool             `json:"degraded"`
	Draining   bool             `json:"draining"`
	Cordoned   bool             `json:"cordoned"`
	TrustedFor int64            `json:"trustedFor"` // in milliseconds
	Partitions []partitionWords `json:"partitions"`
	Waits      []waitWords      `json:"waits"`
	Error      string           `json:"error,omitempty"` // why the worker has ended
}

type partitionWords struct {
	ID       string `json:"id"`
	Weight   int64  `json:"weight"`
	Epoch    int64  `json:"epoch"`
	Since    int64  `json:"since"`
	Phase    string `json:"phase"`
	Restarts int    `json:"restarts"`
	Error    string `json:"error,omitempty"`
}

type waitWords struct {
	What  string `json:"what"`
	Who   string `json:"who"`
	Since int64  `json:"since"`
}

func (h *handler) status(w http.ResponseWriter, r *http.Request) {
	words := statusOf(h.worker.Status())
	if err := h.worker.Err(); err != nil {
		words.Error = err.Error()
	}
	h.answer(w, r, http.StatusOK, words)
}

func statusOf(s parti.Status) statusWords {
	words := statusWords{
		WorkerID: s.WorkerID, Session: s.Session, State: s.State.String(), Leader: s.Leader, Term: s.Term, Version: s.Version,
		Lifecycle: string(s.Lifecycle), Ready: s.Ready, Degraded: s.Degraded, Draining: s.Draining, Cordoned: s.Cordoned,
		TrustedFor: s.TrustedFor.Milliseconds(),
		Partitions: make([]partitionWords, 0, len(s.Partitions)), Waits: make([]waitWords, 0, len(s.Waits)),
	}
	for _, p := range s.Partitions {
		one := partitionWords{
			ID: p.Partition.ID(), Weight: p.Partition.Weight, Epoch: p.Epoch, Since: milliseconds(p.Since),
			Phase: string(p.Phase), Restarts: p.Restarts,
		}
		if p.Err != nil {
			one.Error = p.Err.Error()
		}
		words.Partitions = append(words.Partitions, one)
	}
	for _, wait := range s.Waits {
		words.Waits = append(words.Waits, waitWords{What: wait.What, Who: wait.Who, Since: milliseconds(wait.Since)})
	}
	return words
}
