// Copyright The Parti Authors
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"
)

// mutant is one deliberate bug.
type mutant struct {
	name   string
	breaks string // one sentence
	file   string
	old    string // occurs exactly once
	new    string
	// likely names the tests of its package and of the fleet that come first, as a pattern; none for all.
	likely string
	// spins marks a bug that keeps something busy or waiting for ever, so that a test which does not end has noticed it.
	spins bool
	// equivalent says why no test can catch it.
	equivalent string
}

// apply returns the mutated file.
func (m mutant) apply() (string, error) {
	code, err := os.ReadFile(m.file)
	if err != nil {
		return "", fmt.Errorf("mutant %s: %w", m.name, err)
	}
	if n := strings.Count(string(code), m.old); n != 1 {
		return "", fmt.Errorf("mutant %s is stale: its text occurs %d times in %s, allowed: 1", m.name, n, m.file)
	}
	return strings.Replace(string(code), m.old, m.new, 1), nil
}

type result struct {
	mutant  mutant
	test    string // that failed with it; "" for none
	life    string // on the store in memory that broke a promise with it, and which one; "" for none
	lived   bool   // lives were lived with it
	timeout string // the first test that did not end with it; "" for none
	broken  error  // it does not compile
	took    time.Duration
}

// caught says that a test noticed the mutant. A test that does not end has noticed only a mutant that spins: any other may
// just have been slow, or waited for something that the mutant has nothing to do with.
func (r result) caught() bool {
	return r.test != "" || r.life != "" || r.timeout != "" && r.mutant.spins
}

func (r result) verdict() string {
	switch {
	case r.broken != nil:
		return "DOES NOT COMPILE"
	case r.test != "":
		return r.test
	case r.life != "":
		return r.life
	case r.timeout != "":
		return "timed out in " + r.timeout
	case r.mutant.equivalent != "":
		return "cannot be: " + r.mutant.equivalent
	}
	return "SURVIVED"
}

// stage is some tests of one package.
type stage struct {
	folder string
	run    string
	skip   string
	args   []string
	env    []string
	within time.Duration // 0 for [patience]
	lives  bool          // on the store in memory, at random
}

// fleets are the packages of scenarios. The first one has the simulated lives as well.
var fleets = []string{"integration", "integration/faults", "integration/deployment"}

// inMemory is the package of lives on the store in memory.
const inMemory = "internal/sim"

// simulated are the rooms whose code runs in lives on the store in memory.
var simulated = []string{"internal/leader", "internal/ledger", "internal/lease", "internal/member", "internal/topology"}

// lives is the stage of random lives on the store in memory. A life in which time does not go on is a failure, not a timeout.
func (l *laboratory) lives() stage {
	return stage{
		folder: inMemory, run: "^TestRandomLives", within: 4 * time.Minute, lives: true,
		args: []string{"-lives", fmt.Sprint(l.simulated), "-shrink", "0"}, env: []string{"GOGC=800"},
	}
}

// episodes is the stage of the lives on the store in memory that are written down: what must happen in each is known.
func episodes() stage {
	return stage{folder: inMemory, run: "^Test", skip: "RandomLives|EveryFault|Golden|Shrunk|Bytes|Repeated", within: time.Minute, env: []string{"GOGC=800"}}
}

// decides says that a mutant is in a room whose code runs in lives on the store in memory.
func (m mutant) decides() bool {
	return slices.Contains(simulated, filepath.ToSlash(filepath.Dir(m.file)))
}

// stages lists what could catch a mutant, cheapest first.
func (l *laboratory) stages(m mutant) []stage {
	stages := []stage{{folder: filepath.Dir(m.file)}}
	if user := map[string]string{
		"internal/topology": "internal/leader", "internal/ledger": "internal/leader", "internal/lease": "internal/member",
		"strategy": "internal/leader", "internal/store": "kv",
	}[filepath.ToSlash(filepath.Dir(m.file))]; user != "" {
		stages = append(stages, stage{folder: filepath.FromSlash(user)})
	}
	if m.decides() {
		for n := range stages {
			stages[n].within = time.Minute
		}
		stages = append(stages, episodes(), l.lives())
	}
	if l.only {
		return stages
	}
	if m.likely != "" {
		stages = slices.Insert(stages, 0, stage{folder: filepath.Dir(m.file), run: m.likely})
		for _, folder := range fleets {
			stages = append(stages, stage{folder: folder, run: m.likely, skip: "Simulated"})
		}
	}
	for _, folder := range []string{"actors", "."} {
		if filepath.Dir(m.file) != folder {
			stages = append(stages, stage{folder: folder})
		}
	}
	for _, folder := range fleets {
		stages = append(stages, stage{folder: folder, skip: "Simulated"})
	}
	if l.seeds > 0 {
		stages = append(stages, stage{folder: fleets[0], run: "Simulated", args: []string{"-base", "1000", "-seeds", fmt.Sprint(l.seeds)}})
	}
	return stages
}

