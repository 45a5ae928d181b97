// Copyright The Parti Authors
// SPDX-License-Identifier: Apache-2.0

package lease

import (
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/parti-go/parti/internal/store"
)

var update = flag.Bool("update", false, "rewrite what the scripts expect")

var start = time.Date(2000, 1, 1, 0, 0, 0, 0, time.UTC)

// TestScripts plays testdata/*.txt: a sentence that says what must be true, commands, "----", what follows. After each command
// the hold is asked what to do, and what it says is told where it is news.
//
//	begin, held         the hold begins; it was acquired just now. TTL 8s, interval 2s, pauses 1s to 4s, writes 1s to 2s
//	set KEY 2s          of the configuration, before the hold begins
//	pass 500ms          time passes
//	hurry               something does not wait for the interval
//	done [500ms]        the write under way is stored; it was sent so long ago
//	refused, unanswered, lost, late, taken
//	trust               until when the hold is trusted
//	settled 1           whether the first request is answered
func TestScripts(t *testing.T) {
	files, err := filepath.Glob("testdata/*.txt")
	require.NoError(t, err)
	require.NotEmpty(t, files)
	for _, file := range files {
		t.Run(strings.TrimSuffix(filepath.Base(file), ".txt"), func(t *testing.T) {
			text, err := os.ReadFile(file)
			require.NoError(t, err)
			script, want, _ := strings.Cut(string(text), "----\n")
			got := play(t, script)
			if *update {
				require.NoError(t, os.WriteFile(file, []byte(script+"----\n"+got), 0o600))
				return
			}
			require.Equal(t, want, got)
		})
	}
}

func config() Config {
	return Config{TTL: 8 * time.Second, Interval: 2 * time.Second, Pause: time.Second, LongestPause: 4 * time.Second, Shortest: time.Second, Longest: 2 * time.Second}
}

var answers = map[string]error{
	"refused": store.ErrNotDone, "unanswered": store.ErrUnknown, "lost": store.ErrLost, "late": store.ErrLate, "taken": &store.TakenError{},
}

type player struct {
	cfg  Config
	now  time.Time
	hold Hold
	said string
	out  strings.Builder
}

func play(t *testing.T, script string) string {
	t.Helper()
	p := &player{cfg: config(), now: start}
	_, commands, _ := strings.Cut(script, "\n\n")
	for _, line := range strings.Split(strings.TrimSpace(commands), "\n") {
		words := strings.Fields(line)
		require.NotEmpty(t, words, "an empty line among the commands")
		p.command(t, words[0], words[1:])
		p.ask()
		require.NoError(t, p.hold.valid(), line)
	}
	return p.out.String()
}

func (p *player) command(t *testing.T, verb string, args []string) {
	t.Helper()
	duration := func(n int) time.Duration {
		if len(args) <= n {
			return 0
		}
		d, err := time.ParseDuration(args[n])
		require.NoError(t, err)
		return d
	}
	switch verb {
	case "begin":
		p.hold = New(p.cfg, p.now)
	case "held":
		p.hold = Held(p.cfg, p.now)
	case "set":
		fields := map[string]*time.Duration{
			"ttl": &p.cfg.TTL, "interval": &p.cfg.Interval, "pause": &p.cfg.Pause, "longestpause": &p.cfg.LongestPause,
			"shortest": &p.cfg.Shortest, "longest": &p.cfg.Longest,
		}
		*fields[args[0]] = duration(1)
	case "pass":
		p.now = p.now.Add(duration(0))
	case "hurry":
		p.say("request %d", p.hold.Hurry(p.now))
	case "done":
		p.say("%s", p.hold.Answered(p.now, p.now.Add(-duration(0)), nil))
	case "trust":
		p.say("trusted until %s", p.hold.TrustedUntil().Format("15:04:05.000"))
	case "settled":
		var n uint64
		_, err := fmt.Sscan(args[0], &n)
		require.NoError(t, err)
		p.say("settled: %t", p.hold.Settled(n))
	default:
		err, known := answers[verb]
		require.True(t, known, verb)
		p.say("%s", p.hold.Answered(p.now, time.Time{}, err))
	}
}

// ask says what to do, where that is news.
func (p *player) ask() {
	if next := p.hold.Next(p.now).String(); next != p.said {
		p.said = next
		p.say("%s", next)
	}
}

func (p *player) say(format string, args ...any) {
	fmt.Fprintf(&p.out, "%s "+format+"\n", append([]any{p.now.Sub(start)}, args...)...)
}
