// Copyright The Parti Authors
// SPDX-License-Identifier: Apache-2.0

package parti

import (
	"os"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// TestTheFiguresOfTheReadmeFollowFromTheConfiguration: each figure is written as the formula that it comes from, so whoever
// changes a default sees which promises change with it. That fleets keep them is shown by the tests in docs/verification.md.
func TestTheFiguresOfTheReadmeFollowFromTheConfiguration(t *testing.T) {
	text, err := os.ReadFile("README.md")
	require.NoError(t, err)
	lines := strings.Split(string(text), "\n")
	c := DefaultConfig()
	const (
		reaction = 350 * time.Millisecond // of the store, which reports what has expired, and of the leader
		takeover = 50 * time.Millisecond  // of a new leader, until it knows what the group does
	)
	trusted := c.HeartbeatTTL - c.HeartbeatTTL/4
	beats := float64(time.Second)/float64(c.HeartbeatInterval) + float64(time.Second)/float64(c.WorkerIDTTL/3)
	for line, figures := range map[string][]string{
		"| **One owner.**":                        {"for more than " + seconds(c.HeartbeatTTL-trusted) + " after its worker has lost its lease"},
		"| **Urgent work waits for nothing.**":    {"they are collected for " + seconds(c.PlannedScaleWindow)},
		"| **A restart moves nothing.**":          {"under its ID within " + seconds(c.PlannedScaleWindow)},
		"| **A crash loop is damped.**":           {"up to " + map[time.Duration]string{5 * time.Minute: "five minutes"}[c.FlapBackoff] + "."},
		"| a group starts |":                      {"After " + seconds(c.ColdStartWindow)},
		"| a worker joins |":                      {"After " + seconds(c.PlannedScaleWindow) + " (" + seconds(c.PlannedScaleWindow+c.RebalanceCooldown) + " right after"},
		"| a worker stops and stays away |":       {"away for " + seconds(c.PlannedScaleWindow), "| " + seconds(c.PlannedScaleWindow+reaction) + " |"},
		"| a worker crashes |":                    {"| " + seconds(c.HeartbeatTTL+reaction) + " |"},
		"| the leader crashes |":                  {"after " + seconds(c.LeaderTTL+reaction) + " at most", "| " + seconds(c.HeartbeatTTL+reaction+takeover) + " |"},
		"| more than a fifth of the workers,":     {"waits " + seconds(c.HeartbeatTTL) + " more", "| " + seconds(2*c.HeartbeatTTL+reaction) + " |"},
		"| a killed process starts again":         {"back within " + seconds(c.HeartbeatTTL-c.HeartbeatInterval)},
		"| a handler returns an error or panics":  {"again after " + seconds(defaultRestartFirst), "up to " + seconds(defaultRestartMost)},
		"| the store is away for less than about": {"about " + seconds(trusted-c.HeartbeatInterval)},
		"| nothing happens |":                     {"writes " + strconv.FormatFloat(beats, 'g', 2, 64) + " times a second"},
	} {
		at := 0
		for ; at < len(lines) && !strings.HasPrefix(lines[at], line); at++ {
		}
		require.Less(t, at, len(lines), "the README has no line %q", line)
		for _, figure := range figures {
			assert.Contains(t, lines[at], figure)
		}
	}
	assert.InDelta(t, 0.2, c.MassLossRatio, 1e-9, "more than a fifth")
}

// seconds writes a time as the README does: 6.35 s.
func seconds(d time.Duration) string { return strconv.FormatFloat(d.Seconds(), 'g', -1, 64) + " s" }
