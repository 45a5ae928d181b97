// Copyright The Parti Authors
// SPDX-License-Identifier: Apache-2.0

package fsm

import (
	"fmt"
	"math"
	"slices"
	"strings"
)

// point is a place in a drawing, in pixels from its top left corner.
type point struct{ x, y float64 }

func (p point) String() string               { return fmt.Sprintf("%.1f %.1f", p.x, p.y) }
func (p point) plus(q point) point           { return point{p.x + q.x, p.y + q.y} }
func (p point) minus(q point) point          { return point{p.x - q.x, p.y - q.y} }
func (p point) times(f float64) point        { return point{p.x * f, p.y * f} }
func between(p, q point, part float64) point { return p.plus(q.minus(p).times(part)) }

// The drawing's measures, in pixels.
const (
	boxWidth, boxHeight = 158.0, 42.0
	padding             = 30.0 // of a frame around what it holds
	pairBend            = 52.0 // how far two arrows between the same states are bent apart
	labelGap            = 7.0
)

// places is where the middle of each state is drawn: the life of a worker from left to right.
var places = map[State]point{
	Init: {130, 140}, ClaimingID: {130, 310}, Election: {390, 140}, WaitingAssignment: {390, 310},
	Stable: {760, 110}, Scaling: {760, 310}, Emergency: {760, 510}, Rebalancing: {1070, 310}, Shutdown: {650, 700},
}

// detours bend the arrows that would otherwise cross a state: how far, and how far their ends are apart from the middle of
// a state. Their labels run along them.
var detours = map[[2]State]struct{ bend, apart float64 }{
	{Stable, Emergency}: {-900, 8},
	{Emergency, Stable}: {740, -4},
}

// framed is from how many states an event has to lead to be drawn as one arrow from a frame around all of them.
const framed = 6

// SVG draws the machine as a self-contained picture: it needs no font, script or style from elsewhere, and adapts to a dark
// background. An event of many states is one arrow from a frame around them. Each arrow is a group of class "edge". Its
// attributes data-from (names with spaces between them), data-to and data-event name the rows that it stands for. Each
// state is a group of class "state" with the attribute data-state.
func SVG(opts ...Option) string {
	d, _ := draw(opts)
	var arrows, frames strings.Builder
	width, height := 1340.0, 740.0
	if d.compact {
		height = 610
	}
	for _, t := range table {
		switch {
		case d.compact && t.To == Shutdown:
		case len(t.From) >= framed:
			drawFrame(&frames, &arrows, t)
		default:
			for _, from := range t.From {
				drawArrow(&arrows, t, from)
			}
		}
	}
	var b strings.Builder
	fmt.Fprintf(&b, `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 %g %g" role="img" class="fsm" `, width, height)
	b.WriteString("font-family=\"system-ui, sans-serif\" font-size=\"13\">\n<title>The states of a worker</title>\n" + svgStyle)
	fmt.Fprintf(&b, "<g fill=\"none\" stroke=\"#9a9a9a\" stroke-dasharray=\"5 4\">\n%s</g>\n", &frames)
	fmt.Fprintf(&b, "<g class=\"arrows\" fill=\"none\" stroke=\"#5f6b7a\" stroke-width=\"1.4\">\n%s%s</g>\n", initialArrow(), &arrows)
	b.WriteString("<g class=\"states\" fill=\"#eef3fb\" stroke=\"#41526b\" stroke-width=\"1.4\" text-anchor=\"middle\">\n")
	for _, s := range states {
		if !d.compact || s != Shutdown {
			drawState(&b, s, s == d.marked)
		}
	}
	b.WriteString("</g>\n</svg>\n")
	return b.String()
}

// svgStyle has the arrow's head, and what is different on a dark background. All else is in attributes, so that a policy
// that allows no styles leaves a readable picture.
const svgStyle = `<style>
.fsm text { stroke: none }
.fsm .edge text { paint-order: stroke; stroke: #fff; stroke-width: 4px }
@media (prefers-color-scheme: dark) {
.fsm .arrows { stroke: #9fb0c8 } .fsm .edge text { fill: #d5dde8; stroke: #15191f } .fsm .head { fill: #9fb0c8 }
.fsm .states { fill: #243044; stroke: #8ea3c0 } .fsm .state text { fill: #eef3fb }
}
</style>
<defs><marker id="fsm-head" class="head" viewBox="0 0 10 10" refX="9" refY="5" markerWidth="8" markerHeight="8" ` +
	`orient="auto-start-reverse" fill="#5f6b7a" stroke="none"><path d="M0 1L9 5L0 9z"/></marker></defs>
`

func initialArrow() string {
	p := places[Init]
	return fmt.Sprintf("<circle cx=\"%g\" cy=\"%g\" r=\"6\" fill=\"#5f6b7a\" class=\"head\"/>\n<path d=\"M%g %gV%g\" marker-end=\"url(#fsm-head)\"/>\n",
		p.x, p.y-68, p.x, p.y-62, p.y-boxHeight/2-2)
}

func drawState(b *strings.Builder, s State, marked bool) {
	p, class, more := places[s], "state", ""
	if marked {
		class, more = "state present", ` stroke-width="4"`
	}
	corner := p.minus(point{boxWidth / 2, boxHeight / 2})
	fmt.Fprintf(b, `<g class="%s" data-state="%s"%s><rect x="%g" y="%g" width="%g" height="%g" rx="10"/>`,
		class, s, more, corner.x, corner.y, boxWidth, boxHeight)
	if s == Shutdown { // the end: a double border
		fmt.Fprintf(b, `<rect x="%g" y="%g" width="%g" height="%g" rx="7" fill="none"/>`, corner.x+4, corner.y+4, boxWidth-8, boxHeight-8)
	}
	fmt.Fprintf(b, "<text x=\"%g\" y=\"%g\" fill=\"#16202e\" stroke=\"none\" font-weight=\"600\">%s</text></g>\n", p.x, p.y+4.5, s)
}

