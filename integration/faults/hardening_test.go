// Copyright The Parti Authors
// SPDX-License-Identifier: Apache-2.0

package faults

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
	"github.com/stretchr/testify/require"

	"github.com/parti-go/parti"
	"github.com/parti-go/parti/integration/fleet"
	"github.com/parti-go/parti/internal/bubble"
	"github.com/parti-go/parti/kv"
	"github.com/parti-go/parti/strategy"
)

// entry is an entry of the store, in words: the key may be whose it is.
type entry struct{ bucket, key string }

// entries lists the kinds of entries that a group has, but for the assignments of workers.
func entries() map[string]entry {
	b := parti.DefaultConfig().KVBuckets
	return map[string]entry{
		"claim of a follower":     {b.StableID, "follower"},
		"claim of the leader":     {b.StableID, "leader's"},
		"lease on leadership":     {b.Election, "leader"},
		"heartbeat of a follower": {b.Heartbeat, "follower"},
		"heartbeat of the leader": {b.Heartbeat, "leader's"},
		"term":                    {b.Assignment, "term"},
		"plan":                    {b.Assignment, "plan"},
	}
}

// subject is where the entry is stored at this moment.
func (e entry) subject(f *fleet.Fleet) string {
	key := e.key
	switch key {
	case "follower":
		key = f.Followers()[0].LastID()
	case "leader's":
		key = f.Leader().LastID()
	}
	return "$KV." + e.bucket + "." + key
}

// garbage is what no worker writes. The fields that have the names of a record's have other types, so that the checker
// leaves them alone as well.
func garbage() map[string]string {
	foreign := `"name":"orders","session":"s-1","number":"n","version":"1.2.3","term":"t"}`
	return map[string]string{
		"truncated":    `{"format":1,"token":"x/1/1","sess`,
		"empty":        ``,
		"foreign JSON": `{` + foreign,
		"wrong types":  `{"format":1,"token":"x/1/1",` + foreign,
		"a list":       `[{"format":1}]`,
		"huge":         `{"format":1,"session":"` + strings.Repeat("x", 900_000),
	}
}

// overwrite stores a value as a stranger would: without a condition and without a lifetime.
func overwrite(t *testing.T, f *fleet.Fleet, subject, value string) {
	t.Helper()
	_, err := f.JS.Publish(background(), subject, []byte(value))
	require.NoError(t, err)
}

// crashLeader crashes the leader, of whom there has to be one.
func crashLeader(f *fleet.Fleet) {
	f.Wait(recovery, "a leader", func() bool { return f.Leader() != nil })
	f.Leader().Crash()
}

// noticed is how long a worker may need to see that something of its own is another's: a claim is renewed every ten
// seconds.
const noticed = 15 * time.Second

// Each entry meets each kind of garbage in a thorough run; else each entry meets two kinds, and each kind two entries at least.
func TestGarbageInPlaceOfAnyEntryIsSurvived(t *testing.T) {
	kinds := slices.Sorted(maps.Keys(garbage()))
	for i, name := range slices.Sorted(maps.Keys(entries())) {
		e := entries()[name]
		t.Run(name, func(t *testing.T) {
			for _, kind := range fleet.Some(kinds, i, 3) {
				value := garbage()[kind]
				t.Run(kind, func(t *testing.T) {
					bubble.Run(t, func(t *testing.T, s *bubble.Server) {
						f := fleet.New(t, s, 12)
						f.Begin(3)
						f.Rest()
						overwrite(t, f, e.subject(f), value)
						<-time.After(noticed)
						f.Settle(recovery)
						crashLeader(f) // whoever leads next reads everything
						f.Start(1)
						f.Settle(recovery)
					})
				})
			}
		})
	}
}

func TestGarbageThatANewLeaderFindsIsSurvived(t *testing.T) {
	for name, e := range entries() {
		t.Run(name, func(t *testing.T) {
			bubble.Run(t, func(t *testing.T, s *bubble.Server) {
				f := fleet.New(t, s, 12)
				f.Begin(3)
				f.Rest()
				subject := e.subject(f)
				f.Leader().Crash()
				overwrite(t, f, subject, garbage()["foreign JSON"])
				<-time.After(noticed)
				f.Settle(recovery)
			})
		})
	}
}

func TestGarbageMakesNoSecondOwnerWhenTheLeaderChanges(t *testing.T) {
	b := parti.DefaultConfig().KVBuckets
	for i, name := range []string{"heartbeat", "assignment"} {
		bucket := []string{b.Heartbeat, b.Assignment}[i]
		var moments []time.Duration // after the crash, until there is a leader again
		for after := time.Duration(0); after < 4*time.Second; after += 500 * time.Millisecond {
			moments = append(moments, after)
		}
		for _, after := range fleet.Some(moments, i, 2) {
			t.Run(fmt.Sprintf("%s %s", name, after), func(t *testing.T) {
				bubble.Run(t, func(t *testing.T, s *bubble.Server) {
					f := fleet.New(t, s, 12, fleet.Strategy(strategy.NewRoundRobin()))
					f.Begin(4)
					f.Rest()
					victim := f.Followers()[0]
					crashLeader(f)
					<-time.After(after)
					overwrite(t, f, "$KV."+bucket+"."+victim.LastID(), garbage()["foreign JSON"])
					<-time.After(noticed)
					f.Settle(recovery)
				})
			})
		}
	}
}

