// Copyright The Parti Authors
// SPDX-License-Identifier: Apache-2.0

package leader

import (
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/parti-go/parti/internal/record"
	"github.com/parti-go/parti/strategy"
)

var update = flag.Bool("update", false, "rewrite what the scripts expect")

// TestScripts plays testdata/*.txt: a sentence that says what must be true, commands, "----", the effects. The world answers
// at once and obeys: heartbeats come every 2 s and expire after 6 s, records are applied, the strategy is Sticky.
//
//	set KEY VALUE              of the configuration
//	source p1 p2:200           the source lists these from now on, with their weights
//	version 2                  of the source, from now on
//	stored a/7@3 p1@1 -p2@2/3  a stored record: worker a, session 7, version 3, owns p1 with epoch 1, releases p2 since 3; -p2@2/3! is not listed
//	plan 3 a b c               the stored plan has version 3 and these members, and was made for what the source lists
//	earlier                    the plan is as an earlier release stores it: it says nothing of names
//	damped d 2m                the stored plan holds a worker back for so long
//	emptied                    somebody empties the store of the assignments
//	garbage a                  the record of a worker cannot be read
//	lead a/7                   a leader begins, in that session
//	up a/7 b/8                 they live and beat; more words on the line: leaving cordoned failed deaf behind stuck=what old capacity=50 shown=7 applied=9
//	down a, leave a            they die, leave cleanly
//	is a leaving               what a heartbeat says from now on, as for up; "is a" takes it back
//	garble a                   somebody overwrites a heartbeat
//	refresh                    somebody asks for a listing
//	changed, changed 100ms 50  the source says that its list has changed: once, or so many times with that pause
//	takes 3s                   how long the source takes from now on
//	shows                      listings are among the effects from now on
//	measures                   so is what is measured
//	strategy, store, listing, lookup  ok or how they fail: slow, fails, hangs; refuses, too large, unknown, silent; fails; fails
//	pools                      the strategy gives partitions x… to nobody
//	careless                   the strategy gives everything to the last worker, whether it may or not
//	blind, sees                the heartbeats are not verified; they are
//	run 12s, owners            time passes; who runs what
func TestScripts(t *testing.T) {
	files, err := filepath.Glob("testdata/*.txt")
	require.NoError(t, err)
	require.GreaterOrEqual(t, len(files), 25)
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
	out   strings.Builder
	lists bool

	measures bool
}

