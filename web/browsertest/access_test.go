// Copyright The Parti Authors
// SPDX-License-Identifier: Apache-2.0

package browsertest

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	"github.com/chromedp/cdproto/accessibility"
	"github.com/chromedp/cdproto/input"
	"github.com/chromedp/chromedp"
	"github.com/chromedp/chromedp/kb"
	"github.com/stretchr/testify/require"
)

// contrasts returns the texts that stand out too little from what is behind them, by the formula of WCAG 2.
const contrasts = `(() => {
	const parse = (c) => { const n = c.match(/[\d.]+/g).map(Number); return { rgb: n.slice(0, 3), alpha: n[3] ?? 1 }; };
	const light = (rgb) => rgb.map((v) => v / 255).map((v) => (v <= 0.04045 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4))
		.reduce((sum, v, i) => sum + v * [0.2126, 0.7152, 0.0722][i], 0);
	const behind = (node) => {
		for (let n = node; n; n = n.parentElement) {
			const colour = parse(getComputedStyle(n).backgroundColor);
			if (colour.alpha > 0) return colour.rgb;
		}
		return [255, 255, 255];
	};
	const walk = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
	const found = [];
	let seen = 0;
	while (walk.nextNode()) {
		const node = walk.currentNode.parentElement;
		if (!walk.currentNode.textContent.trim() || !node.checkVisibility() || node.closest("svg, .hidden, .skip, noscript")) continue;
		seen++;
		const [a, b] = [light(parse(getComputedStyle(node).color).rgb), light(behind(node))];
		const ratio = (Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05);
		if (ratio < 4.5) found.push(node.textContent + " " + ratio.toFixed(2));
	}
	return seen > 40 ? found : ["only " + seen + " texts were seen"];
})()`

func TestLightAndDarkCanBeRead(t *testing.T) {
	for _, dark := range []bool{false, true} {
		t.Run(fmt.Sprintf("dark=%v", dark), func(t *testing.T) {
			f := Scene()
			f.Allowed = []string{"drain", "cordon"}
			look := desk
			look.Dark = dark
			tab, _ := open(t, look, f)
			require.NoError(t, tab.Do(chromedp.Click(chromedp.CSS(`#workers tr:nth-child(6) button`))))
			until(t, tab, `document.querySelector("#details .entries")`)
			require.Empty(t, ask[[]string](t, tab, contrasts))
			bright := ask[int](t, tab, `Number(getComputedStyle(document.documentElement).backgroundColor.match(/\d+/)[0])`)
			require.Equal(t, dark, bright < 60, "the page's background is %d", bright)
		})
	}
}

func TestTheReaderChoosesLightOrDark(t *testing.T) {
	tab, _ := open(t, desk, NewFake(4, 40))
	background := `getComputedStyle(document.documentElement).backgroundColor`
	light := ask[string](t, tab, background)
	lightMap := ask[int](t, tab, painted("--owned"))
	require.NoError(t, tab.Do(chromedp.Click(chromedp.CSS(`#theme`)), chromedp.Click(chromedp.CSS(`#theme`))))
	require.Equal(t, "● Dark", text(t, tab, "#theme"))
	dark := ask[string](t, tab, background)
	require.NotEqual(t, light, dark)
	require.InEpsilon(t, lightMap, ask[int](t, tab, painted("--owned")), 0.02, "the map has kept the other colours")
	require.NoError(t, tab.Do(chromedp.Reload()))
	until(t, tab, `document.documentElement.dataset.drawn`)
	require.Equal(t, dark, ask[string](t, tab, background), "the choice was forgotten")
}

func TestThePageCanBeWalkedWithTheKeyboard(t *testing.T) {
	f := NewFake(3, 30)
	tab, _ := open(t, desk, f)
	where := `(() => {
		const at = document.activeElement;
		const name = at.getAttribute("aria-label") || at.textContent.trim() || at.placeholder || at.id;
		return at === document.body ? "" : getComputedStyle(at).outlineStyle === "none" ? "no outline: " + name : name;
	})()`
	var walk []string
	for range 60 {
		require.NoError(t, tab.Do(chromedp.KeyEvent(kb.Tab)))
		at := ask[string](t, tab, where)
		if at == "" { // the end of the page
			break
		}
		require.NotContains(t, at, "no outline")
		walk = append(walk, at)
	}
	all := strings.Join(walk, " | ")
	require.Less(t, len(walk), 60, "the focus goes round in circles: %s", all)
	for _, stop := range []string{"Skip to the map", "search-input", "Colours: auto", "By partition", "Zoom in", "Map of workers", "worker-2", "group.json"} {
		require.Contains(t, strings.ReplaceAll(all, "Find a partition or a worker", "search-input"), stop)
	}
}

