// Copyright The Parti Authors
// SPDX-License-Identifier: Apache-2.0

package fleet

import (
	"bytes"
	"encoding/json"
	"hash/fnv"

	"github.com/parti-go/parti/integration/checker"
)

// Kind is a step of a handoff, as it can be seen from outside.
type Kind string

// The steps of a handoff, in order.
const (
	Revoked      Kind = "revoke stored"
	Returned     Kind = "hooks returned"
	Acknowledged Kind = "acknowledged"
	Granted      Kind = "grant stored"
	Told         Kind = "hook called"
)

// Kinds returns all of them.
func Kinds() []Kind { return []Kind{Revoked, Returned, Acknowledged, Granted, Told} }

// Event is one step of a handoff, and whose it is: who gives up, or who gets.
type Event struct {
	Kind    Kind
	Process *Process
	Version int64 // revoked by, acknowledged or granted; not known of the hooks
}

// Watch calls f at every event from now on, in the middle of what happens: it must not wait. nil ends that.
func (f *Fleet) Watch(watch func(Event)) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.watch = watch
}

func (f *Fleet) happened(e Event) {
	f.mu.Lock()
	watch := f.watch
	f.mu.Unlock()
	if watch != nil && e.Process != nil {
		watch(e)
	}
}

// holder returns the live process that acts under a worker ID.
func (f *Fleet) holder(worker string) *Process {
	for _, p := range f.Live() {
		if p.Manager.WorkerID() == worker {
			return p
		}
	}
	return nil
}

// entryStored hands an entry to the checker, and what it says of a handoff to whoever watches.
func (f *Fleet) entryStored(e checker.Entry) {
	f.Checker.Stored(e)
	f.mu.Lock()
	watched := f.watch != nil
	f.mu.Unlock()
	if !watched || e.Gone {
		return
	}
	var value struct {
		Applied          struct{ Version int64 }
		Version          int64
		Owned, Releasing []struct{ Epoch int64 }
	}
	if json.Unmarshal(e.Value, &value) != nil {
		return
	}
	p := f.holder(e.Key)
	switch e.Bucket {
	case checker.Assignment:
		if len(value.Releasing) > 0 {
			f.happened(Event{Kind: Revoked, Process: p, Version: value.Version})
		}
		for _, o := range value.Owned {
			if o.Epoch == value.Version {
				f.happened(Event{Kind: Granted, Process: p, Version: value.Version})
				break
			}
		}
	case checker.Heartbeat:
		if value.Applied.Version > 0 {
			f.happened(Event{Kind: Acknowledged, Process: p, Version: value.Applied.Version})
		}
	}
}

// encode lets every second process of a mixed fleet write what a later release may write: more fields, in other places.
func (f *Fleet) encode(value []byte) []byte {
	if !f.base.Mixed {
		return value
	}
	var envelope struct{ Token string }
	if json.Unmarshal(value, &envelope) != nil {
		return value
	}
	h := fnv.New32a()
	_, _ = h.Write([]byte(envelope.Token[:min(16, len(envelope.Token))]))
	if h.Sum32()%2 == 0 {
		return value
	}
	return append(bytes.TrimSuffix(value, []byte("}")), `,"later":{"of":["a","release"],"n":1.5e3},"extra":null}`...)
}
