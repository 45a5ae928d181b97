// Copyright The Parti Authors
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"bufio"
	"bytes"
	"cmp"
	"context"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"io"
	"maps"
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
)

// rule is a rule of docs/protocol.md, and the code that only runs where it matters: the block that holds the end of a text, which occurs
// in its file once.
type rule struct {
	topic, says string
	file, text  string
}

const module = "github.com/parti-go/parti/"

// deciders are the rooms whose code is counted.
var deciders = []string{"internal/leader", "internal/ledger", "internal/lease", "internal/member", "internal/topology"}

// block is a piece of code without branches, and how often it ran.
type block struct {
	file                               string
	line, column, lastLine, lastColumn int
	ran                                uint64
}

func (b block) holds(line, column int) bool {
	return (line > b.line || line == b.line && column >= b.column) && (line < b.lastLine || line == b.lastLine && column < b.lastColumn)
}

// reach lives some lives with counters in the deciders, and prints how often each rule mattered and which code never ran.
func reach(ctx context.Context, base uint64, lives int) error {
	folder, err := os.MkdirTemp("", "reach")
	if err != nil {
		return fmt.Errorf("make a folder: %w", err)
	}
	defer os.RemoveAll(folder)
	profile, rooms := filepath.Join(folder, "cover"), make([]string, len(deciders))
	for i, room := range deciders {
		rooms[i] = module + room
	}
	cmd := exec.CommandContext(ctx, "go", "test", "-run", "^TestRandomLives", "-timeout", "10h", "-covermode", "count", "-coverpkg", strings.Join(rooms, ","),
		"-coverprofile", profile, "./internal/sim", "-lives", strconv.Itoa(lives), "-base", strconv.FormatUint(base, 10))
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("live with counters: %w\n%s", err, out)
	}
	text, err := os.ReadFile(profile)
	if err != nil {
		return err
	}
	blocks, err := readProfile(text)
	if err != nil {
		return err
	}
	return tellReach(os.Stdout, blocks, lives)
}

// readProfile reads what `go test -coverprofile` writes.
func readProfile(profile []byte) (blocks []block, err error) {
	ran := map[block]uint64{}
	lines := bufio.NewScanner(bytes.NewReader(profile))
	for lines.Scan() {
		line := strings.TrimPrefix(lines.Text(), module)
		if strings.HasPrefix(line, "mode:") {
			continue
		}
		var b block
		var statements int
		file, rest, ok := strings.Cut(line, ":")
		if _, err := fmt.Sscanf(rest, "%d.%d,%d.%d %d %d", &b.line, &b.column, &b.lastLine, &b.lastColumn, &statements, &b.ran); !ok || err != nil {
			return nil, fmt.Errorf("read the profile: line %q: %w", line, err)
		}
		if statements == 0 {
			continue
		}
		n := b.ran
		b.file, b.ran = file, 0
		ran[b] += n
	}
	for b, n := range ran {
		b.ran = n
		blocks = append(blocks, b)
	}
	slices.SortFunc(blocks, func(x, y block) int {
		return cmp.Or(cmp.Compare(x.file, y.file), cmp.Compare(x.line, y.line), cmp.Compare(x.column, y.column))
	})
	return blocks, lines.Err()
}

func tellReach(out io.Writer, blocks []block, lives int) error {
	fmt.Fprintf(out, "\nin %d lives with counters, this many times each rule mattered:\n", lives)
	never := 0
	for _, r := range rules {
		line, column, err := r.find()
		if err != nil {
			return err
		}
		n := slices.IndexFunc(blocks, func(b block) bool { return b.file == r.file && b.holds(line, column) })
		if n < 0 {
			return fmt.Errorf("rule %q: no counter at %s:%d", r.says, r.file, line)
		}
		if blocks[n].ran == 0 {
			never++
		}
		fmt.Fprintf(out, "%12d  %-10s %s (%s:%d)\n", blocks[n].ran, r.topic, r.says, r.file, line)
	}
	fmt.Fprintf(out, "%d of %d rules mattered\n\n", len(rules)-never, len(rules))
	all, reached, missed := map[string]int{}, map[string]int{}, []block{}
	words, err := spoken(blocks)
	if err != nil {
		return err
	}
	for _, b := range blocks {
		if slices.ContainsFunc(words, func(f block) bool { return f.file == b.file && f.holds(b.line, b.column) }) {
			continue
		}
		room := path.Dir(b.file)
		all[room]++
		if b.ran > 0 {
			reached[room]++
		} else {
			missed = append(missed, b)
		}
	}
	for _, room := range slices.Sorted(maps.Keys(all)) {
		fmt.Fprintf(out, "%s: %d of %d blocks ran\n", room, reached[room], all[room])
	}
	fmt.Fprintln(out, "these never did:")
	for _, b := range missed {
		fmt.Fprintf(out, "  %s:%d  %s\n", b.file, b.line, b.first())
	}
	return nil
}

