// Copyright The Parti Authors
// SPDX-License-Identifier: Apache-2.0

package fleet

import (
	"time"

	"github.com/parti-go/parti/integration/checker"
)

const (
	looking = 500 * time.Millisecond // between two looks at the waits
	slow    = 250 * time.Millisecond // the latency from which a leader counts as one that cannot act
	slack   = 5 * time.Second        // for a wait, beside an operation that times out
)

// deadlines are those of the fleet's waits; nil where they are not judged.
func (s *Spec) deadlines() *checker.Deadlines {
	if !s.Liveness {
		return nil
	}
	c := s.Config
	return &checker.Deadlines{
		HeartbeatTTL: c.HeartbeatTTL, PlannedScaleWindow: c.PlannedScaleWindow, ColdStartWindow: c.ColdStartWindow,
		EmergencyGracePeriod: c.EmergencyGracePeriod, HandoffTimeout: c.HandoffTimeout,
		RestartDetectionRatio: c.RestartDetectionRatio, Slack: c.OperationTimeout + slack,
	}
}

// look tells the checker again and again who leads and can act.
func (f *Fleet) look() {
	for {
		select {
		case <-time.After(looking):
			f.Checker.Look(f.able())
		case <-f.waiting.Done():
			return
		}
	}
}

// able names the process that leads and can act; "" where there is none, or where more than one believes that it is.
func (f *Fleet) able() string {
	if f.Server.NATS() == nil {
		return ""
	}
	name := ""
	for _, p := range f.Live() {
		if p.Frozen() || !p.Link.Healthy(slow) || !p.Manager.IsLeader() {
			continue
		}
		if name != "" {
			return ""
		}
		name = p.Name
	}
	return name
}
