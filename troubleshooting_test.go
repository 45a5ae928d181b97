// Copyright The Parti Authors
// SPDX-License-Identifier: Apache-2.0

package parti

import (
	"go/ast"
	"go/parser"
	"go/token"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// sentinelsOf lists the exported errors of the package in a folder.
func sentinelsOf(t *testing.T, folder string) (names []string) {
	t.Helper()
	entries, err := os.ReadDir(folder)
	require.NoError(t, err)
	for _, e := range entries {
		if !strings.HasSuffix(e.Name(), ".go") || strings.HasSuffix(e.Name(), "_test.go") {
			continue
		}
		file, err := parser.ParseFile(token.NewFileSet(), folder+"/"+e.Name(), nil, 0)
		require.NoError(t, err)
		for _, d := range file.Decls {
			g, is := d.(*ast.GenDecl)
			if !is || g.Tok != token.VAR {
				continue
			}
			for _, s := range g.Specs {
				for _, name := range s.(*ast.ValueSpec).Names { //nolint:forcetypeassert // a declaration of variables has no others
					if strings.HasPrefix(name.Name, "Err") {
						names = append(names, name.Name)
					}
				}
			}
		}
	}
	return names
}

// rootNames are the errors of other packages that have a name in this one.
func rootNames(t *testing.T) (names []string) {
	t.Helper()
	text, err := os.ReadFile("errors.go")
	require.NoError(t, err)
	for _, m := range regexp.MustCompile(`= (\w+\.Err\w+)`).FindAllStringSubmatch(string(text), -1) {
		names = append(names, m[1])
	}
	return names
}

// TestEverySentinelIsInTroubleshooting: each exported error of a public package has a row with what has happened and what to do,
// and each row is about an error that there is.
func TestEverySentinelIsInTroubleshooting(t *testing.T) {
	text, err := os.ReadFile("docs/troubleshooting.md")
	require.NoError(t, err)
	_, section, found := strings.Cut(string(text), "\n## Errors\n")
	require.True(t, found)
	section, _, _ = strings.Cut(section, "\n## ")
	var rows []string
	complete := 0
	for _, row := range regexp.MustCompile("(?m)^\\| (`[^|]*Err[^|]*) \\| ([^|]+) \\| ([^|]+) \\|$").FindAllStringSubmatch(section, -1) {
		complete++
		rows = append(rows, strings.Split(strings.ReplaceAll(row[1], "`", ""), ", ")...)
	}
	require.Equal(t, strings.Count(section, "\n| `"), complete, "a row lacks what has happened, or what to do")
	var all []string
	for prefix, folder := range map[string]string{
		"": ".", "kv.": "kv", "strategy.": "strategy", "whatif.": "strategy/whatif", "consume.": "consume", "observe.": "observe",
		"fsm.": "fsm", "source.": "source", "web.": "web", "partitest.": "partitest",
	} {
		for _, name := range sentinelsOf(t, folder) {
			if !slices.Contains(rootNames(t), prefix+name) {
				all = append(all, prefix+name)
			}
		}
	}
	slices.Sort(all)
	slices.Sort(rows)
	require.Equal(t, all, rows)
}
