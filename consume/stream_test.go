// Copyright The Parti Authors
// SPDX-License-Identifier: Apache-2.0

package consume

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/nats-io/nats.go/jetstream"
	"github.com/stretchr/testify/require"

	"github.com/parti-go/parti"
	"github.com/parti-go/parti/integration/link"
)

func created(t *testing.T, data []byte) time.Time {
	t.Helper()
	var r record
	require.NoError(t, json.Unmarshal(data, &r))
	return r.Created
}

func TestTheNextOwnerGoesOnWhereTheOneBeforeStopped(t *testing.T) {
	onStage(t, func(t *testing.T, st *stage) {
		st.input()
		st.publish("a", 1, 250)
		st.publish("b", 1, 50)
		h, got := st.handler(st.js), &log{}
		first := st.reading(h, owns("a", 1), got.take)
		eventually(t, "all are handled", func() bool { return len(got.all()) == 250 })
		require.NoError(t, first.stop(t))
		require.EqualValues(t, 250, st.stored("a"), "the last position is stored at the end")
		st.publish("a", 251, 300)
		second := st.reading(h, owns("a", 2), got.take)
		eventually(t, "the rest is handled", func() bool { return len(got.all()) == 300 })
		require.NoError(t, second.stop(t))
		require.Equal(t, numbers(1, 300), got.all(), "in order, each once, none of another partition")
	})
}

func TestThePositionIsStoredEverySoManyMessagesAndEverySoOften(t *testing.T) {
	onStage(t, func(t *testing.T, st *stage) {
		st.input()
		st.publish("a", 1, 10)
		h, got := st.handler(st.js, func(c *Config) { c.Every, c.Interval = 10, time.Hour }), &log{}
		st.reading(h, owns("a", 1), got.take)
		eventually(t, "ten are handled", func() bool { return len(got.all()) == 10 })
		eventually(t, "and stored", func() bool { return st.stored("a") == 10 })
		st.publish("a", 11, 12)
		eventually(t, "twelve are handled", func() bool { return len(got.all()) == 12 })
		<-time.After(time.Minute)
		require.EqualValues(t, 10, st.stored("a"))

		often := st.handler(st.js, func(c *Config) { c.Interval = 3 * time.Second })
		st.reading(often, owns("b", 1), got.take)
		st.publish("b", 13, 13)
		began := time.Now()
		eventually(t, "one message is stored when the interval is over", func() bool { return st.stored("b") > 0 })
		require.InDelta(t, 3, time.Since(began).Seconds(), 3)
	})
}

func TestAMessageInHandIsFinishedAndStoredWhenThePartitionIsRevoked(t *testing.T) {
	onStage(t, func(t *testing.T, st *stage) {
		st.input()
		st.publish("a", 1, 20)
		h, got := st.handler(st.js, seldom), &log{}
		begun := make(chan struct{})
		r := st.reading(h, owns("a", 1), func(ctx context.Context, m Message) error {
			if m.Position() == 3 {
				close(begun)
				if !sleep(ctx, 3*time.Second) {
					return ctx.Err()
				}
			}
			return got.take(ctx, m)
		})
		<-begun
		require.NoError(t, r.stop(t))
		require.Equal(t, numbers(1, 3), got.all(), "what was fetched beyond it is dropped")
		require.EqualValues(t, 3, st.stored("a"))
	})
}

func TestAFencedOwnerWritesNothing(t *testing.T) {
	onStage(t, func(t *testing.T, st *stage) {
		st.input()
		st.publish("a", 1, 20)
		h, got := st.handler(st.js, func(c *Config) { c.Every, c.Interval = 1000, time.Hour }), &log{}
		r := st.reading(h, owns("a", 1), func(ctx context.Context, m Message) error {
			if m.Position() == 5 {
				<-ctx.Done() // the trust ends
				return ctx.Err()
			}
			return got.take(ctx, m)
		})
		eventually(t, "four are handled", func() bool { return len(got.all()) == 4 })
		r.o.fence()
		require.NoError(t, r.wait(t))
		require.Equal(t, numbers(1, 4), got.all())
		require.Zero(t, st.stored("a"))
	})
}

