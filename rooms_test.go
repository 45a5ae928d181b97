// Copyright The Parti Authors
// SPDX-License-Identifier: Apache-2.0

package parti

import (
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

const module = "github.com/parti-go/parti"

// imports says which rooms a room may know. Whatever is not listed here may know none.
var imports = map[string][]string{
	".":                     {"actors", "fsm", "internal/record", "internal/store", "internal/topology", "internal/trace", "kv", "strategy"},
	"actors":                {"fsm", "internal/control", "internal/inject", "internal/leader", "internal/lease", "internal/measure", "internal/member", "internal/record", "internal/statedir", "internal/store", "internal/topology", "internal/trace", "kv", "strategy"},
	"internal/leader":       {"internal/ledger", "internal/record", "internal/store", "internal/topology", "strategy"},
	"internal/lease":        {"internal/store"},
	"internal/ledger":       {"internal/record", "strategy"},
	"internal/member":       {"fsm", "internal/leader", "internal/lease", "internal/record", "internal/store"},
	"internal/store":        {"internal/record"},
	"internal/trace":        {"internal/leader", "internal/member", "internal/record", "internal/store", "strategy"},
	"kv":                    {"internal/control", "internal/inject", "internal/record", "internal/store"},
	"cmd/parti":             {"fsm", "internal/control", "internal/record", "internal/trace", "kv", "observe", "source", "strategy", "strategy/whatif"},
	"partitest":             {"actors", "integration/fleet", "internal/bubble", "strategy"},
	"observe":               {"fsm", "internal/record", "internal/store", "kv", "strategy", "strategy/whatif"},
	"web":                   {"fsm", "internal/control", "observe", "strategy", "strategy/whatif"},
	"source":                {"strategy"},
	"strategy/whatif":       {"strategy"},
	"fsm/internal/gen":      {"fsm", "fsm/internal/gen/docs"},
	"fsm/internal/gen/docs": {"fsm"},

	"internal/sim":             {"internal/leader", "internal/lease", "internal/member", "internal/record", "internal/store", "internal/store/model", "internal/topology", "strategy"},
	"internal/playground":      {"internal/record", "internal/sim"},
	"internal/playground/wasm": {"internal/playground"},
	"docs/playground":          {"web"},
	"internal/store/model":     {"internal/record", "internal/store"},
	"internal/store/storetest": {"internal/record", "internal/store", "internal/store/model"},
}

// pure rooms decide: they have no goroutine, channel or clock, and do not wait.
var pure = []string{
	"strategy", "strategy/whatif", "internal/leader", "internal/lease", "internal/ledger", "internal/member", "internal/playground", "internal/record",
	"internal/sim",
	"internal/store/model", "internal/topology",
}

func TestImportsRunOneWay(t *testing.T) {
	for room, files := range rooms(t) {
		for _, file := range files {
			for _, spec := range file.Imports {
				name, err := strconv.Unquote(spec.Path.Value)
				require.NoError(t, err)
				if known, ok := strings.CutPrefix(name, module+"/"); ok {
					assert.Contains(t, imports[room], known, "%s imports %s", room, known)
				}
				if strings.HasPrefix(name, "github.com/nats-io/nats-server") {
					assert.Contains(t, []string{"kv/embedded", "internal/bubble"}, room, "%s links the server", room)
				}
				if strings.HasPrefix(name, "go.opentelemetry.io/") && room != "internal/measure" {
					assert.Contains(t, []string{".", "actors"}, room, "%s measures", room)
					assert.Contains(t, []string{"go.opentelemetry.io/otel", "go.opentelemetry.io/otel/metric"}, name, "%s hands a provider on", room)
				}
			}
		}
	}
}

func TestWhatDecidesHasNoGoroutineNoChannelNoLockAndNoClock(t *testing.T) {
	all := rooms(t)
	for _, room := range pure {
		require.NotEmpty(t, all[room], room)
		for _, file := range all[room] {
			for _, spec := range file.Imports {
				assert.NotContains(t, []string{`"context"`, `"sync"`, `"sync/atomic"`, `"math/rand"`, `"math/rand/v2"`, `"os"`}, spec.Path.Value, room)
			}
			ast.Inspect(file, func(n ast.Node) bool {
				switch n := n.(type) {
				case *ast.GoStmt, *ast.ChanType, *ast.SelectStmt, *ast.SendStmt:
					t.Errorf("%s: %T", room, n)
				case *ast.SelectorExpr:
					if x, ok := n.X.(*ast.Ident); ok && x.Name == "time" {
						assert.NotContains(t, []string{"Now", "Since", "Until", "After", "AfterFunc", "NewTimer", "NewTicker", "Sleep"}, n.Sel.Name, room)
					}
				}
				return true
			})
		}
	}
}

// rooms parses the library: what is not a test, an example or a tool for tests.
func rooms(t *testing.T) map[string][]*ast.File {
	t.Helper()
	found := map[string][]*ast.File{}
	err := fs.WalkDir(os.DirFS("."), ".", func(name string, entry fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if entry.IsDir() {
			if name != "." && (strings.HasPrefix(entry.Name(), ".") || slices.Contains([]string{"examples", "integration", "testdata"}, entry.Name())) {
				return fs.SkipDir
			}
			if _, err := os.Stat(filepath.Join(name, "go.mod")); name != "." && err == nil {
				return fs.SkipDir // a module of its own, which uses the library as any user would
			}
			return nil
		}
		if !strings.HasSuffix(name, ".go") || strings.HasSuffix(name, "_test.go") {
			return nil
		}
		file, err := parser.ParseFile(token.NewFileSet(), name, nil, parser.SkipObjectResolution)
		found[path.Dir(name)] = append(found[path.Dir(name)], file)
		return err
	})
	require.NoError(t, err)
	return found
}

// TestTheJudgeOfFleetsSharesNoCodeWithTheLibrary: a mistake that both made would be found by nobody.
func TestTheJudgeOfFleetsSharesNoCodeWithTheLibrary(t *testing.T) {
	files, err := filepath.Glob("integration/checker/*.go")
	require.NoError(t, err)
	judged := 0
	for _, name := range files {
		if strings.HasSuffix(name, "_test.go") {
			continue
		}
		file, err := parser.ParseFile(token.NewFileSet(), name, nil, parser.ImportsOnly)
		require.NoError(t, err)
		for _, spec := range file.Imports {
			assert.NotContains(t, spec.Path.Value, ".", "%s imports something besides the standard library", name)
		}
		judged++
	}
	require.NotZero(t, judged)
}

func TestActorsHoldNoLocks(t *testing.T) {
	files, err := filepath.Glob("actors/*.go")
	require.NoError(t, err)
	require.NotEmpty(t, files)
	for _, file := range files {
		code, err := os.ReadFile(file)
		require.NoError(t, err)
		for _, lock := range []string{"sync.Mutex", "sync.RWMutex", "sync.Once", "sync.Map"} {
			require.NotContains(t, string(code), lock, file)
		}
	}
}
