package fsm

// The size of the whole drawing, in pixels.
const drawnWidth, drawnHeight = 1340.0, 740.0

// Place returns where the middle of a state is in the drawing that [SVG] makes without options: as parts of its width and of
// its height, from the top left corner. It is for pages that draw the machine themselves. ok is false for no state of the table.
func Place(s State) (x, y float64, ok bool) {
	p, ok := places[s]
	return p.x / drawnWidth, p.y / drawnHeight, ok
}
