// Copyright The Parti Authors
// SPDX-License-Identifier: Apache-2.0

package web

import (
	"context"
	"errors"
	"fmt"
	"mime"
	"net/http"
	"strconv"
	"time"

	"github.com/parti-go/parti"
)

// Action is what a request asks of a worker. [Options.Allow] decides whether the request may do that. The parameter
// ?worker= of the request names the worker.
type Action string

// The actions.
const (
	// ActionDrain makes the worker hand everything over and leave for good.
	ActionDrain Action = "drain"
	// ActionCordon makes the worker take nothing new.
	ActionCordon Action = "cordon"
	// ActionUncordon takes back ActionCordon.
	ActionUncordon Action = "uncordon"
	// ActionRefresh makes the leader of the group list its source again.
	ActionRefresh Action = "refresh"
)

var actions = []Action{ActionDrain, ActionCordon, ActionUncordon, ActionRefresh}

// actionHeader marks a request that a program sends on purpose. A page of another origin cannot set it without permission.
const actionHeader = "X-Parti-Action"

// refreshPatience limits how long the leader may take to list its source. For a list that has shrunk it needs some seconds.
const refreshPatience = 30 * time.Second

// failure is an answer other than "done".
type failure struct {
	status int
	text   string
}

func fail(status int, format string, args ...any) *failure {
	return &failure{status, fmt.Sprintf(format, args...)}
}

type actionWords struct {
	Action Action `json:"action"`
	Worker string `json:"worker"`
}

// act serves an action. It checks the permission first, and then the request.
func (h *handler) act(a Action) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Cache-Control", "no-store")
		if err := h.guard.Check(r); err != nil {
			h.refuse(w, r, http.StatusForbidden, "%s", err)
			return
		}
		if !meant(r) {
			h.refuse(w, r, http.StatusForbidden, "header %s is missing, allowed: %[1]s: 1, or Content-Type: application/json", actionHeader)
			return
		}
		if !h.allowed(r, a) {
			h.refuse(w, r, http.StatusForbidden, "%s is not allowed: Options.Allow does not say yes to this request", a)
			return
		}
		target, failed := h.target(r, a)
		if failed == nil {
			h.log.Info("web: a request over HTTP", "action", string(a), "worker", target.worker, "from", r.RemoteAddr)
			failed = h.perform(w, r, a, target)
		}
		if failed != nil {
			h.refuse(w, r, failed.status, "%s", failed.text)
			return
		}
		status := http.StatusOK
		if a == ActionDrain { // it has begun
			status = http.StatusAccepted
		}
		h.answer(w, r, status, actionWords{a, target.worker})
	}
}

// meant reports whether a request is one that a form of another page cannot send.
func meant(r *http.Request) bool {
	kind, _, err := mime.ParseMediaType(r.Header.Get("Content-Type"))
	return r.Header.Get(actionHeader) != "" || err == nil && kind == "application/json"
}

// allowed calls Options.Allow, which is the user's code. A panic in it counts as no.
func (h *handler) allowed(r *http.Request, a Action) (yes bool) {
	if h.allow == nil {
		return false
	}
	defer func() {
		if p := recover(); p != nil {
			h.log.Error("web: Options.Allow panicked, the request is refused", "action", string(a), "panic", p)
			yes = false
		}
	}()
	return h.allow(r, a)
}

// target is the worker that a request is for.
type target struct {
	worker  string
	session uint64 // 0 for whichever it has
	own     bool   // it is the worker of this process
}

func (h *handler) target(r *http.Request, a Action) (target, *failure) {
	t := target{worker: r.URL.Query().Get("worker")}
	if text := r.URL.Query().Get("session"); text != "" {
		var err error
		if t.session, err = strconv.ParseUint(text, 10, 64); err != nil {
			return t, fail(http.StatusBadRequest, "session is %.40q, allowed: the number of a session, as /group.json has it", text)
		}
	}
	id := ""
	if h.worker != nil {
		id = h.worker.WorkerID()
	}
	switch {
	case h.worker != nil && (t.worker == "" || t.worker == id):
		t.worker, t.own = id, true
	case t.worker == "" && h.ask != nil && a == ActionRefresh:
		t.worker = h.view.Group().Leader
		if t.worker == "" {
			return t, fail(http.StatusServiceUnavailable, "nobody leads the group: ask again when there is a leader")
		}
	case t.worker == "":
		return t, fail(http.StatusNotFound,
			"there is no worker in this process: the handler was made without Options.Manager; name a worker with ?worker=")
	case h.ask == nil:
		return t, fail(http.StatusNotImplemented,
			"%.100q is not the worker of this process: to ask other workers, the handler needs Options.Conn and Options.Observer", t.worker)
	}
	return t, nil
}

// perform makes the worker do it.
func (h *handler) perform(w http.ResponseWriter, r *http.Request, a Action, t target) *failure {
	// The server's deadline is for answers that wait for nobody. Where there is none to move it is not needed either.
	_ = http.NewResponseController(w).SetWriteDeadline(time.Now().Add(refreshPatience + writePatience))
	if !t.own {
		ctx, cancel := context.WithTimeout(r.Context(), refreshPatience)
		defer cancel()
		return h.ask(ctx, a, t, "web, for "+r.RemoteAddr)
	}
	select {
	case <-h.worker.Done():
		return fail(http.StatusConflict, "the worker of this process has ended")
	default:
	}
	if s := h.worker.Status(); t.session != 0 && t.session != s.Session {
		return fail(http.StatusConflict, "session %d of %s is over: it has session %d now", t.session, t.worker, s.Session)
	}
	switch a {
	case ActionDrain:
		h.drain()
	case ActionCordon:
		h.worker.Cordon()
	case ActionUncordon:
		h.worker.Uncordon()
	case ActionRefresh:
		return h.refresh(r)
	}
	return nil
}

// drain begins a drain and does not wait for it: the drain goes on when the client has left. Its goroutine ends with the
// worker.
func (h *handler) drain() {
	if !h.draining.CompareAndSwap(false, true) {
		return
	}
	go func() {
		if err := h.worker.Drain(context.Background()); err != nil {
			h.log.Warn("web: a drain that was requested over HTTP has failed", "error", err)
		}
	}()
}

func (h *handler) refresh(r *http.Request) *failure {
	ctx, cancel := context.WithTimeout(r.Context(), refreshPatience)
	defer cancel()
	switch err := h.worker.RefreshPartitions(ctx); {
	case err == nil:
		return nil
	case errors.Is(err, parti.ErrNotJoined):
		return fail(http.StatusConflict, "%s", err)
	case ctx.Err() != nil:
		return fail(http.StatusGatewayTimeout, "the leader has not answered within %s: %s", refreshPatience, err)
	default:
		return fail(http.StatusBadGateway, "%s", err)
	}
}

// capabilityWords tell the page what it may show.
type capabilityWords struct {
	Worker   string   `json:"worker"` // of this process; "" for none
	Actions  []Action `json:"actions"`
	Remote   bool     `json:"remote"` // ?worker= may name any worker
	Manager  bool     `json:"manager"`
	Observer bool     `json:"observer"`
}

func (h *handler) capabilities(w http.ResponseWriter, r *http.Request) {
	words := capabilityWords{Actions: []Action{}, Remote: h.ask != nil, Manager: h.worker != nil, Observer: h.view != nil}
	if h.worker != nil {
		words.Worker = h.worker.WorkerID()
	}
	for _, a := range actions {
		if (words.Manager || words.Remote) && h.allowed(r, a) {
			words.Actions = append(words.Actions, a)
		}
	}
	h.answer(w, r, http.StatusOK, words)
}
