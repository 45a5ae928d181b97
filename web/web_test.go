// Copyright The Parti Authors
// SPDX-License-Identifier: Apache-2.0

package web

import (
	"bytes"
	"compress/gzip"
	"encoding/json"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/parti-go/parti"
	"github.com/parti-go/parti/fsm"
	"github.com/parti-go/parti/observe"
)

// asked serves one request.
func asked(h http.Handler, method, url string, headers ...string) *httptest.ResponseRecorder {
	r := httptest.NewRequest(method, url, nil)
	for i := 0; i < len(headers); i += 2 {
		r.Header.Set(headers[i], headers[i+1])
	}
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	return w
}

// errorOf is the sentence of a refusal.
func errorOf(t *testing.T, w *httptest.ResponseRecorder) string {
	t.Helper()
	var v struct{ Error string }
	require.NoError(t, json.Unmarshal(w.Body.Bytes(), &v), "%s", w.Body)
	require.NotEmpty(t, v.Error)
	return v.Error
}

func both() (*handler, *fakeWorker, *fakeView) {
	w, v := newFakeWorker(), newFakeView(sized(3, 30))
	return (&handler{worker: w, view: v, allow: yes, log: quiet()}).prepare(), w, v
}

// What can be read, by what it needs.
var (
	ofWorker = []string{"livez", "readyz", "status.json"}
	ofGroup  = []string{
		"group.json", "history.json", "owner.json?partition=orders.00001", "explain.json?partition=orders.00001", "whatif.json",
	}
	always = []string{"fsm.svg", "fsm.json", "capabilities.json"}
	reads  = slices.Concat(ofWorker, ofGroup, always)
)

func TestWhatIsMissingIsSaidAndAllElseWorks(t *testing.T) {
	for name, c := range map[string]struct {
		h             http.Handler
		worker, group bool
	}{
		"neither":     {Handler(Options{}), false, false},
		"worker only": {(&handler{worker: newFakeWorker(), log: quiet()}).prepare(), true, false},
		"view only":   {watched(newFakeView(sized(3, 30))), false, true},
	} {
		t.Run(name, func(t *testing.T) {
			check := func(paths []string, there bool, missing string) {
				for _, p := range paths {
					if w := asked(c.h, http.MethodGet, "/"+p); there {
						require.Equal(t, http.StatusOK, w.Code, "%s: %s", p, w.Body)
					} else {
						require.Equal(t, http.StatusNotFound, w.Code, p)
						require.Contains(t, errorOf(t, w), missing)
					}
				}
			}
			check(ofWorker, c.worker, "made without Options.Manager")
			check(ofGroup, c.group, "made without Options.Observer")
			check(always, true, "")
			if !c.group {
				require.Contains(t, errorOf(t, asked(c.h, http.MethodGet, "/events")), "made without Options.Observer")
			}
			require.Equal(t, http.StatusForbidden, asked(c.h, http.MethodPost, "/drain", actionHeader, "1").Code, "nobody allows it")
		})
	}
}

func TestMethodsThatAPathDoesNotTakeAreRefusedByName(t *testing.T) {
	h, w, _ := both()
	for _, p := range reads {
		got := asked(h, http.MethodPost, "/"+p)
		require.Equal(t, http.StatusMethodNotAllowed, got.Code, p)
		require.Equal(t, "GET, HEAD", got.Header().Get("Allow"))
		head := asked(h, http.MethodHead, "/"+p)
		require.Equal(t, http.StatusOK, head.Code, p)
		if p != "livez" && p != "readyz" { // net/http leaves their bodies out
			require.Empty(t, head.Body.String(), p)
		}
	}
	require.Equal(t, http.StatusOK, asked(h, http.MethodHead, "/events").Code)
	for _, a := range actions {
		got := asked(h, http.MethodGet, "/"+string(a), actionHeader, "1")
		require.Equal(t, http.StatusMethodNotAllowed, got.Code)
		require.Equal(t, "POST", got.Header().Get("Allow"))
		require.Contains(t, errorOf(t, got), `the method is "GET", allowed here: POST`)
	}
	require.Empty(t, w.asked)
}

func TestLivezSaysWhatIsStuck(t *testing.T) {
	h, w, _ := both()
	require.Equal(t, "ok\n", asked(h, http.MethodGet, "/livez").Body.String())
	w.healthy = errors.Join(errors.New("hook hangs"), errors.New("store is silent"))
	got := asked(h, http.MethodGet, "/livez")
	require.Equal(t, http.StatusServiceUnavailable, got.Code)
	require.Equal(t, "hook hangs\nstore is silent\n", got.Body.String())
}

