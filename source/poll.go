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
	// leastEvery is how often a source may be polled: a leader lists it once a second at most.
	leastEvery = time.Second
	// leastPatience is what a poll has to answer, at least.
	leastPatience = 10 * time.Second
	// failing is what a source looks like whose look fails. It says the same of every failure: that it goes on is no change.
	failing = "failing"
)

// poll looks at a source now and then, and calls changed when it looks different than before, or cannot be looked at any
// more: the leader then finds out why, says so, and asks again until it gets an answer. It also calls changed once in the
// beginning, for what changed between the listing before and the first look.
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

// fingerprint tells a list from others, whatever its order is.
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
