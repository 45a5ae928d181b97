// Copyright The Parti Authors
// SPDX-License-Identifier: Apache-2.0

package parti

import (
	"fmt"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

var profiles = []struct {
	name string
	make func() Config
}{
	{"FastConfig", FastConfig}, {"DefaultConfig", DefaultConfig}, {"ClusteredConfig", ClusteredConfig}, {"WideAreaConfig", WideAreaConfig},
}

func TestEveryProfileIsValidAndDrawsNoWarning(t *testing.T) {
	for _, p := range profiles {
		c := p.make()
		require.NoError(t, c.Validate(), p.name)
		assert.Empty(t, c.warnings(), p.name)
		left := c.HeartbeatTTL*3/4 - c.HeartbeatInterval
		assert.Greater(t, c.WorkerIDTTL*3/4-c.WorkerIDTTL/3, left, "%s: claims last longer than heartbeats", p.name)
		assert.LessOrEqual(t, c.LeaderTTL, c.HeartbeatTTL, "%s: the partitions of a crashed leader wait for no more than its heartbeat", p.name)
	}
	c := WideAreaConfig()
	c.KVBuckets.Replicas = 3
	assert.Empty(t, c.warnings(), "its leases outlive the election of a replicated store")
}

// TestTheDocumentationHasTheProfiles: the table of the profiles' values is made from the functions.
func TestTheDocumentationHasTheProfiles(t *testing.T) {
	var table strings.Builder
	table.WriteString("| field |")
	for _, p := range profiles {
		table.WriteString(" `" + p.name + "` |")
	}
	table.WriteString("\n| --- |" + strings.Repeat(" --- |", len(profiles)) + "\n")
	configs := make([]Config, len(profiles))
	for i, p := range profiles {
		configs[i] = p.make()
	}
	for i, s := range configs[0].settings() {
		line, differs := "| `"+s.field+"` |", false
		for j := range configs {
			value := configs[j].settings()[i].value
			if d, is := value.Interface().(time.Duration); is {
				line += " " + brief(d) + " |"
				differs = true // every time is shown, also where all have the same
			} else {
				line += " " + fmt.Sprint(value.Interface()) + " |"
			}
			differs = differs || fmt.Sprint(value.Interface()) != fmt.Sprint(s.value.Interface())
		}
		if differs {
			table.WriteString(line + "\n")
		}
	}
	section(t, "docs/tuning.md", "tuning:profiles", table.String())
}

// TestTheDocumentationOfTuningHasEveryTime: each time has a heading and, below it, a table of what it trades.
func TestTheDocumentationOfTuningHasEveryTime(t *testing.T) {
	text, err := os.ReadFile("docs/tuning.md")
	require.NoError(t, err)
	_, fields, found := strings.Cut(string(text), "\n## The fields\n")
	require.True(t, found)
	sections := strings.Split(fields, "\n### ")
	for _, s := range new(Config).settings() {
		if _, is := s.value.Interface().(time.Duration); !is {
			continue
		}
		name := "`" + s.field + "`"
		rows := 0
		for _, text := range sections {
			heading, body, _ := strings.Cut(text, "\n")
			if strings.Contains(heading, name) {
				rows = strings.Count(body, "\n| ") - 2
			}
		}
		assert.GreaterOrEqual(t, rows, 3, "docs/tuning.md has no measured rows for %s: go run ./integration/tune -write docs/tuning.md", name)
	}
}
