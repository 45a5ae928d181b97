// Copyright The Parti Authors
// SPDX-License-Identifier: Apache-2.0

package browsertest

import (
	"fmt"
	"testing"
	"time"

	"github.com/chromedp/chromedp"
	"github.com/chromedp/chromedp/kb"
	"github.com/stretchr/testify/require"
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

func TestADecisionThatTakesSeveralVersionsIsOneEntry(t *testing.T) {
	f := NewFake(4, 40)
	tab, _ := open(t, desk, f)
	const why = "planned scale, window over: 4 live workers, 3 in the plan before, new worker-3"
	f.Change(func(d *Draft) {
		d.Version()
		d.Journal("orders.1", Worker(1), "", why)
		d.Journal("orders.2", Worker(2), "", why)
	})
	seen(t, tab, f)
	until(t, tab, `document.querySelector("#timeline .sum")?.textContent === "2 asked back from 2 workers"`)
	f.Change(func(d *Draft) {
		d.Version()
		d.Journal("orders.1", Worker(1), Worker(3), why)
	})
	seen(t, tab, f)
	until(t, tab, `document.querySelector("#timeline .sum")?.textContent === "1 from worker-1 to worker-3, 1 asked back from worker-2"`)
	f.Change(func(d *Draft) {
		d.Version()
		d.Journal("orders.2", Worker(2), Worker(3), why)
	})
	seen(t, tab, f)
	until(t, tab, `[...document.querySelectorAll("#timeline .sum")].map((n) => n.textContent).join() === "2 from 2 workers to worker-3"`)
	require.Regexp(t, `^versions \d+ to \d+, term `, ask[string](t, tab, `document.querySelector("#timeline li").title`))
	f.Change(func(d *Draft) {
		d.Version()
		d.Journal("orders.3", Worker(3), Worker(1), "lost worker-3")
	})
	seen(t, tab, f)
	until(t, tab, `document.querySelectorAll("#timeline li").length === 2`)
}

func TestTheAddressSaysWhatIsOpen(t *testing.T) {
	f := NewFake(4, 40)
	tab, _ := open(t, desk, f)
	require.Empty(t, ask[string](t, tab, `location.hash`))
	ask[bool](t, tab, `location.hash = "#partition=orders.7", true`)
	until(t, tab, `document.querySelector("#details-title").textContent === "orders.7" && !document.querySelector("#details").hidden`)
	ask[bool](t, tab, `document.querySelector("#workers tr button").click(), true`)
	until(t, tab, `location.hash.startsWith("#worker=worker-")`)
	ask[bool](t, tab, `document.querySelector("#details-close").click(), true`)
	require.Empty(t, ask[string](t, tab, `location.hash`))

	ask[bool](t, tab, `location.hash = "#worker=worker-2", true`)
	require.NoError(t, tab.Do(chromedp.Reload()))
	until(t, tab, `document.documentElement.dataset.drawn && document.querySelector("#details-title")?.textContent === "worker-2"`)
	require.Regexp(t, `^Times are those of \S+`, text(t, tab, "#zone"))
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
