// Copyright The Parti Authors
// SPDX-License-Identifier: Apache-2.0

package web

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"

	"github.com/parti-go/parti/observe"
	"github.com/parti-go/parti/strategy"
	"github.com/parti-go/parti/strategy/whatif"
)

// This file answers questions for which plans are made: what would happen, and why something is where it is.

// planners is the number of plans that are made at the same time. A plan for a large group takes a processor for a while, and a
// worker has other work.
const planners = 2

// planned makes a plan when its turn comes. It stops waiting when the client leaves. A plan that has begun is completed
// nonetheless, and keeps its turn until then. A panic in it becomes an error here, because the server contains only panics of
// its own goroutines.
func planned[T any](h *handler, r *http.Request, plan func(ctx context.Context) (T, error)) (made T, err error) {
	type result struct {
		made T
		err  error
	}
	ctx := r.Context()
	select {
	case h.turns <- struct{}{}:
	case <-ctx.Done():
		return made, errLeft
	}
	done := make(chan result, 1)
	go func() {
		out := result{err: errPlanEnded}
		defer func() {
			if p := recover(); p != nil {
				out.err = fmt.Errorf("%w: it panics: %v", errPlanEnded, p)
			}
			<-h.turns
			done <- out
		}()
		out.made, out.err = plan(ctx)
	}()
	select {
	case out := <-done:
		return out.made, out.err
	case <-ctx.Done():
		return made, errLeft
	}
}

var (
	errLeft      = errors.New("the client has left") // nobody wants to know any more
	errPlanEnded = errors.New("planning ended without an answer")
)

// whatIf answers what a change would do: ?lose=worker-3&workers=+5 and so on, see [whatif.Change].
func (h *handler) whatIf(w http.ResponseWriter, r *http.Request) {
	change, err := whatif.ParseChange(r.URL.Query())
	if err != nil {
		h.refuse(w, r, http.StatusBadRequest, "%s", err)
		return
	}
	answer, err := planned(h, r, func(context.Context) (whatif.Answer, error) { return h.view.WhatIf(change, nil) })
	switch {
	case errors.Is(err, errLeft):
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

// explain answers why a partition is where it is. If the journal cannot be read, the answer says so and has the rest.
func (h *handler) explain(w http.ResponseWriter, r *http.Request) {
	partition := r.URL.Query().Get("partition")
	if partition == "" {
		h.refuse(w, r, http.StatusBadRequest, "partition is missing, allowed: the ID of a partition, as in explain.json?partition=orders.17")
		return
	}
	explanation, err := planned(h, r, func(ctx context.Context) (observe.Explanation, error) {
		ctx, cancel := context.WithTimeout(ctx, historyPatience)
		defer cancel()
		return h.view.Explain(ctx, partition, nil)
	})
	switch {
	case errors.Is(err, errLeft):
		return
	case errors.Is(err, errPlanEnded):
		h.refuse(w, r, http.StatusUnprocessableEntity, "%s", err)
		return
	case err == nil:
		h.answer(w, r, http.StatusOK, explanation)
		return
	}
	b := appendString(append(open(nil, explanation), `,"journalError":`...), err.Error())
	h.answer(w, r, http.StatusOK, json.RawMessage(append(b, '}')))
}
