// Copyright The Parti Authors
// SPDX-License-Identifier: Apache-2.0

package browsertest

import (
	"fmt"
	"math/rand/v2"
	"net/http/httptest"
	"testing"
	"time"

	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/chromedp"
	"github.com/stretchr/testify/require"

	"github.com/parti-go/parti/web"
)

func TestAGapIsClosedWithASnapshot(t *testing.T) {
	f := NewFake(4, 40)
	tab, _ := open(t, desk, f)
	move := func(d *Draft) {
		p := d.Held(Worker(1))[0]
		d.Release(p, Worker(1))
		d.Grant(p, Worker(2))
	}
	f.Lose(move)
	f.Change(move)
	seen(t, tab, f)
	until(t, tab, `document.querySelector("#connection").dataset.state === "live"`)
	require.Equal(t, "8", text(t, tab, "#workers tr:nth-child(2) .number"))
	require.Equal(t, "12", text(t, tab, "#workers tr:nth-child(3) .number"))
}

func TestOneSnapshotClosesAGapHoweverMuchComesMeanwhile(t *testing.T) {
	f := NewFake(4, 40)
	tab, _ := open(t, desk, f)
	letAnswer := f.HoldSnapshots() // each is then as old as the request for it
	defer letAnswer()
	move := func(d *Draft) {
		p := d.Held(Worker(1))[0]
		d.Release(p, Worker(1))
		d.Grant(p, Worker(2))
	}
	f.Lose(move)
	f.Change(move)
	until(t, tab, `document.querySelector("#connection").dataset.state === "repairing"`)
	for range 5 {
		f.Change(move)
	}
	// What was sent before this change was sent has arrived: the journal goes the same way.
	f.Change(func(d *Draft) { d.Journal("orders.1", "", Worker(2), "the last word") })
	until(t, tab, `document.querySelector("#timeline .why")?.textContent === "the last word"`)
	letAnswer()
	seen(t, tab, f)
	require.Equal(t, "3", text(t, tab, "#workers tr:nth-child(2) .number"))
	require.Equal(t, "17", text(t, tab, "#workers tr:nth-child(3) .number"))
	require.Equal(t, 1, count(tab.Requests(), "/group.json"))
}

func TestAnOldSnapshotDoesNotReplaceANewerOne(t *testing.T) {
	f := NewFake(4, 40)
	tab, _ := open(t, desk, f)
	letAnswer := f.HoldSnapshots()
	defer letAnswer()
	f.Lose(func(d *Draft) { d.Phase("scaling") })
	f.Change(func(d *Draft) { d.Phase("rebalancing") })
	until(t, tab, `document.querySelector("#connection").dataset.state === "repairing"`)
	f.Disconnect()
	f.Change(func(d *Draft) { d.Phase("idle") })
	seen(t, tab, f) // the new stream began with a snapshot
	letAnswer()
	until(t, tab, `performance.getEntriesByType("resource").some((e) => e.name.endsWith("/group.json"))`)
	ask[bool](t, tab, `new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(() => done(true))))`)
	require.Equal(t, fmt.Sprint(f.Seq()), ask[string](t, tab, `document.documentElement.dataset.seq`))
	require.Contains(t, text(t, tab, "#facts"), "idle")
}

func TestABrokenStreamIsOpenedAgain(t *testing.T) {
	f := NewFake(4, 40)
	tab, _ := open(t, desk, f)
	f.Change(func(d *Draft) { d.Journal("orders.1", "", Worker(2), "worker-2 joined") })
	seen(t, tab, f)
	f.Disconnect()
	f.Change(func(d *Draft) {
		d.Phase("scaling")
		d.Version()
		d.Journal("orders.2", Worker(2), Worker(3), "worker-2 leaves")
	})
	seen(t, tab, f)
	until(t, tab, `document.querySelector("#connection").dataset.state === "live"`)
	require.Contains(t, text(t, tab, "#facts"), "scaling")
	// The journal is read again: what is new in it is told, and nothing twice.
	until(t, tab, `[...document.querySelectorAll("#timeline .sum")].map((n) => n.textContent).join() === "1 from worker-2 to worker-3,1 to worker-2"`)
}

func TestAPageThatComesBackGoesOn(t *testing.T) {
	f := NewFake(4, 40)
	tab, _ := open(t, desk, f)
	// The browser puts it aside and brings it back: it says so with these two events, and has kept everything else.
	ask[bool](t, tab, `dispatchEvent(new PageTransitionEvent("pagehide", { persisted: true }))`)
	f.Change(func(d *Draft) { d.Phase("scaling") })
	ask[bool](t, tab, `dispatchEvent(new PageTransitionEvent("pageshow", { persisted: true }))`)
	seen(t, tab, f)
	require.Contains(t, text(t, tab, "#facts"), "scaling")
	require.Equal(t, 2, count(tab.Requests(), "/events"))
}

