// Copyright The Parti Authors
// SPDX-License-Identifier: Apache-2.0

package control

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

func TestARequestIsReadAsItWasWritten(t *testing.T) {
	for _, r := range []Request{
		{Action: Hello},
		{Action: Drain, Session: 17, Within: 90 * time.Second, By: "ops@host"},
		{Action: Refresh, Made: time.Date(2026, 5, 4, 3, 2, 1, 123456789, time.UTC)},
	} {
		got, err := DecodeRequest(r.Encode())
		require.NoError(t, err)
		require.Equal(t, r, got)
	}
	got, err := DecodeRequest([]byte(`{"format":1,"action":"drain","within":"5m","later":"unknown"}`))
	require.NoError(t, err, "a field of a later release is no error")
	require.Equal(t, Request{Action: Drain, Within: 5 * time.Minute}, got)
}

func TestABadRequestIsToldWhatIsWrongAndWhatIsAllowed(t *testing.T) {
	for message, want := range map[string]string{
		"":                               `like {"format":1,"action":"hello"}`,
		"null":                           "format is 0, allowed: 1",
		"[1,2]":                          "not JSON",
		`{"action":"drain"}`:             "format is 0, allowed: 1",
		`{"format":2}`:                   "format is 2, allowed: 1",
		`{"format":1}`:                   `action is "", allowed: hello, drain, cordon, uncordon, refresh`,
		`{"format":1,"action":"reboot"}`: `action is "reboot"`,
		`{"format":1,"action":"drain","within":"soon"}`:                  `within is "soon", allowed: a positive duration`,
		`{"format":1,"action":"drain","within":"-1s"}`:                   `within is "-1s"`,
		`{"format":1,"action":"drain","session":-1}`:                     "not JSON",
		`{"format":1,"action":"` + strings.Repeat("a", mostBytes) + `"}`: "allowed: up to 4096",
		`{"format":1,"action":"` + strings.Repeat("a", 1000) + `"}`:      `action is "aaa`,
	} {
		_, err := DecodeRequest([]byte(message))
		require.ErrorIs(t, err, ErrRequest, message)
		require.ErrorContains(t, err, want)
		require.Less(t, len(err.Error()), 300)
	}
}

func TestAnAnswerIsReadAsItWasWrittenWithItsError(t *testing.T) {
	p := Progress{Worker: "worker-3", Session: 7, Left: 12, Draining: true, Leaving: true, Cordoned: true}
	for _, c := range codes {
		a, err := DecodeAnswer(Outcome(Drain, p, fmt.Errorf("something: %w: more", c.err)).Encode())
		require.NoError(t, err)
		require.Equal(t, p, a.Progress)
		require.True(t, a.Done)
		require.ErrorIs(t, a.Err(), c.err)
		require.EqualError(t, a.Err(), "something: "+c.err.Error()+": more")
	}
	require.NoError(t, Outcome(Drain, p, nil).Err())
	require.ErrorIs(t, Outcome(Drain, p, errors.New("other")).Err(), ErrFailed)
	require.ErrorIs(t, Answer{Code: "of a later release"}.Err(), ErrFailed)
	require.Less(t, len(Outcome(Drain, p, errors.New(strings.Repeat("x", 1<<20))).Encode()), 4096)
	for _, garbage := range []string{"", "{", `{"format":2}`} {
		_, err := DecodeAnswer([]byte(garbage))
		require.ErrorIs(t, err, ErrFailed)
	}
}

func TestAWorkerAnswersOnInboxesOnly(t *testing.T) {
	for _, reply := range []string{"_INBOX.abc", "_INBOX_ops.x.y", "answers.7"} {
		require.True(t, Answerable(reply), reply)
	}
	for _, reply := range []string{"", "$KV.parti-assignment.plan", "$JS.API.STREAM.DELETE.KV_x", "$SYS.x", "JS.acme.API.$KV.parti-assignment.plan", "parti.control.b.worker-1", "parti.refresh.b", "a.>", "a.*", "a b"} {
		require.False(t, Answerable(reply), reply)
	}
}

func TestWhatCannotBeAskedForIsRefusedBeforeItIsSent(t *testing.T) {
	for _, bad := range []error{
		check("", "worker-1", Request{Action: Drain}), check("a.b", "worker-1", Request{Action: Drain}),
		check("bucket", "*", Request{Action: Drain}), check("bucket", "", Request{Action: Drain}),
		check("bucket", "worker-1", Request{}), check("bucket", "worker-1", Request{Action: Drain, Within: -1}),
	} {
		require.ErrorIs(t, bad, ErrRequest)
		require.ErrorContains(t, bad, "allowed")
	}
	require.NoError(t, check("bucket", "worker-1", Request{Action: Drain}))
}

func FuzzDecodeRequest(f *testing.F) {
	f.Add([]byte(`{"format":1,"action":"drain","session":7,"within":"1m","made":"2026-01-02T03:04:05Z","by":"x"}`))
	f.Add([]byte(`{"format":1e400}`))
	f.Fuzz(func(t *testing.T, data []byte) {
		r, err := DecodeRequest(data)
		if err != nil {
			require.ErrorIs(t, err, ErrRequest)
			return
		}
		again, err := DecodeRequest(r.Encode())
		require.NoError(t, err)
		require.True(t, r.Made.Equal(again.Made))
		require.Equal(t, r.Action, again.Action)
		require.Equal(t, r.Session, again.Session)
	})
}

func FuzzDecodeAnswer(f *testing.F) {
	f.Add([]byte(`{"format":1,"action":"drain","done":true,"code":"session","error":"x","progress":{"left":3}}`))
	f.Fuzz(func(_ *testing.T, data []byte) {
		a, _ := DecodeAnswer(data)
		_ = a.Err()
	})
}
