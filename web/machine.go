// Copyright The Parti Authors
// SPDX-License-Identifier: Apache-2.0

package web

import (
	"io"
	"net/http"
	"slices"
	"strings"

	"github.com/parti-go/parti/fsm"
)

// The space in which /fsm.json places the states.
const machineWidth, machineHeight = 1000, 600

type stateWords struct {
	Name string  `json:"name"`
	X    float64 `json:"x"`
	Y    float64 `json:"y"`
}

type transitionWords struct {
	From  string `json:"from"`
	To    string `json:"to"`
	Event string `json:"event"`
	Why   string `json:"why"`
}

// machine answers with the state machine: the states with their places in /fsm.svg, and the steps, one for each state that an
// event leads from.
func (h *handler) machine(w http.ResponseWriter, r *http.Request) {
	words := struct {
		States      []stateWords      `json:"states"`
		Transitions []transitionWords `json:"transitions"`
	}{}
	for _, s := range fsm.States() {
		x, y, _ := fsm.Place(s)
		words.States = append(words.States, stateWords{s.String(), round(x * machineWidth), round(y * machineHeight)})
	}
	for _, t := range fsm.Transitions() {
		for _, from := range t.From {
			words.Transitions = append(words.Transitions, transitionWords{from.String(), t.To.String(), t.Event.String(), t.Why})
		}
	}
	h.answer(w, r, http.StatusOK, words)
}

// allowed lists the states that a request may name.
func allowed(states []fsm.State) string {
	names := make([]string, len(states))
	for i, s := range states {
		names[i] = s.String()
	}
	return strings.Join(names, ", ")
}

// round keeps one digit after the point.
func round(x float64) float64 { return float64(int(x*10+0.5)) / 10 }

// drawing answers with a picture of the state machine; ?state= marks a state.
func (h *handler) drawing(w http.ResponseWriter, r *http.Request) {
	var options []fsm.Option
	if state := fsm.State(r.URL.Query().Get("state")); state != "" {
		if !slices.Contains(fsm.States(), state) {
			h.refuse(w, r, http.StatusBadRequest, "state is %.40q, allowed: %s", state, allowed(fsm.States()))
			return
		}
		options = append(options, fsm.Mark(state))
	}
	header := w.Header()
	header.Set("Content-Type", "image/svg+xml")
	header.Set("Cache-Control", "no-cache")
	// Opened by itself it is a document, with a style of its own and nothing that runs.
	header.Set("Content-Security-Policy", "default-src 'none'; style-src 'unsafe-inline'; frame-ancestors 'none'; sandbox")
	if r.Method != http.MethodHead {
		_, _ = io.WriteString(w, fsm.SVG(options...)) // the client has gone: there is nobody to tell
	}
}
