// Copyright The Parti Authors
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"bytes"
	"context"
	"encoding/json"
	"net"
	"net/http"
	"net/http/httptest"
	"testing"
	"testing/synctest"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
	"github.com/stretchr/testify/require"

	"github.com/parti-go/parti/internal/bubble"
)

// pipes is a listener that virtual time does not wait for.
type pipes struct{ conns chan net.Conn }

func (p pipes) Accept() (net.Conn, error) {
	c, open := <-p.conns
	if !open {
		return nil, net.ErrClosed
	}
	return c, nil
}

func (p pipes) Close() error {
	select {
	case <-p.conns: // closed already
	default:
		close(p.conns)
	}
	return nil
}

func (pipes) Addr() net.Addr { return &net.TCPAddr{IP: net.IPv6unspecified, Port: 8080} }

func TestThePageShowsTheFleetAndMayDrainItUntilAnInterrupt(t *testing.T) {
	bubble.Run(t, func(t *testing.T, s *bubble.Server) {
		defer synctest.Wait() // the server is idle when it is stopped
		connect := func(opts ...nats.Option) (*nats.Conn, error) {
			return nats.Connect("", append(opts[:len(opts):len(opts)], nats.InProcessServer(s))...)
		}
		page := pipes{make(chan net.Conn)}
		client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true, DialContext: func(context.Context, string, string) (net.Conn, error) {
			here, there := net.Pipe()
			page.conns <- at{there, "127.0.0.1:99"}
			return here, nil
		}}}
		ctx, interrupt := context.WithCancel(t.Context())
		var out bytes.Buffer
		ended := make(chan error, 1)
		go func() { ended <- show(ctx, &out, false, "virtual", connect, page) }()

		group := func() (live []string) {
			res, err := client.Get("http://localhost:8080/group.json") //nolint:noctx // it is answered at once
			require.NoError(t, err)
			defer res.Body.Close()
			require.Equal(t, http.StatusOK, res.StatusCode)
			var g struct {
				Workers []struct {
					ID           string
					Live, Leader bool
				}
			}
			require.NoError(t, json.NewDecoder(res.Body).Decode(&g))
			for _, w := range g.Workers {
				if w.Live && !w.Leader {
					live = append(live, w.ID)
				}
			}
			return live
		}
		<-time.After(time.Second)
		require.NotEmpty(t, group(), "from the first worker on")
		<-time.After(2 * time.Minute)
		for range 5 { // whoever drains all it finds does not end the demonstration
			for _, id := range group() {
				req, err := http.NewRequestWithContext(ctx, http.MethodPost, "http://localhost:8080/drain?worker="+id, nil)
				require.NoError(t, err)
				req.Header.Set("X-Parti-Action", "1")
				res, err := client.Do(req)
				require.NoError(t, err)
				require.NoError(t, res.Body.Close())
			}
			<-time.After(time.Minute)
		}
		for since := time.Now(); len(group()) == 0; <-time.After(time.Second) {
			require.Less(t, time.Since(since), rounds, "others join in each round of changes")
		}
		interrupt()
		require.NoError(t, <-ended, "%s", &out)
		require.Contains(t, out.String(), "page     http://localhost:8080/")
		require.Contains(t, out.String(), "new workers join")

		js, err := jetstream.New(s.Connect())
		require.NoError(t, err)
		info, err := js.AccountInfo(t.Context())
		require.NoError(t, err)
		require.Zero(t, info.Streams)
	})
}

// rounds is how long two rounds of changes take, if no change settles.
const rounds = 2 * 4 * (patience + pause)

// at is a connection from an address.
type at struct {
	net.Conn
	address string
}

func (a at) RemoteAddr() net.Addr {
	host, _, _ := net.SplitHostPort(a.address)
	return &net.TCPAddr{IP: net.ParseIP(host), Port: 99}
}

func TestOnlyABrowserOnThisMachineMayDrain(t *testing.T) {
	for _, c := range []struct {
		from, host string
		may        bool
	}{
		{"127.0.0.1:5000", "localhost:8080", true},
		{"[::1]:5000", "[::1]:8080", true},
		{"127.0.0.1:5000", "evil.example:8080", false}, // a name that leads here
		{"192.0.2.7:5000", "localhost:8080", false},
		{"", "localhost", false},
	} {
		r := httptest.NewRequest(http.MethodPost, "/drain", nil)
		r.RemoteAddr, r.Host = c.from, c.host
		require.Equal(t, c.may, fromHere(r, "drain"), "%v", c)
	}
}
