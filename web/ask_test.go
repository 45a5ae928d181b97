// Copyright The Parti Authors
// SPDX-License-Identifier: Apache-2.0

package web

import (
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"testing"
	"testing/synctest"

	"github.com/stretchr/testify/require"

	"github.com/parti-go/parti/strategy"
	"github.com/parti-go/parti/strategy/whatif"
)

func TestWhatIfAsksForTheChangeInTheQuery(t *testing.T) {
	h, _, v := both()
	var asking whatif.Change
	var failing error
	v.whatIf = func(c whatif.Change) (whatif.Answer, error) {
		asking = c
		return whatif.Answer{Verdict: "50 partitions move"}, failing
	}
	got := decoded(t, asked(h, http.MethodGet, "/whatif.json?lose=worker-3&workers=%2B5").Body.Bytes())
	require.Equal(t, "50 partitions move", got["verdict"])
	require.Equal(t, whatif.Change{Join: 5, Lose: []string{"worker-3"}}, asking)
	for _, c := range []struct {
		query    string
		err      error
		status   int
		sentence string
	}{
		{"workers=five", nil, http.StatusBadRequest, `workers is "five", allowed`},
		{"bribe=1", nil, http.StatusBadRequest, `it has no "bribe", allowed`},
		{"strategy=luck", nil, http.StatusBadRequest, "luck"},
		{"lose=worker-9", fmt.Errorf("what if: %w: no worker-9", whatif.ErrInvalidChange), http.StatusBadRequest, "no worker-9"},
		{"lose=worker-1", fmt.Errorf("what if: %w", strategy.ErrUnknownStrategy), http.StatusConflict, "choose one with ?strategy="},
		{"lose=worker-1", errTest, http.StatusUnprocessableEntity, errTest.Error()},
	} {
		failing = c.err
		w := asked(h, http.MethodGet, "/whatif.json?"+c.query)
		require.Equal(t, c.status, w.Code, c.query)
		require.Contains(t, errorOf(t, w), c.sentence)
	}
}

func TestExplainTellsTheRestWhereTheJournalIsNotRead(t *testing.T) {
	h, _, v := both()
	got := decoded(t, asked(h, http.MethodGet, "/explain.json?partition=orders.1").Body.Bytes())
	require.Equal(t, "orders.1", got["partition"])
	require.NotContains(t, got, "journalError")
	v.failing = errTest
	got = decoded(t, asked(h, http.MethodGet, "/explain.json?partition=orders.1").Body.Bytes())
	require.Equal(t, "orders.1", got["partition"])
	require.Equal(t, errTest.Error(), got["journalError"])
	require.Contains(t, errorOf(t, asked(h, http.MethodGet, "/explain.json")), "partition is missing")
}

func TestPlansAreMadeAFewAtATime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h, _, v := both()
		done := make(chan struct{})
		begun := make(chan struct{}, 10)
		v.whatIf = func(whatif.Change) (whatif.Answer, error) {
			begun <- struct{}{}
			<-done
			return whatif.Answer{}, nil
		}
		for range 5 {
			go asked(h, http.MethodGet, "/whatif.json")
		}
		synctest.Wait()
		require.Len(t, begun, planners)
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		w := httptest.NewRecorder()
		h.ServeHTTP(w, httptest.NewRequest(http.MethodGet, "/whatif.json", nil).WithContext(ctx))
		require.Zero(t, w.Body.Len(), "whoever has left is not waited for")
		close(done)
		synctest.Wait()
		require.Len(t, begun, 5)
	})
}

func TestAPlanIsNotWaitedForWhenTheClientHasLeft(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h, _, v := both()
		done := make(chan struct{})
		v.whatIf = func(whatif.Change) (whatif.Answer, error) {
			<-done
			return whatif.Answer{}, nil
		}
		ctx, cancel := context.WithCancel(t.Context())
		w, served := httptest.NewRecorder(), false
		go func() {
			h.ServeHTTP(w, httptest.NewRequest(http.MethodGet, "/whatif.json", nil).WithContext(ctx))
			served = true
		}()
		synctest.Wait()
		require.False(t, served)
		cancel()
		synctest.Wait()
		require.True(t, served)
		require.Zero(t, w.Body.Len())
		require.Len(t, h.turns, 1, "the plan is still being made")
		close(done)
		synctest.Wait()
		require.Empty(t, h.turns)
	})
}

func TestAPlanThatPanicsIsRefused(t *testing.T) {
	h, _, v := both()
	v.whatIf = func(whatif.Change) (whatif.Answer, error) { panic("boom") }
	w := asked(h, http.MethodGet, "/whatif.json")
	require.Equal(t, http.StatusUnprocessableEntity, w.Code)
	require.Contains(t, errorOf(t, w), "boom")
}
