// Copyright The Parti Authors
// SPDX-License-Identifier: Apache-2.0

package web

import (
	"bytes"
	"cmp"
	"crypto/sha256"
	"embed"
	"encoding/hex"
	"io/fs"
	"net/http"
	"net/url"
	"path"
	"strings"
	"sync"
	"time"
)

//go:embed page
var embedded embed.FS

// file is a file of the page, with the tag by which a browser knows that its copy is still valid.
type file struct {
	body []byte
	kind string
	tag  string
}

// kinds are the content types of files by their extensions. The tables of the operating system may lack them, or differ.
var kinds = map[string]string{
	".html": "text/html; charset=utf-8", ".js": "text/javascript; charset=utf-8", ".css": "text/css; charset=utf-8",
	".svg": "image/svg+xml", ".png": "image/png", ".ico": "image/x-icon", ".woff2": "font/woff2", ".json": "application/json",
	".txt": "text/plain; charset=utf-8", ".webmanifest": "application/manifest+json",
}

// files are those of the page by their paths, read once.
var files = sync.OnceValue(func() map[string]file {
	found := map[string]file{}
	// Files that were linked in can be read.
	_ = fs.WalkDir(embedded, "page", func(name string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() {
			return err
		}
		body, err := embedded.ReadFile(name)
		sum := sha256.Sum256(body)
		found[strings.TrimPrefix(name, "page/")] = file{body, kinds[path.Ext(name)], `"` + hex.EncodeToString(sum[:12]) + `"`}
		return err
	})
	return found
})

const index = "index.html"

// served reports whether there is a file of that name.
func served(name string) bool {
	_, there := files()[cmp.Or(name, index)]
	return there
}

// file serves the page and what belongs to it.
func (h *handler) file(w http.ResponseWriter, r *http.Request) {
	if place, is := withoutSlash(r); is {
		w.Header().Set("Location", place)
		w.WriteHeader(http.StatusTemporaryRedirect)
		return
	}
	name := cmp.Or(strings.TrimPrefix(r.URL.Path, "/"), index)
	f := files()[name]
	header := w.Header()
	if f.kind != "" {
		header.Set("Content-Type", f.kind)
	}
	header.Set("ETag", f.tag)
	header.Set("Cache-Control", "no-cache") // kept, and asked about each time: a deploy is seen at once
	http.ServeContent(w, r, name, time.Time{}, bytes.NewReader(f.body))
}

// withoutSlash reports whether the page was asked for without a slash at the end of its prefix, as in /parti. Its relative URLs
// would then lead beside the prefix, so the browser is redirected to the returned place. That is relative as well, because this
// handler does not know what stands before the prefix.
func withoutSlash(r *http.Request) (place string, is bool) {
	asked, err := url.ParseRequestURI(r.RequestURI)
	if r.URL.Path != "" || err != nil || asked.Path == "" || strings.HasSuffix(asked.Path, "/") {
		return "", false
	}
	place = "./" + path.Base(asked.EscapedPath()) + "/"
	if asked.RawQuery != "" {
		place += "?" + asked.RawQuery
	}
	return place, true
}
