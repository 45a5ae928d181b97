// Copyright The Parti Authors
// SPDX-License-Identifier: Apache-2.0

package member

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

func TestFailuresSlideOutOfTheWindow(t *testing.T) {
	for _, jitter := range []float64{-1, 0, 1} {
		var f failures
		for i := range failureLimit {
			delay, ok := f.add(start, jitter)
			require.True(t, ok)
			require.Equal(t, (backoffFirst<<i)+time.Duration(jitter*float64(backoffFirst<<i)/5), delay)
		}
		_, ok := f.add(start, jitter)
		require.False(t, ok)
		_, ok = f.add(start.Add(failureWindow), jitter)
		require.True(t, ok)
	}
	var f failures
	for range 20 {
		delay, _ := f.add(start, 0)
		require.LessOrEqual(t, delay, backoffMost)
	}
}
