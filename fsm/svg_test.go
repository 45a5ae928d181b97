// Copyright The Parti Authors
// SPDX-License-Identifier: Apache-2.0

package fsm_test

import (
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/parti-go/parti/fsm"
)

// elements returns the attributes of every element of a class; that the text is XML is checked on the way.
func elements(t *testing.T, svg, class string) (found []map[string]string) {
	t.Helper()
	for d := xml.NewDecoder(strings.NewReader(svg)); ; {
		token, err := d.Token()
		if errors.Is(err, io.EOF) {
			return found
		}
		require.NoError(t, err)
		if start, is := token.(xml.StartElement); is {
			attributes := map[string]string{}
			for _, a := range start.Attr {
				attributes[a.Name.Local] = a.Value
			}
			if strings.Contains(" "+attributes["class"]+" ", " "+class+" ") {
				found = append(found, attributes)
			}
		}
	}
}

func TestThePictureShowsTheRowsAndNothingElse(t *testing.T) {
	want, got := map[string]bool{}, map[string]bool{}
	for _, row := range fsm.Transitions() {
		for _, from := range row.From {
			want[fmt.Sprint(from, row.To, row.Event)] = true
		}
	}
	for _, e := range elements(t, fsm.SVG(), "edge") {
		for from := range strings.FieldsSeq(e["data-from"]) {
			got[from+e["data-to"]+e["data-event"]] = true
		}
	}
	require.Equal(t, want, got)
}

func TestThePictureHasAPlaceForEachState(t *testing.T) {
	states := elements(t, fsm.SVG(), "state")
	require.Len(t, states, len(fsm.States()))
	require.NotContains(t, fsm.SVG(), "NaN", "two states in one place, or one without")
	require.NotContains(t, fsm.SVG(), "Inf")
}

func TestThePictureMarksAStateAndCanLeaveTheEndOut(t *testing.T) {
	require.Empty(t, elements(t, fsm.SVG(), "present"))
	present := elements(t, fsm.SVG(fsm.Mark(fsm.Stable)), "present")
	require.Len(t, present, 1)
	require.Equal(t, "Stable", present[0]["data-state"])
	compact := fsm.SVG(fsm.Compact())
	require.Len(t, elements(t, compact, "state"), len(fsm.States())-1)
	for _, e := range elements(t, compact, "edge") {
		require.NotEqual(t, "Shutdown", e["data-to"])
	}
}
