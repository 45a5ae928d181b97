// Copyright The Parti Authors
// SPDX-License-Identifier: Apache-2.0

package fsm_test

import (
	"fmt"
	"strings"

	"github.com/parti-go/parti/fsm"
)

// The table is data: it can be checked, asked and listed.
func ExampleTransitions() {
	fmt.Println(fsm.Validate())
	fmt.Println(len(fsm.States()), "states, the first is", fsm.States()[0])
	row := fsm.Transitions()[0]
	fmt.Println(row.From[0], "→", row.To, "on", row.Event)
	fmt.Println(fsm.Allowed(fsm.Init, fsm.ClaimingID), fsm.Allowed(fsm.Shutdown, fsm.Init))
	// Output:
	// <nil>
	// 9 states, the first is Init
	// Init → ClaimingID on Start
	// true false
}

// The drawings are made from the table: of a page, for instance, with the state that a worker is in.
func ExampleSVG() {
	picture := fsm.SVG(fsm.Compact(), fsm.Mark(fsm.Stable))
	x, y, known := fsm.Place(fsm.Stable)
	fmt.Println(strings.HasPrefix(picture, "<svg"), 0 < x && x < 1 && 0 < y && y < 1, known)
	for _, text := range []string{fsm.Mermaid(), fsm.DOT(), fsm.Markdown()} {
		first, _, _ := strings.Cut(text, "\n")
		fmt.Println(first)
	}
	// Output:
	// true true true
	// stateDiagram-v2
	// digraph fsm {
	// | event | from | to | why |
}
