// Copyright The Parti Authors
// SPDX-License-Identifier: Apache-2.0

package parti_test

import (
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"path/filepath"
	"regexp"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/parti-go/parti"
)

// TestEveryNameInTheDocsExists: a document that says `consume.Stream` means something that the package has.
func TestEveryNameInTheDocsExists(t *testing.T) {
	folders := map[string]string{
		"parti": ".", "source": "source", "consume": "consume", "observe": "observe", "web": "web", "strategy": "strategy",
		"whatif": "strategy/whatif", "partitest": "partitest", "fsm": "fsm", "kv": "kv", "embedded": "kv/embedded",
	}
	names := map[string]map[string]bool{}
	for name, folder := range folders {
		names[name] = exported(t, folder)
	}
	code := regexp.MustCompile("`[^`\n]+`")
	name := regexp.MustCompile(`\b([a-z]+)\.([A-Z]\w*)`)
	found := 0
	for page, text := range documents(t) {
		if page == "CHANGELOG.md" || page == "docs/migrating.md" {
			continue // one names what was there once, the other what other projects have in packages of the same names
		}
		for _, span := range code.FindAllString(text, -1) {
			for _, m := range name.FindAllStringSubmatch(span, -1) {
				if known, is := names[m[1]]; is {
					found++
					assert.True(t, known[m[2]], "%s says %s, and %s has no %s", page, span, m[1], m[2])
				}
			}
		}
	}
	require.Greater(t, found, 50)
}

// exported returns the exported names that a package declares.
func exported(t *testing.T, folder string) map[string]bool {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(folder, "*.go"))
	require.NoError(t, err)
	names := map[string]bool{}
	for _, file := range files {
		parsed, err := parser.ParseFile(token.NewFileSet(), file, nil, parser.SkipObjectResolution)
		require.NoError(t, err)
		for _, d := range parsed.Decls {
			switch d := d.(type) {
			case *ast.FuncDecl:
				names[d.Name.Name] = true
			case *ast.GenDecl:
				for _, s := range d.Specs {
					switch s := s.(type) {
					case *ast.TypeSpec:
						names[s.Name.Name] = true
					case *ast.ValueSpec:
						for _, n := range s.Names {
							names[n.Name] = true
						}
					}
				}
			}
		}
	}
	return names
}

// TestTheFiguresInTheReadmeFollowFromTheDefaults: whoever changes a default learns that the README promises something else.
func TestTheFiguresInTheReadmeFollowFromTheDefaults(t *testing.T) {
	pages, c := documents(t), parti.DefaultConfig()
	const late = 350 * time.Millisecond // of the store, and until another worker leads
	for row, figure := range map[string]time.Duration{
		"One owner":                        c.HeartbeatTTL / 4,
		"Urgent work waits for nothing":    c.PlannedScaleWindow,
		"A restart moves nothing":          c.PlannedScaleWindow,
		"a group starts":                   c.ColdStartWindow,
		"a worker stops and stays away":    c.PlannedScaleWindow + late,
		"a worker crashes":                 c.HeartbeatTTL + late,
		"the leader crashes":               c.LeaderTTL + late,
		"more than a fifth of the workers": 2*c.HeartbeatTTL + late,
		"a killed process starts again":    c.HeartbeatTTL - c.HeartbeatInterval,
		"the store is away for less than":  c.HeartbeatTTL - c.HeartbeatTTL/4 - c.HeartbeatInterval,
	} {
		line := regexp.MustCompile(`(?m)^\| (?:\*\*)?` + row + `.*$`).FindString(pages["README.md"])
		assert.Contains(t, line, fmt.Sprintf("%v s", figure.Seconds()), row)
	}
	measured := regexp.MustCompile(`(?m)^\| scale-out, 20 to 21 \| (\d+) \|`).FindStringSubmatch(pages["docs/verification.md"])
	require.Len(t, measured, 2)
	require.Contains(t, pages["README.md"], "With 20 workers and 1,000 partitions "+measured[1]+" move")
}
