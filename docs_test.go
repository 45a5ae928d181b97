// Copyright The Parti Authors
// SPDX-License-Identifier: Apache-2.0

package parti_test

import (
	"encoding/json"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// TestEveryCodeBlockInTheDocsCompiles: whoever copies code from README or docs gets code that compiles. A block is a whole
// file, declarations, or statements; what it uses and does not declare is in the surroundings below.
func TestEveryCodeBlockInTheDocsCompiles(t *testing.T) {
	t.Parallel()
	root, err := os.Getwd()
	require.NoError(t, err)
	overlay, packages := map[string]string{}, []string{"build"}
	for i, b := range codeBlocks(t) {
		source, err := b.compilable()
		require.NoError(t, err, "%s", b)
		name := fmt.Sprintf("block%d", i)
		file := filepath.Join(t.TempDir(), name+".go")
		require.NoError(t, os.WriteFile(file, []byte(source), 0o600))
		overlay[filepath.Join(root, "internal", "docblocks", name, strings.NewReplacer("/", "_", ".md", "").Replace(b.file)+".go")] = file
		packages = append(packages, "./internal/docblocks/"+name)
	}
	require.Greater(t, len(packages), 4)
	replace, err := json.Marshal(map[string]any{"Replace": overlay})
	require.NoError(t, err)
	description := filepath.Join(t.TempDir(), "overlay.json")
	require.NoError(t, os.WriteFile(description, replace, 0o600))
	out, err := exec.CommandContext(t.Context(), "go", slices.Insert(packages, 1, "-overlay", description)...).CombinedOutput()
	require.NoError(t, err, "the lines are those of the documents:\n%s", out)
}

// block is a fenced block of Go in a document.
type block struct {
	file string
	line int // of its first line
	text string
}

func (b block) String() string { return fmt.Sprintf("%s:%d", b.file, b.line) }

func codeBlocks(t *testing.T) (blocks []block) {
	var files []string
	for _, pattern := range []string{"README.md", "docs/*.md", "strategy/*.md", "consume/*.md", "examples/*/README.md"} {
		found, err := filepath.Glob(pattern)
		require.NoError(t, err)
		files = append(files, found...)
	}
	for _, file := range files {
		if _, err := os.Stat(filepath.Join(filepath.Dir(file), "go.mod")); err == nil && filepath.Dir(file) != "." {
			continue // a module of its own
		}
		text, err := os.ReadFile(file)
		require.NoError(t, err)
		var in *block
		for n, line := range strings.Split(string(text), "\n") {
			switch {
			case in == nil && strings.TrimSpace(line) == "```go":
				in = &block{file: file, line: n + 2}
			case in != nil && strings.TrimSpace(line) == "```":
				blocks = append(blocks, *in)
				in = nil
			case in != nil:
				in.text += line + "\n"
			}
		}
	}
	return blocks
}

// surroundings are what the blocks use without declaring it.
var surroundings = map[string]string{
	"url":           "var url string",
	"ctx":           "var ctx context.Context",
	"js":            "var js jetstream.JetStream",
	"source":        "var source parti.PartitionSource",
	"partitions":    "var partitions []parti.Partition",
	"handler":       "var handler parti.Handler",
	"worker":        "var worker *parti.Manager",
	"work":          "func work(context.Context, parti.Partition, int64) error { return nil }",
	"topics":        "type topics struct{ parti.PartitionSource }",
	"load":          "func load(context.Context, *parti.Ownership) (map[string]int64, error) { return nil, nil }",
	"reader":        "var reader metric.Reader",
	"messages":      "var messages <-chan jetstream.Msg",
	"invoice":       "func invoice([]byte) []byte { return nil }",
	"handle":        "func handle(context.Context, jetstream.Msg) error { return nil }",
	"observer":      "var observer *observe.Observer",
	"mux":           "var mux *http.ServeMux",
	"nc":            "var nc *nats.Conn",
	"isOperator":    "func isOperator(*http.Request) bool { return false }",
	"authenticated": "func authenticated(h http.Handler) http.Handler { return h }",
	"cfg":           "var cfg parti.Config",
	"begin":         "func begin(parti.Partition) {}",
	"end":           "func end(parti.Partition) {}",
	"store":         "var store interface{ Put(ctx context.Context, epoch int64, key string, value []byte) error }",
}

// imports are the packages that the blocks use.
var imports = map[string]string{
	"context": "context", "errors": "errors", "fmt": "fmt", "time": "time", "testing": "testing", "log": "log", "sql": "database/sql",
	"json": "encoding/json",
	"http": "net/http", "slog": "log/slog", "metric": "go.opentelemetry.io/otel/sdk/metric",
	"nats": "github.com/nats-io/nats.go", "jetstream": "github.com/nats-io/nats.go/jetstream",
	"actor": "github.com/asynkron/protoactor-go/actor", "require": "github.com/stretchr/testify/require",
	"parti": "github.com/parti-go/parti", "strategy": "github.com/parti-go/parti/strategy", "embedded": "github.com/parti-go/parti/kv/embedded",
	"partitest": "github.com/parti-go/parti/partitest", "consume": "github.com/parti-go/parti/consume", "source": "github.com/parti-go/parti/source",
	"observe": "github.com/parti-go/parti/observe", "whatif": "github.com/parti-go/parti/strategy/whatif",
	"web": "github.com/parti-go/parti/web",
}

// compilable returns a file that has the block in it, with the lines of the document.
func (b block) compilable() (string, error) {
	if strings.HasPrefix(b.text, "package ") {
		text := strings.Replace(b.text, "package main\n", "package p\n", 1) // nobody links it here
		return fmt.Sprintf("//line %s:%d\n%s", b.file, b.line, text), nil
	}
	body, after := b.text, ""
	file, err := parser.ParseFile(token.NewFileSet(), "", "package p\n"+body, 0)
	if err != nil {
		statements := fmt.Sprintf("package p\nfunc _() error {\n%s\n", b.text)
		if file, err = parser.ParseFile(token.NewFileSet(), "", statements+"return nil\n}", 0); err != nil {
			return "", err
		}
		for _, name := range defined(file) {
			after += "_ = " + name + "\n"
		}
		body, after = "", after+"return nil\n}\n"
	}
	declared := defined(file)
	var head, around strings.Builder
	head.WriteString("package p\n")
	used := identifiers(file)
	text := ""
	for _, name := range used {
		if declaration, is := surroundings[name]; is && !slices.Contains(declared, name) && !slices.Contains(packagesOf(file), name) {
			text += declaration + "\n"
		}
	}
	around.WriteString(text)
	for name, path := range imports {
		if slices.Contains(packagesOf(file), name) || strings.Contains(text, name+".") {
			fmt.Fprintf(&head, "import %q\n", path)
		}
	}
	if body == "" {
		return fmt.Sprintf("%s%sfunc _() error {\n//line %s:%d\n%s%s", head.String(), around.String(), b.file, b.line, b.text, after), nil
	}
	return fmt.Sprintf("%s%s//line %s:%d\n%s", head.String(), around.String(), b.file, b.line, body), nil
}

// defined returns the names that the statements of a block, or its declarations, define.
func defined(file *ast.File) (names []string) {
	add := func(e ast.Expr) {
		if id, is := e.(*ast.Ident); is && id.Name != "_" && !slices.Contains(names, id.Name) {
			names = append(names, id.Name)
		}
	}
	for _, d := range file.Decls {
		f, is := d.(*ast.FuncDecl)
		if !is || f.Name.Name != "_" {
			for name := range file.Scope.Objects {
				add(ast.NewIdent(name))
			}
			continue
		}
		for _, s := range f.Body.List {
			if a, is := s.(*ast.AssignStmt); is && a.Tok == token.DEFINE {
				for _, e := range a.Lhs {
					add(e)
				}
			}
		}
	}
	return names
}

func identifiers(file *ast.File) (names []string) {
	ast.Inspect(file, func(n ast.Node) bool {
		if id, is := n.(*ast.Ident); is && !slices.Contains(names, id.Name) {
			names = append(names, id.Name)
		}
		return true
	})
	slices.Sort(names)
	return names
}

// packagesOf returns the names before a dot that could be packages: those with an exported name behind it that nothing declares.
func packagesOf(file *ast.File) (names []string) {
	declared := defined(file)
	ast.Inspect(file, func(n ast.Node) bool {
		if sel, is := n.(*ast.SelectorExpr); is && sel.Sel.IsExported() {
			if id, is := sel.X.(*ast.Ident); is && imports[id.Name] != "" && !slices.Contains(declared, id.Name) && !slices.Contains(names, id.Name) {
				names = append(names, id.Name)
			}
		}
		return true
	})
	return names
}
