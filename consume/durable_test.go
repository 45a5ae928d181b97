// Copyright The Parti Authors
// SPDX-License-Identifier: Apache-2.0

package consume

import (
	"context"
	"fmt"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/nats-io/nats.go/jetstream"
	"github.com/stretchr/testify/require"

	"github.com/parti-go/parti/integration/link"
)

// queues are the streams that durable consumers are for, and how a server without resets is dealt with where it can be.
var queues = map[string]struct {
	retention jetstream.RetentionPolicy
	old       bool
}{
	"limits":                      {jetstream.LimitsPolicy, false},
	"interest":                    {jetstream.InterestPolicy, false},
	"work queue":                  {jetstream.WorkQueuePolicy, false},
	"work queue on an old server": {jetstream.WorkQueuePolicy, true},
}

func (st *stage) durable(js jetstream.JetStream, old bool, change ...func(*Config)) *handler {
	st.t.Helper()
	h := st.handler(js, append(change, func(c *Config) { c.Mode = Durable })...)
	h.fit = fitDurable
	if old {
		h.resets = func(string) bool { return false }
	}
	return h
}

func (st *stage) working(h *handler, o *ownership, call handling) *run {
	st.t.Helper()
	return st.started(o, func() error { return h.runDurable(o.ctx, o, call) })
}

func (st *stage) left() uint64 {
	st.t.Helper()
	s, err := st.safe.Stream(st.t.Context(), "IN")
	require.NoError(st.t, err)
	return s.CachedInfo().State.Msgs
}

func onQueues(t *testing.T, f func(t *testing.T, st *stage, old bool)) {
	for name, q := range queues {
		t.Run(name, func(t *testing.T) {
			onStage(t, func(t *testing.T, st *stage) {
				st.stream(jetstream.StreamConfig{Name: "IN", Subjects: []string{"in.>"}, Retention: q.retention})
				f(t, st, q.old)
			})
		})
	}
}

func TestADurableConsumerGoesOnBehindWhatIsAcknowledged(t *testing.T) {
	onQueues(t, func(t *testing.T, st *stage, old bool) {
		h, got := st.durable(st.js, old), &log{}
		first := st.working(h, owns("a", 1), got.take)
		<-time.After(time.Second) // a stream of interest keeps what is published from now on
		st.publish("a", 1, 300)
		eventually(t, "all are handled", func() bool { return len(got.all()) == 300 })
		require.NoError(t, first.stop(t))
		st.publish("a", 301, 320)
		second := st.working(h, owns("a", 2), got.take)
		eventually(t, "the rest is handled", func() bool { return len(got.all()) == 320 })
		require.NoError(t, second.stop(t))
		require.Equal(t, numbers(1, 320), got.all())
	})
}

// TestWhatACrashedOwnerHasFetchedComesFirst: without a reset the server would deliver what is new before it.
func TestWhatACrashedOwnerHasFetchedComesFirst(t *testing.T) {
	onQueues(t, func(t *testing.T, st *stage, old bool) {
		_, other := st.connect(st.s)
		got, next := &log{}, &log{}
		stuck := make(chan struct{})
		crashed := st.working(st.durable(st.js, old), owns("a", 1), func(ctx context.Context, m Message) error {
			if string(m.Data()) == "4" {
				close(stuck)
				<-ctx.Done()
				return ctx.Err()
			}
			return got.take(ctx, m)
		})
		<-time.After(time.Second)
		st.publish("a", 1, 50)
		<-stuck
		st.link.Cut()
		st.publish("a", 51, 60)
		second := st.working(st.durable(other, old), owns("a", 2), next.take)
		eventually(t, "the rest is handled", func() bool { all := next.all(); return len(all) > 0 && all[len(all)-1] == "60" })
		require.NoError(t, second.stop(t))
		crashed.o.fence()
		require.NoError(t, crashed.wait(t))
		require.Equal(t, numbers(1, 3), got.all())
		all := next.all()
		require.Subset(t, numbers(1, 4), all[:1], "from the first that is not acknowledged on")
		require.Equal(t, numbers(60-len(all)+1, 60), all, "in order")
	})
}

