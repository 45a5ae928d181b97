// Copyright The Parti Authors
// SPDX-License-Identifier: Apache-2.0

package playground

import (
	"fmt"
	"time"

	"github.com/parti-go/parti/internal/sim"
)

// scenes are stories that are told with one click.
var scenes = map[string]func(s *Stage) error{
	"crash":  func(s *Stage) error { return s.one(false, s.play.Kill) },
	"leader": func(s *Stage) error { return s.one(true, s.play.Kill) },
	"mass": func(s *Stage) error {
		return s.some(func(alive int) int { return (alive*2 + 4) / 5 }, s.play.Kill)
	},
	"freeze": func(s *Stage) error {
		return s.one(false, func(process string) error { return s.forAWhile(process, 20*time.Second, s.play.Freeze, s.play.Thaw) })
	},
	"cut": func(s *Stage) error {
		return s.one(false, func(process string) error { return s.forAWhile(process, 20*time.Second, s.play.Cut, s.play.Heal) })
	},
	"jam":     func(s *Stage) error { return s.one(false, s.jam) },
	"rolling": (*Stage).rolling,
	"drain":   func(s *Stage) error { return s.one(false, s.play.Drain) },
	"scale": func(s *Stage) error {
		for range 3 {
			if _, err := s.play.Add(); err != nil {
				return err
			}
		}
		return nil
	},
	"store": func(s *Stage) error {
		s.play.After(8*time.Second, func() { _ = s.play.StartStore() }) // the player may have been faster
		return s.play.StopStore()
	},
}

// Scene begins a scene.
func (s *Stage) Scene(name string) error {
	scene := scenes[name]
	if scene == nil {
		return fmt.Errorf("%w: scene %q, allowed: %s", sim.ErrImpossible, name, names(scenes))
	}
	return scene(s)
}

// well returns the processes that have a worker ID and that nothing was done to.
func (s *Stage) well() (leaders, others []string) {
	for _, p := range s.play.Look().Processes {
		switch {
		case mood(&p) != "" || p.Worker == "":
		case p.Leader:
			leaders = append(leaders, p.Name)
		default:
			others = append(others, p.Name)
		}
	}
	return leaders, others
}

// one does something to the leader, or to any other process.
func (s *Stage) one(leads bool, do func(process string) error) error {
	leaders, others := s.well()
	from, kind := others, "follower"
	if leads {
		from, kind = leaders, "leader"
	}
	if len(from) == 0 {
		return fmt.Errorf("%w: there is no %s that is well", sim.ErrImpossible, kind)
	}
	return do(from[s.play.Draw(len(from))])
}

// some does something to as many processes that do not lead as count says.
func (s *Stage) some(count func(alive int) int, do func(process string) error) error {
	leaders, others := s.well()
	n := count(len(leaders) + len(others))
	if len(others) < n || n == 0 {
		return fmt.Errorf("%w: %d followers are well, needed: %d", sim.ErrImpossible, len(others), max(n, 1))
	}
	for range n {
		i := s.play.Draw(len(others))
		if err := do(others[i]); err != nil {
			return err
		}
		others = append(others[:i], others[i+1:]...)
	}
	return nil
}

// forAWhile does something to a process, and undoes it unless the process is gone by then or the player was faster.
func (s *Stage) forAWhile(process string, d time.Duration, do, undo func(string) error) error {
	s.play.After(d, func() {
		for _, p := range s.play.Look().Processes {
			if p.Name == process && (p.Frozen || p.Cut) {
				_ = undo(process) // it is possible: it was looked at
			}
		}
	})
	return do(process)
}

// jam drains a process whose handlers do not return for longer than a handoff may take.
func (s *Stage) jam(process string) error {
	if err := s.play.Jam(process); err != nil {
		return err
	}
	s.play.After(time.Minute, func() { _ = s.play.Free(process) }) // it may be gone, or frozen
	return s.play.Drain(process)
}

// rolling restarts one process after the other, as a deploy does: stop one, start its successor, and go on when that is ready.
func (s *Stage) rolling() error {
	leaders, others := s.well()
	var restart func(rest []string)
	var follow func(rest []string, before, after string)
	restart = func(rest []string) {
		if len(rest) == 0 {
			return
		}
		if s.play.Stop(rest[0]) != nil { // it is gone
			restart(rest[1:])
			return
		}
		follow(rest[1:], rest[0], "")
	}
	follow = func(rest []string, before, after string) {
		s.play.After(250*time.Millisecond, func() {
			switch {
			case after == "" && s.alive(before):
			case after == "":
				var err error
				if after, err = s.play.Add(); err != nil {
					return
				}
			case s.ready(after) || !s.alive(after):
				restart(rest)
				return
			}
			follow(rest, before, after)
		})
	}
	restart(append(others, leaders...)) // so that leadership moves once
	return nil
}

func (s *Stage) alive(process string) bool {
	for _, p := range s.play.Look().Processes {
		if p.Name == process {
			return !p.Dead
		}
	}
	return false
}

func (s *Stage) ready(process string) bool {
	for _, p := range s.play.Look().Processes {
		if p.Name == process {
			return p.State == "Stable" && len(p.Owned) > 0
		}
	}
	return false
}