func TestAStaleOwnerCannotMoveThePosition(t *testing.T) {
	onStage(t, func(t *testing.T, st *stage) {
		st.input()
		st.publish("a", 1, 10)
		stale, fresh := &log{}, &log{}
		_, other := st.connect(st.s)
		old := st.reading(st.handler(st.js, func(c *Config) { c.Every = 1000 }), owns("a", 1), stale.take)
		eventually(t, "the old owner works", func() bool { return st.stored("a") == 10 })
		st.link.Stall()
		now := st.reading(st.handler(other), owns("a", 2), fresh.take)
		st.publish("a", 11, 20)
		eventually(t, "the new owner works", func() bool { return st.stored("a") == 20 })
		st.link.Heal() // the old one still believes that the partition is its own
		require.ErrorIs(t, old.wait(t), ErrStale)
		require.NoError(t, now.stop(t))
		require.EqualValues(t, 20, st.stored("a"))
		require.Equal(t, numbers(11, 20), fresh.all())
		again := st.reading(st.handler(st.js), owns("a", 1), stale.take)
		require.ErrorIs(t, again.wait(t), ErrStale, "nor can it claim it again")
	})
}

func TestALostConsumerIsReplacedWithoutAGap(t *testing.T) {
	breaks := map[string]func(st *stage){
		"the server was restarted": func(st *stage) { st.s.Stop(); <-time.After(time.Second); st.s.Start() },
		"the link was cut":         func(st *stage) { st.link.Cut(); <-time.After(2 * time.Second); st.link.Heal() },
		"the link is stalled":      func(st *stage) { st.link.Stall(); <-time.After(12 * time.Second); st.link.Heal() },
		"deliveries were lost": func(st *stage) {
			st.link.Stall(link.Down)
			st.publish("a", 21, 21)
			<-time.After(time.Second)
			st.link.Cut()
			st.link.Heal()
		},
		"the consumer was deleted": func(st *stage) {
			stream, err := st.safe.Stream(st.t.Context(), "IN")
			require.NoError(st.t, err)
			for name := range stream.ConsumerNames(st.t.Context()).Name() {
				require.NoError(st.t, st.safe.DeleteConsumer(st.t.Context(), "IN", name))
			}
		},
	}
	for name, breakIt := range breaks {
		t.Run(name, func(t *testing.T) {
			onStage(t, func(t *testing.T, st *stage) {
				st.input()
				st.publish("a", 1, 20)
				got := &log{}
				r := st.reading(st.handler(st.js), owns("a", 1), got.take)
				eventually(t, "it works", func() bool { return len(got.all()) == 20 })
				breakIt(st)
				begin := 21
				if name == "deliveries were lost" {
					begin = 22
				}
				eventually(t, "the server is there", func() bool {
					_, err := st.safe.Publish(t.Context(), "in.a", fmt.Appendf(nil, "%d", begin))
					return err == nil
				})
				st.publish("a", begin+1, 40)
				eventually(t, "all come", func() bool { return len(got.all()) >= 40 })
				require.NoError(t, r.stop(t))
				require.Equal(t, numbers(1, 40), got.all())
			})
		})
	}
}

// TestAReaderThatHearsNothingIsReplaced: the server has lost its request, or its consumer, and nobody says so.
func TestAReaderThatHearsNothingIsReplaced(t *testing.T) {
	onStage(t, func(t *testing.T, st *stage) {
		st.input()
		got := &log{}
		st.link.Block(func(subject string) bool { return strings.Contains(subject, "CONSUMER.MSG.NEXT") })
		r := st.reading(st.handler(st.js), owns("a", 1), got.take)
		<-time.After(time.Second)
		st.link.Heal()
		st.publish("a", 1, 5)
		began := time.Now()
		eventually(t, "all are handled", func() bool { return len(got.all()) == 5 })
		require.Less(t, time.Since(began), 4*signOfLife)
		require.NoError(t, r.stop(t))
	})
}

func TestAReaderDoesNotWaitForASignOfLifeAfterAReconnect(t *testing.T) {
	onStage(t, func(t *testing.T, st *stage) {
		st.input()
		st.publish("a", 1, 5)
		got := &log{}
		r := st.reading(st.handler(st.js), owns("a", 1), got.take)
		eventually(t, "it works", func() bool { return len(got.all()) == 5 })
		st.link.Cut()
		<-time.After(time.Second)
		st.link.Heal()
		st.publish("a", 6, 10)
		began := time.Now()
		eventually(t, "it goes on", func() bool { return len(got.all()) == 10 })
		require.Less(t, time.Since(began), 2*time.Second)
		require.NoError(t, r.stop(t))
	})
}

