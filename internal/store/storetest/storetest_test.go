// Copyright The Parti Authors
// SPDX-License-Identifier: Apache-2.0

package storetest_test

import (
	"flag"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/parti-go/parti/internal/store/model"
	"github.com/parti-go/parti/internal/store/storetest"
)

var everyTrouble = []storetest.Trouble{
	storetest.StallUp, storetest.StallDown, storetest.Cut, storetest.Heal, storetest.Stop, storetest.Start, storetest.Copy,
	storetest.Restore, storetest.RestoreAll, storetest.Delete, storetest.Create, storetest.Purge, storetest.Elect,
}

var start = time.Date(2030, 1, 1, 0, 0, 0, 0, time.UTC)

// modelled returns a model for a case; replicas are what it has where the case does not mind.
func modelled(c storetest.Case, replicated bool, source model.Source) *storetest.Modelled {
	cfg := model.Config{Start: start, Latency: 200 * time.Microsecond, Jitter: 5 * time.Millisecond}
	if replicated {
		cfg.Replicas, cfg.Commit = 3, 20*time.Millisecond
	}
	return storetest.NewModelled(cfg, source)
}

func TestTheBenignModelShowsTheFirstOfWhatEachCaseAllows(t *testing.T) {
	for _, c := range storetest.Cases() {
		for _, replicated := range []bool{false, true} {
			if c.Runs(replicated, everyTrouble...) {
				assert.Equal(t, c.Can[0], c.Try(t, modelled(c, replicated, model.Benign{})), c.Name)
			}
		}
	}
}

// odds are those of a bad day. The network itself loses nothing: a case that wants that does it by itself.
func odds() (o model.Odds) {
	for _, c := range []model.Choice{model.Way, model.Commit, model.Late, model.Overtaken, model.Behind, model.Notice, model.Remains} {
		o[c] = 1 << 14
	}
	return o
}

func TestTheModelShowsAllThatEachCaseAllowsAndNothingElse(t *testing.T) {
	const most = 2000
	for _, c := range storetest.Cases() {
		for _, replicated := range []bool{false, true} {
			if !c.Runs(replicated, everyTrouble...) {
				continue
			}
			seen := map[string]int{}
			for seed := uint64(0); seed < most && (len(seen) < len(c.Can) || seed < 25); seed++ {
				saw := c.Try(t, modelled(c, replicated, model.NewRandom(seed, odds())))
				if seen[saw]++; !slices.Contains(c.Can, saw) {
					t.Fatalf("seed %d", seed)
				}
			}
			for _, can := range c.Can {
				assert.Contains(t, seen, can, "%s, replicated: %t: the server may do that, the model never does", c.Name, replicated)
			}
		}
	}
}

func TestAScriptGivesTheSameLinesOnEveryModelThatIsHealthy(t *testing.T) {
	for seed := range uint64(20) {
		benign := storetest.NewModelled(model.Config{Start: start}, model.Benign{})
		slow := storetest.NewModelled(model.Config{Start: start}, model.NewRandom(seed, lateOnly()))
		lines := storetest.Script(&storetest.Session{TB: t, Subject: benign}, seed, 60)
		assert.Equal(t, lines, storetest.Script(&storetest.Session{TB: t, Subject: slow}, seed, 60), "seed %d", seed)
	}
}

// lateOnly lets markers be late, which a script waits for.
func lateOnly() (o model.Odds) {
	o[model.Late] = 1 << 15
	return o
}

var update = flag.Bool("update", false, "write the table of the documentation anew")

func TestTheDocumentationHasTheTableOfTheCases(t *testing.T) {
	const file, head = "../../../docs/verification.md", "| a store … | so | may be seen |\n| --- | --- | --- |\n"
	var table strings.Builder
	table.WriteString(head)
	for _, c := range storetest.Cases() {
		where := ""
		if c.Replicated {
			where = " (with replicas)"
		} else if c.Alone {
			where = " (without replicas)"
		}
		table.WriteString("| " + c.Name + where + " | " + c.Hazard + " | " + strings.Join(c.Can, " / ") + " |\n")
	}
	text, err := os.ReadFile(file)
	require.NoError(t, err)
	before, rest, found := strings.Cut(string(text), head)
	require.True(t, found)
	_, after, found := strings.Cut(rest, "\n\n")
	require.True(t, found)
	whole := before + table.String() + "\n" + after
	if *update {
		require.NoError(t, os.WriteFile(file, []byte(whole), 0o600))
		return
	}
	require.Equal(t, whole, string(text), "go test ./internal/store/storetest -run Table -update writes it")
}