func TestARecordThatCannotBeReadAndAHookThatDoesNotReturnAreReported(t *testing.T) {
	bubble.Run(t, func(t *testing.T, s *bubble.Server) {
		f := fleet.New(t, s, 12, fleet.Strategy(strategy.NewRoundRobin()))
		f.Begin(5, fleet.Handler(func(ctx context.Context, _, removed []parti.Partition) error {
			if len(removed) > 0 {
				<-ctx.Done()
			}
			return nil
		}))
		<-time.After(time.Minute)
		victim := f.Followers()[0]
		crashLeader(f)
		overwrite(t, f, "$KV."+parti.DefaultConfig().KVBuckets.Assignment+"."+victim.LastID(), garbage()["foreign JSON"])
		f.Wait(leaderTTL+time.Second, "the next leader", func() bool { return f.Leader() != nil })
		timeout := parti.DefaultConfig().HandoffTimeout
		<-time.After(heartbeatTTL)
		require.NotEqual(t, parti.StateStable, f.Leader().Manager.State(), "there is something to wait for")
		f.Wait(timeout+time.Second, "it is reported", func() bool { return f.Leader().Saw(parti.ErrHandoffTimeout) })
		victim.Crash()
		f.Settle(recovery)
	})
}

func TestAWorkerWhoseHeartbeatWasOverwrittenCanDieAllTheSame(t *testing.T) {
	bubble.Run(t, func(t *testing.T, s *bubble.Server) {
		f := fleet.New(t, s, 12)
		f.Begin(3)
		f.Rest()
		victim := f.Followers()[0]
		overwrite(t, f, "$KV."+parti.DefaultConfig().KVBuckets.Heartbeat+"."+victim.LastID(), garbage()["foreign JSON"])
		victim.Crash() // no expiry will tell
		f.Settle(heartbeatTTL + time.Second)
	})
}

func TestGarbageInPlaceOfAnAssignmentTakesNothingAway(t *testing.T) {
	b := parti.DefaultConfig().KVBuckets
	for name, e := range map[string]entry{"of a follower": {b.Assignment, "follower"}, "of the leader": {b.Assignment, "leader's"}} {
		t.Run(name, func(t *testing.T) {
			bubble.Run(t, func(t *testing.T, s *bubble.Server) {
				f := fleet.New(t, s, 12)
				f.Begin(3)
				f.Rest()
				calls := f.Checker.Calls()
				for _, value := range garbage() {
					overwrite(t, f, e.subject(f), value)
					<-time.After(noticed)
					require.NoError(t, f.Unsettled())
				}
				require.Equal(t, calls, f.Checker.Calls())
				said := 0
				for _, p := range f.Live() {
					if p.Saw(kv.ErrCorrupt) {
						said++
					}
				}
				require.Equal(t, 1, said, "whose record it is says so")
				f.Source.Set(f.Source.List()[:9]...) // the next plan writes the record anew
				require.NoError(t, f.Leader().Refresh())
				f.Settle(window + noticed)
			})
		})
	}
}

func TestKeysThatNobodyKnowsAreLeftAlone(t *testing.T) {
	bubble.Run(t, func(t *testing.T, s *bubble.Server) {
		f := fleet.New(t, s, 12)
		f.Begin(3)
		f.Rest()
		b := parti.DefaultConfig().KVBuckets
		var subjects []string
		for _, bucket := range []string{b.StableID, b.Election, b.Heartbeat, b.Assignment} {
			for _, key := range []string{"worker-abc", "worker-007", "worker-123456", "foo", "a.b.c", "leader.old"} {
				subjects = append(subjects, "$KV."+bucket+"."+key)
			}
		}
		for _, subject := range subjects {
			for _, value := range garbage() {
				overwrite(t, f, subject, value)
			}
		}
		moves := f.Checker.Moves()
		<-time.After(noticed)
		f.Settle(recovery)
		require.Equal(t, moves, f.Checker.Moves(), "nothing moves for it")
		crashLeader(f)
		f.Start(1)
		f.Settle(recovery)
		stream, err := f.JS.Stream(background(), "KV_"+b.StableID)
		require.NoError(t, err)
		_, err = stream.GetLastMsgForSubject(background(), "$KV."+b.StableID+".foo")
		require.NoError(t, err)
	})
}

func TestAnyEntryThatIsDeletedIsMadeAnew(t *testing.T) {
	for name, e := range entries() {
		t.Run(name, func(t *testing.T) {
			bubble.Run(t, func(t *testing.T, s *bubble.Server) {
				f := fleet.New(t, s, 12)
				f.Begin(3)
				f.Rest()
				m := nats.NewMsg(e.subject(f))
				m.Header.Set("KV-Operation", "DEL")
				_, err := f.JS.PublishMsg(background(), m)
				require.NoError(t, err)
				<-time.After(noticed)
				f.Settle(recovery)
				crashLeader(f)
				f.Start(1)
				f.Settle(recovery)
			})
		})
	}
}

func TestABucketThatIsPurgedUnderTheFleetIsFilledAgain(t *testing.T) {
	b := parti.DefaultConfig().KVBuckets
	for _, bucket := range []string{b.StableID, b.Election, b.Heartbeat, b.Assignment} {
		t.Run(bucket, func(t *testing.T) {
			bubble.Run(t, func(t *testing.T, s *bubble.Server) {
				f := fleet.New(t, s, 12)
				f.Begin(3)
				// Between two listings, which all of them make at the same moments. What one sees who lists just before the purge, and again
				// when others have filled the bucket, is not what this is about.
				<-time.After(time.Minute + 10*time.Second)
				purge(t, f.JS, bucket)
				f.Checker.Forgot(coldStart + noticed)
				<-time.After(coldStart + noticed) // a purge leaves no trace: every half a minute a snapshot shows it
				f.Settle(recovery)
				crashLeader(f)
				f.Start(1)
				f.Settle(recovery)
			})
		})
	}
}

func purge(t *testing.T, js jetstream.JetStream, bucket string) {
	t.Helper()
	stream, err := js.Stream(background(), "KV_"+bucket)
	require.NoError(t, err)
	require.NoError(t, stream.Purge(background()))
}
