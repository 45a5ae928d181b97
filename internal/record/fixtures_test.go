// Copyright The Parti Authors
// SPDX-License-Identifier: Apache-2.0

package record_test

import (
	"flag"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/parti-go/parti/internal/record"
)

var update = flag.Bool("update", false, "write the fixtures of the release that is being made")

// making is the release that is being made. A fixture of an earlier one is never written again: it is what that release stored.
const making = "v0.1.0"

// releases are those whose records this one reads, see docs/compatibility.md. What was stored is the same in all of them, as
// far as they know it.
var releases = []string{making}

var at = time.Date(2026, 11, 26, 12, 30, 0, 0, time.UTC)

// fixture is one record: as a release stored it, in testdata, and what it has to be read as.
type fixture struct {
	name, kind string
	value      any
	pieces     int // how many it is packed into; 0 for readable JSON
}

func fixtures() []fixture {
	plan := record.Plan{
		Term: 4, Version: 5, Phase: record.PhaseScaling, Lifecycle: record.PostColdStart, Members: []string{"worker-0", "worker-1"}, Partitions: 6,
		Digest: "d1", Listed: "d2", Names: "n1", Sample: []byte("12345678"), SourceVersion: 7, Workers: "w1", Certificate: record.Certificate{Moves: 3, LeastMoves: 2, Imbalance: 1.5, LeastImbalance: 1.25},
		Reads: record.FormatHolding, Strategy: "sticky", Damped: []record.Damped{{Worker: "worker-2", Until: at}},
	}
	heartbeat := record.Heartbeat{
		Session: 9, Applied: record.Position{Term: 4, Version: 5}, Shown: 6, Leaving: true, Starting: []string{"b"}, Cordoned: true, Failed: true, Capacity: 50,
		Labels: map[string]string{"zone": "a"}, Stuck: []string{"partition a is let go"}, Reads: record.FormatHolding,
	}
	holding := heartbeat
	holding.Holding = []string{"a"}
	assignment := record.Assignment{
		Worker: "worker-0", Session: 9, Term: 4, Version: 5, Owned: []record.Owned{{Partition: "orders.1", Weight: 100, Epoch: 3}},
		Releasing: []record.Releasing{{Partition: "orders.2", Weight: 1, Epoch: 2, Since: 3, Unlisted: true}}, Unread: 4,
	}
	journal := record.Journal{
		Term: 4, Version: 5, At: at, By: "worker-1", Why: "worker-2 left", Certificate: plan.Certificate,
		Changes: []record.Change{{From: "worker-2", To: "worker-0", Epoch: 3, Partitions: []string{"orders.1"}}}, Left: 2,
	}
	return []fixture{
		{"claim", "Claim", record.Claim{Session: 9, Host: "h1", Process: 42, Since: at}, 0},
		{"leader", "Leader", record.Leader{Worker: "worker-1", Session: 9, Since: at, Plan: 17}, 0},
		{"heartbeat", "Heartbeat", heartbeat, 0},
		{"heartbeat-holding", "Heartbeat", holding, 0},
		{"term", "Term", record.Term{Number: 4, Worker: "worker-1", Session: 9}, 0},
		{"plan", "Plan", plan, 0},
		{"plan-packed", "Plan", plan, 1},
		{"assignment", "Assignment", assignment, 0},
		{"assignment-split", "Assignment", assignment, 3},
		{"journal", "Journal", journal, 0},
		{"journal-packed", "Journal", journal, 1},
	}
}

// TestWhatEarlierReleasesStoredIsReadAsWhatItWas: a release must not read a record of another one differently.
func TestWhatEarlierReleasesStoredIsReadAsWhatItWas(t *testing.T) {
	for _, release := range releases {
		for _, f := range fixtures() {
			file := filepath.Join("testdata", release, f.name+".json")
			if *update && release == making {
				require.NoError(t, os.MkdirAll(filepath.Dir(file), 0o750))
				require.NoError(t, os.WriteFile(file, []byte(strings.Join(stored(t, f), "\n")+"\n"), 0o600))
			}
			text, err := os.ReadFile(file)
			require.NoError(t, err, "write the fixtures of a release that is being made with: go test ./internal/record -update")
			value, err := read(f.kind, strings.Split(strings.TrimSpace(string(text)), "\n"))
			require.NoError(t, err, file)
			require.Equal(t, f.value, value, file)
		}
	}
}

// TestWhatIsStoredNowIsWhatTheFixturesSay: a change of what is written is a change for the workers of other releases beside it.
func TestWhatIsStoredNowIsWhatTheFixturesSay(t *testing.T) {
	for _, f := range fixtures() {
		if f.pieces > 0 {
			continue // how it is compressed is nobody's business
		}
		text, err := os.ReadFile(filepath.Join("testdata", making, f.name+".json"))
		require.NoError(t, err)
		require.Equal(t, strings.TrimSpace(string(text)), stored(t, f)[0], f.name)
	}
}

func TestEveryKindOfRecordHasAFixture(t *testing.T) {
	seen := map[string]bool{}
	for _, f := range fixtures() {
		seen[f.kind] = true
	}
	file, err := parser.ParseFile(token.NewFileSet(), "encoding.go", nil, 0)
	require.NoError(t, err)
	for _, decl := range file.Decls {
		if f, is := decl.(*ast.FuncDecl); is && strings.HasPrefix(f.Name.Name, "Decode") {
			require.True(t, seen[strings.TrimPrefix(f.Name.Name, "Decode")], "%s reads a record that has no fixture", f.Name.Name)
		}
	}
	require.Greater(t, len(seen), 5)
}

// TestAFieldOfANewerReleaseIsIgnored: a newer release may add fields within a format.
func TestAFieldOfANewerReleaseIsIgnored(t *testing.T) {
	term, err := record.DecodeTerm([]byte(`{"format":1,"token":"h/1/2","number":4,"worker":"worker-1","session":9,"mood":"good"}`))
	require.NoError(t, err)
	require.Equal(t, record.Term{Number: 4, Worker: "worker-1", Session: 9}, term)
}

// stored are the messages that a record is stored in.
func stored(t *testing.T, f fixture) (lines []string) {
	t.Helper()
	value, err := record.Encode("h/1/2", f.value)
	require.NoError(t, err)
	if f.pieces == 0 {
		return []string{string(value)}
	}
	most := 1 << 20
	pieces, err := record.Pack("h/1/2", value, most)
	for err == nil && len(pieces) < f.pieces {
		most -= max(1, most/20)
		pieces, err = record.Pack("h/1/2", value, most)
	}
	require.NoError(t, err)
	for _, piece := range pieces {
		lines = append(lines, string(piece))
	}
	return lines
}

// read puts the pieces together, the main one being the last, and decodes the record.
func read(kind string, lines []string) (any, error) {
	value := []byte(lines[len(lines)-1])
	if main, packed := record.PieceOf(value); packed {
		whole, err := main.Unpack(func(n int) []byte {
			p, _ := record.PieceOf([]byte(lines[n-1]))
			return p.Packed
		})
		if err != nil {
			return nil, err
		}
		value = whole
	}
	switch kind {
	case "Claim":
		return record.DecodeClaim(value)
	case "Leader":
		return record.DecodeLeader(value)
	case "Heartbeat":
		return record.DecodeHeartbeat(value)
	case "Term":
		return record.DecodeTerm(value)
	case "Plan":
		return record.DecodePlan(value)
	case "Assignment":
		return record.DecodeAssignment(value)
	case "Journal":
		return record.DecodeJournal(value)
	}
	return nil, fmt.Errorf("no record is a %s", kind)
}
