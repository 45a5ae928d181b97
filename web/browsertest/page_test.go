package browsertest

import (
	"fmt"
	"math/rand/v2"
	"net/http/httptest"
	"testing"
	"time"

	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/chromedp"
	"github.com/chromedp/chromedp/kb"
	"github.com/stretchr/testify/require"

	"github.com/parti-go/parti/web"
)

func TestThePageShowsTheGroup(t *testing.T) {
	for _, size := range []struct {
		workers, partitions int
		verdict             string
	}{
		{10, 100, "All 100 partitions have an owner."},
		{100, 10_000, "All 10,000 partitions have an owner."},
	} {
		t.Run(fmt.Sprintf("%dx%d", size.workers, size.partitions), func(t *testing.T) {
			tab, _ := open(t, desk, NewFake(size.workers, size.partitions))
			require.Equal(t, size.verdict, text(t, tab, "#verdict"))
			require.Equal(t, "orders", text(t, tab, "h1"))
			require.Equal(t, size.workers, ask[int](t, tab, `document.querySelectorAll("#workers tr").length`))
			require.Equal(t, size.workers, ask[int](t, tab, `document.querySelectorAll("#machine circle[data-state=Stable]").length`))
			share := fmt.Sprint(size.partitions / size.workers)
			require.Equal(t, share, text(t, tab, "#workers tr:last-child .number"))
			require.NotZero(t, ask[int](t, tab, painted("--owned")), "the map shows no cell")
		})
	}
}

// painted counts the pixels of the map that have one of the page's colours.
func painted(colour string) string {
	return fmt.Sprintf(`(() => {
		const probe = document.body.appendChild(document.createElement("i"));
		probe.style.color = "var(%s)";
		const wanted = getComputedStyle(probe).color.match(/\d+/g).map(Number);
		probe.remove();
		const { width, height } = document.querySelector("#map-canvas");
		const copy = new OffscreenCanvas(width, height).getContext("2d", { willReadFrequently: true });
		copy.drawImage(document.querySelector("#map-canvas"), 0, 0);
		const { data } = copy.getImageData(0, 0, width, height);
		let found = 0;
		for (let i = 0; i < data.length; i += 4) if (wanted.every((v, k) => Math.abs(v - data[i + k]) < 3)) found++;
		return found;
	})()`, colour)
}

func TestACrashIsWatchedLive(t *testing.T) {
	f := NewFake(10, 100)
	tab, _ := open(t, desk, f)
	lost := Worker(4)
	var orphans []string
	f.Change(func(d *Draft) {
		d.Worker(lost, func(w *Facts) { w.Live, w.State = false, "Shutdown" })
		d.Head(Worker(0), 10, time.Time{})
	})
	seen(t, tab, f)
	require.Equal(t, "10 partitions have no owner.", text(t, tab, "#verdict"))
	require.Contains(t, text(t, tab, "#stuck"), lost+" is gone, with records of 10 partitions")
	require.NotZero(t, ask[int](t, tab, painted("--lost")))
	require.Equal(t, 9, ask[int](t, tab, `document.querySelectorAll("#machine circle:not(.going)").length`))

	f.Change(func(d *Draft) {
		orphans = d.Held(lost)
		for _, p := range orphans {
			d.Release(p, lost)
		}
		d.Gone(lost)
		d.Every(func(w *Facts) { w.State = "Emergency" })
	})
	seen(t, tab, f)
	require.NotZero(t, ask[int](t, tab, painted("--orphan")), "what nobody owns has no lane")
	require.Equal(t, 9, ask[int](t, tab, `document.querySelectorAll("#machine circle[data-state=Emergency]").length`))
	require.Equal(t, "EmergencyDeclared", text(t, tab, "#machine .edge.fired text"))

	f.Change(func(d *Draft) {
		d.Version()
		for i, p := range orphans {
			to := Worker([]int{0, 1, 2, 3, 5}[i%5])
			d.Grant(p, to)
			d.Journal(p, lost, to, "lost "+lost)
		}
		d.Every(func(w *Facts) { w.State = "Stable" })
		d.Head(Worker(0), 0, time.Time{})
	})
	seen(t, tab, f)
	require.Equal(t, "All 100 partitions have an owner.", text(t, tab, "#verdict"))
	require.Equal(t, "lost worker-4", text(t, tab, "#timeline .why"))
	require.Equal(t, "10 from worker-4 to 5 workers", text(t, tab, "#timeline .sum"))
	require.NotZero(t, ask[int](t, tab, painted("--fresh1")), "what has just moved does not stand out")
	require.Zero(t, ask[int](t, tab, painted("--orphan")))
	require.Equal(t, 9, ask[int](t, tab, `document.querySelectorAll("#workers tr").length`))
}