// TestADeliveryThatIsMissingEndsTheReader: one message never comes; those behind it must not be handled before it.
func TestADeliveryThatIsMissingEndsTheReader(t *testing.T) {
	onStage(t, func(t *testing.T, st *stage) {
		st.input()
		st.publish("a", 1, 3)
		h := st.handler(st.js)
		info, err := h.input(t.Context(), "in.a")
		require.NoError(t, err)
		r, err := h.ordered(checkpointPull, "in.a", info.Created)(t.Context(), 0)
		require.NoError(t, err)
		defer r.close()
		m, ok, err := r.take(<-r.messages)
		require.NoError(t, err)
		require.True(t, ok)
		require.EqualValues(t, 1, m.Position())
		<-r.messages // lost
		_, _, err = r.take(<-r.messages)
		require.ErrorIs(t, err, errGap)
		require.True(t, lost(err))
		// The last one before a silence is missed with the next sign of life.
		r2, err := h.ordered(checkpointPull, "in.a", info.Created)(t.Context(), 1)
		require.NoError(t, err)
		defer r2.close()
		<-r2.messages
		<-r2.messages
		_, _, err = r2.take(<-r2.messages)
		require.ErrorIs(t, err, errGap)
	})
}

func TestAStreamThatWasMadeAnewIsAnErrorAndNotASilence(t *testing.T) {
	onStage(t, func(t *testing.T, st *stage) {
		st.input()
		st.publish("a", 1, 10)
		got := &log{}
		r := st.reading(st.handler(st.js), owns("a", 1), got.take)
		eventually(t, "it works", func() bool { return st.stored("a") == 10 })
		require.NoError(t, st.safe.DeleteStream(t.Context(), "IN"))
		st.input()
		st.publish("a", 11, 11)
		require.Error(t, r.wait(t)) // that it is another one, or, for a moment, that there is none
		require.True(t, errors.Is(r.err, ErrStreamChanged) || errors.Is(r.err, ErrStream))
		<-time.After(time.Minute)
		again := st.reading(st.handler(st.js), owns("a", 1), got.take)
		require.ErrorIs(t, again.wait(t), ErrStreamChanged)
		require.ErrorContains(t, again.err, "remove the position")
		require.Equal(t, numbers(1, 10), got.all())
		require.NoError(t, st.safe.DeleteStream(t.Context(), "IN"))
		gone := st.reading(st.handler(st.js), owns("a", 1), got.take)
		require.ErrorIs(t, gone.wait(t), ErrStream)
		require.ErrorContains(t, gone.err, "does not exist")
	})
}

// TestWhatWasHeardBeforeIsNoReasonToHalt: what the server said a moment ago about the stream may be older than the position.
func TestWhatWasHeardBeforeIsNoReasonToHalt(t *testing.T) {
	onStage(t, func(t *testing.T, st *stage) {
		st.input()
		h := st.handler(st.js)
		info, err := h.about(t.Context(), "IN", time.Time{})
		require.NoError(t, err)
		st.publish("a", 1, 10)
		require.NoError(t, h.unchanged(t.Context(), info.Created, 10))
		began := time.Now()
		require.ErrorIs(t, h.unchanged(t.Context(), info.Created, 11), ErrStreamChanged)
		require.GreaterOrEqual(t, time.Since(began), suspicion)
	})
}

func TestAPurgeIsNoLossOfPosition(t *testing.T) {
	onStage(t, func(t *testing.T, st *stage) {
		st.input()
		st.publish("a", 1, 10)
		got := &log{}
		r := st.reading(st.handler(st.js), owns("a", 1), got.take)
		eventually(t, "it works", func() bool { return st.stored("a") == 10 })
		stream, err := st.safe.Stream(t.Context(), "IN")
		require.NoError(t, err)
		require.NoError(t, stream.Purge(t.Context()))
		st.publish("a", 11, 15)
		eventually(t, "it goes on", func() bool { return len(got.all()) == 15 })
		require.NoError(t, r.stop(t))
		require.Equal(t, numbers(1, 15), got.all())
	})
}

func TestAPositionThatWasRemovedMeanwhileIsAnError(t *testing.T) {
	onStage(t, func(t *testing.T, st *stage) {
		st.input()
		st.publish("a", 1, 10)
		got := &log{}
		r := st.reading(st.handler(st.js), owns("a", 1), got.take)
		eventually(t, "it works", func() bool { return st.stored("a") == 10 })
		keys, err := st.safe.KeyValue(t.Context(), "IN-positions")
		require.NoError(t, err)
		require.NoError(t, keys.Delete(t.Context(), "a"))
		st.publish("a", 11, 11)
		require.ErrorIs(t, r.wait(t), ErrPosition)
		require.ErrorContains(t, r.err, "was it removed?")
		again := st.reading(st.handler(st.js), owns("a", 1), got.take)
		eventually(t, "a later Run begins at the first message", func() bool { return len(got.all()) >= 22 })
		require.NoError(t, again.stop(t))
	})
}

