// Copyright The Parti Authors
// SPDX-License-Identifier: Apache-2.0

package sim

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/parti-go/parti/internal/member"
	"github.com/parti-go/parti/internal/record"
	"github.com/parti-go/parti/internal/store"
	"github.com/parti-go/parti/internal/store/model"
)

func put(b store.Bucket, key string, r any) store.Entry {
	return store.Entry{Bucket: b, Key: key, Kind: store.Put, Token: "process-1-1/1/1", Record: r}
}

func marker(b store.Bucket, key string, k store.Kind) store.Entry {
	return store.Entry{Bucket: b, Key: key, Kind: k}
}

func granted(worker string, session uint64, version int64, partition string) store.Entry {
	return put(store.Assignments, worker, record.Assignment{
		Worker: worker, Session: session, Term: 2, Version: version, Owned: []record.Owned{{Partition: partition, Epoch: version}},
	})
}

func TestTheJudgeSeesWhatIsWrittenAgainstTheRules(t *testing.T) {
	term := func(n uint64) store.Entry { return put(store.Assignments, store.TermKey, record.Term{Number: n}) }
	plan := func(term uint64, version int64) store.Entry {
		return put(store.Assignments, store.PlanKey, record.Plan{Term: term, Version: version})
	}
	beat := func(session uint64, applied int64, holding ...string) store.Entry {
		return put(store.Heartbeats, "a", record.Heartbeat{Session: session, Applied: record.Position{Version: applied}, Holding: holding})
	}
	revoked := put(store.Assignments, "a", record.Assignment{
		Worker: "a", Session: 1, Term: 2, Version: 6, Releasing: []record.Releasing{{Partition: "p", Epoch: 5, Since: 6}},
	})
	for name, c := range map[string]struct {
		stored []store.Entry
		broken string // how it begins; "" for nothing
	}{
		"terms that grow":                    {[]store.Entry{term(1), term(2)}, ""},
		"a term twice":                       {[]store.Entry{term(2), term(2)}, "I4"},
		"a version that goes back":           {[]store.Entry{plan(2, 5), plan(2, 4)}, "I4"},
		"a plan of an earlier term":          {[]store.Entry{term(3), plan(2, 5)}, "I6"},
		"a record of an earlier term":        {[]store.Entry{term(3), granted("a", 1, 5, "p")}, "I6"},
		"a session that goes back":           {[]store.Entry{beat(2, 0), beat(1, 0)}, "I5"},
		"an epoch that goes back":            {[]store.Entry{granted("a", 1, 5, "p"), granted("b", 2, 4, "p")}, "I2"},
		"a grant of what is held":            {[]store.Entry{beat(1, 5), granted("a", 1, 5, "p"), granted("b", 2, 6, "p")}, "handoff"},
		"a grant before the acknowledgement": {[]store.Entry{beat(1, 5), granted("a", 1, 5, "p"), revoked, granted("b", 2, 7, "p")}, "handoff"},
		"a grant of what is still held":      {[]store.Entry{granted("a", 1, 5, "p"), revoked, beat(1, 6, "p"), granted("b", 2, 7, "p")}, "handoff"},
		"a grant after it":                   {[]store.Entry{granted("a", 1, 5, "p"), revoked, beat(1, 6), granted("b", 2, 7, "p")}, ""},
		"a grant after an expiry": {
			[]store.Entry{beat(1, 5), granted("a", 1, 5, "p"), marker(store.Heartbeats, "a", store.Expired), granted("b", 2, 7, "p")}, "",
		},
		"a record of what is over that is written again": {
			[]store.Entry{beat(1, 5), granted("a", 1, 5, "p"), marker(store.Heartbeats, "a", store.Expired), granted("b", 2, 7, "p"), granted("a", 1, 5, "p")}, "",
		},
		"a grant after a later session": {[]store.Entry{beat(1, 5), granted("a", 1, 5, "p"), beat(3, 0), granted("a", 3, 7, "p")}, ""},
	} {
		t.Run(name, func(t *testing.T) {
			f := NewFleet(NewLoop(model.Config{Start: Begin}), Defaults(3, 3))
			for _, e := range c.stored {
				require.Empty(t, f.Broken)
				f.judge.stored(e)
			}
			if c.broken == "" {
				require.Empty(t, f.Broken)
				return
			}
			require.Len(t, f.Broken, 1)
			require.Contains(t, f.Broken[0], ": "+c.broken+": ")
		})
	}
}

