// Copyright The Parti Authors
// SPDX-License-Identifier: Apache-2.0

// The playground makes a folder with a page that plays with a simulated fleet, and serves it. Any other file server serves that
// folder as well.
//
//	go run ./docs/playground                 # builds into a folder for the time being, and serves it
//	go run ./docs/playground -to site        # builds into a folder, and ends
package main

import (
	"bytes"
	"compress/gzip"
	"context"
	"embed"
	"errors"
	"flag"
	"fmt"
	"io/fs"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"os/signal"
	"path"
	"path/filepath"
	"regexp"
	"strings"
	"time"

	"github.com/parti-go/parti/web"
)

//go:embed index.html *.js *.css
var own embed.FS

func main() {
	to := flag.String("to", "", "folder to build into; nothing is served then")
	address := flag.String("serve", "localhost:8377", "address to serve at")
	flag.Parse()
	if flag.NArg() > 0 {
		fmt.Fprintf(os.Stderr, "playground: argument %q, allowed: flags only\n", flag.Arg(0))
		os.Exit(2)
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	err := run(ctx, *to, *address)
	stop()
	if err != nil {
		fmt.Fprintln(os.Stderr, "playground:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, to, address string) error {
	if to != "" {
		return build(ctx, to)
	}
	dir, err := os.MkdirTemp("", "parti-playground-")
	if err != nil {
		return err
	}
	defer func() { _ = os.RemoveAll(dir) }() // what is left is in the folder for temporary files
	if err := build(ctx, dir); err != nil {
		return err
	}
	server := &http.Server{Addr: address, Handler: http.FileServer(http.Dir(dir)), ReadHeaderTimeout: 10 * time.Second}
	context.AfterFunc(ctx, func() { _ = server.Close() }) // readers of files can ask again
	fmt.Println("the playground is at http://" + address + "/")
	if err := server.ListenAndServe(); !errors.Is(err, http.ErrServerClosed) {
		return err
	}
	return nil
}

// build fills a folder.
func build(ctx context.Context, dir string) error {
	if err := page(dir); err != nil {
		return err
	}
	return simulation(ctx, dir)
}

// page writes the page, and what it shares with the live page.
func page(dir string) error {
	if err := os.MkdirAll(filepath.Join(dir, "page"), 0o755); err != nil {
		return err
	}
	pages := []string{"page/page.css", "page/icon.svg", "page/fsm.json"}
	files, err := fs.ReadDir(own, ".")
	if err != nil {
		return err
	}
	for _, file := range files {
		text, err := own.ReadFile(file.Name())
		if err != nil {
			return err
		}
		pages = append(pages, shared(file.Name(), text)...)
		if err := os.WriteFile(filepath.Join(dir, file.Name()), text, 0o644); err != nil {
			return err
		}
	}
	return share(dir, pages)
}

var imports = regexp.MustCompile(`(?m)^import [^"]*"\./([^"]+\.js)"`)

// shared lists what a module imports of the live page.
func shared(name string, text []byte) (list []string) {
	for _, found := range imports.FindAllSubmatch(text, -1) {
		if file := path.Join(path.Dir(name), string(found[1])); strings.HasPrefix(file, "page/") {
			list = append(list, file)
		}
	}
	return list
}

// share writes files of the live page, and what they import, as package web serves them.
func share(dir string, names []string) error {
	live, written := web.Handler(web.Options{}), map[string]bool{}
	for len(names) > 0 {
		name := names[0]
		names = names[1:]
		if written[name] {
			continue
		}
		written[name] = true
		answer := httptest.NewRecorder()
		live.ServeHTTP(answer, httptest.NewRequest(http.MethodGet, strings.TrimPrefix(name, "page"), nil))
		if answer.Code != http.StatusOK {
			return fmt.Errorf("the live page has no %s: status %d", name, answer.Code)
		}
		if err := os.WriteFile(filepath.Join(dir, name), answer.Body.Bytes(), 0o644); err != nil {
			return err
		}
		names = append(names, shared(name, answer.Body.Bytes())...)
	}
	return nil
}

// simulation compiles the simulation, and puts what starts it beside it: both have to be of the same Go.
func simulation(ctx context.Context, dir string) error {
	program := filepath.Join(dir, "playground.wasm")
	compile := exec.CommandContext(ctx, "go", "build", "-trimpath", "-ldflags=-s -w", "-o", program, "github.com/parti-go/parti/internal/playground/wasm")
	compile.Env = append(os.Environ(), "GOOS=js", "GOARCH=wasm")
	if out, err := compile.CombinedOutput(); err != nil {
		return fmt.Errorf("compile the simulation (run this in the repository): %w\n%s", err, out)
	}
	code, err := os.ReadFile(program)
	if err != nil {
		return err
	}
	var packed bytes.Buffer
	w, err := gzip.NewWriterLevel(&packed, gzip.BestCompression)
	if err != nil {
		return err
	}
	if _, err := w.Write(code); err != nil {
		return err
	}
	if err := w.Close(); err != nil {
		return err
	}
	if err := os.WriteFile(program+".gz", packed.Bytes(), 0o644); err != nil {
		return err
	}
	root, err := exec.CommandContext(ctx, "go", "env", "GOROOT").Output()
	if err != nil {
		return fmt.Errorf("ask Go where it is: %w", err)
	}
	starter, err := os.ReadFile(filepath.Join(strings.TrimSpace(string(root)), "lib", "wasm", "wasm_exec.js"))
	if err != nil {
		return fmt.Errorf("read what starts the simulation: %w", err)
	}
	return errors.Join(os.WriteFile(filepath.Join(dir, "wasm_exec.js"), starter, 0o644), os.Remove(program))
}