func TestAHandoffIsSeen(t *testing.T) {
	f := NewFake(4, 40)
	tab, _ := open(t, desk, f)
	f.Change(func(d *Draft) { d.Revoke(d.Held(Worker(1))[0], Worker(1)) })
	seen(t, tab, f)
	require.Equal(t, "Handoffs under way (1)", text(t, tab, "#handoffs-title"))
	require.Contains(t, text(t, tab, "#handoffs"), "leaves worker-1")
	require.NotZero(t, ask[int](t, tab, painted("--releasing")))
	f.Change(func(d *Draft) {
		p := d.Held(Worker(1))[0]
		d.Release(p, Worker(1))
		d.Version()
		d.Grant(p, Worker(2))
	})
	seen(t, tab, f)
	require.Equal(t, "Nothing is being handed over.", text(t, tab, "#handoffs"))
	require.Equal(t, "11", text(t, tab, "#workers tr:nth-child(3) .number"))
}

func TestAHandoffThatBeganEarlierIsDatedByTheJournal(t *testing.T) {
	f := NewFake(4, 40)
	asked := func(partition string, ago time.Duration) {
		f.Change(func(d *Draft) {
			d.At(ago)
			d.Revoke(partition, Worker(0))
			d.Journal(partition, Worker(0), "", "worker-4 joined")
		})
	}
	asked("orders.0", 2*time.Minute)
	asked("orders.4", 7*time.Minute)
	tab, _ := open(t, desk, f)
	until(t, tab, `[...document.querySelectorAll("#handoffs .age")].map((n) => n.textContent).join() === "7 min,2 min"`)
	require.Equal(t, "orders.4", text(t, tab, "#handoffs button"), "what has waited longest is not the first")
}

func TestWhatIsWrongIsSaid(t *testing.T) {
	f := NewFake(3, 30)
	tab, _ := open(t, desk, f)
	f.Change(func(d *Draft) {
		d.Worker(Worker(1), func(w *Facts) { w.Stuck = []string{"the hook has not returned since noon"} })
	})
	seen(t, tab, f)
	require.Equal(t, "Every partition has an owner. 1 worker is stuck.", text(t, tab, "#verdict"))
	require.Contains(t, text(t, tab, "#stuck"), "the hook has not returned since noon")
	f.Change(func(d *Draft) { d.Head("", 0, time.Time{}) })
	seen(t, tab, f)
	require.Contains(t, text(t, tab, "#verdict"), "No worker leads.")
	f.Change(func(d *Draft) { d.Head(Worker(0), 0, time.Now().Add(-time.Minute)) })
	seen(t, tab, f)
	require.Contains(t, text(t, tab, "#verdict"), "The store has not answered since")
	require.Contains(t, text(t, tab, "#facts"), "silent for 1 min")
}

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

func TestTheFairShareFollowsTheWorkers(t *testing.T) {
	f := NewFake(4, 40)
	tab, _ := open(t, desk, f)
	share := func() string {
		return ask[string](t, tab, `document.querySelector("#workers tr .load").getAttribute("aria-label")`)
	}
	require.Equal(t, "10 of a fair share of 10", share())
	f.Change(func(d *Draft) {
		d.Every(func(w *Facts) { w.Capacity = map[bool]int64{true: 7, false: 1}[w.ID == Worker(0)] })
	})
	seen(t, tab, f)
	require.Equal(t, "10 of a fair share of 28", share())
	f.Change(func(d *Draft) { d.Worker(Worker(0), func(w *Facts) { w.Leaving = true }) })
	seen(t, tab, f)
	require.Equal(t, "10, no fair share", share())
}

func TestAPartitionThatIsListedNoMoreIsForgotten(t *testing.T) {
	f := NewFake(4, 40)
	tab, _ := open(t, desk, f)
	f.Change(func(d *Draft) { d.Release("orders.4", Worker(0)) })
	seen(t, tab, f)
	require.Equal(t, "4 workers × 39 partitions", text(t, tab, "#map-hint"))
	require.Zero(t, ask[int](t, tab, painted("--orphan")))
}

