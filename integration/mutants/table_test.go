// Copyright The Parti Authors
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// TestThePageHasARowForEachMutantAndNamesTestsThatExist fails where the table of the page is stale: run the mutants that it names with
// -write.
func TestThePageHasARowForEachMutantAndNamesTestsThatExist(t *testing.T) {
	t.Chdir("../..")
	text, err := os.ReadFile(page)
	require.NoError(t, err)
	_, table, _, err := split(string(text))
	require.NoError(t, err)
	known := parse(table)
	now := strings.Split(rows(known), "\n")
	for n, row := range strings.Split(table, "\n") {
		require.Equal(t, now[min(n, len(now)-1)], row, "row %d", n+1)
	}
	require.Equal(t, rows(known), table)
	tests := names(t)
	for _, m := range all() {
		v := known[m.name]
		test, _, _ := strings.Cut(strings.TrimPrefix(v.test, "timed out in "), "/")
		switch {
		case m.equivalent != "" && v.test == "cannot be: "+m.equivalent, v.test == "no test" && strings.HasPrefix(v.life, "life "):
		default:
			require.True(t, tests[test], "%s is caught by %q, which is no test", m.name, v.test)
		}
		require.True(t, v.life == "" || m.decides(), "%s: lives are lived with the mutants of the deciders", m.name)
	}
}

// names are those of all tests.
func names(t *testing.T) map[string]bool {
	declared, found := regexp.MustCompile(`(?m)^func (Test\w+)\(`), map[string]bool{}
	require.NoError(t, filepath.WalkDir(".", func(path string, _ fs.DirEntry, err error) error {
		if err != nil || !strings.HasSuffix(path, "_test.go") {
			return err
		}
		code, err := os.ReadFile(path)
		for _, m := range declared.FindAllSubmatch(code, -1) {
			found[string(m[1])] = true
		}
		return err
	}))
	return found
}

func TestAVerdictIsWrittenIntoItsRowAndNoOther(t *testing.T) {
	first, second := all()[0], all()[1]
	known := map[string]verdicts{first.name: {"TestA", ""}, second.name: {"TestB", "life 3, I1"}}
	before, table, after, err := split("words\n" + heading + rows(known) + "\nmore\n")
	require.NoError(t, err)
	require.Equal(t, "words\n"+heading, before)
	require.Equal(t, "\nmore\n", after)
	require.Equal(t, known[first.name], parse(table)[first.name])
	require.Len(t, slices.Collect(maps.Keys(parse(table))), len(all()))

	old := known[second.name]
	require.Equal(t, verdicts{"TestC", old.life}, result{mutant: second, test: "TestC"}.verdicts(old), "no lives were lived")
	require.Equal(t, verdicts{"TestC", "no life"}, result{mutant: second, test: "TestC", lived: true}.verdicts(old))
	require.Equal(t, verdicts{"no test", "life 7"}, result{mutant: second, life: "life 7", lived: true}.verdicts(old))
	require.Equal(t, verdicts{"SURVIVED", "no life"}, result{mutant: second, lived: true}.verdicts(old))

	_, _, _, err = split("no table")
	require.Error(t, err)
}
