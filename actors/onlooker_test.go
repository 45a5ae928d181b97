// Copyright The Parti Authors
// SPDX-License-Identifier: Apache-2.0

package actors

import (
	"context"
	"errors"
	"runtime"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/parti-go/parti/internal/bubble"
	"github.com/parti-go/parti/internal/inject"
	"github.com/parti-go/parti/internal/leader"
)

// term is a term as an onlooker sees it.
type term struct {
	cancel  context.CancelFunc
	over    chan struct{}
	changes atomic.Int64
	told    chan error // while it lasts
	late    chan error
}

func (o *onlooker) begins(t *testing.T) *term {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	one := &term{cancel: cancel, over: make(chan struct{}), told: make(chan error, 100), late: make(chan error, 100)}
	go func() {
		defer close(one.over)
		o.keep(ctx, func() { one.changes.Add(1) }, func(m any) { one.told <- m.(*watchFailed).err }, func(m any) { one.late <- m.(*hookReported).err })
	}()
	return one
}

// ends ends a term and sees to it that nobody waits for the user's Watch.
func (one *term) ends(t *testing.T) {
	t.Helper()
	one.cancel()
	synctest.Wait()
	select {
	case <-one.over:
	default:
		require.FailNow(t, "the end of the term waits for Watch")
	}
}

func TestAWatchThatEndsIsReportedOnceAndBegunAgainWithABackoff(t *testing.T) {
	for name, watch := range map[string]func() error{
		"error":   func() error { return errors.New("no such table") },
		"nothing": func() error { return nil },
		"panic":   func() error { panic("on the street of London") },
		"goexit":  func() error { runtime.Goexit(); return nil },
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				var calls atomic.Int64
				o := newOnlooker(func(context.Context, func()) error {
					calls.Add(1)
					return watch()
				}, time.Second)
				one := o.begins(t)
				<-time.After(2 * time.Minute)
				require.Len(t, one.told, 1)
				require.ErrorIs(t, <-one.told, ErrSourceFailed)
				// After 0, 1, 3, 7, 15 and 31 s, and then every 30 s.
				require.EqualValues(t, 8, calls.Load())
				require.EqualValues(t, 7, one.changes.Load(), "what changed between two Watches is listed")
				one.ends(t)
				<-time.After(time.Minute)
				require.EqualValues(t, 8, calls.Load())
				require.Empty(t, one.late)
			})
		})
	}
}

func TestAWatchThatHasWorkedIsReportedAnew(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		o := newOnlooker(func(ctx context.Context, _ func()) error {
			select {
			case <-time.After(time.Hour):
			case <-ctx.Done():
			}
			return errors.New("the connection is closed")
		}, time.Second)
		one := o.begins(t)
		<-time.After(3*time.Hour + 2*time.Minute)
		require.Len(t, one.told, 3)
		require.EqualValues(t, 3, one.changes.Load())
		one.ends(t)
		require.Len(t, one.told, 3, "that it ends with the term is nothing to report")
	})
}

func TestAWatchThatIgnoresTheEndOfItsTermIsReportedAndNeverDoubled(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		release := make(chan struct{})
		var calls, running atomic.Int64
		o := newOnlooker(func(context.Context, func()) error {
			calls.Add(1)
			require.EqualValues(t, 1, running.Add(1))
			<-release
			running.Add(-1)
			return nil
		}, 10*time.Second)
		first := o.begins(t)
		<-time.After(time.Minute)
		first.ends(t)
		require.Empty(t, first.late)
		<-time.After(10*time.Second + 1)
		require.ErrorContains(t, <-first.late, "10s after its context ended")

		second := o.begins(t)
		<-time.After(time.Minute)
		require.ErrorContains(t, <-second.told, "earlier term")
		require.Empty(t, second.told)
		require.EqualValues(t, 1, calls.Load())
		second.ends(t)

		third := o.begins(t)
		<-time.After(time.Minute)
		release <- struct{}{}
		synctest.Wait()
		require.EqualValues(t, 2, calls.Load(), "it is watched again once the old Watch has returned")
		third.ends(t)
		close(release)
		<-time.After(time.Minute)
		require.Empty(t, third.late, "it returned within the grace")
	})
}

func TestATermThatBeginsWhileTheWatchBeforeItEndsReportsNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var calls atomic.Int64
		o := newOnlooker(func(ctx context.Context, _ func()) error {
			calls.Add(1)
			<-ctx.Done()
			<-time.After(time.Second) // it takes its leave of a server
			return ctx.Err()
		}, 10*time.Second)
		first := o.begins(t)
		<-time.After(time.Minute)
		first.ends(t)
		second := o.begins(t)
		<-time.After(time.Minute)
		require.EqualValues(t, 2, calls.Load())
		require.Empty(t, second.told)
		require.Empty(t, first.late)
		second.ends(t)
		<-time.After(time.Minute)
		require.Empty(t, second.late)
	})
}

func TestHoweverOftenASourceSaysThatItHasChangedTheLeaderIsNotFlooded(t *testing.T) {
	bubble.Run(t, func(t *testing.T, server *bubble.Server) {
		l, beat := newLeading(t, server)
		var says, heard atomic.Int64
		tap := func(_, _ string, message any) {
			if _, is := message.(*leader.SourceChanged); is {
				heard.Add(1)
			}
		}
		inject.Receive.Store(&tap)
		defer inject.Receive.Store(nil)
		l.set.onlooker = newOnlooker(func(ctx context.Context, changed func()) error {
			for ctx.Err() == nil {
				for range 1000 {
					changed()
					says.Add(1)
				}
				select {
				case <-time.After(100 * time.Millisecond):
				case <-ctx.Done():
				}
			}
			return ctx.Err()
		}, time.Second)
		l.lead(t, beat.Revision, 0)
		require.True(t, l.planned(t, time.Minute))
		for len(l.listed) > 0 {
			<-l.listed
		}
		<-time.After(20 * time.Second)
		require.Greater(t, says.Load(), int64(100_000))
		require.InDelta(t, 19, len(l.listed), 2, "once a second, neither more often nor never")
		require.Less(t, heard.Load(), says.Load()/10, "one message is under way at a time")
	})
}

func TestASourceIsListedAgainEveryRelistInterval(t *testing.T) {
	bubble.Run(t, func(t *testing.T, server *bubble.Server) {
		l, beat := newLeading(t, server)
		l.set.RelistInterval = 10 * time.Second
		l.lead(t, beat.Revision, 0)
		<-time.After(time.Minute + time.Second)
		require.Len(t, l.listed, 7)
	})
}