func TestADeadWorkerOwnsNothingWhateverItsRecordSays(t *testing.T) {
	f := NewFake(4, 40)
	f.Change(func(d *Draft) {
		d.Version()
		d.Grant("orders.4", Worker(1)) // newer than the record of its owner, worker-0
		d.Worker(Worker(1), func(w *Facts) { w.Live, w.State = false, "Shutdown" })
	})
	tab, _ := open(t, desk, f)
	require.NoError(t, tab.Do(chromedp.SendKeys(chromedp.CSS("#search-input"), "orders.4\r")))
	details := text(t, tab, "#details-body")
	require.Contains(t, details, "Ownerworker-0")
	require.Contains(t, details, "Record ofworker-1, which is gone: epoch 101")
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

func TestThePageSaysWhyAPartitionIsWhereItIs(t *testing.T) {
	f := NewFake(4, 40)
	f.Reasons = []string{"worker-0 has it since noon.", "It would go to worker-2."}
	tab, _ := open(t, desk, f)
	require.NoError(t, tab.Do(chromedp.SendKeys(chromedp.CSS("#search-input"), "orders.4\r")))
	until(t, tab, `document.querySelector("#details .reasons")`)
	require.Equal(t, "worker-0 has it since noon.It would go to worker-2.", text(t, tab, "#details .reasons"))
}

func TestAChangeIsTriedBeforeItIsMade(t *testing.T) {
	tab, _ := open(t, desk, NewFake(4, 40))
	plain := ask[int](t, tab, painted("--ring"))
	require.NoError(t, tab.Do(
		chromedp.Click(chromedp.CSS(`#workers tr:nth-child(3) button`)),
		chromedp.Click(chromedp.CSS(`#details .questions button`)),
	))
	until(t, tab, `document.querySelector(".answer .verdict")`)
	answer := text(t, tab, ".answer")
	for _, said := range []string{"worker-2 crashes", "10, at least 10 needed", "1.00 of its fair share before, 1.25 after", "10 partitions for 5.0 s (4.0 s to 6.3 s)", "a note"} {
		require.Contains(t, answer, said)
	}
	require.Greater(t, ask[int](t, tab, painted("--ring")), plain, "the map does not show what would move")
	require.NoError(t, tab.Do(chromedp.KeyEvent(kb.Escape)))
	require.Equal(t, plain, ask[int](t, tab, painted("--ring")), "the rings have stayed")
}

func TestWhatIsAskedStaysWhileTheGroupChanges(t *testing.T) {
	f := NewFake(4, 40)
	tab, _ := open(t, desk, f)
	require.NoError(t, tab.Do(chromedp.Click(chromedp.CSS(`#whatif-open`)), chromedp.SendKeys(chromedp.CSS(`#whatif-join`), kb.ArrowUp+kb.ArrowUp)))
	f.Change(func(d *Draft) { d.Every(func(w *Facts) { w.State = "Scaling" }) })
	seen(t, tab, f)
	require.Equal(t, "2", ask[string](t, tab, `document.querySelector("#whatif-join").value`))
	require.Contains(t, text(t, tab, "#details-title"), "What if")
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

func TestNamesAreTextWhateverTheyContain(t *testing.T) {
	f := NewFake(3, 30)
	bad := `<img src=x onerror=alert(1)>`
	f.Change(func(d *Draft) {
		d.Worker(bad, func(w *Facts) { w.Live, w.State, w.Stuck = true, "Stable", []string{"<b>stuck</b>"} })
		d.Grant(`<script>alert(2)</script>`, bad)
		d.Journal(`<script>alert(2)</script>`, "", bad, "<i>why</i>")
	})
	tab, _ := open(t, desk, f)
	require.Zero(t, ask[int](t, tab, `document.querySelectorAll("img, body script, b b, i b").length`))
	require.NoError(t, tab.Do(chromedp.Click(chromedp.CSS(`#workers tr button`))))
	require.Equal(t, bad, text(t, tab, "#details-title"))
	until(t, tab, `document.querySelector("#details .entries")`)
	require.Contains(t, text(t, tab, "#details-body"), `<script>alert(2)</script>`)
}
