// Copyright The Parti Authors
// SPDX-License-Identifier: Apache-2.0

package parti

import (
	"go/ast"
	"go/parser"
	"go/token"
	"path"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// shownWithMethods are those types whose methods have to be shown as well: what a user holds in a hand.
var shownWithMethods = map[string][]string{".": {"Manager", "Ownership"}, "observe": {"Observer"}, "partitest": {"Worker"}, "kv/embedded": {"Server"}}

// TestEveryFunctionIsShownInAnExample: of each function there is an Example, or one that uses it.
func TestEveryFunctionIsShownInAnExample(t *testing.T) {
	functions, methods := inExamples(t)
	for dir, files := range public(t) {
		if dir == "actors" || dir == "kv" { // what parti builds on, and has under its own names
			continue
		}
		for _, line := range surface(files) {
			if name, is := strings.CutPrefix(line, "func "); is {
				name, _, _ = strings.Cut(name, "(")
				assert.True(t, name == "" || functions[dir+" "+name], "%s: no example shows %s", dir, name)
			}
			for _, of := range shownWithMethods[dir] {
				if name, is := strings.CutPrefix(line, "func (*"+of+") "); is {
					name, _, _ = strings.Cut(name, "(")
					assert.True(t, name == "String" || methods[dir+" "+name], "%s: no example shows the method %s of %s", dir, name, of)
				}
			}
		}
	}
	for _, line := range contract(t, "actors", "Ownership") {
		name, _, _ := strings.Cut(line, "(")
		assert.True(t, methods[". "+name], "no example shows the method %s of Ownership", name)
	}
}

// inExamples lists the functions that the examples of documentation name, and the methods that they call, each with the folder of
// its package; of a method, that of every package that the example's file imports.
func inExamples(t *testing.T) (functions, methods map[string]bool) {
	t.Helper()
	functions, methods = map[string]bool{}, map[string]bool{}
	examples := 0
	for _, name := range goFiles(t) {
		if !strings.HasSuffix(name, "_test.go") || strings.Contains(name, "internal/") {
			continue
		}
		file, err := parser.ParseFile(token.NewFileSet(), name, nil, parser.SkipObjectResolution)
		require.NoError(t, err)
		known := map[string]string{}
		for _, spec := range file.Imports {
			imported, err := strconv.Unquote(spec.Path.Value)
			require.NoError(t, err)
			if dir, is := strings.CutPrefix(imported, module); is {
				known[path.Base(imported)] = path.Join(".", strings.TrimPrefix(dir, "/"))
			}
		}
		for _, decl := range file.Decls {
			if f, is := decl.(*ast.FuncDecl); is && strings.HasPrefix(f.Name.Name, "Example") {
				examples++
				mark(f, known, functions, methods)
			}
		}
	}
	require.Greater(t, examples, 20)
	return functions, methods
}

func mark(f *ast.FuncDecl, known map[string]string, functions, methods map[string]bool) {
	ast.Inspect(f, func(n ast.Node) bool {
		s, is := n.(*ast.SelectorExpr)
		if !is {
			return true
		}
		if x, is := s.X.(*ast.Ident); is && known[x.Name] != "" {
			functions[known[x.Name]+" "+s.Sel.Name] = true
			return true
		}
		for _, dir := range known {
			methods[dir+" "+s.Sel.Name] = true
		}
		return true
	})
}
