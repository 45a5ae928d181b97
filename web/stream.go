// Copyright The Parti Authors
// SPDX-License-Identifier: Apache-2.0

package web

import (
	"errors"
	"net/http"
	"strconv"
	"time"
)

const (
	// heartbeat is how often a silent stream sends a sign of life, so that no proxy takes it for dead.
	heartbeat = 15 * time.Second
	// writePatience is how long one write to a reader may take.
	writePatience = 10 * time.Second
)

// event returns an event of a stream. Its data has no line breaks, because JSON without indentation has none.
func event(kind string, seq uint64, data []byte) []byte {
	b := make([]byte, 0, len(data)+64)
	b = append(append(b, "event: "...), kind...)
	b = strconv.AppendUint(append(b, "\nid: "...), seq, 10)
	b = append(append(b, "\ndata: "...), data...)
	return append(b, "\n\n"...)
}

// events streams the group: first all of it, and then the changes, until the client leaves, cannot keep up, or the observer is
// closed. A client that was disconnected reconnects and begins again.
func (h *handler) events(w http.ResponseWriter, r *http.Request) {
	header := w.Header()
	header.Set("Cache-Control", "no-store")
	if r.Method == http.MethodHead {
		header.Set("Content-Type", "text/event-stream")
		return
	}
	reader, first, err := h.feed.join()
	if err != nil {
		h.refuse(w, r, http.StatusServiceUnavailable, "/events is not available: %s", err)
		return
	}
	defer h.feed.leave(reader)
	header.Set("Content-Type", "text/event-stream")
	header.Set("X-Accel-Buffering", "no") // a proxy that gathers an answer would hold it back for ever
	s := stream{w, http.NewResponseController(w)}
	if s.write([]byte("retry: 1000\n\n")) != nil || s.write(event("group", first.seq, first.plain())) != nil {
		return
	}
	alive := time.NewTicker(heartbeat)
	defer alive.Stop()
	for {
		next := []byte(":\n\n")
		select {
		case e, reads := <-reader.events:
			if !reads {
				return
			}
			next = e
		case <-alive.C:
		case <-r.Context().Done():
			return
		}
		if s.write(next) != nil {
			return
		}
	}
}

// stream writes events so that they arrive at once.
type stream struct {
	w    http.ResponseWriter
	rest *http.ResponseController
}

// write disconnects a client that reads nothing. Its deadline replaces the one of the server, which is for whole answers.
func (s stream) write(b []byte) error {
	err := s.rest.SetWriteDeadline(time.Now().Add(writePatience))
	if err != nil && !errors.Is(err, http.ErrNotSupported) {
		return err
	}
	if _, err := s.w.Write(b); err != nil {
		return err
	}
	return s.rest.Flush()
}
