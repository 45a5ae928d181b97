// Copyright The Parti Authors
// SPDX-License-Identifier: Apache-2.0

package checker_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/parti-go/parti/integration/checker"
)

// leaves has a session say that it leaves.
func (h *history) leaves(worker string, session int) {
	h.put(checker.Heartbeat, worker, `{"session":%d,"leaving":true}`, session)
}

func TestAGrantToASessionThatLeavesIsReported(t *testing.T) {
	for _, c := range []struct {
		name    string
		session int
		after   time.Duration
		found   int
	}{
		{"late", 2, 12 * time.Second, 1},
		{"before the leader must know", 2, 4 * time.Second, 0},
		{"and its next session stays", 9, 12 * time.Second, 0},
	} {
		t.Run(c.name, func(t *testing.T) {
			found := judgeLive(t, func(h *history) {
				h.group(3)
				h.leaves("worker-1", 2)
				h.releasing("worker-0", 1, 2, 1)
				h.looks("p1", c.after)
				h.beat("worker-0", 1, 2)
				if c.session != 2 {
					h.beat("worker-1", c.session, 0)
				}
				h.owned("worker-1", c.session, 3, 3)
			})
			require.Len(t, found, c.found)
			if c.found > 0 {
				require.Contains(t, found[0], "drain violated: x was granted to worker-1 session 2")
			}
		})
	}
}