func TestAPartitionIsFoundWithTheKeyboard(t *testing.T) {
	f := NewFake(3, 30)
	f.Change(func(d *Draft) {
		d.Version()
		d.Grant("orders.17", Worker(2))
		d.Release("orders.17", Worker(17*7919%3))
		d.Journal("orders.17", Worker(17*7919%3), Worker(2), "worker-2 joined")
	})
	tab, _ := open(t, desk, f)
	slash(t, tab)
	require.NoError(t, tab.Do(chromedp.KeyEvent("orders.1")))
	require.Equal(t, "orders.1", ask[string](t, tab, `document.querySelector("#search-input").value`))
	require.Equal(t, "orders.1", text(t, tab, "#search-list li b"))
	require.NoError(t, tab.Do(chromedp.KeyEvent("7"), chromedp.KeyEvent(kb.ArrowDown), chromedp.KeyEvent(kb.Enter)))
	require.Equal(t, "orders.17", ask[string](t, tab, `document.activeElement.textContent`), "the focus is not on what was opened")
	until(t, tab, `document.querySelector("#details .entries")`)
	details := text(t, tab, "#details-body")
	for _, said := range []string{"Ownerworker-2", "Epoch101", "worker-2 joined"} {
		require.Contains(t, details, said)
	}
	require.NoError(t, tab.Do(chromedp.KeyEvent(kb.Escape)))
	require.Equal(t, "search-input", ask[string](t, tab, `document.activeElement.id`))
	require.True(t, ask[bool](t, tab, `document.querySelector("#details").hidden`))
}

// slash presses the key as a keyboard does: what the page prevents is not written. chromedp.KeyEvent would write it all the same.
func slash(t *testing.T, tab *Tab) {
	_, err := chromedp.Call(tab.ctx, input.DispatchKeyEvent, input.DispatchKeyEventParams{Type: input.DispatchKeyEventTypeKeyDown, Key: "/", Code: "Slash", Text: "/"})
	require.NoError(t, err)
}

func TestTheMapCanBeWalkedWithTheKeyboard(t *testing.T) {
	tab, _ := open(t, desk, NewFake(3, 30))
	require.NoError(t, tab.Do(chromedp.Focus(chromedp.CSS("#map-view")), chromedp.KeyEvent(kb.ArrowRight)))
	require.Contains(t, text(t, tab, "#map-cell"), "orders.0, worker-0, epoch 100")
	require.NoError(t, tab.Do(chromedp.KeyEvent(kb.ArrowDown), chromedp.KeyEvent(kb.ArrowRight)))
	said := text(t, tab, "#map-cell")
	require.Contains(t, said, "worker-1")
	require.NoError(t, tab.Do(chromedp.KeyEvent(kb.Enter)))
	require.Equal(t, strings.Split(said, ",")[0], text(t, tab, "#details-title"))
	require.NoError(t, tab.Do(chromedp.KeyEvent(kb.Escape), chromedp.KeyEvent("+"), chromedp.KeyEvent("+")))
	require.True(t, ask[bool](t, tab, `document.querySelector("#map-space").offsetWidth > document.querySelector("#map-view").clientWidth`))
}

