package kv

import (
	"crypto/rand"
	"strconv"
	"strings"
	"sync/atomic"
)

// token names one write: "holder/chain/write". The holder is one [Store] of one process; a chain is one hold on an entry
// from its acquisition to its end. No two writes have the same.
type token string

// holder makes tokens.
type holder struct {
	name string
	last atomic.Uint64
}

func newHolder() *holder { return &holder{name: rand.Text()[:16]} }

// chain begins a chain: the prefix of its tokens.
func (h *holder) chain() token {
	return token(h.name + "/" + strconv.FormatUint(h.last.Add(1), 10) + "/")
}

// next returns the token of the next write of a chain.
func (h *holder) next(chain token) token {
	return chain + token(strconv.FormatUint(h.last.Add(1), 10))
}

// wrote reports whether this holder wrote t, in whichever chain.
func (h *holder) wrote(t token) bool { return strings.HasPrefix(string(t), h.name+"/") }

// of reports whether t belongs to the chain.
func (t token) of(chain token) bool {
	return chain != "" && strings.HasPrefix(string(t), string(chain))
}
