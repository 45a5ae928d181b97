// Copyright The Parti Authors
// SPDX-License-Identifier: Apache-2.0

package link_test

import (
	"sync/atomic"
	"testing"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/stretchr/testify/require"

	"github.com/parti-go/parti/integration/link"
	"github.com/parti-go/parti/internal/bubble"
)

// rig is an echo service at the server, and a client behind a link.
type rig struct {
	*link.Link
	client *nats.Conn
	sent   atomic.Int64 // messages that the client put into the link
	heard  atomic.Int64 // messages that arrived at the service
}

func newRig(t *testing.T, s *bubble.Server, opts ...nats.Option) *rig {
	r := &rig{}
	service := s.Connect()
	_, err := service.Subscribe("echo", func(m *nats.Msg) {
		r.heard.Add(1)
		if m.Reply != "" {
			_ = m.Respond(m.Data)
		}
	})
	require.NoError(t, err)
	require.NoError(t, service.Flush())
	r.Link = link.New(s, func(string) { r.sent.Add(1) })
	t.Cleanup(r.Close)
	opts = append([]nats.Option{
		nats.InProcessServer(r.Link), nats.MaxReconnects(-1), nats.ReconnectWait(100 * time.Millisecond),
	}, opts...)
	r.client, err = nats.Connect("", opts...)
	require.NoError(t, err)
	t.Cleanup(r.client.Close)
	return r
}

func (r *rig) ask(within time.Duration) error {
	_, err := r.client.Request("echo", []byte("hello\r\nPUB not 1\r\n"), within)
	return err
}

func TestABlockedSubjectIsLostAndNothingElse(t *testing.T) {
	bubble.Run(t, func(t *testing.T, s *bubble.Server) {
		r := newRig(t, s)
		r.Block(func(subject string) bool { return subject == "echo" })
		require.ErrorIs(t, r.ask(time.Second), nats.ErrTimeout)
		require.Zero(t, r.heard.Load())
		require.NoError(t, r.client.Flush(), "the connection goes on")
		r.Heal()
		require.NoError(t, r.ask(time.Second))
		require.EqualValues(t, 1, r.heard.Load())
	})
}

func TestAHealthyLinkTakesNoTime(t *testing.T) {
	bubble.Run(t, func(t *testing.T, s *bubble.Server) {
		r := newRig(t, s)
		began := time.Now()
		for range 100 {
			require.NoError(t, r.ask(time.Second))
		}
		require.Zero(t, time.Since(began))
		require.EqualValues(t, 100, r.sent.Load(), "each request is counted once, payloads are not read as requests")
	})
}

func TestASlowLinkDelaysBothWays(t *testing.T) {
	bubble.Run(t, func(t *testing.T, s *bubble.Server) {
		r := newRig(t, s)
		r.Slow(30 * time.Millisecond)
		began := time.Now()
		require.NoError(t, r.ask(time.Second))
		require.Equal(t, 60*time.Millisecond, time.Since(began))
	})
}

func TestACutLinkRefusesUntilItIsHealed(t *testing.T) {
	bubble.Run(t, func(t *testing.T, s *bubble.Server) {
		r := newRig(t, s)
		r.Cut()
		time.Sleep(time.Second)
		require.False(t, r.client.IsConnected())
		require.Error(t, r.ask(time.Second))
		r.Heal()
		time.Sleep(200 * time.Millisecond)
		require.NoError(t, r.ask(time.Second))
		r.Flap(3, time.Second, time.Second)
		require.NoError(t, r.ask(time.Second))
	})
}

func TestAStalledRequestArrivesWhenTheLinkIsHealed(t *testing.T) {
	bubble.Run(t, func(t *testing.T, s *bubble.Server) {
		r := newRig(t, s)
		r.Stall(link.Up)
		require.ErrorIs(t, r.ask(time.Second), nats.ErrTimeout)
		require.Zero(t, r.heard.Load())
		r.Heal()
		time.Sleep(time.Millisecond)
		require.EqualValues(t, 1, r.heard.Load())
	})
}