func TestTheMapTellsWhatIsUnderThePointer(t *testing.T) {
	tab, _ := open(t, desk, NewFake(100, 10_000))
	for _, order := range []string{"#map-packed", "#map-placed"} {
		require.NoError(t, tab.Do(chromedp.Click(chromedp.CSS(order))))
		// Every tenth pixel of a lane that is scanned has to tell of a partition that the worker there owns.
		said := ask[[]string](t, tab, `(() => {
			const view = document.querySelector("#map-view");
			const frame = view.getBoundingClientRect();
			const said = [];
			for (let x = 100; x < 600; x += 10) {
				view.dispatchEvent(new PointerEvent("pointermove", { clientX: frame.left + x, clientY: frame.top + 8, bubbles: true }));
				if (!document.querySelector("#tip").hidden) said.push(document.querySelector("#tip").innerText);
			}
			return said;
		})()`)
		partitions := 0
		for _, s := range said {
			require.Contains(t, s, "worker-0")
			if strings.HasPrefix(s, "orders.") {
				partitions++
				var id int
				_, err := fmt.Sscanf(s, "orders.%d", &id)
				require.NoError(t, err)
				require.Zero(t, id*7919%100, "orders.%d is not worker-0's", id)
			}
		}
		require.Greater(t, partitions, 20, "%s: %q", order, said)
	}
}

func TestEverythingHasAName(t *testing.T) {
	f := Scene()
	f.Allowed = []string{"drain", "cordon"}
	tab, _ := open(t, desk, f)
	require.NoError(t, tab.Do(chromedp.Click(chromedp.CSS(`#workers tr:nth-child(6) button`))))
	until(t, tab, `document.querySelector("#details .entries")`)
	found := roles(t, tab)
	for _, role := range []string{"banner", "main", "contentinfo", "search", "complementary", "application", "table", "combobox", "status"} {
		require.NotZero(t, found[role], "there is no %s", role)
	}
	require.Greater(t, found["button"], 30)
}

// roles counts what the accessibility tree holds. Whatever needs a name must have one.
func roles(t *testing.T, tab *Tab) map[string]int {
	tree, err := chromedp.Call(tab.ctx, accessibility.GetFullAXTree, accessibility.GetFullAXTreeParams{})
	require.NoError(t, err)
	found := map[string]int{}
	for _, node := range tree.Nodes {
		role, name := word(node.Role), word(node.Name)
		if node.Ignored {
			continue
		}
		found[role]++
		switch role {
		case "button", "link", "combobox", "textbox", "searchbox", "image", "img", "table", "heading", "dialog", "application", "region", "complementary", "listbox", "switch":
			require.NotEmpty(t, name, "a %s has no name: %s", role, described(node))
		}
	}
	return found
}

func word(v *accessibility.Value) string {
	var s string
	if v != nil {
		_ = json.Unmarshal(v.Value, &s)
	}
	return strings.TrimSpace(s)
}

func described(node *accessibility.Node) string {
	text, _ := json.Marshal(node)
	return string(text)
}

func TestActionsAreOfferedOnlyWhereTheyAreAllowed(t *testing.T) {
	tab, _ := open(t, desk, NewFake(3, 30))
	require.NoError(t, tab.Do(chromedp.Click(chromedp.CSS(`#workers tr:nth-child(2) button`))))
	require.Equal(t, "worker-1", text(t, tab, "#details-title"))
	require.Zero(t, ask[int](t, tab, `document.querySelectorAll("#details .actions").length`))
}

func TestAnActionIsConfirmedFirst(t *testing.T) {
	f := NewFake(3, 30)
	f.Allowed = []string{"drain", "uncordon"}
	tab, _ := open(t, desk, f)
	drain := chromedp.Click(chromedp.CSS(`#details .actions button`))
	require.NoError(t, tab.Do(chromedp.Click(chromedp.CSS(`#workers tr:nth-child(2) button`))))
	require.Equal(t, "Drain", text(t, tab, "#details .actions"), "uncordon is no action for a worker that is not cordoned")

	require.NoError(t, tab.Do(drain))
	require.Contains(t, text(t, tab, "#confirm"), "worker-1 hands its partitions over")
	require.NoError(t, tab.Do(chromedp.KeyEvent(kb.Escape)))
	require.False(t, ask[bool](t, tab, `document.querySelector("dialog").open`))
	require.Equal(t, "worker-1", text(t, tab, "#details-title"), "the key that closed the question has closed the details")

	require.NoError(t, tab.Do(drain, chromedp.Click(chromedp.CSS(`#confirm-no`))))
	require.Empty(t, f.Actions())
	require.NoError(t, tab.Do(drain, chromedp.Click(chromedp.CSS(`#confirm-yes`))))
	until(t, tab, `document.querySelector(".outcome")?.textContent === "The drain has begun."`)
	require.Equal(t, []string{"drain worker-1"}, f.Actions())
}

