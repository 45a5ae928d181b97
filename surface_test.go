// Copyright The Parti Authors
// SPDX-License-Identifier: Apache-2.0

package parti

import (
	"bytes"
	"fmt"
	"go/ast"
	"go/parser"
	"go/printer"
	"go/token"
	"io/fs"
	"maps"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// TestTheExportedSurfaceIsTheOneWrittenDown: a name that users can use appears, changes or goes only on purpose.
func TestTheExportedSurfaceIsTheOneWrittenDown(t *testing.T) {
	var now strings.Builder
	packages := public(t)
	for _, dir := range slices.Sorted(maps.Keys(packages)) {
		fmt.Fprintf(&now, "== %s\n%s\n", path.Join(module, dir), strings.Join(surface(packages[dir]), "\n"))
	}
	golden := filepath.Join("testdata", "surface.txt")
	if *update {
		require.NoError(t, os.WriteFile(golden, []byte(now.String()), 0o600))
	}
	before, err := os.ReadFile(golden)
	require.NoError(t, err)
	was, is := strings.Split(string(before), "\n"), strings.Split(now.String(), "\n")
	less := slices.DeleteFunc(slices.Clone(was), func(line string) bool { return slices.Contains(is, line) })
	more := slices.DeleteFunc(slices.Clone(is), func(line string) bool { return slices.Contains(was, line) })
	if string(before) != now.String() {
		t.Errorf("The exported surface has changed.\ngone:\n  %s\nnew:\n  %s\nWhere that is meant, say so in CHANGELOG.md "+
			"and run: go test . -run TestTheExportedSurface -update", strings.Join(less, "\n  "), strings.Join(more, "\n  "))
	}
}

// public parses the packages that users can import, with their comments, by folder.
func public(t *testing.T) map[string][]*ast.File {
	t.Helper()
	found := map[string][]*ast.File{}
	for _, name := range goFiles(t) {
		dir := path.Dir(name)
		if strings.HasSuffix(name, "_test.go") || slices.Contains(strings.Split(dir, "/"), "internal") {
			continue
		}
		file, err := parser.ParseFile(token.NewFileSet(), name, nil, parser.SkipObjectResolution|parser.ParseComments)
		require.NoError(t, err)
		if file.Name.Name != "main" {
			found[dir] = append(found[dir], file)
		}
	}
	require.Greater(t, len(found), 11)
	return found
}

// goFiles lists the files of this module, without those of examples, of tools and of integration.
func goFiles(t *testing.T) (files []string) {
	t.Helper()
	require.NoError(t, fs.WalkDir(os.DirFS("."), ".", func(name string, entry fs.DirEntry, err error) error {
		if err != nil || !entry.IsDir() {
			if strings.HasSuffix(name, ".go") {
				files = append(files, name)
			}
			return err
		}
		_, other := os.Stat(filepath.Join(name, "go.mod"))
		if name != "." && (other == nil || strings.HasPrefix(entry.Name(), ".") || slices.Contains([]string{"examples", "integration", "testdata"}, entry.Name())) {
			return fs.SkipDir
		}
		return nil
	}))
	return files
}

// surface lists what a package exports, one line each, sorted.
func surface(files []*ast.File) (lines []string) {
	for _, file := range files {
		for _, decl := range file.Decls {
			switch d := decl.(type) {
			case *ast.FuncDecl:
				switch of := receiver(d); {
				case d.Name.IsExported() && of == "":
					lines = append(lines, "func "+member(d.Name.Name, d.Type))
				case d.Name.IsExported() && ast.IsExported(strings.TrimLeft(of, "*")):
					lines = append(lines, fmt.Sprintf("func (%s) %s", of, member(d.Name.Name, d.Type)))
				}
			case *ast.GenDecl:
				for _, spec := range d.Specs {
					lines = append(lines, exports(d.Tok, spec)...)
				}
			}
		}
	}
	slices.Sort(lines)
	return slices.Compact(lines) // of files for several systems
}

func exports(kind token.Token, spec ast.Spec) (lines []string) {
	switch s := spec.(type) {
	case *ast.ValueSpec:
		for i, name := range s.Names {
			line := fmt.Sprintf("%s %s", kind, name.Name)
			if s.Type != nil {
				line += " " + text(s.Type)
			}
			if i < len(s.Values) && kind == token.CONST {
				line += " = " + text(s.Values[i])
			}
			if name.IsExported() {
				lines = append(lines, line)
			}
		}
	case *ast.TypeSpec:
		if s.Name.IsExported() {
			lines = append(lines, typeLines(s)...)
		}
	}
	return lines
}

// typeLines are the line of a type and those of its exported fields and methods.
func typeLines(s *ast.TypeSpec) []string {
	name := "type " + s.Name.Name
	switch is := s.Type.(type) {
	case *ast.StructType:
		return append([]string{name + " struct"}, members(name, is.Fields)...)
	case *ast.InterfaceType:
		return append([]string{name + " interface"}, members(name, is.Methods)...)
	}
	if s.Assign.IsValid() {
		name += " ="
	}
	return []string{name + " " + text(s.Type)}
}

func members(of string, list *ast.FieldList) (lines []string) {
	for _, field := range list.List {
		tag := ""
		if field.Tag != nil {
			tag = " " + field.Tag.Value
		}
		if embedded := text(field.Type); len(field.Names) == 0 && (ast.IsExported(embedded) || strings.Contains(embedded, ".")) {
			lines = append(lines, of+", "+embedded+tag)
		}
		for _, name := range field.Names {
			if name.IsExported() {
				lines = append(lines, of+", "+member(name.Name, field.Type)+tag)
			}
		}
	}
	return lines
}

// member is a field or a method as one writes it.
func member(name string, is ast.Expr) string {
	if f, method := is.(*ast.FuncType); method {
		return name + signature(f)
	}
	return name + " " + text(is)
}

func receiver(f *ast.FuncDecl) string {
	if f.Recv == nil {
		return ""
	}
	return text(f.Recv.List[0].Type)
}

// signature is a function's type without the word func.
func signature(f *ast.FuncType) string { return strings.TrimPrefix(text(f), "func") }

func text(n ast.Node) string {
	var out bytes.Buffer
	if err := printer.Fprint(&out, token.NewFileSet(), n); err != nil {
		return err.Error()
	}
	return strings.Join(strings.Fields(out.String()), " ")
}
