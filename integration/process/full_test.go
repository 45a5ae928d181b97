// Copyright The Parti Authors
// SPDX-License-Identifier: Apache-2.0

//go:build process

package process

import (
	"context"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/nats-io/nats.go/jetstream"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestAFullStoreFencesEverybodyUntilThereIsRoom(t *testing.T) {
	t.Parallel()
	c := newCrew(t, startServer(t, "max_file_store: 8MB"))
	c.start(3, c.server.url())
	c.settle(c.config.ColdStartWindow + 10*time.Second)
	moves := c.checker.Moves()
	_, err := c.js.CreateStream(within(t, 5*time.Second), jetstream.StreamConfig{Name: "FILL", Subjects: []string{"fill"}})
	require.NoError(t, err)

	full := time.Now()
	c.fill()
	c.checker.Note("the store is full")
	for _, p := range c.all() {
		took := c.givesUp(p, full)
		assert.Less(t, took, c.config.HeartbeatTTL, "%s gives up before its leases end for others", p.name)
		t.Logf("%s gave up after %s; it says: %s", p.name, took.Round(time.Millisecond), p.complaints(full))
		assert.Contains(t, p.complaints(full), "insufficient", p.name)
	}

	require.NoError(t, c.js.DeleteStream(within(t, 5*time.Second), "FILL"))
	room := time.Now()
	c.settle(c.config.ColdStartWindow + c.config.WorkerIDTTL + c.config.HeartbeatTTL + 2*busy)
	t.Logf("room again: settled after %s, %d moved", time.Since(room).Round(time.Millisecond), c.checker.Moves()-moves)
	assert.Len(t, c.live(), 3, "nobody has ended")
}

// fill writes until the store refuses.
func (c *crew) fill() {
	c.t.Helper()
	eventually(c.t, 10*time.Second, "the store is full", func() bool {
		for range 256 {
			if _, err := c.js.Publish(context.Background(), "fill", make([]byte, 64<<10)); err != nil {
				return true
			}
		}
		return false
	})
}

// complaints are the distinct errors that a process logged since a time.
func (p *child) complaints(since time.Time) string {
	var errors []string
	for _, l := range p.said(since) {
		if (l.Level == "WARN" || l.Level == "ERROR") && l.Error != "" && !slices.Contains(errors, l.Error) {
			errors = append(errors, l.Error)
		}
	}
	return strings.Join(errors, "; ")
}

func TestAFullDiskFencesEverybodyUntilTheServerIsBack(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	if err := syscall.Mount("tmpfs", dir, "tmpfs", 0, "size=16m"); err != nil {
		t.Skipf("a small disk cannot be mounted: %v", err)
	}
	t.Cleanup(func() { _ = syscall.Unmount(dir, syscall.MNT_DETACH) })
	server := newNode(t, "server", "max_file_store: 1GB", "")
	server.storeIn(dir)
	server.start()
	eventually(t, 10*time.Second, "the server answers", server.answers)
	c := newCrew(t, server)
	c.start(3, c.server.url())
	c.settle(c.config.ColdStartWindow + 10*time.Second)
	moves := c.checker.Moves()

	full := time.Now()
	filler := filepath.Join(dir, "filler")
	fillDisk(t, filler)
	c.checker.Note("the disk is full")
	for _, p := range c.all() {
		eventually(t, 3*c.config.HeartbeatTTL+busy, p.name+" gives up", func() bool { return len(c.checker.Running(p.name)) == 0 })
		t.Logf("%s gave up after %s; it says: %s", p.name, time.Since(full).Round(time.Millisecond), p.complaints(full))
		assert.NotEmpty(t, p.complaints(full), p.name)
	}
	t.Logf("the server says: %s", server.lastWarnings())

	require.NoError(t, os.Remove(filler))
	server.stop()
	server.start()
	room := time.Now()
	c.settle(c.config.ColdStartWindow + c.config.WorkerIDTTL + c.config.HeartbeatTTL + 2*busy)
	t.Logf("room again, server restarted: settled after %s, %d moved", time.Since(room).Round(time.Millisecond), c.checker.Moves()-moves)
	assert.Len(t, c.live(), 3, "nobody has ended")
}

// fillDisk writes a file until there is no room.
func fillDisk(t *testing.T, name string) {
	t.Helper()
	f, err := os.Create(name)
	require.NoError(t, err)
	defer f.Close()
	for size := 1 << 20; size > 0; size /= 2 {
		for err = nil; err == nil; {
			_, err = f.Write(make([]byte, size))
		}
		require.ErrorIs(t, err, syscall.ENOSPC)
	}
}
