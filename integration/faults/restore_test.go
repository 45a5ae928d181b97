// Copyright The Parti Authors
// SPDX-License-Identifier: Apache-2.0

package faults

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/parti-go/parti"
	"github.com/parti-go/parti/integration/fleet"
	"github.com/parti-go/parti/internal/bubble"
)

// copyStore copies the store in an outage that nobody minds.
func copyStore(s *bubble.Server) string {
	s.Stop()
	copied := s.Copy()
	s.Start()
	return copied
}

// rolledBack counts the processes that have said that the store was rolled back.
func rolledBack(f *fleet.Fleet) (n int) {
	for _, p := range f.Live() {
		if p.Saw(parti.ErrStoreRolledBack) {
			n++
		}
	}
	return n
}

func TestAStoreRestoredFromAnOlderCopyUsesNoEpochAgain(t *testing.T) {
	bubble.Run(t, func(t *testing.T, s *bubble.Server) {
		f := fleet.New(t, s, 40)
		f.Begin(3)
		f.Rest()
		copied := copyStore(s)
		<-time.After(time.Minute)
		f.Followers()[0].Crash() // what was its is granted under epochs that the copy does not know
		f.Start(2)
		<-time.After(2 * time.Minute)
		require.NoError(t, f.Unsettled())
		f.RestoreFrom(copied)
		f.Wait(heartbeatTTL+5*time.Second, "who saw what the copy does not know says so", func() bool { return rolledBack(f) >= len(f.Live())/2 })
		f.Settle(coldStart + time.Minute)
		if n := f.Checker.Excused(); n > 0 {
			f.Fatalf("for a moment two ran one partition: %d excuses", n)
		}
	})
}

func TestARestoreInWhichNobodySurvivesUsesNoEpochAgain(t *testing.T) {
	bubble.Run(t, func(t *testing.T, s *bubble.Server) {
		f := fleet.New(t, s, 40)
		old := f.Begin(3)
		f.Rest()
		copied := copyStore(s)
		f.Start(2)
		<-time.After(2 * time.Minute)
		for _, p := range f.Live() {
			p.Crash()
		}
		f.RestoreFrom(copied)
		for _, p := range old {
			f.Restart(p) // the checker compares the epochs with all that were ever handed out
		}
		f.Settle(coldStart + time.Minute)
	})
}

func TestABucketThatIsRestoredAloneIsNoticed(t *testing.T) {
	b := parti.DefaultConfig().KVBuckets
	for _, bucket := range fleet.Some([]string{b.StableID, b.Election, b.Heartbeat, b.Assignment}, 3, 1) {
		t.Run(bucket, func(t *testing.T) {
			bubble.Run(t, func(t *testing.T, s *bubble.Server) {
				f := fleet.New(t, s, 40)
				old := f.Begin(3)
				f.Rest()
				copied := copyStore(s)
				<-time.After(time.Minute)
				for _, p := range old { // new sessions, terms and versions, of which the copy knows nothing
					require.NoError(t, p.Stop())
					f.Restart(p)
					<-time.After(30 * time.Second)
				}
				f.Start(1)
				<-time.After(time.Minute)
				require.NoError(t, f.Unsettled())
				f.RestoreFrom(copied, "KV_"+bucket)
				<-time.After(300 * time.Millisecond)
				if leader := f.Leader(); leader != nil {
					leader.Crash()
				} else {
					f.Live()[0].Crash()
				}
				for i := range 10 {
					f.Source.Set(append(f.Source.List(), fleet.Partition(100+i))...)
					<-time.After(130 * time.Millisecond)
					for _, p := range f.Live() {
						go func() { _ = p.Refresh() }()
					}
				}
				f.Settle(coldStart + 2*time.Minute)
				errs := 0
				for _, p := range f.Live() {
					errs += len(p.Errors())
				}
				require.Less(t, errs, 100, "no storm of sessions")
			})
		})
	}
}
