// Copyright The Parti Authors
// SPDX-License-Identifier: Apache-2.0

package fsm

import (
	"math"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"
)

// An event of many states is drawn from a frame around them, so a frame must hold exactly these.
func TestAFrameHoldsTheStatesOfItsRowAndNoOther(t *testing.T) {
	frames := 0
	for _, row := range table {
		if len(row.From) < framed {
			continue
		}
		frames++
		low, high := frameOf(row)
		for _, s := range states {
			p := places[s]
			inside := p.x > low.x && p.x < high.x && p.y > low.y && p.y < high.y
			require.Equal(t, slices.Contains(row.From, s), inside, "%s in the frame of %s", s, row.Event)
		}
	}
	require.Equal(t, 2, frames)
}

func TestNoStateIsDrawnOverAnother(t *testing.T) {
	require.Len(t, places, len(states))
	for i, s := range states {
		for _, other := range states[:i] {
			d := places[s].minus(places[other])
			require.True(t, math.Abs(d.x) > boxWidth || math.Abs(d.y) > boxHeight, "%s and %s", s, other)
		}
	}
}
