// Copyright The Parti Authors
// SPDX-License-Identifier: Apache-2.0

package browsertest

import (
	"context"
	"fmt"
	"log/slog"
	"net/http"
	"testing"
	"time"

	"github.com/chromedp/chromedp"
	"github.com/chromedp/chromedp/kb"
	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
	"github.com/stretchr/testify/require"

	"github.com/parti-go/parti"
	"github.com/parti-go/parti/kv/embedded"
	"github.com/parti-go/parti/observe"
	"github.com/parti-go/parti/source"
	"github.com/parti-go/parti/strategy"
	"github.com/parti-go/parti/web"
)

const (
	liveWorkers    = 5
	livePartitions = 40
)

// member is one worker of a real fleet, on a connection of its own.
type member struct {
	*parti.Manager
	conn *nats.Conn
}

// fleet starts a real group, in real time because a browser knows no other, and a handler that observes it.
func fleet(t *testing.T) (members []member, handler http.Handler) {
	server, err := embedded.Start()
	require.NoError(t, err)
	t.Cleanup(server.Shutdown)
	cfg := parti.DefaultConfig()
	cfg.WorkerIDMax = 9
	cfg.WorkerIDTTL = 3 * time.Second
	cfg.HeartbeatInterval, cfg.HeartbeatTTL, cfg.LeaderTTL = 500*time.Millisecond, 2*time.Second, time.Second
	cfg.ColdStartWindow, cfg.PlannedScaleWindow, cfg.RebalanceCooldown = 10*time.Second, 2*time.Second, time.Second
	cfg.ExpectedWorkers = liveWorkers
	cfg.Group = "live"
	cfg.KVBuckets.Storage = "memory"
	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
	defer cancel()
	started := make(chan error, liveWorkers)
	for range liveWorkers {
		conn, err := server.Connect(parti.ConnectOptions()...)
		require.NoError(t, err)
		js, err := jetstream.New(conn)
		require.NoError(t, err)
		m, err := parti.NewManager(cfg, js, source.Numbered("orders", livePartitions), strategy.NewConsistentHash(), parti.WithLogger(slog.New(slog.DiscardHandler)))
		require.NoError(t, err)
		members = append(members, member{m, conn})
		t.Cleanup(func() {
			_ = m.Close() // the one that crashed has nothing to give up any more
			conn.Close()
		})
		go func() { started <- m.Start(ctx) }()
	}
	for range liveWorkers {
		require.NoError(t, <-started)
	}
	conn, err := server.Connect(parti.ConnectOptions()...)
	require.NoError(t, err)
	t.Cleanup(conn.Close)
	js, err := jetstream.New(conn)
	require.NoError(t, err)
	observer, err := observe.Open(ctx, js, cfg)
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, observer.Close()) })
	return members, web.Handler(web.Options{
		Manager: members[0].Manager, Observer: observer, Allow: func(*http.Request, web.Action) bool { return true },
		Logger: slog.New(slog.DiscardHandler),
	})
}

// follower returns a worker that neither leads nor is the handler's.
func follower(t *testing.T, members []member) member {
	for _, m := range members[1:] {
		if !m.IsLeader() {
			return m
		}
	}
	t.Fatal("every worker leads")
	return member{}
}

func TestARealFleetIsWatchedLive(t *testing.T) {
	if browser == nil {
		t.Skip(ErrNoBrowser)
	}
	members, handler := fleet(t)
	below := http.NewServeMux() // the page works below any prefix, and is found there without the slash at its end
	below.Handle("/", http.RedirectHandler("/ops/parti", http.StatusFound))
	below.Handle("/ops/parti", http.StripPrefix("/ops/parti", handler))
	below.Handle("/ops/parti/", http.StripPrefix("/ops/parti", handler))
	tab, _ := open(t, desk, below)
	until(t, tab, fmt.Sprintf(`document.querySelector("#verdict").textContent === "All %d partitions have an owner."`, livePartitions))
	require.Equal(t, liveWorkers, ask[int](t, tab, `document.querySelectorAll("#workers tr").length`))
	until(t, tab, fmt.Sprintf(`document.querySelectorAll("#machine circle[data-state=Stable]").length === %d`, liveWorkers))

	// The page keeps what it has said, so that nothing that shows only for a moment is missed.
	ask[bool](t, tab, `(() => {
		globalThis.told = [];
		const note = () => told.push(document.querySelector("#verdict").textContent);
		new MutationObserver(note).observe(document.querySelector("#verdict"), { childList: true, characterData: true, subtree: true });
		return true;
	})()`)
	lost := follower(t, members)
	id := lost.WorkerID()
	lost.conn.Close() // it is gone without a word
	until(t, tab, fmt.Sprintf(`[...document.querySelectorAll("#timeline .why")].some((n) => n.textContent.includes(%q))`, "lost "+id))
	until(t, tab, fmt.Sprintf(`![...document.querySelectorAll("#workers button")].some((n) => n.textContent === %q)`, id))
	until(t, tab, fmt.Sprintf(`document.querySelector("#verdict").textContent === "All %d partitions have an owner."`, livePartitions))
	require.Contains(t, fmt.Sprint(ask[[]string](t, tab, `told`)), "no owner", "the time without an owner was not shown")
	require.NotZero(t, ask[int](t, tab, painted("--fresh1")))
}

func TestARealGroupAnswersQuestions(t *testing.T) {
	if browser == nil {
		t.Skip(ErrNoBrowser)
	}
	members, handler := fleet(t)
	tab, _ := open(t, desk, handler)
	require.NoError(t, tab.Do(chromedp.SendKeys(chromedp.CSS("#search-input"), "orders.17\r")))
	until(t, tab, `document.querySelector("#details .reasons li")`)
	require.NoError(t, tab.Do(
		chromedp.KeyEvent(kb.Escape),
		chromedp.Blur(chromedp.CSS("#search-input")),
		chromedp.SendKeys(chromedp.CSS("#search-input"), follower(t, members).WorkerID()+"\r"), // writes over what was there
		chromedp.Click(chromedp.CSS(`#details .questions button`)),
	))
	until(t, tab, `document.querySelector(".answer .verdict")`)
	require.Contains(t, text(t, tab, ".answer"), "No owner")
	require.NotZero(t, ask[int](t, tab, `document.querySelectorAll(".answer dl > div").length`))
}

func TestARealWorkerIsCordonedFromThePage(t *testing.T) {
	if browser == nil {
		t.Skip(ErrNoBrowser)
	}
	members, handler := fleet(t)
	tab, _ := open(t, desk, handler)
	id := members[0].WorkerID()
	require.NoError(t, tab.Do(chromedp.SendKeys(chromedp.CSS("#search-input"), id+"\r")))
	require.Equal(t, id, text(t, tab, "#details-title"))
	until(t, tab, `document.querySelectorAll("#details .actions button").length === 3`)
	require.NoError(t, tab.Do(
		chromedp.Click(chromedp.CSS(`#details [data-key=cordon]`)),
		chromedp.Click(chromedp.CSS(`#confirm-yes`)),
	))
	until(t, tab, `document.querySelector("#details [data-key=uncordon]")`)
	require.Contains(t, text(t, tab, "#details dl"), "cordoned")
	require.True(t, members[0].Status().Cordoned)
}