func TestReadyzIsForWorkersThatHaveTheirPlaceAndStay(t *testing.T) {
	h, w, _ := both()
	probe := func() string {
		got := asked(h, http.MethodGet, "/readyz")
		require.Equal(t, got.Code == http.StatusOK, got.Body.String() == "ok\n")
		return got.Body.String()
	}
	require.Equal(t, "ok\n", probe())
	w.status.Degraded = true
	require.Equal(t, "ok\n", probe(), "it still works")
	w.status.Ready, w.status.State = false, parti.StateElection
	require.Contains(t, probe(), "no assignment yet: it is in state Election")
	w.status.Ready, w.status.Draining = true, true
	require.Contains(t, probe(), "drains")
	w.status.State = parti.StateShutdown
	require.Contains(t, probe(), "stops")
	close(w.done)
	require.Equal(t, "the worker has ended\n", probe())
	w.err = errTest
	require.Contains(t, probe(), "has ended: as the test wants it")
	require.Contains(t, asked(h, http.MethodGet, "/status.json").Body.String(), `"error":"as the test wants it"`)
}

func TestStatusHasEverythingInMilliseconds(t *testing.T) {
	h, w, _ := both()
	w.status = parti.Status{
		WorkerID: "worker-0", Session: 7, State: parti.StateStable, Leader: true, Term: 3, Version: 12, Lifecycle: "stable", Ready: true,
		Degraded: true, Draining: true, Cordoned: true, TrustedFor: 1500 * time.Millisecond,
		Partitions: []parti.PartitionStatus{{
			Partition: parti.Partition{Keys: []string{"orders", "17"}, Weight: 5}, Epoch: 4, Since: time.UnixMilli(99), Phase: "failing", Restarts: 2, Err: errTest,
		}},
		Waits: []parti.Wait{{What: "a hook", Who: "worker-0", Since: time.UnixMilli(77)}},
	}
	require.JSONEq(t, `{"workerID":"worker-0","session":7,"state":"Stable","leader":true,"term":3,"version":12,"lifecycle":"stable","ready":true,
		"degraded":true,"draining":true,"cordoned":true,"trustedFor":1500,
		"partitions":[{"id":"orders.17","weight":5,"epoch":4,"since":99,"phase":"failing","restarts":2,"error":"as the test wants it"}],
		"waits":[{"what":"a hook","who":"worker-0","since":77}]}`, asked(h, http.MethodGet, "/status.json").Body.String())
}

func TestGroupKeepsItsNumberWhileNothingChanges(t *testing.T) {
	h, _, v := both()
	first := asked(h, http.MethodGet, "/group.json").Body.String()
	require.Equal(t, first, asked(h, http.MethodGet, "/group.json").Body.String())
	g := v.Group()
	g.Unowned = 4
	v.set(g)
	second := decoded(t, asked(h, http.MethodGet, "/group.json").Body.Bytes())
	require.EqualValues(t, decoded(t, []byte(first))["seq"].(float64)+1, second["seq"])
	require.EqualValues(t, 4, second["unowned"])
}

func TestHistoryTakesWhatItSays(t *testing.T) {
	h, _, v := both()
	v.changes = []observe.Change{{At: time.Now(), Partition: "orders.1", From: "a", To: "b", Epoch: 4, Version: 12, Term: 3, By: "c", Why: "lost a", Left: 0}}
	got := decoded(t, asked(h, http.MethodGet, "/history.json?partition=orders.1&worker=a&limit=7&since=1000").Body.Bytes())
	require.Len(t, got["changes"], 1)
	require.Equal(t, observe.Query{Partition: "orders.1", Worker: "a", Limit: 7, Since: time.UnixMilli(1000)}, v.queries[0])
	one := got["changes"].([]any)[0].(map[string]any)
	require.EqualValues(t, v.changes[0].At.UnixMilli(), one["at"])
	require.Equal(t, "lost a", one["why"])

	asked(h, http.MethodGet, "/history.json?since=90m")
	require.WithinDuration(t, time.Now().Add(-90*time.Minute), v.queries[1].Since, time.Minute)
	require.Equal(t, historyLimit, v.queries[1].Limit)
	asked(h, http.MethodGet, "/history.json?since=2026-11-26T10:00:00Z")
	require.True(t, v.queries[2].Since.Equal(time.Date(2026, 11, 26, 10, 0, 0, 0, time.UTC)))

	for query, sentence := range map[string]string{
		"limit=0": `limit is "0", allowed: 1 to 10000`, "limit=many": `limit is "many"`, "limit=10001": "allowed: 1 to 10000",
		"since=yesterday": `since is "yesterday", allowed: milliseconds since 1970`, "since=-5": `since is "-5"`, "since=-5m": `since is "-5m"`,
	} {
		w := asked(h, http.MethodGet, "/history.json?"+query)
		require.Equal(t, http.StatusBadRequest, w.Code)
		require.Contains(t, errorOf(t, w), sentence)
	}
	v.failing = errTest
	w := asked(h, http.MethodGet, "/history.json")
	require.Equal(t, http.StatusBadGateway, w.Code)
	require.Equal(t, errTest.Error(), errorOf(t, w))
}