// drawArrow draws the arrow of one row from one state.
func drawArrow(b *strings.Builder, t Transition, from State) {
	start, end := places[from], places[t.To]
	along := end.minus(start)
	along = along.times(1 / math.Hypot(along.x, along.y))
	normal := point{-along.y, along.x}
	detour, far := detours[[2]State{from, t.To}]
	bend := detour.bend
	if !far && answered(t.To, from) {
		bend = pairBend
	}
	start, end = start.minus(along.times(detour.apart)), end.plus(along.times(detour.apart))
	control := between(start, end, 0.5).plus(normal.times(bend))
	start, end = atBorder(start, control), atBorder(end, control)
	path := fmt.Sprintf("M%s Q%s %s", start, control, end)
	middle := between(between(start, control, 0.5), between(control, end, 0.5), 0.5)
	outward := normal
	if bend < 0 || bend == 0 && away(middle, normal) < 0 {
		outward = normal.times(-1)
	}
	writeArrow(b, t, []State{from}, path, label{middle, outward, far})
}

// away is positive where a direction leads away from the horizontal line in the middle of the drawing, up where a point is
// on it, and to the right where the direction is level.
func away(at, direction point) float64 {
	if math.Abs(direction.y) < 0.01 {
		return direction.x
	}
	if at.y > places[Scaling].y {
		return direction.y
	}
	return -direction.y
}

// answered reports whether an arrow of its own leads from one state to the other.
func answered(from, to State) bool {
	return slices.ContainsFunc(table, func(t Transition) bool {
		return t.To == to && len(t.From) < framed && slices.Contains(t.From, from)
	})
}

// drawFrame draws a frame around the states of a row, and one arrow from it.
func drawFrame(frames, b *strings.Builder, t Transition) {
	low, high := frameOf(t)
	fmt.Fprintf(frames, "<rect x=\"%g\" y=\"%g\" width=\"%g\" height=\"%g\" rx=\"16\"/>\n", low.x, low.y, high.x-low.x, high.y-low.y)
	to := places[t.To]
	if to.y > high.y { // below the frame
		path := fmt.Sprintf("M%g %gV%g", to.x, high.y, to.y-boxHeight/2-2)
		writeArrow(b, t, t.From, path, label{at: point{to.x, (high.y + to.y - boxHeight/2) / 2}, outward: point{1, 0}})
		return
	}
	y := to.y + 130 // to the left of it
	path := fmt.Sprintf("M%g %gH%gQ%g %g %g %gV%g", low.x, y, to.x+20, to.x, y, to.x, y-20, to.y+boxHeight/2+2)
	writeArrow(b, t, t.From, path, label{at: point{(low.x + to.x) / 2, y}, outward: point{0, 1}})
}

// frameOf returns the corners of the frame around the states of a row. A wider frame holds the narrower ones.
func frameOf(t Transition) (low, high point) {
	low, high = point{math.Inf(1), math.Inf(1)}, point{math.Inf(-1), math.Inf(-1)}
	for _, s := range t.From {
		p := places[s]
		low = point{min(low.x, p.x-boxWidth/2), min(low.y, p.y-boxHeight/2)}
		high = point{max(high.x, p.x+boxWidth/2), max(high.y, p.y+boxHeight/2)}
	}
	around := padding
	if len(t.From) > framed {
		around, low.y = 2*padding-8, low.y-padding
	}
	if slices.Contains(t.From, Rebalancing) {
		high.x += 122 // the detours to the right of it
	}
	return low.minus(point{around - 12, around}), high.plus(point{around - 12, around})
}

// label says where the name of an event is: beside a point, on the side that outward points to, and along the arrow where
// that runs up or down for long.
type label struct {
	at, outward point
	upright     bool
}

func (l label) String() string {
	if l.upright {
		p := l.at.plus(point{labelGap - 2, 0})
		return fmt.Sprintf(`x="%.1f" y="%.1f" text-anchor="middle" transform="rotate(90 %.1f %.1f)"`, p.x, p.y, p.x, p.y)
	}
	p, anchor := l.at.plus(l.outward.times(labelGap)), "middle"
	switch {
	case l.outward.x > 0.4:
		anchor = "start"
	case l.outward.x < -0.4:
		anchor = "end"
	}
	return fmt.Sprintf(`x="%.1f" y="%.1f" text-anchor="%s"`, p.x, p.y+4+5*l.outward.y, anchor)
}

// writeArrow writes a path and the name of its event.
func writeArrow(b *strings.Builder, t Transition, from []State, path string, l label) {
	names := make([]string, len(from))
	for i, s := range from {
		names[i] = string(s)
	}
	fmt.Fprintf(b, `<g class="edge" data-event="%s" data-from="%s" data-to="%s"><title>%s: %s</title>`,
		t.Event, strings.Join(names, " "), t.To, t.Event, t.Why)
	fmt.Fprintf(b, "<path d=\"%s\" marker-end=\"url(#fsm-head)\"/><text %s fill=\"#2b3645\" stroke=\"none\">%s</text></g>\n", path, l, t.Event)
}

// atBorder returns where the line from the middle of a state to a point leaves its box, with a little air.
func atBorder(middle, to point) point {
	d := to.minus(middle)
	return middle.plus(d.times(min((boxWidth/2+2)/max(math.Abs(d.x), 1e-9), (boxHeight/2+2)/max(math.Abs(d.y), 1e-9))))
}