func TestAStoredPositionThatCannotBeUsedIsSaidToBe(t *testing.T) {
	onStage(t, func(t *testing.T, st *stage) {
		st.input()
		h := st.handler(st.js)
		require.NoError(t, st.reading(h, owns("a", 1), (&log{}).take).stop(t))
		keys, err := st.safe.CreateKeyValue(t.Context(), jetstream.KeyValueConfig{Bucket: "IN-positions", Replicas: 1, History: 1})
		require.NoError(t, err)
		for value, says := range map[string]string{
			`garbage`:      "allowed: a position",
			`{}`:           "allowed: a position",
			`{"format":2}`: "later release",
			`{"format":1,"epoch":9,"stream":"IN","subject":"in.a"}`:  "epoch 9",
			`{"format":1,"epoch":1,"stream":"OUT","subject":"in.a"}`: `stream "OUT"`,
			`{"format":1,"epoch":1,"stream":"IN","subject":"in.b"}`:  `subject "in.b"`,
		} {
			_, err = keys.Put(t.Context(), "a", []byte(value))
			require.NoError(t, err)
			r := st.reading(st.handler(st.js), owns("a", 2), (&log{}).take)
			require.ErrorContains(t, r.wait(t), says)
			require.True(t, errors.Is(r.err, ErrPosition) || errors.Is(r.err, ErrStale))
			entry, err := keys.Get(t.Context(), "a")
			require.NoError(t, err)
			require.Equal(t, value, string(entry.Value()), "it is left as it is")
		}
	})
}

func TestTwoPartitionsWithOneFilterAreRefused(t *testing.T) {
	onStage(t, func(t *testing.T, st *stage) {
		st.input()
		h := st.handler(st.js, func(c *Config) { c.Subject = func(parti.Partition) string { return "in.all" } })
		st.reading(h, owns("a", 1), (&log{}).take)
		<-time.After(time.Second)
		r := st.reading(h, owns("b", 1), (&log{}).take)
		require.ErrorIs(t, r.wait(t), ErrSubjectShared)
	})
}

func TestAMessageCannotBeAcknowledgedByItsFunction(t *testing.T) {
	onStage(t, func(t *testing.T, st *stage) {
		st.input()
		st.publish("a", 1, 1)
		met := make(chan Message, 1)
		r := st.reading(st.handler(st.js), owns("a", 1), func(_ context.Context, m Message) error { met <- m; return nil })
		m := <-met
		for _, err := range []error{
			m.Ack(), m.DoubleAck(t.Context()), m.Nak(), m.NakWithDelay(1), m.InProgress(), m.Term(), m.TermWithReason("x"),
		} {
			require.ErrorIs(t, err, ErrManaged)
		}
		meta, err := m.Metadata()
		require.NoError(t, err)
		require.Equal(t, m.Position(), meta.Sequence.Stream)
		require.Equal(t, "IN", meta.Stream)
		require.Equal(t, "in.a", m.Subject())
		require.Equal(t, 1, m.Attempt())
		require.NoError(t, r.stop(t))
	})
}

// TestManyPartitionsShareWhatIsFetchedAhead: what is under way delays the answers to all requests of the connection.
func TestManyPartitionsShareWhatIsFetchedAhead(t *testing.T) {
	var readers atomic.Int64
	r := &reader{others: &readers, pull: checkpointPull, size: 100}
	for others, most := range map[int64]int{0: prefetchMost, 1: prefetchMost, 256: prefetchMost, 1024: 64, 100_000: prefetchLeast} {
		readers.Store(others)
		require.Equal(t, most, r.most(), "%d readers", others)
	}
	readers.Store(1)
	r.size = 1 << 20
	require.Equal(t, 4, r.most(), "large messages")
	readers.Store(1024)
	require.Equal(t, 1, r.most())
}

func TestAStreamThatAllowsTooFewConsumersIsRefused(t *testing.T) {
	for _, mode := range []Mode{Checkpoint, Durable} {
		onStage(t, func(t *testing.T, st *stage) {
			st.stream(jetstream.StreamConfig{Name: "IN", Subjects: []string{"in.>"}, MaxConsumers: 1})
			one := st.reading(st.handler(st.js), owns("a", 1), (&log{}).take)
			eventually(t, "it has its consumer", func() bool {
				in, err := st.js.Stream(t.Context(), "IN")
				return err == nil && in.CachedInfo().State.Consumers == 1
			})
			h := st.handler(st.js, func(c *Config) { c.Mode = mode })
			run := h.runCheckpoint
			if mode == Durable {
				run, h.fit = h.runDurable, fitDurable
			}
			b := owns("b", 2)
			two := st.started(b, func() error { return run(t.Context(), b, (&log{}).take) })
			err := two.wait(t)
			require.ErrorIs(t, err, ErrStream)
			require.ErrorContains(t, err, "has reached its limit of consumers")
			require.NoError(t, one.stop(t))
		})
	}
}
