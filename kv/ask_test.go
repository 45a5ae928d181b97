// Copyright The Parti Authors
// SPDX-License-Identifier: Apache-2.0

package kv

import (
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
	"github.com/stretchr/testify/require"

	"github.com/parti-go/parti/internal/bubble"
	"github.com/parti-go/parti/internal/record"
	"github.com/parti-go/parti/internal/store"
)

// reticent stands between a client and JetStream, under a prefix of its own, and can leave requests unanswered: so does a
// cluster that is electing a leader.
type reticent struct {
	mu     sync.Mutex
	silent map[string]int // by the beginning of the subject: how many more are not answered
}

const reticentPrefix = "RETICENT.API."

func (r *reticent) ignore(subject string, times int) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.silent[subject] = times
}

func (r *reticent) ignores(subject string) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	for begin, left := range r.silent {
		if strings.HasPrefix(subject, begin) && left > 0 {
			r.silent[begin]--
			return true
		}
	}
	return false
}

func withReticent(t *testing.T, f func(t *testing.T, r *reticent, js jetstream.JetStream)) {
	t.Helper()
	bubble.Run(t, func(t *testing.T, srv *bubble.Server) {
		r := &reticent{silent: map[string]int{}}
		between := connect(t, srv).Conn()
		_, err := between.Subscribe(reticentPrefix+">", func(m *nats.Msg) {
			asked := strings.TrimPrefix(m.Subject, reticentPrefix)
			to := &nats.Msg{Subject: jetstream.DefaultAPIPrefix + asked, Reply: m.Reply, Header: m.Header, Data: m.Data}
			if strings.HasPrefix(asked, "$KV.") {
				to.Subject = asked
			}
			if m.Reply != "" && r.ignores(asked) { // without, it tries out what is permitted
				if !strings.HasPrefix(asked, "$KV.") {
					return
				}
				to.Reply = "" // stored, and the answer is lost
			}
			_ = between.PublishMsg(to)
		})
		require.NoError(t, err)
		require.NoError(t, between.Flush())
		js, err := jetstream.NewWithAPIPrefix(connect(t, srv).Conn(), reticentPrefix)
		require.NoError(t, err)
		f(t, r, js)
	})
}

// patience is that of a store with the configuration of the tests.
const patience = 2500 * time.Millisecond

func TestAQuestionThatNobodyAnswersIsAskedAgain(t *testing.T) {
	withReticent(t, func(t *testing.T, r *reticent, js jetstream.JetStream) {
		r.ignore("INFO", 1)
		r.ignore("STREAM.INFO.KV_t-heartbeat", 1)
		began := time.Now()
		s := openOn(t, js, testConfig())
		require.InDelta(t, 2*patience, time.Since(began), float64(100*time.Millisecond), "two questions had to be asked twice")

		r.ignore("STREAM.MSG.GET.", 1)
		began = time.Now()
		_, err := s.Get(t.Context(), store.Heartbeats, "worker-1")
		require.ErrorIs(t, err, ErrNotFound)
		require.InDelta(t, patience, time.Since(began), float64(100*time.Millisecond))

		r.ignore("STREAM.MSG.GET.", 100)
		began = time.Now()
		_, err = s.Get(t.Context(), store.Heartbeats, "worker-1")
		require.ErrorIs(t, err, ErrNotDone)
		require.Equal(t, testConfig().OperationTimeout, time.Since(began), "but not for ever")
	})
}

func TestAClaimThatNobodyAnswersIsKnownAgainSoon(t *testing.T) {
	withReticent(t, func(t *testing.T, r *reticent, js jetstream.JetStream) {
		s := openOn(t, js, testConfig())
		r.ignore("$KV.t-stableid.", 1)
		began := time.Now()
		_, err := s.ClaimID(t.Context(), record.Claim{}, store.ClaimOptions{Prefer: []string{"worker-7"}})
		require.ErrorIs(t, err, ErrUnknown)
		require.InDelta(t, patience, time.Since(began), float64(100*time.Millisecond))
		lease, err := s.ClaimID(t.Context(), record.Claim{}, store.ClaimOptions{Prefer: []string{"worker-7"}})
		require.NoError(t, err)
		require.Equal(t, "worker-7", lease.Key)
	})
}