func TestOwnerSaysWhoOrThatNobodyDoes(t *testing.T) {
	h, _, _ := both()
	require.JSONEq(t, `{"partition":"orders.00001","worker":"worker-001","host":"host-1","session":9,"epoch":1,"since":1764150000000,"releasing":false}`,
		asked(h, http.MethodGet, "/owner.json?partition=orders.00001").Body.String())
	w := asked(h, http.MethodGet, "/owner.json?partition=nothing")
	require.Equal(t, http.StatusNotFound, w.Code)
	require.Contains(t, errorOf(t, w), `nobody owns "nothing"`)
	w = asked(h, http.MethodGet, "/owner.json")
	require.Equal(t, http.StatusBadRequest, w.Code)
	require.Contains(t, errorOf(t, w), "partition is missing")
}

func TestTheMachineIsThatOfTheTable(t *testing.T) {
	h, _, _ := both()
	var m struct {
		States []struct {
			Name string
			X, Y float64
		}
		Transitions []struct{ From, To, Event, Why string }
	}
	require.NoError(t, json.Unmarshal(asked(h, http.MethodGet, "/fsm.json").Body.Bytes(), &m))
	require.Len(t, m.States, len(fsm.States()))
	for i, s := range fsm.States() {
		require.Equal(t, s.String(), m.States[i].Name)
		require.Greater(t, m.States[i].X, 0.0)
		require.Less(t, m.States[i].X, 1000.0)
		require.Greater(t, m.States[i].Y, 0.0)
		require.Less(t, m.States[i].Y, 600.0)
	}
	for _, step := range m.Transitions {
		require.True(t, fsm.Allowed(fsm.State(step.From), fsm.State(step.To)), "%v", step)
		require.NotEmpty(t, step.Why)
	}
	svg := asked(h, http.MethodGet, "/fsm.svg?state=Stable")
	require.Equal(t, "image/svg+xml", svg.Header().Get("Content-Type"))
	require.Equal(t, fsm.SVG(fsm.Mark(fsm.Stable)), svg.Body.String())
	require.NotContains(t, svg.Header().Get("Content-Security-Policy"), "script-src")
	bad := asked(h, http.MethodGet, "/fsm.svg?state=Bored")
	require.Equal(t, http.StatusBadRequest, bad.Code)
	require.Contains(t, errorOf(t, bad), `state is "Bored", allowed: Init, `)
}

func TestEveryAnswerTellsTheBrowserToBeStrict(t *testing.T) {
	h, _, _ := both()
	for _, p := range slices.Concat(reads, []string{"icon.svg", "nothing"}) {
		header := asked(h, http.MethodGet, "/"+p).Header()
		require.Equal(t, "nosniff", header.Get("X-Content-Type-Options"), p)
		require.Equal(t, "no-referrer", header.Get("Referrer-Policy"), p)
		csp := header.Get("Content-Security-Policy")
		require.Contains(t, csp, "default-src 'none'", p)
		require.Contains(t, csp, "frame-ancestors 'none'", p)
		if p != "fsm.svg" {
			require.NotContains(t, csp, "unsafe", p)
		}
	}
}

