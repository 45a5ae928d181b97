// Copyright The Parti Authors
// SPDX-License-Identifier: Apache-2.0

package kv

import (
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/parti-go/parti/internal/store"
)

// maxKey is the length of the longest key in bytes. If a client sends a control line of more than 4 KiB, the server closes the
// connection for good.
const maxKey = 256

// Config names the buckets of the store and sets the lifetimes in it. The caller sets the defaults and validates it; Open
// checks only what would break the store.
type Config struct {
	// StableID, Election, Heartbeat and Assignment name the buckets.
	StableID, Election, Heartbeat, Assignment string
	// Storage is "file" or "memory"; empty means "file".
	Storage string
	// Replicas is the number of copies of each stream; 0 means 1.
	Replicas int
	// IDPrefix, IDMin and IDMax span the worker IDs: "prefix-min" to "prefix-max".
	IDPrefix     string
	IDMin, IDMax int
	// WorkerIDTTL, HeartbeatTTL and LeaderTTL are the lifetimes of the leases: whole seconds, the granularity of the
	// server, at least one.
	WorkerIDTTL, HeartbeatTTL, LeaderTTL time.Duration
	// OperationTimeout bounds each call whose context has no earlier end; 0 means 10 s.
	OperationTimeout time.Duration
}

// ID returns the n-th worker ID.
func (c Config) ID(n int) string { return c.IDPrefix + "-" + strconv.Itoa(n) }

// ParseID returns the number of a worker ID, and whether it is one of the range in its only spelling.
func (c Config) ParseID(id string) (n int, ok bool) {
	digits, ok := strings.CutPrefix(id, c.IDPrefix+"-")
	if !ok {
		return 0, false
	}
	n, err := strconv.Atoi(digits)
	if err != nil || n < c.IDMin || n > c.IDMax || c.ID(n) != id {
		return 0, false
	}
	return n, true
}

func (c Config) bucket(b store.Bucket) string {
	return [store.Buckets]string{c.StableID, c.Election, c.Heartbeat, c.Assignment}[b]
}

func (c Config) ttl(b store.Bucket) time.Duration {
	return [store.Buckets]time.Duration{c.WorkerIDTTL, c.LeaderTTL, c.HeartbeatTTL, 0}[b]
}

// check refuses values that would not fail at once, but would break leases or keys later.
func (c Config) check() error {
	for b := range store.Buckets {
		if c.bucket(b) == "" || strings.ContainsAny(c.bucket(b), " .*>\t\r\n") {
			return fmt.Errorf("%w: name of the %s bucket: %q, allowed: letters, digits, - and _", ErrConfig, b, c.bucket(b))
		}
		for other := range b {
			if c.bucket(other) == c.bucket(b) {
				return fmt.Errorf("%w: the %s and the %s bucket are both named %q, allowed: four different names", ErrConfig, other, b, c.bucket(b))
			}
		}
		if ttl := c.ttl(b); b != store.Assignments && (ttl < time.Second || ttl%time.Second != 0) {
			return fmt.Errorf("%w: TTL in the %s bucket: %s, allowed: whole seconds, at least 1s", ErrConfig, b, ttl)
		}
	}
	if c.Storage != "" && c.Storage != "file" && c.Storage != "memory" {
		return fmt.Errorf("%w: storage: %q, allowed: file or memory", ErrConfig, c.Storage)
	}
	if c.IDMin < 0 || c.IDMax < c.IDMin {
		return fmt.Errorf("%w: IDs from %d to %d, allowed: 0 <= min <= max", ErrConfig, c.IDMin, c.IDMax)
	}
	return checkKey(c.ID(c.IDMax))
}

// checkKey refuses a key that is not a single subject token, or is too long for the server.
func checkKey(key string) error {
	if key == "" || len(key) > maxKey || strings.ContainsFunc(key, notInKey) {
		return fmt.Errorf("%w: key %q, allowed: 1 to %d characters out of a-z, A-Z, 0-9, -, _, / and =", ErrConfig, key, maxKey)
	}
	return nil
}

func notInKey(r rune) bool {
	switch {
	case r >= 'a' && r <= 'z', r >= 'A' && r <= 'Z', r >= '0' && r <= '9', strings.ContainsRune("-_/=", r):
		return false
	}
	return true
}