func TestTheJudgeSeesWhatWorkersDoAgainstTheRules(t *testing.T) {
	for name, c := range map[string]struct {
		happens func(f *Fleet, w *Worker)
		broken  string
	}{
		"a claim that is deleted while something runs": {
			func(f *Fleet, w *Worker) { f.judge.stored(marker(store.StableIDs, w.session.Worker, store.Deleted)) }, "I1: ",
		},
		"a heartbeat that is deleted while something runs": {
			func(f *Fleet, w *Worker) { f.judge.stored(marker(store.Heartbeats, w.session.Worker, store.Deleted)) }, "I1: ",
		},
		"a second session of a trusted ID": {
			func(f *Fleet, w *Worker) {
				f.judge.begun(f.follower(), &member.Begin{Worker: w.session.Worker, Number: w.session.Number + 1})
			}, "I5: ",
		},
		"a second session that begins too late for a heartbeat": { // which takes nothing up
			func(f *Fleet, w *Worker) {
				late := f.follower()
				late.client.sent[store.StableIDs] = f.now.Add(-f.cfg.Member.HeartbeatTTL * 3 / 4)
				f.judge.begun(late, &member.Begin{Worker: w.session.Worker, Number: w.session.Number + 1})
			}, "",
		},
		"an end that leaves entries": {
			func(f *Fleet, w *Worker) {
				clear(w.Owned)
				f.judge.ended(w, &member.End{})
			}, "I11: process-2 ends without an error and leaves ",
		},
		"an end while something runs": {func(f *Fleet, w *Worker) { f.judge.ended(w, &member.End{}) }, "I11: process-2 ends and still runs "},
	} {
		t.Run(name, func(t *testing.T) {
			f := healthy(t, 3, 12)
			f.Run(f.Now().Add(time.Second))
			c.happens(f, f.Workers[0])
			if c.broken == "" {
				require.Empty(t, f.Broken)
				return
			}
			require.NotEmpty(t, f.Broken)
			require.Contains(t, f.Broken[0], c.broken)
		})
	}
}

func TestTheJudgeSeesAPartitionThatMovesAgainWhileNothingHappens(t *testing.T) {
	f := NewFleet(NewLoop(model.Config{Start: Begin}), Defaults(3, 3))
	f.judge.stored(granted("a", 1, 5, "p"))
	f.judge.moves = map[string]int{}
	f.judge.stored(granted("b", 2, 6, "p"))
	f.judge.stored(granted("b", 2, 6, "p"))
	require.Empty(t, f.Broken)
	f.judge.stored(granted("a", 3, 7, "p"))
	require.Len(t, f.Broken, 1)
	require.Contains(t, f.Broken[0], "I7: p changes hands again")
}

func TestTheJudgeSeesAPlanThatCountsTooFew(t *testing.T) {
	f := NewFleet(NewLoop(model.Config{Start: Begin}), Defaults(3, 3))
	f.source.versioned = true
	f.judge.counted(record.Plan{SourceVersion: 1, Partitions: 3})
	require.Empty(t, f.Broken)
	f.judge.counted(record.Plan{SourceVersion: 1, Partitions: 2})
	require.Len(t, f.Broken, 1)
	require.Contains(t, f.Broken[0], "I3: a plan counts only 2 partitions of version 1 of the source, which has 3")
}
