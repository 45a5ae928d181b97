// Copyright The Parti Authors
// SPDX-License-Identifier: Apache-2.0

package web

import (
	"errors"
	"fmt"
	"net/http"
	"strings"

	"github.com/parti-go/parti"
)

// livez answers 200, or 503 with the waits that are past their deadlines, a line for each.
func (h *handler) livez(w http.ResponseWriter, _ *http.Request) { probe(w, h.worker.Healthy()) }

// readyz answers 200 from the first assignment on until the worker leaves.
func (h *handler) readyz(w http.ResponseWriter, _ *http.Request) { probe(w, h.unready()) }

func (h *handler) unready() error {
	select {
	case <-h.worker.Done():
		if err := h.worker.Err(); err != nil {
			return fmt.Errorf("the worker has ended: %w", err)
		}
		return errors.New("the worker has ended")
	default:
	}
	switch s := h.worker.Status(); {
	case s.State == parti.StateShutdown:
		return errors.New("the worker stops")
	case s.Draining:
		return errors.New("the worker drains: it hands everything over and leaves")
	case !s.Ready:
		return fmt.Errorf("the worker has no assignment yet: it is in state %s", s.State)
	}
	return nil
}

// probe answers in plain text, because people look at a failing probe in a terminal.
func probe(w http.ResponseWriter, problem error) {
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	w.Header().Set("Cache-Control", "no-store")
	status, text := http.StatusOK, "ok"
	if problem != nil {
		status, text = http.StatusServiceUnavailable, problem.Error()
	}
	w.WriteHeader(status)
	_, _ = fmt.Fprintln(w, strings.TrimSpace(text)) // the client has gone: there is nobody to tell
}