// TestAFrozenOwnersRequestTakesNothingForGood: its request is still with the server, and what is sent to it is lost.
func TestAFrozenOwnersRequestTakesNothingForGood(t *testing.T) {
	onQueues(t, func(t *testing.T, st *stage, old bool) {
		_, other := st.connect(st.s)
		got, next := &log{}, &log{}
		frozen := st.working(st.durable(st.js, old), owns("a", 1), got.take)
		<-time.After(time.Second)
		st.publish("a", 1, 10)
		eventually(t, "it works", func() bool { return len(got.all()) == 10 })
		<-time.After(time.Second)
		st.link.Stall()
		frozen.o.void(errMood) // its trust is over, and it does not know yet
		second := st.working(st.durable(other, old), owns("a", 2), next.take)
		for i := 11; i <= 40; i++ {
			st.publish("a", i, i)
			<-time.After(50 * time.Millisecond)
		}
		eventually(t, "all are handled", func() bool { return len(next.all()) >= 30 })
		st.link.Heal()
		<-time.After(time.Second)
		require.NoError(t, second.stop(t))
		require.Equal(t, numbers(11, 40), next.all())
		require.Equal(t, numbers(1, 10), got.all())
		frozen.o.fence()
		require.NoError(t, frozen.wait(t))
	})
}

func TestAnAcknowledgementThatIsLostIsRepeatedAndItsMessageNot(t *testing.T) {
	for nth := 1; nth <= 6; nth++ {
		onStage(t, func(t *testing.T, st *stage) {
			st.stream(jetstream.StreamConfig{Name: "IN", Subjects: []string{"in.>"}, Retention: jetstream.WorkQueuePolicy})
			got := &log{}
			r := st.working(st.durable(st.js, false, func(c *Config) { c.Every = 3 }), owns("a", 1), got.take)
			<-time.After(time.Second)
			var acks atomic.Int32
			st.link.Fail(func(subject string) link.Fault {
				if strings.HasPrefix(subject, "$JS.ACK.") && int(acks.Add(1)) == nth {
					return link.Lost
				}
				return link.None
			})
			st.publish("a", 1, 9)
			eventually(t, "all are handled", func() bool { return len(got.all()) == 9 })
			<-time.After(10 * time.Second)
			require.NoError(t, r.stop(t))
			require.Equal(t, numbers(1, 9), got.all())
			require.GreaterOrEqual(t, int(acks.Load()), nth)
			// One whose acknowledgement was lost on the way, with no answer asked for, is left for the next owner.
			require.LessOrEqual(t, st.left(), uint64(1))
			again := st.working(st.durable(st.js, false), owns("a", 2), got.take)
			eventually(t, "the queue is empty", func() bool { return st.left() == 0 })
			require.NoError(t, again.stop(t))
		})
	}
}

// TestWhatIsHandledIsAcknowledgedAgain: no acknowledgement arrives for a while, so the server delivers everything once more.
func TestWhatIsHandledIsAcknowledgedAgain(t *testing.T) {
	onStage(t, func(t *testing.T, st *stage) {
		st.stream(jetstream.StreamConfig{Name: "IN", Subjects: []string{"in.>"}, Retention: jetstream.WorkQueuePolicy})
		got := &log{}
		r := st.working(st.durable(st.js, false), owns("a", 1), got.take)
		<-time.After(time.Second)
		st.link.Block(func(subject string) bool { return strings.HasPrefix(subject, "$JS.ACK.") })
		st.publish("a", 1, 9)
		<-time.After(2 * time.Second)
		require.EqualValues(t, 9, st.left())
		st.link.Heal()
		eventually(t, "the queue is empty", func() bool { return st.left() == 0 })
		require.Equal(t, numbers(1, 9), got.all())
		require.NoError(t, r.stop(t))
	})
}

func TestADurableConsumerSurvivesARestart(t *testing.T) {
	onQueues(t, func(t *testing.T, st *stage, old bool) {
		got := &log{}
		r := st.working(st.durable(st.js, old), owns("a", 1), got.take)
		<-time.After(time.Second)
		st.publish("a", 1, 20)
		eventually(t, "it works", func() bool { return len(got.all()) == 20 })
		st.s.Stop()
		<-time.After(3 * time.Second)
		st.s.Start()
		eventually(t, "the server is there", func() bool {
			_, err := st.safe.Publish(t.Context(), "in.a", []byte("21"))
			return err == nil
		})
		st.publish("a", 22, 30)
		eventually(t, "all are handled", func() bool { return len(got.all()) >= 30 })
		require.NoError(t, r.stop(t))
		require.Equal(t, numbers(1, 30), got.all())
	})
}

func TestADurableConsumerIsNotEdited(t *testing.T) {
	onStage(t, func(t *testing.T, st *stage) {
		st.stream(jetstream.StreamConfig{Name: "IN", Subjects: []string{"in.>"}, Retention: jetstream.WorkQueuePolicy})
		h := st.durable(st.js, false)
		_, err := st.safe.CreateConsumer(t.Context(), "IN", jetstream.ConsumerConfig{
			Durable: h.durableName("a"), FilterSubject: "in.b", AckPolicy: jetstream.AckExplicitPolicy,
		})
		require.NoError(t, err)
		r := st.working(h, owns("a", 1), (&log{}).take)
		require.ErrorIs(t, r.wait(t), ErrStream)
		require.ErrorContains(t, r.err, `has the filter "in.b"`)
		overlaps := st.working(st.durable(st.js, false, func(c *Config) { c.Durable = "other" }), owns("b", 1), (&log{}).take)
		require.ErrorIs(t, overlaps.wait(t), ErrStream)
		require.ErrorContains(t, overlaps.err, "do not overlap")
	})
}

