// Copyright The Parti Authors
// SPDX-License-Identifier: Apache-2.0

package web

import (
	"bytes"
	"compress/gzip"
	"encoding/json"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"time"
)

// worthPacking is the size from which compression pays.
const worthPacking = 1400

// answer sends a value as JSON.
func (h *handler) answer(w http.ResponseWriter, r *http.Request, status int, v any) {
	body, err := json.Marshal(v)
	if err != nil { // a bug of ours
		h.log.Error("web: encode an answer", "path", r.URL.Path, "error", err)
		http.Error(w, "encoding failed", http.StatusInternalServerError)
		return
	}
	send(w, r, status, body, func() []byte { return pack(body) })
}

// refuse sends an error as JSON: a sentence.
func (h *handler) refuse(w http.ResponseWriter, r *http.Request, status int, format string, args ...any) {
	h.answer(w, r, status, map[string]string{"error": fmt.Sprintf(format, args...)})
}

// send sends JSON, compressed if that pays and the client accepts it. Nobody may cache it, because it is true only now.
func send(w http.ResponseWriter, r *http.Request, status int, body []byte, packed func() []byte) {
	header := w.Header()
	header.Set("Content-Type", "application/json; charset=utf-8")
	header.Set("Cache-Control", "no-store")
	if len(body) >= worthPacking {
		header.Add("Vary", "Accept-Encoding")
		if takesGzip(r) {
			body = packed()
			header.Set("Content-Encoding", "gzip")
		}
	}
	header.Set("Content-Length", strconv.Itoa(len(body)))
	w.WriteHeader(status)
	if r.Method != http.MethodHead {
		_, _ = w.Write(body) // the client has gone: there is nobody to tell
	}
}

var packers = sync.Pool{New: func() any {
	p, _ := gzip.NewWriterLevel(nil, gzip.BestSpeed) // the level is allowed
	return p
}}

func pack(body []byte) []byte {
	var b bytes.Buffer
	p := packers.Get().(*gzip.Writer)
	defer packers.Put(p)
	p.Reset(&b)
	_, _ = p.Write(body) // a buffer takes everything
	_ = p.Close()
	return b.Bytes()
}

// takesGzip reads Accept-Encoding. The client accepts gzip if the header names it without quality 0.
func takesGzip(r *http.Request) bool {
	for part := range strings.SplitSeq(r.Header.Get("Accept-Encoding"), ",") {
		name, quality, _ := strings.Cut(part, ";")
		if name = strings.TrimSpace(name); strings.EqualFold(name, "gzip") || name == "*" {
			_, value, given := strings.Cut(quality, "=")
			q, err := strconv.ParseFloat(strings.TrimSpace(value), 64)
			return !given || err != nil || q > 0
		}
	}
	return false
}

// milliseconds returns a time as the page reads it: since 1970, and 0 for the zero time.
func milliseconds(t time.Time) int64 {
	if t.IsZero() {
		return 0
	}
	return t.UnixMilli()
}