func play(t *testing.T, script string) string {
	t.Helper()
	p := &player{world: newWorld(t)}
	p.show = func(e Effect) {
		switch e.(type) {
		case *Wake, *Read, *Follow:
		case *List:
			if p.lists {
				p.print(e.String())
			}
		case *Measure:
			if p.measures {
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

func (p *player) print(line string) {
	fmt.Fprintf(&p.out, "%s %s\n", p.now.Sub(start), line)
}

func number(t *testing.T, s string) int64 {
	t.Helper()
	n, err := strconv.ParseInt(s, 10, 64)
	require.NoError(t, err)
	return n
}

// sessionOf reads "a/7@3".
func sessionOf(t *testing.T, s string) (worker string, session uint64, version int64) {
	t.Helper()
	who, at, found := strings.Cut(s, "@")
	worker, n, _ := strings.Cut(who, "/")
	if found {
		version = number(t, at)
	}
	return worker, uint64(number(t, n)), version
}

func (p *player) command(t *testing.T, verb string, args []string) {
	t.Helper()
	rest := strings.Join(args, " ")
	switch verb {
	case "set":
		p.set(t, args[0], args[1])
	case "source":
		p.source = args
	case "version":
		p.version = uint64(number(t, args[0]))
	case "stored":
		p.stored(t, args)
	case "plan":
		p.planned(t, args)
	case "earlier":
		p.plan.Names, p.plan.Sample = "", nil
	case "damped":
		d, err := time.ParseDuration(args[1])
		require.NoError(t, err)
		p.plan.Damped = append(p.plan.Damped, record.Damped{Worker: args[0], Until: p.now.Add(d)})
	case "emptied":
		p.plan = record.Plan{}
		clear(p.records)
	case "garbage":
		p.garbage = args
	case "lead":
		id, session, _ := sessionOf(t, args[0])
		p.cfg.Worker, p.cfg.Session = id, session
		p.lead()
	case "up", "is":
		p.describe(t, verb, args)
	case "down":
		for _, id := range args {
			p.down(id)
		}
	case "leave":
		for _, id := range args {
			p.leave(id)
		}
	case "garble":
		p.tell(&Garbled{Worker: rest, Revision: 99, Stored: p.now, Err: record.ErrCorrupt})
	case "refresh":
		p.refreshes++
		p.tell(&RefreshAsked{p.refreshes})
	case "changed":
		p.changed(t, args)
	case "takes":
		p.slow, _ = time.ParseDuration(rest)
	case "shows":
		p.lists = true
	case "measures":
		p.measures = true
	case "strategy":
		p.failing = strings.TrimPrefix(rest, "ok")
	case "pools":
		p.strategy = pools{}
	case "careless":
		p.strategy = careless{}
	case "store":
		p.refusing = strings.TrimPrefix(rest, "ok")
		p.release()
	case "listing":
		p.unlisted = rest == "fails"
	case "lookup":
		p.lost = rest == "fails"
	case "blind":
		p.tell(&Blind{p.now})
	case "sees":
		p.tell(&Synced{})
	case "run":
		d, err := time.ParseDuration(rest)
		require.NoError(t, err)
		p.run(d)
	case "owners":
		p.print(p.owners())
	default:
		t.Fatalf("unknown command %q", verb)
	}
}

// release stores what was written while the store was silent.
func (p *player) release() {
	for _, e := range p.unanswered {
		if w, is := e.(*Write); is && p.refusing == "" {
			p.store(w)
		}
	}
	p.unanswered = nil
}

func (p *player) changed(t *testing.T, args []string) {
	t.Helper()
	if len(args) == 0 {
		p.tell(&SourceChanged{})
		return
	}
	pause, err := time.ParseDuration(args[0])
	require.NoError(t, err)
	for range number(t, args[1]) {
		p.tell(&SourceChanged{})
		p.run(pause)
	}
}

func (p *player) set(t *testing.T, key, value string) {
	t.Helper()
	switch key {
	case "confirmations":
		p.cfg.ShrinkConfirmations = int(number(t, value))
		return
	case "described":
		p.cfg.Strategy = value
		return
	case "term":
		p.cfg.Term = uint64(number(t, value))
		return
	case "heir":
		p.cfg.Heir = value == "yes"
		return
	case "floor":
		p.cfg.Floor = number(t, value)
		return
	case "seen":
		p.cfg.Seen = number(t, value)
		return
	}
	d, err := time.ParseDuration(value)
	require.NoError(t, err)
	switch key {
	case "grace":
		p.cfg.Topology.EmergencyGracePeriod = d
	case "coldstart":
		p.cfg.Topology.ColdStartWindow = d
	case "handoff":
		p.cfg.HandoffTimeout = d
	case "relist":
		p.cfg.RelistInterval = d
	default:
		t.Fatalf("unknown setting %q", key)
	}
}

func (p *player) stored(t *testing.T, args []string) {
	t.Helper()
	worker, session, version := sessionOf(t, args[0])
	r := record.Assignment{Worker: worker, Session: session, Version: version}
	for _, a := range args[1:] {
		id, epoch, _ := strings.Cut(strings.TrimPrefix(a, "-"), "@")
		epoch, since, releasing := strings.Cut(epoch, "/")
		if releasing {
			since, unlisted := strings.CutSuffix(since, "!")
			r.Releasing = append(r.Releasing, record.Releasing{Partition: id, Epoch: number(t, epoch), Since: number(t, since), Unlisted: unlisted})
		} else {
			r.Owned = append(r.Owned, record.Owned{Partition: id, Epoch: number(t, epoch)})
		}
	}
	p.records[worker] = r
}

func (p *player) planned(t *testing.T, args []string) {
	t.Helper()
	var list []strategy.Partition
	for _, id := range p.source {
		list = append(list, strategy.Partition{Keys: []string{id}})
	}
	l, err := NewListing(list, p.version)
	require.NoError(t, err)
	p.plan = record.Plan{
		Term: 1, Version: number(t, args[0]), Phase: record.PhaseIdle, Lifecycle: record.Stable, Members: args[1:],
		Partitions: len(list), Digest: l.digest, Names: l.names, Sample: l.sample.bytes(), SourceVersion: p.version,
	}
}

// describe starts workers, or changes what their heartbeats say.
func (p *player) describe(t *testing.T, verb string, args []string) {
	t.Helper()
	var those []*member
	var names []string
	var say []string
	for _, a := range args {
		if id, session, found := strings.Cut(a, "/"); found {
			those = append(those, &member{session: uint64(number(t, session)), heard: p.now})
			names = append(names, id)
		} else if m := p.members[a]; verb == "is" && m != nil {
			those = append(those, m)
			names = append(names, a)
			m.leaving, m.cordoned, m.failed, m.deaf, m.capacity, m.reads, m.stuck, m.shown = false, false, false, false, 0, record.Newest, nil, 0
		} else {
			say = append(say, a)
		}
	}
	for i, m := range those {
		if verb == "up" {
			m.reads = record.Newest
		}
		for _, a := range say {
			switch what, value, _ := strings.Cut(a, "="); what {
			case "leaving":
				m.leaving = true
			case "cordoned":
				m.cordoned = true
			case "failed":
				m.failed = true
			case "behind": // it has not applied what is stored, and will not
				m.deaf, m.behind = true, true
			case "stuck":
				m.stuck = append(m.stuck, value)
			case "deaf":
				m.deaf = true
			case "applied":
				m.applied = number(t, value)
			case "old":
				m.reads = record.Oldest
			case "shown": // and not applied yet
				m.shown = number(t, value)
			case "capacity":
				m.capacity = number(t, value)
			default:
				t.Fatalf("unknown description %q", a)
			}
		}
		if id := names[i]; verb == "up" {
			p.stops(id)
			p.members[id] = m
			delete(p.left, id)
			if r := p.records[id]; p.plan.Version > 0 && r.Session == m.session { // it ran before this leader began
				for _, o := range r.Owned {
					p.runs[o.Partition], p.epochs[o.Partition] = fmt.Sprintf("%s/%d", id, m.session), o.Epoch
				}
				if !m.behind {
					m.applied = r.Version
				}
			}
		}
		if p.started {
			p.sendBeat(names[i])
		}
	}
}

// pools lets partitions whose names begin with x wait for a worker that never comes, and gives the rest to Sticky.
type pools struct{}

func (pools) Assign(w []strategy.Worker, p []strategy.Partition, previous []int) ([]int, error) {
	return strategy.NewSticky().Assign(w, p, previous)
}

func (s pools) AssignPrepared(q strategy.Question) (strategy.Plan, error) {
	var waits []int
	for i, p := range q.List.Partitions() {
		if strings.HasPrefix(p.ID(), "x") {
			waits = append(waits, i)
		}
	}
	next, err := s.Assign(q.Workers, q.List.Partitions(), q.Previous)
	if err != nil || len(waits) == 0 {
		return strategy.Plan{Owners: next}, err
	}
	cause := `no worker has label "x"`
	if q.Waited[cause] >= 20*time.Second {
		return strategy.Plan{Owners: next, Waits: []strategy.Wait{{Cause: cause, After: 20 * time.Second}}}, nil
	}
	for _, i := range waits {
		next[i] = strategy.None
	}
	return strategy.Plan{Owners: next, Waits: []strategy.Wait{{Cause: cause, Partitions: waits, After: 20 * time.Second}}}, nil
}

// careless gives everything to the last worker.
type careless struct{}

func (careless) Assign(w []strategy.Worker, p []strategy.Partition, _ []int) ([]int, error) {
	next := make([]int, len(p))
	for i := range next {
		next[i] = len(w) - 1
	}
	return next, nil
}
