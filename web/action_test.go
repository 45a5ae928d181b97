// Copyright The Parti Authors
// SPDX-License-Identifier: Apache-2.0

package web

import (
	"bytes"
	"context"
	"fmt"
	"log/slog"
	"net/http"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/parti-go/parti"
	"github.com/parti-go/parti/internal/control"
)

func TestAnActionNeedsAllowAndARequestThatIsMeant(t *testing.T) {
	var log bytes.Buffer
	h, w, _ := both()
	h.log = slog.New(slog.NewTextHandler(&log, nil))
	refused := func(sentence string, headers ...string) {
		t.Helper()
		got := asked(h, http.MethodPost, "/cordon", headers...)
		require.Equal(t, http.StatusForbidden, got.Code)
		require.Contains(t, errorOf(t, got), sentence)
		require.Empty(t, w.asked)
	}
	refused("header X-Parti-Action is missing")
	refused("header X-Parti-Action is missing", "Content-Type", "text/plain")
	refused("cross-origin", actionHeader, "1", "Sec-Fetch-Site", "cross-site")
	refused("cross-origin", actionHeader, "1", "Origin", "https://evil.example")
	h.allow = func(*http.Request, Action) bool { return false }
	refused("Options.Allow does not say yes", actionHeader, "1")
	h.allow = func(*http.Request, Action) bool { panic("a bug of the user's") }
	refused("Options.Allow does not say yes", actionHeader, "1")
	require.Contains(t, log.String(), "a bug of the user's")
	h.allow = nil
	refused("Options.Allow does not say yes", actionHeader, "1")

	var about Action
	h.allow = func(r *http.Request, a Action) bool { about = a; return r.Header.Get("Authorization") == "me" }
	refused("cordon is not allowed", actionHeader, "1")
	for _, headers := range [][]string{
		{actionHeader, "1"},
		{"Content-Type", "application/json; charset=utf-8"},
		{actionHeader, "1", "Sec-Fetch-Site", "same-origin"},
	} {
		got := asked(h, http.MethodPost, "/cordon", append(headers, "Authorization", "me")...)
		require.Equal(t, http.StatusOK, got.Code)
		require.JSONEq(t, `{"action":"cordon","worker":"worker-0"}`, got.Body.String())
	}
	require.Equal(t, ActionCordon, about)
	require.Equal(t, []string{"cordon", "cordon", "cordon"}, w.asked)
	require.Contains(t, log.String(), "a request over HTTP")
}

func TestTheWorkerOfThisProcessDoesWhatItIsAskedFor(t *testing.T) {
	h, w, _ := both()
	for _, path := range []string{"/cordon", "/uncordon?worker=worker-0", "/refresh?session=7"} {
		require.Equal(t, http.StatusOK, asked(h, http.MethodPost, path, actionHeader, "1").Code)
	}
	require.Equal(t, []string{"cordon", "uncordon", "refresh"}, w.asked)
	refused := func(path string, status int, sentence string) {
		t.Helper()
		got := asked(h, http.MethodPost, path, actionHeader, "1")
		require.Equal(t, status, got.Code)
		require.Contains(t, errorOf(t, got), sentence)
		require.Len(t, w.asked, 3)
	}
	refused("/cordon?session=6", http.StatusConflict, "session 6 of worker-0 is over: it has session 7 now")
	refused("/cordon?session=last", http.StatusBadRequest, `session is "last"`)
	refused("/cordon?worker=worker-1", http.StatusNotImplemented, `"worker-1" is not the worker of this process: to ask other workers, the handler needs Options.Conn`)
	close(w.done)
	refused("/drain", http.StatusConflict, "has ended")
	h.worker = nil
	refused("/drain", http.StatusNotFound, "without Options.Manager")
}

func TestARefreshTellsWhatTheLeaderSays(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h, w, _ := both()
		outcome := func(refresh func(ctx context.Context) error) (int, string) {
			w.refresh = refresh
			got := asked(h, http.MethodPost, "/refresh", actionHeader, "1")
			return got.Code, errorOf(t, got)
		}
		code, text := outcome(func(context.Context) error { return errTest })
		require.Equal(t, http.StatusBadGateway, code)
		require.Equal(t, errTest.Error(), text)
		code, _ = outcome(func(context.Context) error { return fmt.Errorf("refresh partitions: %w", parti.ErrNotJoined) })
		require.Equal(t, http.StatusConflict, code)
		began := time.Now()
		code, text = outcome(func(ctx context.Context) error { <-ctx.Done(); return ctx.Err() })
		require.Equal(t, http.StatusGatewayTimeout, code)
		require.Contains(t, text, "within 30s")
		require.Equal(t, refreshPatience, time.Since(began))
	})
}

