package web

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"

	"github.com/parti-go/parti/strategy"
	"github.com/parti-go/parti/strategy/whatif"
)

// This file answers questions for which plans are made: what would happen, and why something is where it is.

// planners is how many plans are made at once. A plan for a large group takes a processor for a while, and a worker has other work.
const planners = 2

// planned serves a question when it is its turn.
func (h *handler) planned(serve http.HandlerFunc) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		select {
		case h.turns <- struct{}{}:
			defer func() { <-h.turns }()
			serve(w, r)
		case <-r.Context().Done(): // nobody wants to know any more
		}
	}
}

// whatIf answers what a change would do: ?lose=worker-3&workers=+5 and so on, see [whatif.Change].
func (h *handler) whatIf(w http.ResponseWriter, r *http.Request) {
	change, err := whatif.ParseChange(r.URL.Query())
	if err != nil {
		h.refuse(w, r, http.StatusBadRequest, "%s", err)
		return
	}
	answer, err := h.view.WhatIf(change, nil)
	switch {
	case err == nil:
		h.answer(w, r, http.StatusOK, answer)
	case errors.Is(err, whatif.ErrInvalidChange):
		h.refuse(w, r, http.StatusBadRequest, "%s", err)
	case errors.Is(err, strategy.ErrUnknownStrategy):
		h.refuse(w, r, http.StatusConflict, "%s; choose one with ?strategy=", err)
	default:
		h.refuse(w, r, http.StatusUnprocessableEntity, "%s", err)
	}
}

// explain answers why a partition is where it is. Where the journal cannot be read the rest is told, and that.
func (h *handler) explain(w http.ResponseWriter, r *http.Request) {
	partition := r.URL.Query().Get("partition")
	if partition == "" {
		h.refuse(w, r, http.StatusBadRequest, "partition is missing, allowed: the ID of a partition, as in explain.json?partition=orders.17")
		return
	}
	ctx, cancel := context.WithTimeout(r.Context(), historyPatience)
	defer cancel()
	explanation, err := h.view.Explain(ctx, partition, nil)
	if err == nil {
		h.answer(w, r, http.StatusOK, explanation)
		return
	}
	b := appendString(append(open(nil, explanation), `,"journalError":`...), err.Error())
	h.answer(w, r, http.StatusOK, json.RawMessage(append(b, '}')))
}
