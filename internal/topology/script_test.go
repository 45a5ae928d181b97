// Copyright The Parti Authors
// SPDX-License-Identifier: Apache-2.0

package topology

import (
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

var update = flag.Bool("update", false, "rewrite what the scripts expect")

// TestScripts plays testdata/*.txt: a sentence that says what must be true, commands, "----", what follows.
//
//	plan a b c      the members of the last plan; without it there is none
//	set KEY VALUE   of the configuration
//	seen a b        they live, and beat every 2 s from now on
//	left a, lost a  their heartbeats are deleted, have expired
//	silent a        lives as far as is known, and beats no more
//	replaced a      lives in a session that the plan does not know
//	begin [here]    the leader knows what it found; its own session is one of the plan's
//	leaving a, staying a  they announce that they leave, or take it back
//	failed a        begins anew after a panic
//	uneven yes|no   the strategy would move something that the last plan left where it is
//	run 12s         time passes; decisions are taken, plans stored, handoffs acknowledged
//	altered yes|no  members describe themselves otherwise than when they were planned for
//	partitions, weights, resume, hold (handoffs stay open), settle
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

type player struct {
	cfg     Config
	topo    *Topology
	start   time.Time
	now     time.Time
	members []string
	planned bool
	beats   map[string]bool
	hold    bool
	phase   Phase
	damped  map[Damping]bool
	out     strings.Builder
}

func play(t *testing.T, script string) string {
	t.Helper()
	start := time.Date(2000, 1, 1, 0, 0, 0, 0, time.UTC)
	p := &player{start: start, now: start, damped: map[Damping]bool{}, beats: map[string]bool{}, cfg: Config{
		ColdStartWindow: 30 * time.Second, PlannedScaleWindow: 10 * time.Second, RestartDetectionRatio: 0.5, MassLossRatio: 0.2,
		HeartbeatInterval: 2 * time.Second, HeartbeatTTL: 6 * time.Second, RebalanceCooldown: 10 * time.Second,
		FlapBackoff: 5 * time.Minute,
	}}
	_, commands, _ := strings.Cut(script, "\n\n")
	for _, line := range strings.Split(strings.TrimSpace(commands), "\n") {
		words := strings.Fields(line)
		require.NotEmpty(t, words, "an empty line among the commands")
		p.command(t, words[0], words[1:])
	}
	return p.out.String()
}

func (p *player) command(t *testing.T, verb string, args []string) {
	t.Helper()
	if p.topo == nil && verb != "plan" && verb != "set" {
		p.topo = New(p.cfg, p.now, p.members, p.planned)
	}
	each := func(f func(string)) {
		for _, a := range args {
			f(a)
		}
	}
	switch verb {
	case "plan":
		p.members, p.planned = args, true
	case "set":
		p.set(t, args[0], args[1])
	case "seen":
		each(func(w string) { p.beats[w] = true; p.topo.Seen(p.now, w) })
	case "silent":
		each(func(w string) { delete(p.beats, w) })
	case "left":
		each(func(w string) { delete(p.beats, w); p.topo.Left(p.now, w, 0) })
	case "lost":
		each(func(w string) { delete(p.beats, w); p.topo.Lost(p.now, w) })
	case "replaced":
		each(p.topo.Replaced)
	case "begin":
		p.topo.Begin(p.now, len(args) > 0)
	case "leaving":
		each(func(w string) { p.topo.Leaving(p.now, w, true) })
	case "staying":
		each(func(w string) { p.topo.Leaving(p.now, w, false) })
	case "failed":
		each(func(w string) { p.topo.Failed(p.now, w) })
	case "uneven":
		p.topo.Uneven(p.now, args[0] == "yes")
	case "partitions":
		p.topo.PartitionsChanged(p.now, Partitions)
	case "weights":
		p.topo.PartitionsChanged(p.now, Weights)
	case "altered":
		p.topo.MembersAltered(p.now, args[0] == "yes")
	case "resume":
		p.topo.Unplanned()
	case "hold":
		p.hold = true
	case "settle":
		p.hold = false
		p.topo.Settled()
	case "run":
		d, err := time.ParseDuration(args[0])
		require.NoError(t, err)
		p.run(t, p.now.Add(d))
		return
	default:
		t.Fatalf("unknown command %q", verb)
	}
	if verb != "set" && verb != "plan" {
		p.decide(t)
	}
}

func (p *player) set(t *testing.T, key, value string) {
	t.Helper()
	d, _ := time.ParseDuration(value)
	switch key {
	case "grace":
		p.cfg.EmergencyGracePeriod = d
	case "cooldown":
		p.cfg.RebalanceCooldown = d
	case "flap":
		p.cfg.FlapBackoff = d
	case "expected":
		_, err := fmt.Sscan(value, &p.cfg.ExpectedWorkers)
		require.NoError(t, err)
	default:
		t.Fatalf("unknown setting %q", key)
	}
}

// run lets time pass in steps of a beat or up to the next wake, whichever is sooner.
func (p *player) run(t *testing.T, until time.Time) {
	t.Helper()
	beat := p.now.Add(p.cfg.HeartbeatInterval)
	for p.now.Before(until) {
		next := sooner(beat, until)
		if wake := p.decide(t); wake.After(p.now) {
			next = sooner(next, wake)
		}
		p.now = next
		if !p.now.Before(beat) {
			for w := range p.beats {
				p.topo.Seen(p.now, w)
			}
			beat = p.now.Add(p.cfg.HeartbeatInterval)
		}
	}
	p.decide(t)
}

// decide does what the decision says, until there is nothing to do.
func (p *player) decide(t *testing.T) time.Time {
	t.Helper()
	for range 10 {
		d := p.topo.Decide(p.now)
		again := p.topo.Decide(p.now)
		slices.Sort(d.Members)
		require.Equal(t, d, again, "deciding twice decides the same")
		p.note(d.Phase)
		p.noteDampings()
		require.NoError(t, p.topo.Valid())
		if !d.Act {
			require.True(t, d.Wake.IsZero() || d.Wake.After(p.now), "a wake that is not in the future would spin")
			return d.Wake
		}
		verb := map[bool]string{true: "move", false: "place"}[d.Moves]
		away := ""
		if len(d.Away) > 0 {
			away = ", away: " + strings.Join(d.Away, " ")
		}
		fmt.Fprintf(&p.out, "%s %s: %s for %s%s\n", p.now.Sub(p.start), verb, d.Kind, strings.Join(d.Members, " "), away)
		p.topo.Planned(p.now, d)
		p.note(p.topo.Decide(p.now).Phase)
		if !p.hold {
			p.topo.Settled()
		}
	}
	t.Fatalf("acting for ever\n%s", p.out.String())
	return time.Time{}
}

func (p *player) note(phase Phase) {
	if phase != p.phase {
		p.phase = phase
		fmt.Fprintf(&p.out, "%s %s\n", p.now.Sub(p.start), phase)
	}
}

func (p *player) noteDampings() {
	for _, d := range p.topo.Dampings(p.now) {
		if !p.damped[d] {
			p.damped[d] = true
			fmt.Fprintf(&p.out, "%s %s waits until %s after %d failures\n", p.now.Sub(p.start), d.Worker, d.Until.Sub(p.start), d.Failures)
		}
	}
}
