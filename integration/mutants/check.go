// Copyright The Parti Authors
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"go/ast"
	"go/importer"
	"go/parser"
	"go/token"
	"go/types"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
)

// checker says which mutants do not compile, much sooner than the compiler would: it has the packages of all mutants in
// memory, and checks the types of one again and again.
type checker struct {
	fset     *token.FileSet
	packages map[string]*listed // by directory
	importer types.Importer
}

// listed is a package as the go command lists it.
type listed struct {
	Dir, ImportPath, Export string
	GoFiles                 []string
	Module                  *struct{ Main bool }

	syntax map[string]*ast.File // by path
}

func newChecker(ctx context.Context, pattern string) (*checker, error) {
	out, err := exec.CommandContext(ctx, "go", "list", "-export", "-deps", "-json=Dir,ImportPath,Export,GoFiles,Module", pattern).Output()
	if err != nil {
		return nil, fmt.Errorf("list the packages: %w", err)
	}
	c, exports := &checker{fset: token.NewFileSet(), packages: map[string]*listed{}}, map[string]string{}
	for d := json.NewDecoder(bytes.NewReader(out)); ; {
		p := &listed{syntax: map[string]*ast.File{}}
		if err := d.Decode(p); errors.Is(err, io.EOF) {
			break
		} else if err != nil {
			return nil, fmt.Errorf("list the packages: %w", err)
		}
		exports[p.ImportPath] = p.Export
		if p.Module != nil && p.Module.Main {
			c.packages[p.Dir] = p
		}
	}
	c.importer = importer.ForCompiler(c.fset, "gc", func(path string) (io.ReadCloser, error) { return os.Open(exports[path]) })
	return c, nil
}

// check returns what is wrong with the code of a mutant; nil if it compiles.
func (c *checker) check(m mutant) error {
	code, err := m.apply()
	if err != nil {
		return err
	}
	path, err := filepath.Abs(m.file)
	if err != nil {
		return err
	}
	p := c.packages[filepath.Dir(path)]
	if p == nil || !slices.Contains(p.GoFiles, filepath.Base(path)) {
		return fmt.Errorf("mutant %s: %s is in no package that is built here", m.name, m.file)
	}
	var files []*ast.File
	for _, name := range p.GoFiles {
		name = filepath.Join(p.Dir, name)
		f, known := p.syntax[name]
		if name == path {
			f, err = parser.ParseFile(c.fset, name, code, parser.SkipObjectResolution)
		} else if !known {
			f, err = parser.ParseFile(c.fset, name, nil, parser.SkipObjectResolution)
			p.syntax[name] = f
		}
		if err != nil {
			return fmt.Errorf("mutant %s: %w", m.name, err)
		}
		files = append(files, f)
	}
	if _, err = (&types.Config{Importer: c.importer}).Check(p.ImportPath, c.fset, files, nil); err != nil {
		return fmt.Errorf("mutant %s does not compile: %w", m.name, err)
	}
	return nil
}
