// Copyright The Parti Authors
// SPDX-License-Identifier: Apache-2.0

package browsertest

import (
	"context"
	"fmt"
	"net/http"
	"os"
	"sync"
	"testing"

	"github.com/chromedp/chromedp"
	"github.com/chromedp/chromedp/kb"
	"github.com/stretchr/testify/require"
)

// site is the playground, built once. Its folder goes when the tests end.
var site = sync.OnceValues(func() (string, error) {
	dir, err := os.MkdirTemp("", "parti-playground-test-")
	if err != nil {
		return "", err
	}
	atEnd = append(atEnd, func() { _ = os.RemoveAll(dir) }) // it is in the folder for temporary files
	return dir, BuildPlayground(context.Background(), dir)
})

// playground opens the playground on a plain file server. What follows # in its address says what it shows.
func playground(t testing.TB, look Look, hash string) *Tab {
	t.Helper()
	if browser == nil {
		t.Skip(ErrNoBrowser)
	}
	dir, err := site()
	require.NoError(t, err)
	tab, _ := openAt(t, look, http.FileServer(http.Dir(dir)), "/#"+hash)
	return tab
}

// process is the name of the first process that does or does not lead, and of which nothing else is said.
func process(t testing.TB, tab *Tab, leads bool) (name, worker string) {
	t.Helper()
	marks := ""
	if leads {
		marks = "leads"
	}
	found := ask[[]string](t, tab, fmt.Sprintf(`(() => {
		const line = [...document.querySelectorAll("#fleet tr")].find((line) => line.querySelector(".marks").textContent === %q);
		return [line.dataset.process, line.querySelector("th button").textContent];
	})()`, marks))
	return found[0], found[1]
}

// do clicks on a button of a process.
func do(t testing.TB, tab *Tab, process, action string) {
	t.Helper()
	require.NoError(t, tab.Do(chromedp.Click(chromedp.CSS(fmt.Sprintf(`#fleet tr[data-process=%q] button[data-act=%q]`, process, action)))))
}

// runs waits until the page says how many partitions run.
func runs(t testing.TB, tab *Tab, n int) {
	t.Helper()
	until(t, tab, fmt.Sprintf(`document.querySelector("#truths dd").textContent.startsWith("%d of ")`, n))
}

// faster makes simulated time pass quickly.
func faster(t testing.TB, tab *Tab, speed int) {
	t.Helper()
	require.NoError(t, tab.Do(chromedp.Evaluate[chromedp.Void](fmt.Sprintf(
		`[...document.querySelectorAll("#speeds button")].find((b) => b.textContent === "%d×").click()`, speed))))
}

func TestThePlaygroundShowsACalmFleet(t *testing.T) {
	tab := playground(t, desk, "")
	require.Equal(t, "All 100 partitions have an owner.", text(t, tab, "#verdict"))
	require.Equal(t, 10, ask[int](t, tab, `document.querySelectorAll("#fleet tr").length`))
	require.Equal(t, 10, ask[int](t, tab, `document.querySelectorAll("#machine circle[data-state=Stable]").length`))
	require.NotZero(t, ask[int](t, tab, painted("--owned")), "the map shows no cell")
}

func TestAWorkerThatIsKilledWithAClickLosesItsPartitionsToTheOthersInTime(t *testing.T) {
	tab := playground(t, desk, "5x40")
	killed, worker := process(t, tab, false)
	require.NoError(t, tab.Do(chromedp.Click(chromedp.CSS(`#pause`))))
	do(t, tab, killed, "kill")
	runs(t, tab, 32)
	require.NotZero(t, ask[int](t, tab, painted("--lost")), "what nobody runs is not seen on the map")
	before := ask[float64](t, tab, `playground.simulated`)
	require.NoError(t, tab.Do(chromedp.Click(chromedp.CSS(`#pause`))))
	faster(t, tab, 5)
	runs(t, tab, 40)
	took := ask[float64](t, tab, `playground.simulated`) - before
	require.Greater(t, took, 3_000.0)
	require.Less(t, took, 9_000.0, "simulated milliseconds, with those until the test has seen it")
	until(t, tab, `[...document.querySelectorAll("#log li[data-kind=over]")].some((line) => /All 40 partitions run, [4-7]\.\d s after/.test(line.textContent))`)
	require.Contains(t, text(t, tab, "#timeline"), worker)
	require.Equal(t, "never", text(t, tab, "#truths div:nth-child(2) dd"))
}

