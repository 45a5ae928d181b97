// Copyright The Parti Authors
// SPDX-License-Identifier: Apache-2.0

package checker_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/parti-go/parti/integration/checker"
)

// told stores two versions, a grant to worker-0 and a revoke from it, with these entries of the journal.
func told(granted, revoked string) func(h *history) {
	return func(h *history) {
		h.join("p1", "worker-0")
		h.put(checker.Assignment, "term", `{"number":1}`)
		h.owned("worker-0", 1, 1, 1)
		h.put(checker.Assignment, "journal.1", "%s", granted)
		h.put(checker.Assignment, "plan", `{"term":1,"version":1,"phase":"idle"}`)
		h.hook("p1", "worker-0", 1, x, none)
		h.releasing("worker-0", 1, 2, 1)
		h.put(checker.Assignment, "journal.2", "%s", revoked)
		h.put(checker.Assignment, "plan", `{"term":1,"version":2,"phase":"idle"}`)
		h.hook("p1", "worker-0", 2, none, x)
	}
}

const (
	trueGrant  = `{"term":1,"version":1,"by":"worker-0","why":"cold start","changes":[{"to":"worker-0","epoch":1,"partitions":["x"]}]}`
	trueRevoke = `{"term":1,"version":2,"by":"worker-0","why":"scale","changes":[{"from":"worker-0","epoch":1,"partitions":["x"]}]}`
)

func TestAJournalThatTellsWhatTheRecordsShowIsNotReported(t *testing.T) {
	require.Empty(t, judge(t, told(trueGrant, trueRevoke)))
	longer := `{"term":1,"version":1,"by":"worker-0","why":"cold start","changes":[{"from":"worker-1","to":"worker-0","epoch":1,"partitions":["w","x"]}]}`
	require.Empty(t, judge(t, told(longer, trueRevoke)), "whose it was before is in no record, and a record may be overwritten unread")
	short := `{"term":1,"version":1,"by":"worker-0","why":"cold start","left":1}`
	require.Empty(t, judge(t, told(short, trueRevoke)), "it says that not everything fits in")
}

func TestAJournalThatLiesIsReported(t *testing.T) {
	for what, lie := range map[string]struct{ granted, revoked, says string }{
		"it lacks a grant": {
			granted: `{"term":1,"version":1,"by":"worker-0","why":"cold start"}`,
			says:    "the journal lacks {Partition:x From: To:worker-0 Epoch:1}",
		},
		"it lacks a revoke": {
			revoked: `{"term":1,"version":2,"by":"worker-0","why":"scale"}`,
			says:    "the journal lacks {Partition:x From:worker-0 To: Epoch:1}",
		},
		"it names another owner": {
			granted: `{"term":1,"version":1,"by":"worker-0","why":"cold start","changes":[{"to":"worker-1","epoch":1,"partitions":["x"]}]}`,
			says:    "the journal lacks {Partition:x From: To:worker-0 Epoch:1}",
		},
		"it names another partition": {
			granted: `{"term":1,"version":1,"by":"worker-0","why":"cold start","changes":[{"to":"worker-0","epoch":1,"partitions":["y"]}]}`,
			says:    "the journal lacks {Partition:x From: To:worker-0 Epoch:1}",
		},
		"it names another epoch": {
			granted: `{"term":1,"version":1,"by":"worker-0","why":"cold start","changes":[{"to":"worker-0","epoch":2,"partitions":["x"]}]}`,
			says:    "the journal lacks {Partition:x From: To:worker-0 Epoch:1}",
		},
		"it tells a revoke as a grant": {
			revoked: `{"term":1,"version":2,"by":"worker-0","why":"scale","changes":[{"to":"worker-0","epoch":1,"partitions":["x"]}]}`,
			says:    "the journal lacks {Partition:x From:worker-0 To: Epoch:1}",
		},
		"it stands under another version": {
			revoked: trueGrant,
			says:    "journal.2: the journal of version 1",
		},
		"it says not why": {
			granted: `{"term":1,"version":1,"by":"worker-0","changes":[{"to":"worker-0","epoch":1,"partitions":["x"]}]}`,
			says:    `the journal of version 1 by "worker-0" says why: ""`,
		},
		"it says not by whom": {
			granted: `{"term":1,"version":1,"why":"cold start","changes":[{"to":"worker-0","epoch":1,"partitions":["x"]}]}`,
			says:    `the journal of version 1 by "" says why: "cold start"`,
		},
	} {
		t.Run(what, func(t *testing.T) {
			if lie.granted == "" {
				lie.granted = trueGrant
			}
			if lie.revoked == "" {
				lie.revoked = trueRevoke
			}
			found := judge(t, told(lie.granted, lie.revoked))
			require.Len(t, found, 1)
			require.Contains(t, found[0], lie.says)
			require.Contains(t, found[0], "I6 violated")
		})
	}
}
