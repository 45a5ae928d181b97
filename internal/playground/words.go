// Copyright The Parti Authors
// SPDX-License-Identifier: Apache-2.0

package playground

import (
	"time"

	"github.com/parti-go/parti/internal/record"
	"github.com/parti-go/parti/internal/sim"
)

// This file has the words in which the page is told. Those of a group are the words of package web, so that both pages share what
// reads and draws them.

// frame is what the page is told at once.
type frame struct {
	At         int64          `json:"at"` // milliseconds since 1970, as all times
	Running    int            `json:"running"`
	Partitions int            `json:"partitions"`
	Refused    int            `json:"refused"`
	Broken     []string       `json:"broken,omitempty"`
	Down       bool           `json:"down"`
	Group      bool           `json:"group"` // the delta is from nothing
	Delta      *deltaWords    `json:"delta,omitempty"`
	Changes    []changeWords  `json:"changes,omitempty"`
	News       []newsWords    `json:"news,omitempty"`
	Fleet      []processWords `json:"fleet"`
}

type deltaWords struct {
	Seq     uint64     `json:"seq"`
	At      int64      `json:"at"`
	Group   string     `json:"group"`
	Leader  string     `json:"leader"`
	Stale   int64      `json:"stale"`
	Unowned int        `json:"unowned"`
	Plan    *planWords `json:"plan,omitempty"`
	Workers []worker   `json:"workers,omitempty"`
	Gone    []string   `json:"gone,omitempty"`
	Set     [][6]any   `json:"set,omitempty"`   // partition, worker, epoch, since, releasing, idle
	Unset   [][2]any   `json:"unset,omitempty"` // partition, worker
}

type planWords struct {
	Term        uint64             `json:"term"`
	Version     int64              `json:"version"`
	Phase       record.Phase       `json:"phase"`
	Lifecycle   record.Lifecycle   `json:"lifecycle"`
	Partitions  int                `json:"partitions"`
	Stored      int64              `json:"stored"`
	Certificate record.Certificate `json:"certificate"`
}

type changeWords struct {
	At        int64  `json:"at"`
	Partition string `json:"partition"`
	From      string `json:"from"`
	To        string `json:"to"`
	Epoch     int64  `json:"epoch"`
	Version   int64  `json:"version"`
	Term      uint64 `json:"term"`
	By        string `json:"by"`
	Why       string `json:"why"`
}

type newsWords struct {
	At   int64  `json:"at"`
	Kind string `json:"kind"`
	Text string `json:"text"`
}

var kinds = map[sim.NewsKind]string{sim.Done: "done", sim.Seen: "seen", sim.Refused: "refused", sim.Over: "over"}

// processWords is a process. Its trust and its lease are in milliseconds from now.
type processWords struct {
	Name   string `json:"name"`
	Worker string `json:"worker"`
	State  string `json:"state"`
	Mood   string `json:"mood"` // "", or what the player has done to it
	Leader bool   `json:"leader"`
	Frozen bool   `json:"frozen"`
	Cut    bool   `json:"cut"`
	Jammed bool   `json:"jammed"`
	Dead   bool   `json:"dead"`
	Trust  int64  `json:"trust"`
	Lease  int64  `json:"lease"`
	Runs   int    `json:"runs"`
}

func processOf(p *sim.Process) processWords {
	words := processWords{
		Name: p.Name, Worker: p.Worker, State: state(p), Mood: mood(p), Leader: p.Leader, Frozen: p.Frozen, Cut: p.Cut, Jammed: p.Jammed, Dead: p.Dead,
		Trust: p.Trust.Milliseconds(), Lease: p.Lease.Milliseconds(),
	}
	if !p.Frozen {
		words.Runs = len(p.Owned)
	}
	return words
}

func state(p *sim.Process) string {
	switch {
	case p.Dead:
		return "Shutdown"
	case p.State == "":
		return "Init"
	}
	return p.State
}

func mood(p *sim.Process) string {
	switch {
	case p.Clean:
		return "stopped"
	case p.Dead:
		return "killed"
	case p.Frozen && p.Cut:
		return "frozen, cut off"
	case p.Frozen:
		return "frozen"
	case p.Cut:
		return "cut off"
	case p.Jammed:
		return "jammed"
	case p.Leaving:
		return "leaving"
	}
	return ""
}

func planOf(v *sim.View) planWords {
	return planWords{
		Term: v.Plan.Term, Version: v.Plan.Version, Phase: v.Plan.Phase, Lifecycle: v.Plan.Lifecycle, Partitions: v.Plan.Partitions,
		Stored: milliseconds(v.Planned), Certificate: v.Plan.Certificate,
	}
}

// milliseconds is a time as the page reads it: 0 for the zero time.
func milliseconds(t time.Time) int64 {
	if t.IsZero() {
		return 0
	}
	return t.UnixMilli()
}
