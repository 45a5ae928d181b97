// Copyright The Parti Authors
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"fmt"
	"io"
	"os"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/parti-go/parti"
)

// screen prints calmly: what happens to several workers at about the same time is one line.
type screen struct {
	out    io.Writer
	colour bool

	mu     sync.Mutex
	began  time.Time // the step
	events []event   // not printed yet, oldest first
	owners map[string]string
}

type event struct {
	at   time.Time
	what string
	who  []string
}

// wantsColour: on a terminal, unless NO_COLOR asks for none.
func wantsColour(f *os.File) bool {
	info, err := f.Stat()
	return err == nil && info.Mode()&os.ModeCharDevice != 0 && os.Getenv("NO_COLOR") == "" && os.Getenv("TERM") != "dumb"
}

func newScreen(out io.Writer, colour bool) *screen {
	return &screen{out: out, colour: colour, began: time.Now(), owners: map[string]string{}}
}

// The few colours there are.
const (
	dim    = "2"
	bold   = "1"
	green  = "32"
	yellow = "33"
)

func (s *screen) paint(code, text string) string {
	if !s.colour {
		return text
	}
	return "\x1b[" + code + "m" + text + "\x1b[0m"
}

func (s *screen) printf(format string, args ...any) { _, _ = fmt.Fprintf(s.out, format, args...) }

func (s *screen) title(server string, cfg parti.Config) {
	s.printf("\n  %s\n\n", s.paint(bold, "parti: a fleet divides its work"))
	for _, line := range [][2]string{
		{"server", "NATS, " + server},
		{"work", fmt.Sprintf("%d partitions, orders.00 to orders.%d, by consistent hashing", partitions, partitions-1)},
		{"windows", fmt.Sprintf("cold start %s, planned change %s (defaults 30s, 10s)", cfg.ColdStartWindow, cfg.PlannedScaleWindow)},
		{"leases", fmt.Sprintf("a worker is dead after %s of silence, a leader after %s (defaults 6s, 3s)", cfg.HeartbeatTTL, cfg.LeaderTTL)},
	} {
		s.printf("  %s  %s\n", s.paint(dim, fmt.Sprintf("%-7s", line[0])), line[1])
	}
}

// address says where the page is, once and where nobody overlooks it.
func (s *screen) address(url string) {
	s.printf("  %s  %s\n", s.paint(dim, fmt.Sprintf("%-7s", "page")), s.paint(bold, url))
}

func (s *screen) step(n int, name string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.began = time.Now()
	s.printf("\n  %s\n\n", s.paint(bold, fmt.Sprintf("%d  %s", n, name)))
}

// event notes what happened to a worker.
func (s *screen) event(what, who string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for i := range s.events {
		if s.events[i].what == what {
			if !slices.Contains(s.events[i].who, who) {
				s.events[i].who = append(s.events[i].who, who)
			}
			return
		}
	}
	s.events = append(s.events, event{time.Now(), what, []string{who}})
}

// flush prints what happened at least age ago.
func (s *screen) flush(age time.Duration) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for len(s.events) > 0 && time.Since(s.events[0].at) >= age {
		e := s.events[0]
		s.events = s.events[1:]
		slices.Sort(e.who)
		at := max(e.at.Sub(s.began), 0)
		s.printf("  %s  %-34s %s\n", s.paint(dim, fmt.Sprintf("%6.2fs", at.Seconds())), e.what, s.paint(dim, strings.Join(e.who, "  ")))
	}
}

// table shows who owns what, and with a plus what it did not own before.
func (s *screen) table(shares []share, o outcome) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.printf("\n")
	before := s.owners
	s.owners = map[string]string{}
	for _, sh := range shares {
		var cells strings.Builder
		for _, p := range sh.owns {
			s.owners[p] = sh.id
			if was := before[p]; was != "" && was != sh.id {
				cells.WriteString(s.paint(green, " +"+p))
			} else {
				cells.WriteString("  " + p)
			}
		}
		star := " "
		if sh.leads {
			star = s.paint(yellow, "*")
		}
		s.printf("  %-9s %s %s  %s\n", sh.id, star, s.paint(dim, fmt.Sprintf("%2d", len(sh.owns))), cells.String())
	}
	s.printf("\n  %s\n", s.paint(bold, fmt.Sprintf("%d of %d moved, settled after %s%s", o.moved, partitions, seconds(o.took), without(o))))
}

func without(o outcome) string {
	if o.gap == 0 {
		return ""
	}
	return ", at most " + seconds(o.gap) + " without an owner"
}

func (s *screen) summary(outcomes []outcome, overlaps int) {
	s.printf("\n  %s\n\n", s.paint(bold, "summary"))
	s.printf("  %s\n", s.paint(dim, fmt.Sprintf("%-26s %6s %9s %20s", "", "moved", "settled", "longest without owner")))
	for _, o := range outcomes {
		gap := "-"
		if o.gap > 0 {
			gap = seconds(o.gap)
		}
		s.printf("  %-26s %6d %9s %21s\n", o.name, o.moved, seconds(o.took), gap)
	}
	s.printf("\n  two owners at once: %s\n", s.paint(bold, fmt.Sprint(overlaps)))
	s.printf("  %s\n\n", s.paint(dim, "* leads   + moved here   a planned change waits for its window, a crash for the heartbeat to expire"))
}

func seconds(d time.Duration) string {
	if d < 100*time.Millisecond {
		return fmt.Sprintf("%.1fms", float64(d.Microseconds())/1000)
	}
	return fmt.Sprintf("%.2fs", d.Seconds())
}