func TestAClickOnTheMapDoesWhatTheMouseIsSetTo(t *testing.T) {
	tab := playground(t, desk, "5x40")
	require.NoError(t, tab.Do(chromedp.Click(chromedp.CSS(`[data-mouse=kill]`))))
	at := ask[[]float64](t, tab, `(() => { const r = document.querySelector("#map-view").getBoundingClientRect(); return [r.left + 110, r.top + 20]; })()`)
	require.NoError(t, tab.Do(chromedp.MouseClickXY(at[0], at[1])))
	runs(t, tab, 32)
	require.NoError(t, tab.Do(chromedp.Click(chromedp.CSS(`[data-mouse=look]`)), chromedp.MouseClickXY(at[0], at[1]+90)))
	until(t, tab, `!document.querySelector("#details").hidden && document.querySelector("#details dd").textContent.startsWith("worker-")`)
	require.Contains(t, text(t, tab, "#details"), "Epoch")
}

func TestAFrozenWorkerIsFencedWhenItIsThawed(t *testing.T) {
	tab := playground(t, desk, "5x40")
	frozen, _ := process(t, tab, false)
	do(t, tab, frozen, "freeze")
	runs(t, tab, 32)
	faster(t, tab, 5)
	runs(t, tab, 40)
	do(t, tab, frozen, "freeze") // the same button
	until(t, tab, `document.querySelector("#log li[data-kind=refused]")`)
	require.Equal(t, "8", text(t, tab, "#truths div:nth-child(3) dd"))
	faster(t, tab, 30)
	until(t, tab, fmt.Sprintf(`document.querySelector('#fleet tr[data-process=%q] .number').textContent === "8"`, frozen))
	require.Equal(t, "never", text(t, tab, "#truths div:nth-child(2) dd"))
}

func TestAWorkerThatIsCutOffGivesUpByItselfAndComesBack(t *testing.T) {
	tab := playground(t, desk, "5x40")
	cut, _ := process(t, tab, false)
	line := fmt.Sprintf(`document.querySelector('#fleet tr[data-process=%q]')`, cut)
	do(t, tab, cut, "cut")
	until(t, tab, line+`.querySelector(".marks").textContent === "cut off"`)
	until(t, tab, line+`.querySelector(".left").textContent === "none" && `+line+`.querySelector(".number").textContent === "0"`)
	runs(t, tab, 40)
	do(t, tab, cut, "cut")
	faster(t, tab, 30)
	until(t, tab, line+`.querySelector(".number").textContent === "8"`)
}

func TestASceneBeginsByItsAddress(t *testing.T) {
	tab := playground(t, desk, "5x40,crash")
	require.Contains(t, text(t, tab, "#hint"), "A worker is killed.")
	require.Equal(t, "true", ask[string](t, tab, `document.querySelector('#scenes a[href="#crash"]').getAttribute("aria-current")`))
	require.Contains(t, text(t, tab, "#log"), "is killed; it ran 8 partitions")
}

// TestEverySceneCanBePlayed plays them one after the other, and has two simulated minutes pass at once after each.
func TestEverySceneCanBePlayed(t *testing.T) {
	tab := playground(t, desk, "10x100")
	for _, scene := range []string{"leader", "freeze", "cut", "rolling", "drain", "jam", "scale", "store", "mass"} {
		require.NoError(t, tab.Do(chromedp.Click(chromedp.CSS(fmt.Sprintf(`#scenes a[href="#%s"]`, scene)))))
		require.Empty(t, ask[string](t, tab, `document.querySelector("#hint").dataset.level`), "%s: %s", scene, text(t, tab, "#hint"))
		require.Equal(t, 120_000.0, ask[float64](t, tab, `parti.advance(120000, 20000)`), scene)
		runs(t, tab, 100)
		require.Equal(t, "never", text(t, tab, "#truths div:nth-child(2) dd"), scene)
	}
}

