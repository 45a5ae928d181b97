// Copyright The Parti Authors
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"time"

	"github.com/parti-go/parti"
	"github.com/parti-go/parti/web"
)

// probes serves /livez, /readyz and /status.json until the returned function is called. It serves before the worker
// starts: a worker that waits for an ID is alive. Without an observer the handler shows this worker only, and changes
// nothing.
func probes(address string, manager *parti.Manager, log *slog.Logger) (end func(), err error) {
	listener, err := net.Listen("tcp", address)
	if err != nil {
		return nil, fmt.Errorf("serve probes at %q: %w", address, err)
	}
	server := &http.Server{Handler: web.Handler(web.Options{Manager: manager, Logger: log}), ReadHeaderTimeout: 5 * time.Second}
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		if err := server.Serve(listener); !errors.Is(err, http.ErrServerClosed) {
			log.Error("probes are no longer served", "error", err)
		}
	}()
	log.Info("probes", "address", listener.Addr().String())
	return func() {
		_ = server.Close() // what is left to answer are probes, and the process ends
		<-ended
	}, nil
}