func TestADrainGoesOnWhenWhoAskedForItHasLeft(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h, w, _ := both()
		ended := make(chan error, 1)
		w.drain = func(ctx context.Context) error {
			select {
			case <-time.After(time.Minute):
				ended <- nil
			case <-ctx.Done():
				ended <- ctx.Err()
			}
			return errTest
		}
		client := serveOver(t, h, nil)
		ctx, leave := context.WithCancel(t.Context())
		for range 2 {
			req, err := http.NewRequestWithContext(ctx, http.MethodPost, "http://web/drain", nil)
			require.NoError(t, err)
			req.Header.Set(actionHeader, "1")
			res, err := client.Do(req)
			require.NoError(t, err)
			require.NoError(t, res.Body.Close())
			require.Equal(t, http.StatusAccepted, res.StatusCode)
		}
		leave()
		require.NoError(t, <-ended)
		synctest.Wait()
		require.Equal(t, []string{"drain"}, w.asked, "the second joins the first")
	})
}

func TestCapabilitiesAreWhatAllowSaysForTheRequest(t *testing.T) {
	h, _, _ := both()
	h.allow = func(r *http.Request, a Action) bool {
		if a == ActionRefresh {
			panic("a bug of the user's")
		}
		return r.Header.Get("Authorization") == "me" && a != ActionDrain
	}
	require.JSONEq(t, `{"worker":"worker-0","actions":[],"remote":false,"manager":true,"observer":true}`,
		asked(h, http.MethodGet, "/capabilities.json").Body.String())
	require.JSONEq(t, `{"worker":"worker-0","actions":["cordon","uncordon"],"remote":false,"manager":true,"observer":true}`,
		asked(h, http.MethodGet, "/capabilities.json", "Authorization", "me").Body.String())
	require.JSONEq(t, `{"worker":"","actions":[],"remote":false,"manager":false,"observer":true}`,
		asked((&handler{view: newFakeView(sized(1, 1)), allow: yes, log: quiet()}).prepare(), http.MethodGet, "/capabilities.json").Body.String(),
		"there is nobody to ask")
}

func TestAnotherWorkerIsAskedWhereThereIsAWay(t *testing.T) {
	h, w, _ := both()
	var asking []string
	h.ask = func(_ context.Context, a Action, t target, by string) *failure {
		asking = append(asking, fmt.Sprint(a, " ", t.worker, " ", t.session, " ", by))
		if t.worker == "worker-9" {
			return fail(http.StatusNotFound, "no worker lives")
		}
		return nil
	}
	got := asked(h, http.MethodPost, "/drain?worker=worker-1&session=9", actionHeader, "1")
	require.Equal(t, http.StatusAccepted, got.Code)
	require.JSONEq(t, `{"action":"drain","worker":"worker-1"}`, got.Body.String())
	require.Equal(t, []string{"drain worker-1 9 web, for 192.0.2.1:1234"}, asking)
	require.Equal(t, http.StatusNotFound, asked(h, http.MethodPost, "/drain?worker=worker-9", actionHeader, "1").Code)
	require.Empty(t, w.asked)
	h.worker = nil
	require.Equal(t, http.StatusOK, asked(h, http.MethodPost, "/refresh", actionHeader, "1").Code)
	require.Contains(t, asking[2], "refresh worker-000 ", "the leader")
	require.Equal(t, http.StatusNotFound, asked(h, http.MethodPost, "/drain", actionHeader, "1").Code, "whom?")
	require.JSONEq(t, `{"worker":"","actions":["drain","cordon","uncordon","refresh"],"remote":true,"manager":false,"observer":true}`,
		asked(h, http.MethodGet, "/capabilities.json").Body.String())
	require.Equal(t, http.StatusConflict, statusOfRefusal(fmt.Errorf("drain: %w", control.ErrSession)))
	require.Equal(t, http.StatusGatewayTimeout, statusOfRefusal(control.ErrSilent))
	require.Equal(t, http.StatusBadGateway, statusOfRefusal(errTest))
}