func TestAnOldServerIsRefusedWhereItWouldLoseTheOrder(t *testing.T) {
	onStage(t, func(t *testing.T, st *stage) {
		st.input()
		r := st.working(st.durable(st.js, true), owns("a", 1), (&log{}).take)
		require.ErrorIs(t, r.wait(t), ErrStream)
		require.ErrorContains(t, r.err, "2.14")
	})
	for version, can := range map[string]bool{"2.15.2": true, "2.14.0": true, "2.13.9": false, "3.0.0": true, "": false, "2.12.3-x": false} {
		require.Equal(t, can, resetting(version), version)
	}
}

func TestNamesOfConsumersDiffer(t *testing.T) {
	h := &handler{cfg: Config{Durable: "parti"}}
	seen := map[string]string{}
	long := strings.Repeat("x", 300)
	for _, id := range []string{"a", "a.b", "a_b", "a=2Eb", "ä", "a/b", "A", long + "1", long + "2", "a_b.c", "a.b_c"} {
		name := h.durableName(id)
		require.Regexp(t, `^[-_=a-zA-Z0-9]{1,200}$`, name)
		require.Empty(t, seen[name], "%s and %s", seen[name], id)
		seen[name] = id
	}
	require.Equal(t, "parti-a_b", h.durableName("a.b"), fmt.Sprint(seen))
}

// TestAMessageWhoseAcknowledgementIsLostComesAgainAlone: the server forgets those behind it, which it knows to be acknowledged.
// It is what Durable promises less than Checkpoint: each message is handled in order at first, but not every repetition is.
func TestAMessageWhoseAcknowledgementIsLostComesAgainAlone(t *testing.T) {
	onStage(t, func(t *testing.T, st *stage) {
		st.stream(jetstream.StreamConfig{Name: "IN", Subjects: []string{"in.>"}, Retention: jetstream.WorkQueuePolicy})
		st.publish("a", 1, 9)
		var acks atomic.Int32
		st.link.Fail(func(subject string) link.Fault {
			if strings.HasPrefix(subject, "$JS.ACK.") && acks.Add(1) == 3 {
				return link.Lost
			}
			return link.None
		})
		got := &log{}
		r := st.working(st.durable(st.js, false), owns("a", 1), got.take)
		eventually(t, "all are handled", func() bool { return len(got.all()) == 9 })
		require.NoError(t, r.stop(t))
		st.publish("a", 10, 10)
		next := st.working(st.durable(st.js, false), owns("a", 2), got.take)
		eventually(t, "the next owner has handled what is left", func() bool { return st.left() == 0 })
		require.NoError(t, next.stop(t))
		require.Equal(t, append(numbers(1, 9), "3", "10"), got.all())
	})
}

// TestWhatIsNotHandledIsNotAcknowledged: where a message fails for good, and where it is in the middle of its tries as the
// partition is revoked, it is the next owner's, with all that is behind it.
func TestWhatIsNotHandledIsNotAcknowledged(t *testing.T) {
	for name, retry := range map[string]Retry{
		"halted":  {First: time.Millisecond, Most: time.Millisecond, Attempts: 2},
		"revoked": {First: time.Hour, Attempts: 9},
	} {
		t.Run(name, func(t *testing.T) {
			onQueues(t, func(t *testing.T, st *stage, old bool) {
				got := &log{}
				failed := make(chan struct{}, 9)
				first := st.working(st.durable(st.js, old, func(c *Config) { c.Retry = retry }), owns("a", 1), func(ctx context.Context, m Message) error {
					if string(m.Data()) == "3" {
						failed <- struct{}{}
						return errMood
					}
					return got.take(ctx, m)
				})
				<-time.After(time.Second)
				st.publish("a", 1, 5)
				<-failed
				if name == "halted" {
					require.ErrorIs(t, first.wait(t), ErrHalted)
				} else {
					require.NoError(t, first.stop(t))
				}
				second := st.working(st.durable(st.js, old), owns("a", 2), got.take)
				eventually(t, "the rest is handled", func() bool { return len(got.all()) >= 5 })
				require.NoError(t, second.stop(t))
				require.Equal(t, numbers(1, 5), got.all())
			})
		})
	}
}
