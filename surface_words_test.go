// Copyright The Parti Authors
// SPDX-License-Identifier: Apache-2.0

package parti

import (
	"go/ast"
	"go/parser"
	"go/token"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// TestTheCommentOfAnAliasSaysWhatItsTypeHas: go doc shows of an alias its comment, and nothing of the type. So each exported
// field and method stands in an item of the comment, as one would declare it.
func TestTheCommentOfAnAliasSaysWhatItsTypeHas(t *testing.T) {
	aliases := 0
	for dir, files := range public(t) {
		for _, file := range files {
			for _, decl := range file.Decls {
				d, is := decl.(*ast.GenDecl)
				if !is || d.Tok != token.TYPE {
					continue
				}
				for _, spec := range d.Specs {
					s := spec.(*ast.TypeSpec)
					of, other := s.Type.(*ast.SelectorExpr)
					if !s.Assign.IsValid() || !s.Name.IsExported() || !other {
						continue
					}
					aliases++
					require.False(t, d.Lparen.IsValid(), "%s: the alias %s stands in a group, allowed: by itself, so that go doc shows its comment", dir, s.Name.Name)
					for _, want := range contract(t, folder(t, file, text(of.X)), of.Sel.Name) {
						assert.True(t, says(d.Doc.Text(), want), "%s: the comment of %s has no item that begins with, or lists, %q", dir, s.Name.Name, want)
					}
				}
			}
		}
	}
	require.Greater(t, aliases, 20)
}

// says reports whether one item of a comment has all that declares a field or a method.
func says(comment, member string) bool {
	name := regexp.MustCompile(`^\w+`).FindString(member)
	kind := strings.TrimSpace(strings.TrimPrefix(member, name))
	word := regexp.MustCompile(`\b` + name + `\b`)
	for item := range strings.SplitSeq(comment, "\n  - ") {
		item = strings.ReplaceAll(strings.Join(strings.Fields(item), " "), "strategy.", "")
		if word.MatchString(item) && strings.Contains(item, kind) {
			return true
		}
	}
	return false
}

// folder is where the package lies that a file imports under a name.
func folder(t *testing.T, file *ast.File, name string) string {
	t.Helper()
	for _, spec := range file.Imports {
		path, err := strconv.Unquote(spec.Path.Value)
		require.NoError(t, err)
		if dir, ours := strings.CutPrefix(path, module+"/"); ours && filepath.Base(dir) == name {
			return dir
		}
	}
	t.Fatalf("no import of this module is named %s", name)
	return ""
}

// ours are the packages whose types have a name in this one.
var ours = regexp.MustCompile(`\b(actors|fsm|record)\.|\bstrategy\.(Partition|Strategy)\b`)

// contract lists the exported fields and methods of a type, in the names of this package.
func contract(t *testing.T, dir, name string) (lines []string) {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(dir, "*.go"))
	require.NoError(t, err)
	for _, path := range files {
		if strings.HasSuffix(path, "_test.go") {
			continue
		}
		file, err := parser.ParseFile(token.NewFileSet(), path, nil, parser.SkipObjectResolution)
		require.NoError(t, err)
		for _, line := range surface([]*ast.File{file}) {
			line = ours.ReplaceAllStringFunc(line, func(s string) string { return s[strings.Index(s, ".")+1:] })
			for _, of := range []string{"type " + name + ", ", "func (" + name + ") ", "func (*" + name + ") "} {
				if member, is := strings.CutPrefix(line, of); is {
					lines = append(lines, member)
				}
			}
		}
	}
	return lines
}

// TestEveryExportedNameHasACommentOfItsOwn: a reader meets a name alone, in a list or in an editor.
func TestEveryExportedNameHasACommentOfItsOwn(t *testing.T) {
	for dir, files := range public(t) {
		for _, file := range files {
			for _, decl := range file.Decls {
				switch d := decl.(type) {
				case *ast.FuncDecl:
					if of := receiver(d); d.Name.IsExported() && (of == "" || ast.IsExported(strings.TrimLeft(of, "*"))) {
						begins(t, dir, d.Name.Name, d.Doc)
					}
				case *ast.GenDecl:
					for _, spec := range d.Specs {
						commented(t, dir, d, spec)
					}
				}
			}
		}
	}
}

func commented(t *testing.T, dir string, d *ast.GenDecl, spec ast.Spec) {
	t.Helper()
	switch s := spec.(type) {
	case *ast.TypeSpec:
		if doc := s.Doc; s.Name.IsExported() {
			if doc == nil && !d.Lparen.IsValid() {
				doc = d.Doc
			}
			begins(t, dir, s.Name.Name, doc)
		}
	case *ast.ValueSpec:
		own := s.Doc.Text() + s.Comment.Text()
		if !d.Lparen.IsValid() {
			own += d.Doc.Text()
		}
		for _, name := range s.Names {
			assert.False(t, name.IsExported() && own == "", "%s: %s has no comment of its own", dir, name.Name)
		}
	}
}

// begins checks that a comment begins with the name that it is about.
func begins(t *testing.T, dir, name string, doc *ast.CommentGroup) {
	t.Helper()
	words := strings.Fields(doc.Text() + " . .")
	assert.True(t, strings.Trim(words[0], ",:") == name || words[0] == "A" && words[1] == name || words[0] == "An" && words[1] == name,
		"%s: the comment of %s begins with %q, allowed: its name", dir, name, words[:2])
}
