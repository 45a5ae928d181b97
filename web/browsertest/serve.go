package browsertest

import (
	"encoding/json"
	"fmt"
	"net/http"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"

	"github.com/parti-go/parti/fsm"
)

// Policy is the content security policy under which the page has to work: the one of web.Handler.
const Policy = "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src 'self' data:; " +
	"base-uri 'none'; frame-ancestors 'none'; form-action 'self'"

// PageDir is the folder of the page's files.
func PageDir() string {
	_, file, _, _ := runtime.Caller(0)
	return filepath.Join(filepath.Dir(file), "..", "page")
}

// ServeHTTP answers as web.Handler does.
func (f *Fake) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Content-Security-Policy", Policy)
	w.Header().Set("X-Content-Type-Options", "nosniff")
	w.Header().Set("Cache-Control", "no-cache")
	switch r.URL.Path {
	case "/events":
		f.events(w, r)
	case "/group.json":
		f.mu.Lock()
		s := f.snapshot()
		f.mu.Unlock()
		answer(w, s)
	case "/history.json":
		answer(w, map[string]any{"changes": f.history(r)})
	case "/fsm.json":
		answer(w, machine())
	case "/capabilities.json":
		answer(w, map[string]any{"worker": f.head.Leader, "actions": f.Allowed, "remote": true})
	case "/drain", "/cordon", "/uncordon", "/refresh":
		f.act(w, r)
	default:
		http.FileServer(http.Dir(f.Dir)).ServeHTTP(w, r)
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

// places are about where the real drawing has the states.
var places = map[fsm.State][2]int{
	fsm.Init: {97, 113}, fsm.ClaimingID: {97, 251}, fsm.Election: {291, 113}, fsm.WaitingAssignment: {291, 251}, fsm.Stable: {567, 89},
	fsm.Scaling: {567, 251}, fsm.Emergency: {567, 413}, fsm.Rebalancing: {799, 251}, fsm.Shutdown: {485, 567},
}

func machine() any {
	type state struct {
		Name string `json:"name"`
		X    int    `json:"x"`
		Y    int    `json:"y"`
	}
	type transition struct {
		From  string `json:"from"`
		To    string `json:"to"`
		Event string `json:"event"`
	}
	var m struct {
		States      []state      `json:"states"`
		Transitions []transition `json:"transitions"`
	}
	for _, s := range fsm.States() {
		m.States = append(m.States, state{s.String(), places[s][0], places[s][1]})
	}
	for _, t := range fsm.Transitions() {
		for _, from := range t.From {
			m.Transitions = append(m.Transitions, transition{from.String(), t.To.String(), t.Event.String()})
		}
	}
	return m
}
