// Copyright The Parti Authors
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"errors"
	"net"
	"net/http"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/parti-go/parti"
	"github.com/parti-go/parti/observe"
	"github.com/parti-go/parti/web"
)

// listen opens the port of the page; nil where none is asked for.
func listen(ctx context.Context, address string) (net.Listener, error) {
	if address == "" {
		return nil, nil
	}
	var lc net.ListenConfig
	return lc.Listen(ctx, "tcp", address)
}

// pageURL is where a browser on this machine finds the page.
func pageURL(l net.Listener) string {
	host, port, err := net.SplitHostPort(l.Addr().String())
	if ip := net.ParseIP(host); err == nil && ip.IsUnspecified() {
		host = "localhost"
	}
	return "http://" + net.JoinHostPort(host, port) + "/"
}

// servePage shows the fleet in a browser until ctx ends.
func servePage(ctx context.Context, l net.Listener, connect dial, cfg parti.Config) error {
	defer l.Close()
	nc, err := connect(append(parti.ConnectOptions(), nats.Name("page"))...)
	if err != nil {
		return err
	}
	defer nc.Close()
	js, err := jetstream.New(nc)
	if err != nil {
		return err
	}
	observer, err := openObserver(ctx, js, cfg)
	if err != nil {
		return err
	}
	defer observer.Close()
	server := &http.Server{
		Handler:           web.Handler(web.Options{Observer: observer, Conn: nc, Allow: fromHere}),
		ReadHeaderTimeout: 10 * time.Second,
	}
	defer context.AfterFunc(ctx, func() { _ = server.Close() })()
	if err := server.Serve(l); !errors.Is(err, http.ErrServerClosed) {
		return err
	}
	return nil
}

// openObserver waits for the first worker, which makes the buckets.
func openObserver(ctx context.Context, js jetstream.JetStream, cfg parti.Config) (*observe.Observer, error) {
	for {
		observer, err := observe.Open(ctx, js, cfg)
		if !errors.Is(err, observe.ErrNoGroup) {
			return observer, err
		}
		select {
		case <-time.After(50 * time.Millisecond):
		case <-ctx.Done():
			return nil, context.Cause(ctx)
		}
	}
}

// fromHere lets only a browser on this machine drain workers, and only on a page that it opened under a name of this machine: a
// name of somebody else's may lead here as well.
func fromHere(r *http.Request, _ web.Action) bool {
	client, _, err := net.SplitHostPort(r.RemoteAddr)
	return err == nil && local(client) && local(hostOf(r.Host))
}

func hostOf(host string) string {
	if name, _, err := net.SplitHostPort(host); err == nil {
		return name
	}
	return host
}

func local(host string) bool {
	ip := net.ParseIP(host)
	return host == "localhost" || ip != nil && ip.IsLoopback()
}
