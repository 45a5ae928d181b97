// Copyright The Parti Authors
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"bytes"
	"context"
	"regexp"
	"testing"
	"testing/synctest"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/parti-go/parti/internal/bubble"
)

func TestTheDemonstrationShowsEveryChangeAndLeavesNothingBehind(t *testing.T) {
	bubble.Run(t, func(t *testing.T, s *bubble.Server) {
		defer synctest.Wait() // the server is idle when it is stopped
		connect := func(opts ...nats.Option) (*nats.Conn, error) {
			return nats.Connect("", append(opts[:len(opts):len(opts)], nats.InProcessServer(s))...)
		}
		var out bytes.Buffer
		began := time.Now()
		err := show(t.Context(), &out, false, "virtual", connect, nil)
		require.NoError(t, err, "%s", &out)
		assert.Less(t, time.Since(began), time.Minute)
		for _, line := range []string{
			`1  cold start of 4 workers`, `2  a new worker joins`, `3  a worker is restarted`, `4  the leader crashes`,
			`5  a worker leaves cleanly`, `leads the fleet +worker-\d`, `Election → WaitingAssignment`, `worker-\d  \*`,
			`cold start of 4 workers +0 `, `a worker is restarted +0 `, `two owners at once: 0`,
		} {
			assert.Regexp(t, regexp.MustCompile(line), out.String())
		}
		assert.NotContains(t, out.String(), "\x1b", "no colour unless asked for")

		js, err := jetstream.New(s.Connect())
		require.NoError(t, err)
		info, err := js.AccountInfo(t.Context())
		require.NoError(t, err)
		assert.Zero(t, info.Streams)
	})
}

func TestAnInterruptEndsItSoonAndLeavesNothingBehind(t *testing.T) {
	bubble.Run(t, func(t *testing.T, s *bubble.Server) {
		defer synctest.Wait() // the server is idle when it is stopped
		connect := func(opts ...nats.Option) (*nats.Conn, error) {
			return nats.Connect("", append(opts[:len(opts):len(opts)], nats.InProcessServer(s))...)
		}
		ctx, cancel := context.WithTimeout(t.Context(), 4*time.Second)
		defer cancel()
		began := time.Now()
		require.ErrorIs(t, show(ctx, new(bytes.Buffer), true, "virtual", connect, nil), context.DeadlineExceeded)
		assert.Less(t, time.Since(began), 5*time.Second)
	})
}
