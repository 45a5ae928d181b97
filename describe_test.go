// Copyright The Parti Authors
// SPDX-License-Identifier: Apache-2.0

package parti

import (
	"bytes"
	"log/slog"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/parti-go/parti/strategy"
)

// mute is a strategy that does not describe itself until it is released.
type mute struct {
	Strategy
	released chan struct{}
}

func (m mute) String() string {
	<-m.released
	return "too late"
}

func TestAStrategyThatNeverDescribesItselfIsNamedByItsType(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var logged bytes.Buffer
		m := mute{released: make(chan struct{})}
		defer close(m.released) // the bubble waits for its goroutines
		began := time.Now()
		require.Equal(t, "parti.mute", describe(m, slog.New(slog.NewTextHandler(&logged, nil))))
		require.Equal(t, describePatience, time.Since(began))
		require.Contains(t, logged.String(), "level=WARN")
		require.Contains(t, logged.String(), "strategy=parti.mute")
	})
}

func TestAStrategyThatDescribesItselfIsNotWaitedFor(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var logged bytes.Buffer
		began := time.Now()
		require.Equal(t, "sticky", describe(strategy.NewSticky(), slog.New(slog.NewTextHandler(&logged, nil))))
		require.Zero(t, time.Since(began))
		require.Empty(t, logged.String())
	})
}
