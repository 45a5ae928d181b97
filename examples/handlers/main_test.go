package main

import (
	"bytes"
	"testing"
	"testing/synctest"

	"github.com/nats-io/nats.go"
	"github.com/stretchr/testify/require"

	"github.com/parti-go/parti"
	"github.com/parti-go/parti/internal/bubble"
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
