// Copyright The Parti Authors
// SPDX-License-Identifier: Apache-2.0

package fsm

// The size of the whole drawing, in pixels.
const drawnWidth, drawnHeight = 1340.0, 740.0

// Place returns the middle of a state in the drawing that [SVG] makes without options, as fractions of its width and height
// from the top left corner. It is for pages that draw the machine themselves. ok is false if the table has no such state.
func Place(s State) (x, y float64, ok bool) {
	p, ok := places[s]
	return p.x / drawnWidth, p.y / drawnHeight, ok
}
