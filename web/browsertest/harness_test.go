// Copyright The Parti Authors
// SPDX-License-Identifier: Apache-2.0

package browsertest

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

var pictures = flag.String("pictures", os.Getenv("PARTITEST_PICTURES"), "folder that keeps the pictures of the tests")

// browser is shared by all tests: each has a tab with storage of its own.
var browser *Browser

func TestMain(m *testing.M) {
	flag.Parse()
	var err error
	browser, err = StartBrowser(context.Background())
	switch {
	case errors.Is(err, ErrNoBrowser): // one line says so, and the tests say it again one by one
		fmt.Fprintln(os.Stderr, "the browser tests are skipped:", err)
	case err != nil:
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	code := m.Run()
	if browser != nil {
		browser.Close()
	}
	for _, do := range atEnd {
		do()
	}
	os.Exit(code)
}

// atEnd is done when all tests have ended.
var atEnd []func()

var desk = Look{Width: 1280, Height: 1000}

// open serves something and opens its page. At the end the page must have kept quiet and to itself.
func open(t testing.TB, look Look, h http.Handler) (*Tab, *httptest.Server) {
	t.Helper()
	return openAt(t, look, h, "/")
}

// openAt is open for a page that is told in its address what to show.
func openAt(t testing.TB, look Look, h http.Handler, at string) (*Tab, *httptest.Server) {
	t.Helper()
	if browser == nil {
		t.Skip(ErrNoBrowser)
	}
	server := httptest.NewServer(h)
	tab, end, err := browser.Open(look, server.URL+at)
	require.NoError(t, err)
	t.Cleanup(func() {
		picture(t, tab)
		slips, err := Ask[[]string](tab, `document.documentElement.innerText.match(/\b(null|undefined|NaN|Infinity|Invalid Date)\b|\[object/g) ?? []`)
		require.NoError(t, err)
		require.Empty(t, slips, "the page shows what is not meant for people")
		require.Empty(t, tab.Complaints())
		for _, url := range tab.Requests() {
			local := strings.HasPrefix(url, server.URL+"/") || strings.HasPrefix(url, "data:") // data is in the address itself
			require.True(t, local, "the page asked for %s", url)
		}
		end()
		server.CloseClientConnections()
		server.Close()
	})
	until(t, tab, `document.documentElement.dataset.drawn && document.querySelector("#machine .state")`)
	return tab, server
}

// picture keeps what the tab shows: in the folder of the flag, or, of a test that failed, where the log says.
func picture(t testing.TB, tab *Tab) {
	dir := *pictures
	if dir == "" && !t.Failed() {
		return
	}
	if dir == "" {
		dir = os.TempDir()
	}
	png, err := tab.Shot()
	require.NoError(t, err)
	file := filepath.Join(dir, strings.ReplaceAll(t.Name(), "/", "-")+".png")
	require.NoError(t, os.WriteFile(file, png, 0o644))
	t.Log("the page is pictured in", file)
}

func until(t testing.TB, tab *Tab, expression string) {
	t.Helper()
	require.NoError(t, tab.Until(expression))
}

func ask[T any](t testing.TB, tab *Tab, expression string) T {
	t.Helper()
	v, err := Ask[T](tab, expression)
	require.NoError(t, err)
	return v
}

func text(t testing.TB, tab *Tab, selector string) string {
	t.Helper()
	return ask[string](t, tab, fmt.Sprintf(`document.querySelector(%q).textContent`, selector))
}

// seen waits until the page shows the newest delta.
func seen(t testing.TB, tab *Tab, f *Fake) {
	t.Helper()
	until(t, tab, fmt.Sprintf(`document.documentElement.dataset.seq == %d`, f.Seq()))
}

func count(urls []string, suffix string) int {
	n := 0
	for _, url := range urls {
		if strings.HasSuffix(url, suffix) {
			n++
		}
	}
	return n
}
