// Copyright The Parti Authors
// SPDX-License-Identifier: Apache-2.0

package web

import (
	"context"
	"log/slog"
	"net/http"
	"strings"
	"sync/atomic"

	"github.com/nats-io/nats.go"

	"github.com/parti-go/parti"
	"github.com/parti-go/parti/observe"
	"github.com/parti-go/parti/strategy"
	"github.com/parti-go/parti/strategy/whatif"
)

// Options says what a handler shows, and which requests it allows.
type Options struct {
	// Manager is the worker of this process, for the probes, /status.json and the actions. Without it they answer 404.
	Manager *parti.Manager
	// Observer shows the group, for the page, /events and all other JSON. Without it they answer 404. Streams end when it is
	// closed.
	Observer *observe.Observer
	// Allow decides whether a request may do what it asks for. With nil no request may change anything. The handler calls
	// Allow for each POST. It also calls it for each action when the page asks which buttons to show; then the request is a
	// GET of /capabilities.json. A panic in Allow counts as no.
	Allow func(r *http.Request, a Action) bool
	// Conn lets ?worker= name another worker, if Observer is set as well. The handler sends the request over this
	// connection, and that worker may refuse such requests. With nil only the worker of Manager can be asked.
	Conn *nats.Conn
	// Logger gets a line for each action, each panic in Allow, and each client that was disconnected. Nil means
	// slog.Default().
	Logger *slog.Logger
}

// worker is what the handler uses of a [parti.Manager].
type worker interface {
	Status() parti.Status
	Healthy() error
	WorkerID() string
	Done() <-chan struct{}
	Err() error
	Drain(ctx context.Context) error
	Cordon()
	Uncordon()
	RefreshPartitions(ctx context.Context) error
}

// view is what the handler uses of an [observe.Observer].
type view interface {
	Group() observe.Group
	Wait(ctx context.Context, after observe.Group) (observe.Group, error)
	Owner(partition string) (observe.Owner, error)
	History(ctx context.Context, q observe.Query) ([]observe.Change, error)
	WhatIf(c whatif.Change, s strategy.Strategy) (whatif.Answer, error)
	Explain(ctx context.Context, partition string, s strategy.Strategy) (observe.Explanation, error)
	Done() <-chan struct{}
}

// handler serves everything below one prefix.
type handler struct {
	worker worker // nil for none
	view   view   // nil for none
	feed   *feed  // of view
	ask    ask    // nil: only the worker itself can be asked
	allow  func(*http.Request, Action) bool
	log    *slog.Logger
	guard  *http.CrossOriginProtection
	routes map[string]route
	turns  chan struct{} // held while a plan is made

	draining atomic.Bool // the goroutine of a drain runs
}

// route is the handler of one path.
type route struct {
	method string
	serve  http.HandlerFunc
}

// Handler returns a handler that serves what Options names. You need not close it: it has goroutines only while requests
// run, and, after a request to drain, until the Manager has ended.
func Handler(o Options) http.Handler {
	h := &handler{allow: o.Allow, log: o.Logger}
	if o.Manager != nil {
		h.worker = o.Manager
	}
	if o.Observer != nil {
		h.view = o.Observer
	}
	if o.Conn != nil && o.Observer != nil {
		h.ask = over(o.Conn, o.Observer)
	}
	return h.prepare()
}

func (h *handler) prepare() *handler {
	if h.log == nil {
		h.log = slog.Default()
	}
	if h.view != nil {
		h.feed = newFeed(h.view, h.log)
	}
	h.turns = make(chan struct{}, planners)
	h.guard = http.NewCrossOriginProtection()
	get := func(serve http.HandlerFunc) route { return route{http.MethodGet, serve} }
	h.routes = map[string]route{
		"livez":             get(h.needsWorker(h.livez)),
		"readyz":            get(h.needsWorker(h.readyz)),
		"status.json":       get(h.needsWorker(h.status)),
		"group.json":        get(h.needsView(h.group)),
		"history.json":      get(h.needsView(h.history)),
		"owner.json":        get(h.needsView(h.owner)),
		"explain.json":      get(h.needsView(h.explain)),
		"whatif.json":       get(h.needsView(h.whatIf)),
		"events":            get(h.needsView(h.events)),
		"fsm.svg":           get(h.drawing),
		"fsm.json":          get(h.machine),
		"capabilities.json": get(h.capabilities),
	}
	for _, a := range actions {
		h.routes[string(a)] = route{http.MethodPost, h.act(a)}
	}
	return h
}

// ServeHTTP implements http.Handler.
func (h *handler) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	secure(w.Header())
	path := strings.TrimPrefix(r.URL.Path, "/")
	at, ok := h.routes[path]
	if !ok {
		at = route{http.MethodGet, h.file}
		if !served(path) {
			h.refuse(w, r, http.StatusNotFound, "nothing is served at %.200q", path)
			return
		}
	}
	if r.Method != at.method && (r.Method != http.MethodHead || at.method != http.MethodGet) {
		allowed := at.method
		if allowed == http.MethodGet {
			allowed = "GET, HEAD"
		}
		w.Header().Set("Allow", allowed)
		h.refuse(w, r, http.StatusMethodNotAllowed, "the method is %.20q, allowed here: %s", r.Method, allowed)
		return
	}
	at.serve(w, r)
}

// secure sets the headers that every answer needs: from where the page may load, and that nobody may embed it.
func secure(h http.Header) {
	h.Set("Content-Security-Policy", "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src 'self' data:; "+
		"base-uri 'none'; frame-ancestors 'none'; form-action 'self'")
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("Referrer-Policy", "no-referrer")
	h.Set("Cross-Origin-Opener-Policy", "same-origin")
	h.Set("Cross-Origin-Resource-Policy", "same-origin")
}

func (h *handler) needsWorker(serve http.HandlerFunc) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		if h.worker == nil {
			h.refuse(w, r, http.StatusNotFound, "there is no worker in this process: the handler was made without Options.Manager")
			return
		}
		serve(w, r)
	}
}

func (h *handler) needsView(serve http.HandlerFunc) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		if h.view == nil {
			h.refuse(w, r, http.StatusNotFound, "the group is not observed here: the handler was made without Options.Observer")
			return
		}
		serve(w, r)
	}
}
