// Copyright The Parti Authors
// SPDX-License-Identifier: Apache-2.0

package parti

import (
	"go/ast"
	"go/parser"
	"go/token"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// TestEverySentinelIsCountedUnderItsName: a new sentinel needs a name in the metrics, or a reason why no worker reports it.
func TestEverySentinelIsCountedUnderItsName(t *testing.T) {
	unreported := map[string]string{
		"ErrNilArgument": "ends NewManager", "ErrInvalidConfig": "ends NewManager", "ErrAlreadyStarted": "answers Start",
		"ErrStopped": "answers Start", "ErrNoPartitions": "is wrapped by ErrSourceFailed", "ErrRevoked": "the cause of a context",
		"ErrUnlisted": "the cause of a context", "ErrStopping": "the cause of a context", "ErrFenced": "the cause of a context",
	}
	file, err := parser.ParseFile(token.NewFileSet(), "errors.go", nil, 0)
	require.NoError(t, err)
	table, err := parser.ParseFile(token.NewFileSet(), "actors/sentinels.go", nil, 0)
	require.NoError(t, err)
	named := map[string]bool{}
	ast.Inspect(table, func(n ast.Node) bool {
		if s, is := n.(*ast.BasicLit); is {
			named[strings.Trim(s.Value, `"`)] = true
		}
		return true
	})
	for name := range file.Scope.Objects {
		if unreported[name] == "" && strings.HasPrefix(name, "Err") {
			require.True(t, named[name], "%s is not in actors/sentinels.go", name)
		}
	}
}