// spoken are the functions that only print, or only check invariants in tests.
func spoken(blocks []block) (functions []block, err error) {
	files := map[string]bool{}
	for _, b := range blocks {
		files[b.file] = true
	}
	for file := range files {
		positions := token.NewFileSet()
		parsed, err := parser.ParseFile(positions, file, nil, 0)
		if err != nil {
			return nil, err
		}
		for _, d := range parsed.Decls {
			f, ok := d.(*ast.FuncDecl)
			if !ok || !slices.Contains([]string{"String", "valid", "Valid", "clock", "either"}, f.Name.Name) {
				continue
			}
			from, to := positions.Position(f.Pos()), positions.Position(f.End())
			functions = append(functions, block{file, from.Line, from.Column, to.Line, to.Column, 0})
		}
	}
	return functions, nil
}

// find returns where the text of a rule ends.
func (r rule) find() (line, column int, err error) {
	code, err := os.ReadFile(r.file)
	if err != nil {
		return 0, 0, err
	}
	if n := strings.Count(string(code), r.text); n != 1 {
		return 0, 0, fmt.Errorf("rule %q is stale: its text occurs %d times in %s, allowed: 1", r.says, n, r.file)
	}
	upTo := string(code[:strings.Index(string(code), r.text)+len(r.text)-1])
	return 1 + strings.Count(upTo, "\n"), len(upTo) - strings.LastIndexByte(upTo, '\n'), nil
}

// first is the first line of a block that says anything.
func (b block) first() string {
	code, err := os.ReadFile(b.file)
	if err != nil {
		return ""
	}
	lines := strings.Split(string(code), "\n")
	if b.lastLine > len(lines) {
		return ""
	}
	for n := b.line; n <= b.lastLine; n++ {
		line := lines[n-1]
		if n == b.line {
			line = line[min(b.column-1, len(line)):]
		}
		if line = strings.TrimSpace(strings.TrimPrefix(strings.TrimSpace(line), "{")); line != "" {
			return line
		}
	}
	return ""
}