func TestTimeIsPausedSteppedAndSped(t *testing.T) {
	tab := playground(t, desk, "5x40")
	require.NoError(t, tab.Do(chromedp.Evaluate[chromedp.Void](`document.activeElement.blur()`), chromedp.KeyEvent(" ")))
	until(t, tab, `document.querySelector("#pause").textContent === "Go on"`)
	before, paused := text(t, tab, "#clock"), ask[float64](t, tab, `playground.simulated`)
	require.NoError(t, tab.Do(chromedp.KeyEvent("."), chromedp.KeyEvent(".")))
	until(t, tab, fmt.Sprintf(`document.querySelector("#clock").textContent !== %q`, before))
	require.InDelta(t, paused+200, ask[float64](t, tab, `playground.simulated`), 0.01, "two steps")
	require.NoError(t, tab.Do(chromedp.KeyEvent("]"), chromedp.KeyEvent(" ")))
	until(t, tab, `document.querySelector("#speeds [aria-pressed=true]").textContent === "2×"`)
	until(t, tab, fmt.Sprintf(`playground.simulated > %f`, paused+1000))
}

func TestThePlaygroundCanBeReadAndWalked(t *testing.T) {
	for _, dark := range []bool{false, true} {
		look := desk
		look.Dark = dark
		tab := playground(t, look, "5x40,crash")
		until(t, tab, `document.querySelectorAll("#log li").length > 0`)
		require.Empty(t, ask[[]string](t, tab, contrasts))
		require.Equal(t, dark, ask[int](t, tab, `Number(getComputedStyle(document.documentElement).backgroundColor.match(/\d+/)[0])`) < 60)
	}
	tab := playground(t, desk, "5x40")
	require.NoError(t, tab.Do(chromedp.Evaluate[chromedp.Void](`document.querySelector("#fleet tr [data-act=kill]").focus()`), chromedp.KeyEvent(kb.Enter)))
	runs(t, tab, 32)
	require.NoError(t, tab.Do(chromedp.Focus(chromedp.CSS(`#map-view`)), chromedp.KeyEvent("f"), chromedp.KeyEvent(kb.End),
		chromedp.KeyEvent(kb.ArrowDown), chromedp.KeyEvent(kb.Enter)))
	runs(t, tab, 24)
}

func TestEverythingOnThePlaygroundHasANameAndFits(t *testing.T) {
	for _, width := range []int64{1280, 390} {
		tab := playground(t, Look{Width: width, Height: 900, Calm: true}, "10x100,mass")
		require.NoError(t, tab.Do(chromedp.Click(chromedp.CSS(`#fleet th button`))))
		until(t, tab, `!document.querySelector("#details").hidden`)
		fits(t, tab, width)
		found := roles(t, tab)
		for _, role := range []string{"banner", "main", "navigation", "complementary", "application", "table", "status", "link"} {
			require.NotZero(t, found[role], "there is no %s", role)
		}
		require.NoError(t, tab.Do(chromedp.Click(chromedp.CSS(`#details-close`))))
	}
}

// frameLimit is what the page may take for a frame, in milliseconds, so that there are sixty a second. The simulation stops at half of
// that, and goes on in the next frame.
const frameLimit = 16.0

func TestAFrameIsQuick(t *testing.T) {
	tab := playground(t, desk, "20x200")
	for _, speed := range []int{1, 100} {
		faster(t, tab, speed)
		require.NoError(t, tab.Do(chromedp.Evaluate[chromedp.Void](`playground.work.length = playground.simulation.length = 0`)))
		until(t, tab, `playground.work.length > 100`)
		work, simulation := ask[[]float64](t, tab, `playground.work`), ask[[]float64](t, tab, `playground.simulation`)
		t.Logf("20 workers × 200 partitions at %d×: %.1f ms a frame, of which the simulation %.1f ms (medians of %d)", speed, median(work), median(simulation), len(work))
		require.Less(t, median(work), frameLimit, "at %d×", speed)
	}
}