func TestLargeAnswersArePackedForWhoTakesThat(t *testing.T) {
	h, _, v := both()
	v.set(sized(3, 3000))
	plain := asked(h, http.MethodGet, "/group.json")
	require.Empty(t, plain.Header().Get("Content-Encoding"))
	for accept, packed := range map[string]bool{
		"gzip": true, "br, GZIP;q=0.5": true, "*": true, "gzip;q=0": false, "br": false, "gzip; q=0.0, *;q=0": false, "": false,
	} {
		got := asked(h, http.MethodGet, "/group.json", "Accept-Encoding", accept)
		require.Equal(t, "Accept-Encoding", got.Header().Get("Vary"))
		if !packed {
			require.Equal(t, plain.Body.Bytes(), got.Body.Bytes(), accept)
			continue
		}
		require.Equal(t, "gzip", got.Header().Get("Content-Encoding"), accept)
		require.Less(t, got.Body.Len()*4, plain.Body.Len())
		unpacked, err := gzip.NewReader(got.Body)
		require.NoError(t, err)
		body, err := io.ReadAll(unpacked)
		require.NoError(t, err)
		require.True(t, bytes.Equal(plain.Body.Bytes(), body))
	}
	small := asked(h, http.MethodGet, "/capabilities.json", "Accept-Encoding", "gzip")
	require.Empty(t, small.Header().Get("Content-Encoding"), "a few bytes are not worth it")
}

func TestFilesOfThePageAreKnownByTheirTags(t *testing.T) {
	h, _, _ := both()
	icon := asked(h, http.MethodGet, "/icon.svg")
	require.Equal(t, http.StatusOK, icon.Code)
	require.Equal(t, "image/svg+xml", icon.Header().Get("Content-Type"))
	require.Equal(t, "no-cache", icon.Header().Get("Cache-Control"))
	tag := icon.Header().Get("ETag")
	require.Len(t, tag, 26)
	again := asked(h, http.MethodGet, "/icon.svg", "If-None-Match", tag)
	require.Equal(t, http.StatusNotModified, again.Code)
	require.Zero(t, again.Body.Len())
	for name, f := range files() {
		require.NotEmpty(t, f.kind, "%s: its type is in no table", name)
	}
	for _, name := range []string{"nothing.js", "page", "../web.go", "page/icon.svg", "livez/"} {
		w := asked(h, http.MethodGet, "/"+name)
		require.Equal(t, http.StatusNotFound, w.Code, name)
		require.Contains(t, errorOf(t, w), "nothing is served at")
	}
	require.Equal(t, http.StatusNotFound, asked(h, http.MethodPost, "/nothing").Code)
	require.Equal(t, http.StatusMethodNotAllowed, asked(h, http.MethodPost, "/icon.svg").Code)
}

func TestItWorksUnderAnyPrefixWithAndWithoutSlash(t *testing.T) {
	h, _, _ := both()
	for _, mounted := range []struct {
		prefix string
		h      http.Handler
	}{
		{"", h},
		{"/ops/parti", http.StripPrefix("/ops/parti", h)},
		{"/ops/parti", http.StripPrefix("/ops/parti/", h)}, // the rest begins without a slash
	} {
		for _, p := range slices.Concat(reads, []string{"icon.svg", ""}) {
			require.Equal(t, http.StatusOK, asked(mounted.h, http.MethodGet, mounted.prefix+"/"+p).Code, "%s/%s", mounted.prefix, p)
		}
		require.Equal(t, http.StatusOK, asked(mounted.h, http.MethodPost, mounted.prefix+"/cordon", actionHeader, "1").Code)
	}
	bare := asked(http.StripPrefix("/ops/parti", h), http.MethodGet, "/ops/parti?dark=1")
	require.Equal(t, http.StatusTemporaryRedirect, bare.Code)
	require.Equal(t, "./parti/?dark=1", bare.Header().Get("Location"), "wherever the prefix of a prefix is")
	odd := asked(http.StripPrefix("/javascript:x", h), http.MethodGet, "/javascript:x")
	require.Equal(t, "./javascript:x/", odd.Header().Get("Location"), "a path, never a scheme")
}

func TestALoggerIsOptional(t *testing.T) {
	before := slog.Default()
	slog.SetDefault(quiet())
	defer slog.SetDefault(before)
	h := (&handler{worker: newFakeWorker(), allow: func(*http.Request, Action) bool { panic("no") }}).prepare()
	require.Equal(t, http.StatusForbidden, asked(h, http.MethodPost, "/cordon", actionHeader, "1").Code)
	require.True(t, strings.HasPrefix(asked(Handler(Options{}), http.MethodGet, "/").Header().Get("Content-Security-Policy"), "default-src 'none'"))
}