// rules are those of the second part of docs/protocol.md, in its order.
var rules = []rule{
	{
		"urgent", "a worker whose heartbeat expired loses its place after the grace",
		"internal/topology/decide.go", "act(KindEmergency)",
	},
	{
		"urgent", "an absent member within its deadline keeps its place in every plan",
		"internal/topology/decide.go", "case keeps:\n\t\t\td.Members, d.Away = append",
	},
	{
		"urgent", "a worker that left cleanly loses its place after its own window",
		"internal/topology/decide.go", "case away && a.clean:\n\t\t\tact",
	},
	{
		"urgent", "a plan that moves nothing is made for what has no owner",
		"internal/topology/decide.go", "case t.resume:\n\t\td.Kind",
	},
	{
		"urgent", "new partitions are placed at once",
		"internal/topology/decide.go", "case t.sourced:\n\t\td.Kind",
	},
	{
		"urgent", "a cold start waits for its window",
		"internal/topology/topology.go", "t.gather(KindColdStart)",
	},
	{
		"urgent", "a restart waits for the members of the last plan",
		"internal/topology/topology.go", "t.gather(KindRestart)",
	},
	{
		"urgent", "a restart to which everybody is back ends at once",
		"internal/topology/decide.go", "t.gathering = window{}\n\tfor w, n := range t.newcomers",
	},
	{
		"urgent", "a new leader that finds many gone holds them",
		"internal/topology/topology.go", "t.await(now.Add(t.cfg.HeartbeatTTL), func(a absence",
	},
	{
		"urgent", "many expiries at once are held for one HeartbeatTTL",
		"internal/topology/decide.go", "t.await(first.Add",
	},
	{
		"urgent", "whoever of a mass loss is still gone then loses its place",
		"internal/topology/decide.go", "act(KindMassLoss)",
	},
	{
		"urgent", "nobody is left to be given anything",
		"internal/topology/decide.go", "return Decision{} // nobody is there to be given anything",
	},
	{
		"optional", "changes that collected in a window are moved after it",
		"internal/topology/decide.go", `d.Act, d.Moves, d.Why = true, true`,
	},
	{
		"optional", "changed weights alone wait for a window",
		"internal/topology/topology.go", "t.weighed = now.Add",
	},
	{
		"optional", "what was merely left uneven follows later",
		"internal/leader/plan.go", "made.Next[i], made.Uneven = w, true",
	},
	{
		"newcomers", "a newcomer waits for the window that its joining opens",
		"internal/topology/flap.go", "t.joining = window{kind: KindPlannedScale",
	},
	{
		"newcomers", "workers that start together share a window",
		"internal/topology/flap.go", "n.due = t.joining.closes",
	},
	{
		"flapping", "whoever fails again and again waits twice as long each time",
		"internal/topology/flap.go", "pause = min(2*pause, most)",
	},
	{
		"flapping", "the first newcomer after an expiry inherits its count",
		"internal/topology/flap.go", "t.flaps.inherit(heir, worker)",
	},
	{
		"flapping", "the next leader goes on holding back",
		"internal/topology/flap.go", "t.heldBack[worker] = until",
	},
	{
		"handoff", "a partition is revoked before somebody else gets it",
		"internal/ledger/propose.go", "case revoke:\n\t\t\tw.Revokes",
	},
	{
		"handoff", "an acknowledgement frees it",
		"internal/ledger/sessions.go", "l.acknowledge(p)",
	},
	{
		"handoff", "a session that begins ends those before it",
		"internal/ledger/sessions.go", "l.end(w, number-1)",
	},
	{
		"handoff", "a session that has not taken up its record in time is reported",
		"internal/leader/told.go", `what := "has not applied its record"`,
	},
	{
		"handoff", "what a worker is stuck in is reported by its leader",
		"internal/leader/told.go", "{ // what it waits for itself it has told",
	},
	{
		"leaving", "who drains is planned without at once",
		"internal/topology/decide.go", "act(KindDrain)",
	},
	{
		"leaving", "where all drain nobody lets go",
		"internal/topology/decide.go", "d.Members = append(d.Members, m) // there",
	},
	{
		"leaving", "a drain ends once nothing is recorded for the worker",
		"internal/member/stand.go", `Text: "drained"`,
	},
	{
		"leaving", "a drain that takes too long becomes a stop",
		"internal/member/stand.go", "the time to drain is over",
	},
	{
		"trust", "a session whose trust is over gives everything up",
		"internal/member/session.go", "m.endSession(now, cause, false, 0)",
	},
	{
		"source", "a list that fails keeps the one before",
		"internal/leader/sources.go", "keeps = fmt.Sprintf",
	},
	{
		"source", "a list that lost most is confirmed before anything is taken away",
		"internal/leader/shrink.go", "s.shrunk.base, s.shrunk.kept = base",
	},
	{
		"source", "an older version of the list is refused",
		"internal/leader/version.go", "inForce = l.source.divided()\n\t\t}\n\t\tunknown",
	},
	{
		"running", "a store that is away is tried again",
		"internal/member/start.go", "m.due(dueOpen, now, now.Add(m.opening))",
	},
	{
		"term", "a write that was refused or lost ends the term",
		"internal/leader/write.go", "l.end(FenceLost, fmt.Errorf(\"write plan",
	},
	{
		"term", "a write that is certainly not done is tried again",
		"internal/leader/write.go", "l.pace.write = now.Add(l.pace.refused)",
	},
	{
		"term", "a leader that does not see leaves the lead to others",
		"internal/member/lead.go", "m.tellElector(&Abstain{now.Add(m.cfg.HeartbeatTTL)})",
	},
	{
		"size", "a record that is too large is tried again, less and less often",
		"internal/leader/write.go", "most = tooLargeMost",
	},
	{
		"strategy", "a strategy that fails is asked again later",
		"internal/leader/plan.go", "l.pace.failing = min(max(2*l.pace.failing",
	},
	{
		"upgrades", "an older reader has everything written anew",
		"internal/leader/write.go", "l.ledger.Restate()",
	},
	{
		"upgrades", "a record of an unknown format ends the lead",
		"internal/leader/leader.go", "l.end(NewerFormat, f.Err)",
	},
}
