// Copyright The Parti Authors
// SPDX-License-Identifier: Apache-2.0

package browsertest

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"sync"
	"time"

	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/cdproto/log"
	"github.com/chromedp/cdproto/network"
	"github.com/chromedp/cdproto/runtime"
	"github.com/chromedp/chromedp"
)

// ErrNoBrowser: there is no Chromium on this machine, or none that is found.
var ErrNoBrowser = errors.New("no browser: apt-get install -y chromium-headless-shell, or set CHROMIUM to the path of a Chromium")

// FindBrowser returns the path of a browser.
func FindBrowser() (string, error) {
	if path := os.Getenv("CHROMIUM"); path != "" {
		return path, nil
	}
	for _, name := range []string{"chromium-headless-shell", "chromium", "chromium-browser", "google-chrome"} {
		if path, err := exec.LookPath(name); err == nil {
			return path, nil
		}
	}
	return "", ErrNoBrowser
}

// Browser is a browser without a screen.
type Browser struct {
	ctx context.Context
	end []context.CancelFunc
}

// StartBrowser starts a browser. Call Close at the end.
func StartBrowser(parent context.Context) (*Browser, error) {
	path, err := FindBrowser()
	if err != nil {
		return nil, err
	}
	options := append(chromedp.DefaultExecAllocatorOptions[:],
		chromedp.ExecPath(path),
		chromedp.NoSandbox, // who tests in a container is root there; only pages of ours are opened
		chromedp.Flag("force-color-profile", "srgb"),
	)
	alloc, endAlloc := chromedp.NewExecAllocator(parent, options...)
	ctx, end := chromedp.NewContext(alloc)
	b := &Browser{ctx, []context.CancelFunc{end, endAlloc}}
	if err := chromedp.Do(ctx); err != nil {
		b.Close()
		return nil, fmt.Errorf("start %s: %w", path, err)
	}
	return b, nil
}

// Close ends the browser.
func (b *Browser) Close() {
	for _, end := range b.end {
		end()
	}
}

// Tab is one page that is open. It keeps what the page complained of and what it asked for.
type Tab struct {
	ctx context.Context

	mu         sync.Mutex
	complaints []string
	requests   []string
}

// Look is how a tab shows a page.
type Look struct {
	Width, Height int64
	Scale         float64 // pixels of the picture for each of the page
	Dark          bool
	Calm          bool // the reader has asked for no motion
}

// Open opens an address in a tab of its own, which ends with the browser or with the function that is returned.
func (b *Browser) Open(look Look, url string) (*Tab, context.CancelFunc, error) {
	ctx, end := chromedp.NewContext(b.ctx, chromedp.WithNewBrowserContext())
	t := &Tab{ctx: ctx}
	if err := chromedp.Listen(ctx, t.heard); err != nil {
		end()
		return nil, nil, err
	}
	err := chromedp.Do(ctx, chromedp.EmulateViewport(look.Width, look.Height, chromedp.EmulateScale(max(1, look.Scale))))
	if err == nil {
		_, err = chromedp.Call(ctx, emulation.SetEmulatedMedia, emulation.SetEmulatedMediaParams{Features: look.features()})
	}
	if err == nil {
		err = chromedp.Do(ctx, chromedp.Navigate(url))
	}
	if err != nil {
		end()
		return nil, nil, fmt.Errorf("open %s: %w", url, err)
	}
	return t, end, nil
}

func (l Look) features() []*emulation.MediaFeature {
	scheme, motion := "light", "no-preference"
	if l.Dark {
		scheme = "dark"
	}
	if l.Calm {
		motion = "reduce"
	}
	return []*emulation.MediaFeature{{Name: "prefers-color-scheme", Value: scheme}, {Name: "prefers-reduced-motion", Value: motion}}
}

func (t *Tab) heard(event any) {
	t.mu.Lock()
	defer t.mu.Unlock()
	switch e := event.(type) {
	case *runtime.EventExceptionThrown:
		t.complaints = append(t.complaints, fmt.Sprint(e.ExceptionDetails.Text, " ", e.ExceptionDetails.Exception.Description))
	case *runtime.EventConsoleAPICalled:
		t.complaints = append(t.complaints, fmt.Sprint("console.", e.Type))
	case *log.EventEntryAdded: // also what the content security policy has stopped
		t.complaints = append(t.complaints, fmt.Sprint(e.Entry.Level, ": ", e.Entry.Text, " ", e.Entry.URL))
	case *network.EventRequestWillBeSent:
		t.requests = append(t.requests, e.Request.URL)
	}
}

// Complaints returns what was thrown or written to the console.
func (t *Tab) Complaints() []string {
	t.mu.Lock()
	defer t.mu.Unlock()
	return append([]string(nil), t.complaints...)
}

// Requests returns the addresses that the page has asked for.
func (t *Tab) Requests() []string {
	t.mu.Lock()
	defer t.mu.Unlock()
	return append([]string(nil), t.requests...)
}

// Do acts on the page, for some seconds at most.
func (t *Tab) Do(steps ...chromedp.Action[chromedp.Void]) error {
	ctx, cancel := context.WithTimeout(t.ctx, 20*time.Second)
	defer cancel()
	return chromedp.Do(ctx, steps...)
}

// Until waits until an expression is true on the page.
func (t *Tab) Until(expression string) error {
	if err := t.Do(chromedp.Poll[chromedp.Void](expression, chromedp.WithPollingTimeout(15*time.Second))); err != nil {
		return fmt.Errorf("wait for %s: %w", expression, err)
	}
	return nil
}

// Shot takes a picture of what is seen.
func (t *Tab) Shot() ([]byte, error) { return chromedp.Run(t.ctx, chromedp.CaptureScreenshot()) }

// Ask evaluates an expression on the page; a promise is waited for.
func Ask[T any](t *Tab, expression string) (T, error) {
	ctx, cancel := context.WithTimeout(t.ctx, 20*time.Second)
	defer cancel()
	v, err := chromedp.Run(ctx, chromedp.Evaluate[T](expression, chromedp.EvalAwaitPromise))
	if err != nil {
		return v, fmt.Errorf("evaluate %s: %w", expression, err)
	}
	return v, nil
}
