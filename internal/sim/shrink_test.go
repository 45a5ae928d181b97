// Copyright The Parti Authors
// SPDX-License-Identifier: Apache-2.0

package sim

import (
	"errors"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"
)

// crowded is a rule that does not hold: that nobody runs more than half of everything while the store is away.
func crowded(f *Fleet) {
	f.rules = append(f.rules, func(f *Fleet) error {
		for _, w := range f.Workers {
			if len(w.Owned) > len(f.source.list())/2 {
				return errors.New("somebody runs more than half of everything")
			}
		}
		return nil
	})
}

func TestALifeThatBreaksARuleIsShrunkToTheStepsThatBreakIt(t *testing.T) {
	var s Script
	for seed := uint64(0); ; seed++ {
		if s = Expand(seed); len(Live(s, crowded).Broken) > 0 {
			break
		}
	}
	small := Shrink(s, 250, crowded)
	require.Less(t, small.blocks(), 8, "of %d:\n%s", s.blocks(), small)
	require.Contains(t, Live(small, crowded).Broken[0], "somebody runs more than half of everything")
	require.Empty(t, Live(small).Broken)
	prose, again, err := ParseGolden(Golden("A sentence.", small, crowded))
	require.NoError(t, err)
	require.Equal(t, "A sentence.", prose)
	require.Equal(t, Story(small, crowded), Story(again, crowded))
	t.Log(Golden("A sentence.", small, crowded))
}

func TestALifeThatBreaksNothingIsNotShrunk(t *testing.T) {
	s := Expand(1)
	require.Equal(t, s, Shrink(s, 10))
}

// TestGoldenLives lives what once broke a promise.
func TestGoldenLives(t *testing.T) {
	files, err := filepath.Glob("testdata/*.txt")
	require.NoError(t, err)
	for _, file := range files {
		t.Run(filepath.Base(file), func(t *testing.T) {
			text, err := os.ReadFile(file)
			require.NoError(t, err)
			prose, s, err := ParseGolden(string(text))
			require.NoError(t, err)
			require.Empty(t, Live(s).Broken)
			if *update {
				require.NoError(t, os.WriteFile(file, []byte(Golden(prose, s)), 0o600))
				return
			}
			require.Equal(t, Golden(prose, s), string(text), "what happens is another; -update writes it down")
		})
	}
}

// FuzzLife lives what the bytes say; what breaks a promise is shrunk. `go test -run xxx -fuzz FuzzLife -fuzzminimizetime 1x ./internal/sim`
func FuzzLife(f *testing.F) {
	f.Add([]byte{})
	for seed := range uint64(4) {
		f.Add([]byte(Expand(seed)[:20*Block]))
	}
	f.Fuzz(func(t *testing.T, script []byte) {
		if life := Live(script); len(life.Broken) > 0 {
			t.Fatalf("%s\n%s\n%s", life.Broken[0], life.Stack, Golden("?", Shrink(script, 300)))
		}
	})
}