// A second model in the page takes the stream over as the page's own does. After random changes it must say what a snapshot says.
func TestDeltasGiveWhatASnapshotGives(t *testing.T) {
	f := NewFake(8, 200)
	tab, _ := open(t, desk, f)
	ask[bool](t, tab, `import("./model.js").then(({ Model, noChanges }) => {
		globalThis.said = (m) => JSON.stringify([m.head, [...m.workers.values()].map((w) =>
			[w.facts, m.held(w).map((h) => [h.partition.id, h.epoch, h.since, h.releasing])]).sort((a, b) => a[0].id < b[0].id ? -1 : 1),
			m.ranks().filter((p) => p.holdings.length > 0).map((p) => [p.id, p.holdings.length, m.owner(p)?.epoch]),
			m.order().map((w) => m.fairShare(w))]);
		globalThis.mine = new Model();
		globalThis.fresh = () => new Model();
		globalThis.none = noChanges;
		const source = new EventSource("events");
		source.addEventListener("delta", (e) => { if (!mine.apply(JSON.parse(e.data), noChanges())) globalThis.gap = true; });
		return new Promise((done) => source.addEventListener("group", (e) => { mine.load(JSON.parse(e.data), noChanges()); done(true); }));
	})`)
	rng := rand.New(rand.NewPCG(1, 2))
	for round := range 20 {
		for range 20 {
			f.Change(func(d *Draft) { random(d, rng) })
		}
		until(t, tab, fmt.Sprintf(`mine.head.seq === %d`, f.Seq()))
		differ := ask[string](t, tab, `fetch("group.json").then((r) => r.json()).then((s) => {
			const model = fresh();
			model.load(s, none());
			model.head.at = mine.head.at;
			return said(model) === said(mine) ? "" : said(model) + "\n" + said(mine);
		})`)
		require.Empty(t, differ, "round %d", round)
	}
	require.False(t, ask[bool](t, tab, `!!globalThis.gap`))
	seen(t, tab, f)
}

// random makes any change that a group can go through.
func random(d *Draft, rng *rand.Rand) {
	all := d.Workers()
	one, other := all[rng.IntN(len(all))], all[rng.IntN(len(all))]
	held := d.Held(one)
	switch rng.IntN(8) {
	case 0:
		d.Worker(fmt.Sprintf("worker-%d", 100+rng.IntN(20)), func(w *Facts) { w.Live, w.State = true, "WaitingAssignment" })
	case 1:
		if len(all) > 3 {
			for _, p := range held {
				d.Release(p, one)
			}
			d.Gone(one)
		}
	case 2:
		if len(all) > 3 {
			d.Gone(one) // without a word on what it held
		}
	case 3:
		d.Worker(one, func(w *Facts) { w.State, w.Live = "Scaling", rng.IntN(4) > 0 })
	default:
		d.Version()
		for range min(len(held), rng.IntN(9)) {
			p := held[rng.IntN(len(held))]
			switch rng.IntN(3) {
			case 0:
				d.Revoke(p, one)
			case 1:
				d.Grant(p, other) // both have a record of it
			default:
				d.Release(p, one)
				d.Grant(p, other)
			}
		}
	}
}

func TestNothingIsPolled(t *testing.T) {
	tab, _ := open(t, desk, NewFake(4, 40))
	until(t, tab, `performance.getEntriesByType("resource").some((e) => e.name.includes("history.json"))`)
	before := tab.Requests()
	expired := make(chan struct{})
	require.NoError(t, chromedp.Listen(tab.ctx, func(e any) {
		if _, ok := e.(*emulation.EventVirtualTimeBudgetExpired); ok {
			close(expired)
		}
	}))
	_, err := chromedp.Call(tab.ctx, emulation.SetVirtualTimePolicy, emulation.SetVirtualTimePolicyParams{Policy: emulation.VirtualTimePolicyAdvance, Budget: new(120_000.0)})
	require.NoError(t, err)
	select {
	case <-expired:
	case <-time.After(20 * time.Second):
		t.Fatal("two virtual minutes did not pass")
	}
	require.Equal(t, before, tab.Requests())
	require.Equal(t, 1, count(before, "/events"))
}

func TestWithoutAnObserverThePageSaysWhatIsMissing(t *testing.T) {
	if browser == nil {
		t.Skip(ErrNoBrowser)
	}
	server := httptest.NewServer(web.Handler(web.Options{}))
	defer server.Close()
	tab, end, err := browser.Open(desk, server.URL)
	require.NoError(t, err)
	defer end()
	until(t, tab, `document.querySelector("#connection").dataset.state === "off"`)
	require.Contains(t, text(t, tab, "#verdict"), "made without Options.Observer")
	require.Equal(t, 1, count(tab.Requests(), "/events"), "it asks again for what is not there")
}