// simulatedFew is how many lives on the store in memory are lived in an ordinary run.
const simulatedFew = 100

// laboratory runs tests with and without a mutant.
type laboratory struct {
	folder    string
	seeds     int
	simulated int  // lives on the store in memory
	only      bool // the tests of the rooms that decide, and these lives
	both      bool // lives are lived whatever the tests notice

	used    atomic.Int64 // processor time of the compilers and the tests
	mu      sync.Mutex
	healthy map[string]bool // by folder and test: whether it passes without a mutant
}

func newLaboratory(o options) (*laboratory, error) {
	folder, err := os.MkdirTemp("", "mutants")
	if err != nil {
		return nil, err
	}
	return &laboratory{folder: folder, seeds: o.seeds, simulated: max(o.sim, simulatedFew), only: o.sim > 0, both: o.both, healthy: map[string]bool{}}, nil
}

func (l *laboratory) close() { _ = os.RemoveAll(l.folder) }

// test runs the stages until one catches the mutant.
func (l *laboratory) test(ctx context.Context, m mutant) (result, error) {
	began := time.Now()
	room, err := os.MkdirTemp(l.folder, m.name)
	if err != nil {
		return result{}, err
	}
	defer os.RemoveAll(room)
	overlay, err := m.overlay(room)
	if err != nil {
		return result{}, err
	}
	r := result{mutant: m}
	for _, s := range l.stages(m) {
		if r.broken != nil || r.caught() && (!l.both || !s.lives) {
			continue
		}
		test, timeout, err := l.catches(ctx, room, overlay, s, m.spins)
		if errors.Is(err, errBroken) {
			r.broken, err = err, nil
		}
		if err != nil {
			return result{}, err
		}
		if s.lives {
			r.life, r.lived = test, true
		} else {
			r.test = test
		}
		r.timeout = cmp.Or(r.timeout, timeout)
	}
	r.took = time.Since(began)
	return r, nil
}

// overlay writes the mutated file and the file that tells the go command of it.
func (m mutant) overlay(room string) (string, error) {
	code, err := m.apply()
	if err != nil {
		return "", err
	}
	original, err := filepath.Abs(m.file)
	if err != nil {
		return "", err
	}
	mutated, list := filepath.Join(room, filepath.Base(m.file)), filepath.Join(room, "overlay.json")
	replace, err := json.Marshal(map[string]any{"Replace": map[string]string{original: mutated}})
	if err != nil {
		return "", err
	}
	return list, errors.Join(os.WriteFile(mutated, []byte(code), 0o600), os.WriteFile(list, replace, 0o600))
}

// catches returns the first test of a stage that fails with the overlay and passes without. A test that does not end is
// returned as a timeout; the stage is then repeated without it, once, unless a timeout is all that is looked for.
func (l *laboratory) catches(ctx context.Context, room, overlay string, s stage, spins bool) (test, timeout string, err error) {
	binary, err := l.compile(ctx, room, s.folder, "-overlay", overlay)
	if err != nil {
		return "", "", err
	}
	for {
		first, err := l.play(ctx, binary, l.without(s))
		if err != nil || first.test == "" {
			return "", timeout, err
		}
		healthy, err := l.isHealthy(ctx, s, first.test)
		switch {
		case err != nil:
			return "", "", errors.New("without the mutant: " + err.Error()) // not a mutant that is broken
		case !healthy:
			fmt.Fprintf(os.Stderr, "%s: %s fails without a mutant as well, and does not count\n", s.folder, first.test)
		case !first.timedOut:
			return cmp.Or(first.life, first.test), timeout, nil
		case timeout != "" || spins:
			return "", cmp.Or(timeout, first.test), nil
		default:
			timeout = first.test
			s = s.less(first.test)
		}
	}
}

// less returns the stage without a test.
func (s stage) less(test string) stage {
	s.skip = strings.TrimPrefix(s.skip+"|"+pattern(test), "|")
	return s
}

// without returns the stage less the tests that are known to fail without a mutant.
func (l *laboratory) without(s stage) stage {
	l.mu.Lock()
	defer l.mu.Unlock()
	for key, healthy := range l.healthy {
		if folder, test, _ := strings.Cut(key, " "); folder == s.folder && !healthy {
			s = s.less(test)
		}
	}
	return s
}