func TestAStalledAnswerLeavesTheRequestDone(t *testing.T) {
	bubble.Run(t, func(t *testing.T, s *bubble.Server) {
		r := newRig(t, s)
		r.Stall(link.Down)
		require.ErrorIs(t, r.ask(time.Second), nats.ErrTimeout)
		require.EqualValues(t, 1, r.heard.Load())
		r.Heal()
		require.NoError(t, r.ask(time.Second))
	})
}

func TestAWriterIsNeverBlocked(t *testing.T) {
	bubble.Run(t, func(t *testing.T, s *bubble.Server) {
		r := newRig(t, s)
		r.Stall()
		began := time.Now()
		for range 1000 {
			require.NoError(t, r.client.Publish("echo", make([]byte, 10_000)))
		}
		require.Zero(t, time.Since(began))
		r.Heal()
		require.NoError(t, r.client.Flush())
		time.Sleep(time.Millisecond)
		require.EqualValues(t, 1000, r.heard.Load(), "a stall loses nothing")
	})
}

func TestBytesOfAClosedConnectionStillArriveAfterAStall(t *testing.T) {
	bubble.Run(t, func(t *testing.T, s *bubble.Server) {
		r := newRig(t, s, nats.PingInterval(time.Second), nats.MaxPingsOutstanding(2))
		r.Stall()
		require.ErrorIs(t, r.ask(time.Second), nats.ErrTimeout)
		time.Sleep(10 * time.Second) // the client finds its connection stale and hangs up
		require.False(t, r.client.IsConnected())
		require.Zero(t, r.heard.Load())
		r.Heal()
		time.Sleep(5 * time.Second)
		require.EqualValues(t, 1, r.heard.Load(), "what was under way arrives, though its connection is given up")
		require.NoError(t, r.ask(time.Second))
	})
}

func TestABufferedWriteIsSentAfterTheReconnect(t *testing.T) {
	bubble.Run(t, func(t *testing.T, s *bubble.Server) {
		r := newRig(t, s)
		r.Cut()
		time.Sleep(time.Second)
		require.NoError(t, r.client.Publish("echo", nil))
		require.Zero(t, r.heard.Load())
		r.Heal()
		time.Sleep(200 * time.Millisecond)
		require.EqualValues(t, 1, r.heard.Load())
	})
}

func TestAFaultOfOneSubjectLeavesTheOthersAlone(t *testing.T) {
	for name, c := range map[string]struct {
		fault link.Fault
		err   error
		heard int64
	}{
		"lost":    {link.Lost, nats.ErrTimeout, 0},
		"unheard": {link.Unheard, nats.ErrTimeout, 1},
		"refused": {link.Refused, nats.ErrNoResponders, 0},
	} {
		t.Run(name, func(t *testing.T) {
			bubble.Run(t, func(t *testing.T, s *bubble.Server) {
				r := newRig(t, s)
				other := s.Connect()
				_, err := other.Subscribe("other", func(m *nats.Msg) { _ = m.Respond(m.Data) })
				require.NoError(t, err)
				require.NoError(t, other.Flush(), "the server knows of it")
				r.Fail(func(subject string) link.Fault {
					if subject == "echo" {
						return c.fault
					}
					return link.None
				})
				began := time.Now()
				require.ErrorIs(t, r.ask(time.Second), c.err)
				if c.fault == link.Refused {
					require.Zero(t, time.Since(began))
				}
				header := &nats.Msg{Subject: "echo", Header: nats.Header{"A": {"b"}}, Data: []byte("with a header")}
				_, err = r.client.RequestMsg(header, time.Second)
				require.ErrorIs(t, err, c.err)
				answer, err := r.client.Request("other", []byte("hello\r\nPUB echo 1\r\n"), time.Second)
				require.NoError(t, err)
				require.Equal(t, "hello\r\nPUB echo 1\r\n", string(answer.Data))
				require.Equal(t, 2*c.heard, r.heard.Load())
				require.EqualValues(t, 3, r.sent.Load(), "what fails is counted as well")
				r.Heal()
				require.NoError(t, r.ask(time.Second))
			})
		})
	}
}
