// Copyright The Parti Authors
// SPDX-License-Identifier: Apache-2.0

package member

import (
	"errors"
	"flag"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/parti-go/parti/internal/record"
	"github.com/parti-go/parti/internal/store"
)

var update = flag.Bool("update", false, "rewrite what the scripts expect")

// TestScripts plays testdata/*.txt: a sentence that says what must be true, commands, "----", the effects. The world answers
// at once and obeys: heartbeats are sent every 2 s and are trusted for 4.5 s, claims every 10 s for 22.5 s.
//
//	set keep, standby, handled, startup 3s, ids 4s   of the configuration; ids is how long a claim lasts
//	prefer worker-3            the ID that is tried first
//	begin, begin leaving       the worker begins; somebody asked it to leave before
//	joined, leads 3            it has begun and applied version 5; another worker leads, or this one does
//	store ok, away, no, hangs  what opening it says from now on
//	claims worker-3, nothing   which ID is claimed next
//	frees worker-3             an ID comes free that is waited for
//	restored 7                 the claims are restored: the next one has that number
//	silent, answers            whether the store answers heartbeats and renewals
//	renewals fail, ok          whether it answers renewals of the claim
//	leader                     another worker leads
//	elect 3                    the term of this worker is stored
//	depose, depose restored    it is over, because the store was restored
//	fence, sight               the calculator has lost its fence; it does not see the heartbeats
//	meet 3 5                   the follower meets a position
//	phase rebalancing          the leader's
//	show 5                     the user is being shown a record
//	apply 5, apply 5 now       a record is in force; somebody waits for it
//	vacated, recorded          what the leader has recorded for the worker: nothing; something
//	damped 2m                  the leader gives the worker nothing
//	unknown follower           an actor has met an unknown format; "known follower" takes it back
//	lose late                  the session is over: late, taken, restored
//	hook heeds, deaf, lost     it returns when its context ends; when nobody waits any more; never. "hook returns": at once
//	deletes fail, ok           whether anything can be deleted
//	hang claimer               an actor does not end when it is stopped; "ends claimer"
//	fail claimer               an actor panics
//	drain 10s                  it is asked to drain, within a time
//	drain, cordon, uncordon, leave, close, foreign   what is asked; the connection is closed; the group is another's
//	held p1 p2                 handlers that have not returned
//	call NAME, returned NAME   a hook
//	hold 5s                    the worker is held up
//	restart                    it panics, and is begun again
//	run 12s                    time passes
//	status, waits              how it stands; what it waits for
func TestScripts(t *testing.T) {
	files, err := filepath.Glob("testdata/*.txt")
	require.NoError(t, err)
	require.GreaterOrEqual(t, len(files), 20)
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

type player struct {
	*world
	out    strings.Builder
	closed uint64 // the session that takes nothing up any more, as printed
}

func play(t *testing.T, script string) string {
	t.Helper()
	p := &player{world: newWorld(t)}
	p.show = func(e Effect) {
		switch e := e.(type) {
		case *Wake, *Show, *Publish, *Recount, *Reads:
		case *Trust:
			if !e.Takes && p.closed != p.status.Session {
				p.closed = p.status.Session
				p.print("take nothing up")
			}
		case *Complain:
			if len(e.Lines) > 0 {
				p.print(e.String())
			}
		case *Say:
			if e.Level > slog.LevelDebug {
				p.print(e.String())
			}
		default:
			p.print(e.String())
		}
	}
	_, commands, _ := strings.Cut(script, "\n\n")
	for _, line := range strings.Split(strings.TrimSpace(commands), "\n") {
		words := strings.Fields(line)
		require.NotEmpty(t, words, "an empty line among the commands")
		p.command(t, words[0], words[1:])
	}
	return p.out.String()
}

func (p *player) print(line string) { fmt.Fprintf(&p.out, "%s %s\n", p.now.Sub(start), line) }

func number(t *testing.T, s string) uint64 {
	t.Helper()
	n, err := strconv.ParseUint(s, 10, 64)
	require.NoError(t, err)
	return n
}

func duration(t *testing.T, s string) time.Duration {
	t.Helper()
	d, err := time.ParseDuration(s)
	require.NoError(t, err)
	return d
}

func (p *player) command(t *testing.T, verb string, args []string) {
	t.Helper()
	first := ""
	if len(args) > 0 {
		first = args[0]
	}
	switch verb {
	case "set":
		p.cfg.KeepServing = p.cfg.KeepServing || first == "keep"
		p.cfg.Standby = p.cfg.Standby || first == "standby"
		p.cfg.Handled = p.cfg.Handled || first == "handled"
		switch first {
		case "startup":
			p.cfg.StartupTimeout = duration(t, args[1])
		case "ids":
			p.cfg.WorkerIDTTL = duration(t, args[1])
		}
	case "prefer":
		p.cfg.PreferredID = first
	case "begin":
		p.begin(first == "leaving")
	case "joined", "leads":
		p.joins(t, args)
	case "store":
		p.store = strings.TrimPrefix(first, "ok")
		p.open()
	case "claims":
		p.claim = strings.TrimPrefix(first, "nothing")
	case "frees":
		p.claim = first
		p.wins()
	case "restored":
		p.session = number(t, first)
	case "silent", "answers":
		p.silent = verb == "silent"
	case "renewals":
		p.unclaims = first == "fail"
	case "hook":
		p.hookIs(first)
	case "deletes":
		p.keeps = first == "fail"
		p.delete()
	case "hang":
		p.hangs[Kind(first)] = true
	case "ends":
		delete(p.hangs, Kind(first))
		p.tell(&Stopped{Kind(first)})
	case "fail":
		p.fail(Kind(first), 0)
	case "hold":
		p.holdUp(duration(t, first))
	case "restart":
		p.restart()
	case "run":
		p.run(duration(t, first))
	case "status":
		p.print((&Publish{p.status}).String())
	case "waits":
		for _, w := range p.waits {
			p.print(fmt.Sprintf("await %s until %s", w.Key, clock(w.Due)))
		}
	default:
		p.report(t, verb, args)
	}
}

// joins goes the way to the first assignment, and prints nothing.
func (p *player) joins(t *testing.T, term []string) {
	t.Helper()
	show := p.show
	p.show = func(Effect) {}
	p.command(t, "begin", nil)
	if len(term) > 0 {
		p.command(t, "elect", term)
	} else {
		p.command(t, "leader", nil)
	}
	p.command(t, "apply", []string{"5"})
	p.show = show
}

func (p *player) hookIs(how string) {
	p.hook = strings.TrimPrefix(how, "returns")
	if p.hook == "" {
		for id := range p.giving {
			p.returns(id)
		}
	}
}

// report has an actor or the user say something.
func (p *player) report(t *testing.T, verb string, args []string) {
	t.Helper()
	first := ""
	if len(args) > 0 {
		first = args[0]
	}
	switch verb {
	case "leader":
		p.from(Elector, &LeaderSeen{})
	case "elect":
		p.from(Elector, &Elected{Fence: store.Fence{Term: number(t, first), Revision: 100 + number(t, first)}, Heir: number(t, first) > 1})
	case "depose":
		why := store.ErrLost
		if first == "restored" {
			why = fmt.Errorf("%w: %w", why, store.ErrRolledBack)
		}
		p.from(Elector, &Deposed{fmt.Errorf("renew leadership: %w", why)})
	case "fence":
		p.from(Calculator, &FenceLost{p.fence, store.ErrDeposed})
	case "sight":
		p.from(Calculator, &SightLost{errors.New("the heartbeats are not seen")})
	case "meet":
		p.from(Follower, &PositionMet{at(number(t, first), int64(number(t, args[1])))})
	case "phase":
		p.from(Follower, &PhaseMet{Phase: record.Phase(first), Reads: record.Newest})
	case "show":
		p.from(Follower, &Showing{int64(number(t, first))})
	case "apply":
		p.from(Follower, &Applied{Position: at(1, int64(number(t, first))), Awaited: len(args) > 1, Asks: slices.Contains(args, "asks")})
	case "vacated", "recorded":
		p.from(Follower, &Vacated{verb == "vacated"})
	case "damped":
		p.from(Follower, &Damped{p.now.Add(duration(t, first))})
	case "unknown":
		p.from(Kind(first), &FormatMet{Kind(first), record.ErrFormat})
	case "known":
		p.from(Kind(first), &FormatMet{By: Kind(first)})
	case "lose":
		why := map[string]error{"late": store.ErrLate, "taken": store.ErrLost, "restored": store.ErrRolledBack}[first]
		require.NotNil(t, why)
		p.from(Claimer, &Lost{why})
	case "drain":
		if first == "" {
			first = "0"
		}
		p.drain(duration(t, first))
	case "cordon", "uncordon":
		p.tell(&CordonAsked{verb == "cordon"})
	case "leave":
		p.tell(&LeaveAsked{})
	case "close":
		p.tell(&LeaveAsked{errors.New("connection to the store is closed")})
	case "foreign":
		p.from(Follower, &LeaveAsked{errors.New("the group belongs to another application")})
	case "held":
		p.tell(&Held{args})
	case "call":
		p.tell(&CallBegan{Name: first, What: first + " returns", Since: p.now})
	case "returned":
		p.tell(&CallEnded{first})
	default:
		t.Fatalf("unknown command %q", verb)
	}
}
