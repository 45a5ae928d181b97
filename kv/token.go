// Copyright The Parti Authors
// SPDX-License-Identifier: Apache-2.0

package kv

import (
	"crypto/rand"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/parti-go/parti/internal/record"
)

// holder makes tokens. A token names one write: "holder/chain/write". The holder is one [Store] of one process. A chain is one
// hold on an entry, from its acquisition to its end. No two writes have the same token.
type holder struct {
	name string
	last atomic.Uint64
	book book

	mu         sync.Mutex
	unanswered map[record.Token]time.Time // chains that may have been stored: until when they may be taken over
}

func newHolder() *holder {
	return &holder{name: rand.Text()[:16], unanswered: map[record.Token]time.Time{}, book: book{holds: map[record.Token]hold{}}}
}

// chain returns a new chain, which is the prefix of its tokens.
func (h *holder) chain() record.Token {
	return record.Token(h.name + "/" + strconv.FormatUint(h.last.Add(1), 10) + "/")
}

// next returns the token of the next write of a chain.
func (h *holder) next(chain record.Token) record.Token {
	return chain + record.Token(strconv.FormatUint(h.last.Add(1), 10))
}

// wrote reports whether this holder wrote t, in whichever chain.
func (h *holder) wrote(t record.Token) bool { return strings.HasPrefix(string(t), h.name+"/") }

// noAnswer remembers a chain whose first write may be stored although its outcome is unknown and nobody holds it.
func (h *holder) noAnswer(chain record.Token, until time.Time) {
	h.mu.Lock()
	defer h.mu.Unlock()
	for c, end := range h.unanswered {
		if !time.Now().Before(end) {
			delete(h.unanswered, c)
		}
	}
	h.unanswered[chain] = until
}

// orphaned reports whether t belongs to such a chain and is young enough to be overwritten. Like a renewal, that write must not
// be followed by the expiry marker of what it replaces.
func (h *holder) orphaned(t record.Token) bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	until, ok := h.unanswered[t[:strings.LastIndexByte(string(t), '/')+1]]
	return ok && time.Now().Before(until)
}
