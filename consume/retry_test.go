// Copyright The Parti Authors
// SPDX-License-Identifier: Apache-2.0

package consume

import (
	"context"
	"errors"
	"sync/atomic"
	"testing"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
	"github.com/stretchr/testify/require"

	"github.com/parti-go/parti"
)

var errMood = errors.New("a bad\nmood")

func TestAMessageThatFailsIsTriedAgainAndNothingOvertakesIt(t *testing.T) {
	onStage(t, func(t *testing.T, st *stage) {
		st.input()
		st.publish("a", 1, 5)
		got := &log{}
		var times []time.Time
		h := st.handler(st.js, func(c *Config) { c.Retry = Retry{First: time.Second, Most: 3 * time.Second, Attempts: 6} })
		r := st.reading(h, owns("a", 1), func(ctx context.Context, m Message) error {
			if m.Position() == 3 && m.Attempt() < 6 {
				times = append(times, time.Now())
				if m.Attempt() == 2 {
					panic(errMood)
				}
				return errMood
			}
			return got.take(ctx, m)
		})
		eventually(t, "all are handled", func() bool { return len(got.all()) == 5 })
		require.NoError(t, r.stop(t))
		require.Equal(t, numbers(1, 5), got.all())
		for i, pause := range []time.Duration{time.Second, 2 * time.Second, 3 * time.Second, 3 * time.Second} {
			require.Equal(t, pause, times[i+1].Sub(times[i]))
		}
	})
}

// TestAPartitionThatHaltsDoesNotHammer: Parti calls Run again after pauses that begin with a tenth of a second.
func TestAPartitionThatHaltsDoesNotHammer(t *testing.T) {
	onStage(t, func(t *testing.T, st *stage) {
		st.input()
		st.publish("a", 1, 5)
		got := &log{}
		var calls atomic.Int32
		var well atomic.Bool
		h := st.handler(st.js, func(c *Config) { c.Retry = Retry{First: time.Second, Most: 20 * time.Second, Attempts: 2} })
		call := func(ctx context.Context, m Message) error {
			if m.Position() == 3 {
				if calls.Add(1); !well.Load() {
					panic("never")
				}
			}
			return got.take(ctx, m)
		}
		o := owns("a", 1)
		err := st.reading(h, o, call).wait(t)
		require.ErrorIs(t, err, ErrHalted)
		require.ErrorIs(t, err, ErrPanic)
		require.ErrorContains(t, err, `message 3 of stream "IN", which failed 2 times`)
		require.EqualValues(t, 2, st.stored("a"), "what is done is stored")
		for began := time.Now(); time.Since(began) < time.Minute; <-time.After(100 * time.Millisecond) {
			require.ErrorIs(t, st.reading(h, o, call).wait(t), ErrHalted)
		}
		require.LessOrEqual(t, calls.Load(), int32(2+4), "once in 20 seconds")
		well.Store(true)
		r := st.reading(h, o, call)
		eventually(t, "it goes on when the message succeeds", func() bool { return len(got.all()) == 5 })
		require.NoError(t, r.stop(t))
		require.Equal(t, numbers(1, 5), got.all())
	})
}

func TestARetryEndsWhenThePartitionIsRevoked(t *testing.T) {
	onStage(t, func(t *testing.T, st *stage) {
		st.input()
		st.publish("a", 1, 5)
		h := st.handler(st.js, func(c *Config) { c.Retry = Retry{First: time.Hour, Attempts: 9} })
		failed := make(chan struct{}, 1)
		r := st.reading(h, owns("a", 1), func(_ context.Context, m Message) error {
			if m.Position() == 3 {
				failed <- struct{}{}
				return errMood
			}
			return nil
		})
		<-failed
		began := time.Now()
		require.NoError(t, r.stop(t))
		require.Less(t, time.Since(began), time.Second)
		require.EqualValues(t, 2, st.stored("a"), "the message is the next owner's")
	})
}

func TestADeadLetterSaysWhereItComesFrom(t *testing.T) {
	onStage(t, func(t *testing.T, st *stage) {
		st.input()
		st.stream(jetstream.StreamConfig{Name: "DEAD", Subjects: []string{"dead.>"}})
		st.publish("a", 1, 5)
		got := &log{}
		bury := func(c *Config) {
			c.Retry = Retry{First: time.Second, Attempts: 3, DeadLetter: func(p parti.Partition) string { return "dead." + p.ID() }}
		}
		call := func(ctx context.Context, m Message) error {
			if m.Position() == 3 {
				return errMood
			}
			return got.take(ctx, m)
		}
		r := st.reading(st.handler(st.js, bury), owns("a", 7), call)
		eventually(t, "the others are handled", func() bool { return len(got.all()) == 4 })
		require.NoError(t, r.stop(t))
		require.Equal(t, []string{"1", "2", "4", "5"}, got.all())
		dead, err := st.safe.Stream(t.Context(), "DEAD")
		require.NoError(t, err)
		letter, err := dead.GetMsg(t.Context(), 1)
		require.NoError(t, err)
		require.Equal(t, "3", string(letter.Data))
		for name, value := range map[string]string{
			HeaderStream: "IN", HeaderSequence: "3", HeaderSubject: "in.a", HeaderPartition: "a", HeaderEpoch: "7", HeaderAttempts: "3", HeaderError: "a bad mood",
		} {
			require.Equal(t, value, letter.Header.Get(name), name)
		}
		// The same message once more, as after a crash before the position was stored.
		m := Message{Msg: delivery{}, sequence: 3, attempt: 3}
		again := st.handler(st.js, bury)
		m.Msg = fake{data: []byte("3")}
		require.NoError(t, again.bury(owns("a", 8), &m, errMood))
		info, err := dead.Info(t.Context())
		require.NoError(t, err)
		require.EqualValues(t, 1, info.State.Msgs)
	})
}

// fake is a message that comes from nowhere.
type fake struct {
	jetstream.Msg
	data []byte
}

func (f fake) Data() []byte         { return f.data }
func (f fake) Headers() nats.Header { return nil }
func (f fake) Subject() string      { return "in.a" }

func TestADeadLetterThatNobodyStoresHoldsUpThePartition(t *testing.T) {
	onStage(t, func(t *testing.T, st *stage) {
		st.input()
		st.publish("a", 1, 2)
		for subject, says := range map[string]string{"nobody.listens": "no response from stream", "not.*": "without wildcards", "": "without wildcards"} {
			h := st.handler(st.js, func(c *Config) {
				c.Retry = Retry{First: time.Millisecond, Most: time.Second, Attempts: 1, DeadLetter: func(parti.Partition) string { return subject }}
			})
			r := st.reading(h, owns("a", 1), func(context.Context, Message) error { return errMood })
			require.ErrorIs(t, r.wait(t), ErrDeadLetter)
			require.ErrorIs(t, r.err, errMood)
			require.ErrorContains(t, r.err, says)
			require.Zero(t, st.stored("a"))
		}
	})
}
