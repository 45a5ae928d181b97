// Copyright The Parti Authors
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"encoding/json"
	"fmt"
	"io"
	"runtime"
	"strings"
	"time"
)

// result is what a run has found. Times are in seconds, CPU in seconds of one core, memory in megabytes.
type result struct {
	Workers    int    `json:"workers"`
	Partitions int    `json:"partitions"`
	Procs      int    `json:"procs"`
	Cores      int    `json:"cores"`
	Steps      []step `json:"steps"`

	settings settings
}

// step is one row of the table.
type step struct {
	Name           string  `json:"name"`
	Workers        int     `json:"workers"` // alive at the end
	Watched        float64 `json:"watched"`
	Lost           int     `json:"lost"` // partitions without an owner at once, at most
	Reowned        float64 `json:"reowned"`
	Ownerless      float64 `json:"ownerless"` // partition-seconds
	Given          int     `json:"given"`     // partitions that a worker was given
	LeaderCPU      float64 `json:"leaderCPU"`
	FollowerCPU    float64 `json:"followerCPU"` // of one
	FleetCPU       float64 `json:"fleetCPU"`    // of all workers
	ServerCPU      float64 `json:"serverCPU"`
	MessagesIn     float64 `json:"messagesIn"` // per worker and second, as the other three
	MessagesOut    float64 `json:"messagesOut"`
	BytesIn        float64 `json:"bytesIn"`
	BytesOut       float64 `json:"bytesOut"`
	LeaderMemory   float64 `json:"leaderMemory"` // of the process that the leader is in
	OtherMemory    float64 `json:"otherMemory"`  // of another process, on average
	FleetMemory    float64 `json:"fleetMemory"`
	ServerMemory   float64 `json:"serverMemory"`
	ObserverMemory float64 `json:"observerMemory"` // 0 in the first step, which has no observer
	Observed       int     `json:"observed"`       // partitions with a live owner, as the observer sees it
	SessionsLost   int     `json:"sessionsLost"`   // by workers that did not crash
	Problems       int     `json:"problems"`       // that OnError was told of
	// NewLeader says that another worker leads at the end than at the beginning. Where nobody crashed the leader, what it
	// spent cannot be told apart then.
	NewLeader bool     `json:"newLeader"`
	Streams   []stream `json:"streams"`
}

// stream is what a bucket's stream holds after a step, and how many messages the step wrote.
type stream struct {
	Name     string `json:"name"`
	Messages uint64 `json:"messages"`
	Bytes    uint64 `json:"bytes"`
	Written  uint64 `json:"written"`
}

func newResult(set settings) *result {
	return &result{Workers: set.workers, Partitions: set.partitions, Procs: set.procs, Cores: runtime.NumCPU(), settings: set}
}

func (r *result) add(name string, s step) {
	s.Name = name
	r.Steps = append(r.Steps, s)
}

// step returns the row of that name; the zero value if there is none.
func (r *result) step(name string) step {
	for _, s := range r.Steps {
		if s.Name == name {
			return s
		}
	}
	return step{}
}

func (r *result) writeJSON(w io.Writer) error {
	e := json.NewEncoder(w)
	e.SetIndent("", "  ")
	return e.Encode(r)
}

func (r *result) markdown() string {
	var b strings.Builder
	fmt.Fprintf(&b, "%d workers in %d processes, %d partitions, one server process, %d cores; windows: cold start %s, heartbeat TTL %s.\n\n",
		r.Workers, r.Procs, r.Partitions, r.Cores, r.settings.config.ColdStartWindow, r.settings.config.HeartbeatTTL)
	columns := []string{
		"step", "workers", "watched", "re-owned after", "ownerless partition-seconds", "given",
		"CPU: leader", "a follower", "all workers", "server", "messages in per worker and second", "out",
		"MB: leader's process", "another", "server", "an observer", "sessions lost", "problems",
	}
	b.WriteString("| " + strings.Join(columns, " | ") + " |\n|" + strings.Repeat(" --- |", len(columns)) + "\n")
	for _, s := range r.Steps {
		fmt.Fprintf(&b, "| %s | %d | %s | %s | %.0f | %d | %s | %s | %s | %s | %.2f | %.2f | %.0f | %.0f | %.0f | %.0f | %d | %d |\n", s.Name, s.Workers,
			seconds(s.Watched), seconds(s.Reowned), s.Ownerless, s.Given, figure(s.LeaderCPU), figure(s.FollowerCPU), figure(s.FleetCPU),
			figure(s.ServerCPU), s.MessagesIn, s.MessagesOut, s.LeaderMemory, s.OtherMemory, s.ServerMemory, s.ObserverMemory, s.SessionsLost, s.Problems)
	}
	for _, s := range r.Steps {
		if s.NewLeader && s.Name != stepLeader {
			fmt.Fprintf(&b, "\nAnother worker leads at the end of the step %q than at its beginning. Its CPU columns are wrong.\n", s.Name)
		}
	}
	follower, leader := r.step(stepFollower), r.step(stepLeader)
	fmt.Fprintf(&b, "\nThe leader's crash beside the follower's: re-owned after %.2f times as long, %.1f times the CPU of all workers.\n\n",
		ratio(leader.Reowned, follower.Reowned), ratio(leader.FleetCPU, follower.FleetCPU))
	b.WriteString("| stream | messages | bytes | bytes each | written per worker and second, idle |\n|" + strings.Repeat(" --- |", 5) + "\n")
	idle := r.step(stepIdle)
	for _, s := range idle.Streams {
		fmt.Fprintf(&b, "| %s | %d | %d | %.0f | %.3f |\n", s.Name, s.Messages, s.Bytes, ratio(float64(s.Bytes), float64(s.Messages)),
			float64(s.Written)/idle.Watched/float64(idle.Workers))
	}
	return b.String()
}

func ratio(a, b float64) float64 {
	if b == 0 {
		return 0
	}
	return a / b
}

// seconds prints a time; nothing happened in none.
func seconds(s float64) string {
	if s == 0 {
		return "–"
	}
	return fmt.Sprint(time.Duration(s * float64(time.Second)).Round(10 * time.Millisecond))
}

// figure prints three digits.
func figure(f float64) string {
	switch {
	case f >= 100:
		return fmt.Sprintf("%.0f", f)
	case f >= 10:
		return fmt.Sprintf("%.1f", f)
	case f >= 1:
		return fmt.Sprintf("%.2f", f)
	}
	return fmt.Sprintf("%.3f", f)
}
