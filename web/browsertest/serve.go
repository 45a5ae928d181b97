// Copyright The Parti Authors
// SPDX-License-Identifier: Apache-2.0

package browsertest

import (
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strconv"

	"github.com/parti-go/parti/web"
)

// page serves the page and the state machine as everywhere, with their policy. It has no group of its own.
var page = web.Handler(web.Options{})

// ServeHTTP answers as web.Handler does.
func (f *Fake) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	switch r.URL.Path {
	case "/events":
		f.events(w, r)
	case "/group.json":
		f.mu.Lock()
		s, hold := f.snapshot(), f.hold
		f.mu.Unlock()
		if hold != nil {
			<-hold
		}
		answer(w, s)
	case "/history.json":
		answer(w, map[string]any{"changes": f.history(r)})
	case "/explain.json":
		answer(w, map[string]any{"sentences": f.Reasons})
	case "/whatif.json":
		f.whatIf(w, r)
	case "/capabilities.json":
		answer(w, map[string]any{"worker": Worker(0), "actions": f.Allowed, "remote": true, "manager": false, "observer": true})
	case "/drain", "/cordon", "/uncordon", "/refresh":
		f.act(w, r)
	default:
		page.ServeHTTP(w, r)
	}
}

func answer(w http.ResponseWriter, v any) {
	w.Header().Set("Content-Type", "application/json")
	_ = json.NewEncoder(w).Encode(v)
}

func (f *Fake) events(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Content-Type", "text/event-stream")
	mine := make(chan event, 256)
	f.mu.Lock()
	first, err := json.Marshal(f.snapshot())
	f.clients[mine] = struct{}{}
	f.mu.Unlock()
	if err != nil {
		panic(err)
	}
	flush := http.NewResponseController(w).Flush
	fmt.Fprintf(w, "retry: 100\nevent: group\ndata: %s\n\n", first)
	_ = flush()
	for {
		select {
		case <-r.Context().Done():
			f.mu.Lock()
			delete(f.clients, mine)
			f.mu.Unlock()
			return
		case e, more := <-mine:
			if !more {
				return
			}
			fmt.Fprintf(w, "event: %s\ndata: %s\n\n", e.name, e.data)
			_ = flush()
		}
	}
}

func (f *Fake) history(r *http.Request) []Change {
	f.mu.Lock()
	defer f.mu.Unlock()
	partition, worker := r.FormValue("partition"), r.FormValue("worker")
	found := slices.DeleteFunc(slices.Clone(f.journal), func(c Change) bool {
		return partition != "" && c.Partition != partition || worker != "" && c.From != worker && c.To != worker
	})
	limit, _ := strconv.Atoi(r.FormValue("limit"))
	if limit > 0 && len(found) > limit {
		found = found[len(found)-limit:]
	}
	return found
}

func (f *Fake) act(w http.ResponseWriter, r *http.Request) {
	if r.Method != http.MethodPost || r.Header.Get("X-Parti-Action") != "1" {
		w.WriteHeader(http.StatusForbidden)
		answer(w, map[string]string{"error": "an action is a POST with the header X-Parti-Action"})
		return
	}
	name := r.URL.Path[1:]
	f.mu.Lock()
	f.actions = append(f.actions, name+" "+r.FormValue("worker"))
	f.mu.Unlock()
	if !slices.Contains(f.Allowed, name) {
		w.WriteHeader(http.StatusForbidden)
		answer(w, map[string]string{"error": "this action is not allowed here"})
		return
	}
	answer(w, map[string]string{"action": name, "worker": r.FormValue("worker")})
}

// whatIf answers what a crash would do: what the worker has goes to the others. Everything else is an error, in words of its own.
func (f *Fake) whatIf(w http.ResponseWriter, r *http.Request) {
	f.mu.Lock()
	defer f.mu.Unlock()
	lost := r.FormValue("lose")
	if lost == "" {
		w.WriteHeader(http.StatusBadRequest)
		answer(w, map[string]string{"error": "nothing was asked: " + r.URL.RawQuery})
		return
	}
	moves := []map[string]any{}
	for p := range f.held[lost] {
		moves = append(moves, map[string]any{"partition": p, "from": lost, "to": Worker(0)})
	}
	answer(w, map[string]any{
		"verdict": lost + " crashes, and its partitions move", "moves": moves, "leastMoves": len(moves), "notes": []string{"a note"},
		"before": map[string]any{"imbalance": 1}, "after": map[string]any{"imbalance": 1.25},
		"ownerless": []map[string]any{{"what": "crash", "partitions": len(moves), "leastMs": 4000, "typicalMs": 5000, "mostMs": 6350}},
	})
}