// isHealthy reports whether a test passes without any mutant, three times. Lives on the store in memory are the same each time.
func (l *laboratory) isHealthy(ctx context.Context, s stage, test string) (bool, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	key := s.folder + " " + test
	if healthy, known := l.healthy[key]; known {
		return healthy, nil
	}
	room, err := os.MkdirTemp(l.folder, "healthy")
	if err != nil {
		return false, err
	}
	defer os.RemoveAll(room)
	binary, err := l.compile(ctx, room, s.folder)
	if err != nil {
		return false, err
	}
	again := stage{folder: s.folder, run: pattern(test), args: s.args, env: s.env}
	if s.folder != inMemory {
		again.args = append([]string{"-test.count", "3"}, s.args...)
	}
	first, err := l.play(ctx, binary, again)
	if err == nil {
		l.healthy[key] = first.test == ""
	}
	return first.test == "", err
}

// pattern matches one test and nothing else.
func pattern(test string) string {
	parts := strings.Split(test, "/")
	for i, part := range parts {
		parts[i] = "^" + regexp.QuoteMeta(part) + "$"
	}
	return strings.Join(parts, "/")
}

var errBroken = errors.New("does not compile")

func (l *laboratory) compile(ctx context.Context, room, folder string, flags ...string) (string, error) {
	binary := filepath.Join(room, strings.ReplaceAll(folder, "/", "_")+".test")
	if _, err := os.Stat(binary); err == nil {
		return binary, nil // of an earlier stage
	}
	args := append([]string{"test", "-c", "-vet=off", "-ldflags=-s -w", "-o", binary}, flags...)
	output, err := l.outputOf(exec.CommandContext(ctx, "go", append(args, "./"+folder)...))
	if err != nil {
		if ctx.Err() != nil {
			return "", ctx.Err()
		}
		return "", fmt.Errorf("%w: %s: %w\n%s", errBroken, folder, err, output)
	}
	return binary, nil
}

// outputOf runs a command, and counts what processor time it and its children take.
func (l *laboratory) outputOf(c *exec.Cmd) ([]byte, error) {
	output, err := c.CombinedOutput()
	if c.ProcessState != nil {
		l.used.Add(int64(c.ProcessState.UserTime() + c.ProcessState.SystemTime()))
	}
	return output, err
}

// patience is how long a stage may take: twice what the longest needs on two cores.
const patience = 8 * time.Minute

// failed is the first test of a run that failed, or the one that was running when the time was over; no name for none.
type failed struct {
	test     string
	life     string // of the random lives on the store in memory that failed, and which promise it broke
	timedOut bool
}

// play runs a stage and returns what failed first.
func (l *laboratory) play(ctx context.Context, binary string, s stage) (failed, error) {
	if _, err := os.Stat(binary); errors.Is(err, os.ErrNotExist) {
		return failed{}, nil // a package without tests
	}
	args := []string{"-test.v", "-test.failfast", "-test.timeout", cmp.Or(s.within, patience).String(), "-test.run", s.run, "-test.skip", s.skip}
	c := exec.CommandContext(ctx, binary, append(args, s.args...)...)
	c.Dir = s.folder
	c.Env = append(os.Environ(), s.env...)
	output, err := l.outputOf(c)
	var exit *exec.ExitError
	switch {
	case err == nil:
		return failed{}, nil
	case ctx.Err() != nil:
		return failed{}, ctx.Err()
	case !errors.As(err, &exit):
		return failed{}, fmt.Errorf("run the tests of %s: %w", s.folder, err)
	}
	first := firstFailure(string(output))
	if first.test == "" {
		return failed{}, fmt.Errorf("the tests of %s ended with %w and name no test that failed:\n%s", s.folder, err, output)
	}
	return first, nil
}

var (
	failure  = regexp.MustCompile(`(?m)^\s*--- FAIL: (\S+)`)
	broke    = regexp.MustCompile(`(?m)sim_test\.go:\d+: seed (\d+): [\d:.]+ (?:(I\d+|handoff):)?`)
	begin    = regexp.MustCompile(`(?m)^=== RUN\s+(\S+)`)
	timedOut = regexp.MustCompile(`(?m)^panic: test timed out after [^\n]*\n\s*running tests:\n\s*(\S+)`)
)

// firstFailure names the test that failed first, and of its subtests the innermost. Where the process crashed that is the
// one that had begun last.
func firstFailure(output string) failed {
	name := ""
	for _, m := range failure.FindAllStringSubmatch(output, -1) {
		if name == "" || strings.HasPrefix(m[1], name+"/") {
			name = m[1]
		}
	}
	if name != "" {
		f := failed{test: name}
		if m := broke.FindStringSubmatch(output); m != nil {
			f.life = strings.TrimSuffix(fmt.Sprintf("life %s, %s", m[1], m[2]), ", ")
		}
		return f
	}
	if m := timedOut.FindStringSubmatch(output); m != nil {
		return failed{test: m[1], timedOut: true}
	}
	if begun := begin.FindAllStringSubmatch(output, -1); len(begun) > 0 {
		return failed{test: begun[len(begun)-1][1]}
	}
	return failed{}
}
