// Copyright The Parti Authors
// SPDX-License-Identifier: Apache-2.0

package consume

import (
	"context"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/nats-io/nats.go/jetstream"
	"github.com/stretchr/testify/require"

	"github.com/parti-go/parti/integration/link"
)

// TestAQuestionThatNobodyAnswersIsAskedAgainSoon: a cluster that has just made a stream, or whose leader is gone, is silent.
func TestAQuestionThatNobodyAnswersIsAskedAgainSoon(t *testing.T) {
	for _, question := range []string{"STREAM.INFO.IN", "STREAM.INFO.KV_IN-positions", "STREAM.MSG.GET.KV_IN-positions"} {
		t.Run(question, func(t *testing.T) {
			onStage(t, func(t *testing.T, st *stage) {
				st.input()
				st.publish("a", 1, 5)
				var lost atomic.Bool
				st.link.Fail(func(subject string) link.Fault {
					if strings.HasSuffix(subject, question) && !lost.Swap(true) {
						return link.Lost
					}
					return link.None
				})
				began, got := time.Now(), &log{}
				r := st.reading(st.handler(st.js), owns("a", 1), got.take)
				eventually(t, "all are handled", func() bool { return len(got.all()) == 5 })
				require.True(t, lost.Load())
				require.Less(t, time.Since(began), 4*time.Second)
				require.NoError(t, r.stop(t))
			})
		})
	}
}

// forgetful is a server that does not know at first of a bucket which another worker has made.
type forgetful struct {
	jetstream.JetStream
	asked int
}

// Stream implements jetstream.JetStream.
func (f *forgetful) Stream(ctx context.Context, name string) (jetstream.Stream, error) {
	if strings.HasPrefix(name, "KV_") {
		if f.asked++; f.asked <= 3 {
			return nil, jetstream.ErrStreamNotFound
		}
	}
	return f.JetStream.Stream(ctx, name)
}

func TestABucketThatAnotherWorkerHasJustMadeIsAwaited(t *testing.T) {
	onStage(t, func(t *testing.T, st *stage) {
		st.input()
		st.publish("a", 1, 5)
		got := &log{}
		r := st.reading(st.handler(&forgetful{JetStream: st.js}), owns("a", 1), got.take)
		eventually(t, "all are handled", func() bool { return len(got.all()) == 5 })
		require.NoError(t, r.stop(t))
	})
}

// TestThoseWhoWaitForAnAnswerShareItsAbsence: many partitions begin at once, and one asks for all. A silence that each of them
// bore in its turn would last minutes.
func TestThoseWhoWaitForAnAnswerShareItsAbsence(t *testing.T) {
	onStage(t, func(t *testing.T, st *stage) {
		st.input()
		h := st.handler(st.js)
		st.link.Block(func(subject string) bool { return strings.HasSuffix(subject, "STREAM.INFO.IN") })
		began := time.Now()
		failed := make(chan error)
		for range 20 {
			go func() {
				_, err := h.about(t.Context(), "IN", time.Time{})
				failed <- err
			}()
		}
		for range 20 {
			require.ErrorContains(t, <-failed, `ask about stream "IN"`)
		}
		require.Less(t, time.Since(began), 2*answerWithin)
	})
}
