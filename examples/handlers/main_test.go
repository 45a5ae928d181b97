// Copyright The Parti Authors
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"bytes"
	"testing"
	"testing/synctest"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/stretchr/testify/require"

	"github.com/parti-go/parti"
	"github.com/parti-go/parti/internal/bubble"
	"github.com/parti-go/parti/partitest"
)

func TestTheHandlersBeginEndFailAndWait(t *testing.T) {
	bubble.Run(t, func(t *testing.T, s *bubble.Server) {
		defer synctest.Wait() // the server is idle when it is stopped
		var out bytes.Buffer
		require.NoError(t, show(t.Context(), &out, func() (*nats.Conn, error) {
			return nats.Connect("", append(parti.ConnectOptions(), nats.InProcessServer(s))...)
		}))
		for _, line := range []string{
			`worker-0 begins city\.\w+, epoch \d`,
			`worker-\d ends city\.\w+: partition is handed to another worker`,
			`worker-2 begins city\.\w+, epoch \d`,
			`survived: partition handler failed: partition city\.rome`,
			`worker-\d ends city\.\w+: worker is leaving`,
		} {
			require.Regexp(t, line, out.String())
		}
		t.Log(out.String())
	})
}

func TestTheHandlerReturnsWhenItIsTold(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var out bytes.Buffer
		f := &fleet{out: &out, began: time.Now()}
		w := partitest.New(t, parti.HandlerFunc(f.work))
		w.Grant("city.lima", clumsy, stubborn)

		began := time.Now()
		w.Revoke("city.lima")
		require.Zero(t, time.Since(began))
		w.Revoke(stubborn)
		require.Equal(t, 2*time.Second, time.Since(began), "it finishes what it has begun")

		f.fail()
		<-time.After(time.Second)
		require.Len(t, w.Errors(), 1)
		w.Fence(clumsy)
		w.Await()
		require.Regexp(t, `worker-0 ends city\.rome: .*trust`, out.String())
	})
}