func TestAPressOnAButtonOutlastsAChange(t *testing.T) {
	f := NewFake(3, 30)
	f.Allowed = []string{"drain", "cordon"}
	tab, _ := open(t, desk, f)
	require.NoError(t, tab.Do(chromedp.Click(chromedp.CSS(`#workers tr:nth-child(2) button`))))
	at := ask[struct{ X, Y float64 }](t, tab, `(() => {
		const { x, y, width, height } = document.querySelector("#details [data-key=cordon]").getBoundingClientRect();
		return { X: x + width / 2, Y: y + height / 2 };
	})()`)
	mouse := func(what input.DispatchMouseEventType) {
		_, err := chromedp.Call(tab.ctx, input.DispatchMouseEvent, input.DispatchMouseEventParams{
			Type: what, X: at.X, Y: at.Y, Button: input.MouseButtonLeft, ClickCount: 1,
		})
		require.NoError(t, err)
	}
	mouse(input.DispatchMouseEventTypeMousePressed)
	f.Change(func(d *Draft) {
		d.Every(func(w *Facts) { w.State, w.Stuck = "Scaling", []string{"worker-2 has not answered for 5 s"} })
		d.Release("orders.1", Worker(1))
	})
	seen(t, tab, f)
	until(t, tab, `document.querySelector("#details dd").textContent === "Scaling" && document.querySelector("#details .alarm")`)
	mouse(input.DispatchMouseEventTypeMouseReleased)
	require.Contains(t, text(t, tab, "#confirm"), "worker-1 keeps what it has")

	require.NoError(t, tab.Do(chromedp.KeyEvent(kb.Escape), chromedp.Click(chromedp.CSS(`#workers tr:nth-child(3) button`)), chromedp.Click(chromedp.CSS(`#details [data-key=cordon]`))))
	require.Contains(t, text(t, tab, "#confirm"), "worker-2 keeps what it has", "the button of another worker was kept")
}

func TestNothingIsWiderThanTheScreen(t *testing.T) {
	for _, width := range []int64{1280, 1024, 768, 390} {
		t.Run(fmt.Sprint(width), func(t *testing.T) {
			tab, _ := open(t, Look{Width: width, Height: 844}, Scene())
			fits(t, tab, width)
			require.NoError(t, tab.Do(chromedp.Click(chromedp.CSS(`#workers button`))))
			fits(t, tab, width)
		})
	}
}

// fits says that nothing on the page is wider than the screen.
func fits(t *testing.T, tab *Tab, width int64) {
	t.Helper()
	require.LessOrEqual(t, ask[int64](t, tab, `Math.max(document.documentElement.scrollWidth, document.body.scrollWidth)`), width)
	inside := `[...document.querySelectorAll("section, header, footer, aside")].filter((n) => n.getBoundingClientRect().right > innerWidth + 1).map((n) => n.className)`
	require.Empty(t, ask[[]string](t, tab, inside))
}

func TestWhoWantsNoMotionSeesNone(t *testing.T) {
	f := NewFake(10, 100)
	look := desk
	look.Calm = true
	tab, _ := open(t, look, f)
	f.Change(func(d *Draft) {
		d.Every(func(w *Facts) { w.State = "Emergency" })
		d.Worker(Worker(3), func(w *Facts) { w.Live = false })
	})
	seen(t, tab, f)
	require.Zero(t, ask[int](t, tab, `document.getAnimations().length`))
	require.Equal(t, 9, ask[int](t, tab, `document.querySelectorAll("#machine circle").length`))
}

func TestMotionShowsATransition(t *testing.T) {
	f := NewFake(10, 100)
	tab, _ := open(t, desk, f)
	f.Change(func(d *Draft) { d.Every(func(w *Facts) { w.State = "Emergency" }) })
	seen(t, tab, f)
	require.NotZero(t, ask[int](t, tab, `document.getAnimations().length`))
}
