// Copyright The Parti Authors
// SPDX-License-Identifier: Apache-2.0

package fsm_test

import (
	"fmt"
	"regexp"
	"strconv"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/parti-go/parti/fsm"
)

func TestAPlaceIsWhereTheDrawingHasTheState(t *testing.T) {
	svg := fsm.SVG()
	size := regexp.MustCompile(`viewBox="0 0 (\S+) (\S+)"`).FindStringSubmatch(svg)
	require.NotNil(t, size)
	for _, s := range fsm.States() {
		text := regexp.MustCompile(fmt.Sprintf(`data-state="%s".*<text x="(\S+)" y="(\S+)"`, s)).FindStringSubmatch(svg)
		require.NotNil(t, text, s)
		x, y, ok := fsm.Place(s)
		require.True(t, ok)
		require.InDelta(t, number(t, text[1])/number(t, size[1]), x, 0.001)
		require.InDelta(t, number(t, text[2])/number(t, size[2]), y, 0.01, "the text stands a little below the middle")
	}
	_, _, ok := fsm.Place("Nowhere")
	require.False(t, ok)
}

func number(t *testing.T, text string) float64 {
	t.Helper()
	n, err := strconv.ParseFloat(text, 64)
	require.NoError(t, err)
	return n
}
