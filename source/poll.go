// Copyright The Parti Authors
// SPDX-License-Identifier: Apache-2.0

package source

import (
	"context"
	"encoding/hex"
	"slices"
	"strconv"
	"time"

	"github.com/cespare/xxhash/v2"

	"github.com/parti-go/parti"
)

const (
	// leastEvery is the shortest interval of a poll, because a leader lists its source once a second at most.
	leastEvery = time.Second
	// leastPatience is the shortest timeout of a poll.
	leastPatience = 10 * time.Second
	// failing is the fingerprint of a source that cannot be read. It is the same for all failures, so a continued failure is not
	// a change.
	failing = "failing"
)

// poll reads a source regularly, and calls changed when its fingerprint differs or when it can no longer be read. The leader
// then finds out why, reports it, and asks again until it gets an answer. poll also calls changed once at the beginning,
// because the source may have changed between the last listing and the first look.
func poll(ctx context.Context, every time.Duration, look func(ctx context.Context) (string, error), changed func()) error {
	looks := func() string {
		ctx, cancel := context.WithTimeout(ctx, max(every, leastPatience))
		defer cancel()
		is, err := look(ctx)
		if err != nil {
			return failing
		}
		return is
	}
	ticks := time.NewTicker(every)
	defer ticks.Stop()
	for was := ""; ; {
		is := looks()
		if ctx.Err() != nil {
			return ctx.Err()
		}
		if is != was {
			was = is
			changed()
		}
		select {
		case <-ticks.C:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// fingerprint identifies a list, whatever its order is.
func fingerprint(list []parti.Partition) string {
	lines := make([]string, len(list))
	for i, p := range list {
		lines[i] = p.ID() + " " + strconv.FormatInt(p.Weight, 10)
	}
	slices.Sort(lines)
	d := xxhash.New()
	for _, line := range lines {
		_, _ = d.WriteString(line + "\n")
	}
	return hex.EncodeToString(d.Sum(nil))
}
