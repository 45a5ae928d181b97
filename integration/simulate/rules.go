package main

import (
	"bufio"
	"bytes"
	"cmp"
	"context"
	"fmt"
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
	for _, b := range blocks {
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
