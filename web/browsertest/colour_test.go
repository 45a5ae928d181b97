// Copyright The Parti Authors
// SPDX-License-Identifier: Apache-2.0

package browsertest

import (
	"bytes"
	"fmt"
	"image/color"
	"image/png"
	"math"
	"testing"

	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/chromedp"
	"github.com/stretchr/testify/require"
)

// What differs in meaning has to differ for those who see fewer colours. 10 is far more than what is just noticed (about 2).
const leastDifference = 10.0

func TestWhoSeesFewerColoursTellsTheCellsApart(t *testing.T) {
	for _, dark := range []bool{false, true} {
		look := desk
		look.Dark = dark
		tab, _ := open(t, look, NewFake(4, 40))
		for _, deficiency := range []emulation.SetEmulatedVisionDeficiencyType{"none", "deuteranopia", "protanopia", "tritanopia", "achromatopsia"} {
			_, err := chromedp.Call(tab.ctx, emulation.SetEmulatedVisionDeficiency, emulation.SetEmulatedVisionDeficiencyParams{Type: deficiency})
			require.NoError(t, err)
			seen := swatches(t, tab)
			for a, one := range seen {
				for b, other := range seen {
					if a < b {
						difference := apart(one, other)
						require.Greater(t, difference, leastDifference, "dark=%v, %s: %s and %s look alike", dark, deficiency, a, b)
					}
				}
			}
		}
	}
}

// swatches returns the colours of the legend as they are on the screen.
func swatches(t *testing.T, tab *Tab) map[string]color.Color {
	shot, err := tab.Shot()
	require.NoError(t, err)
	picture, err := png.Decode(bytes.NewReader(shot))
	require.NoError(t, err)
	seen := map[string]color.Color{}
	for _, name := range []string{"owned", "fresh", "lost", "orphan"} {
		at := ask[[]int](t, tab, fmt.Sprintf(`(() => { const r = document.querySelector(".swatch.%s").getBoundingClientRect();
			return [Math.round(r.left + 4), Math.round(r.top + r.height / 2)]; })()`, name))
		seen[name] = picture.At(at[0], at[1])
	}
	return seen
}

// apart is the distance of two colours in CIE L*a*b*, in which equal distances look about equally large.
func apart(a, b color.Color) float64 {
	p, q := lab(a), lab(b)
	return math.Sqrt((p[0]-q[0])*(p[0]-q[0]) + (p[1]-q[1])*(p[1]-q[1]) + (p[2]-q[2])*(p[2]-q[2]))
}

func lab(c color.Color) [3]float64 {
	r, g, b, _ := c.RGBA()
	linear := func(v uint32) float64 {
		x := float64(v) / 0xffff
		if x <= 0.04045 {
			return x / 12.92
		}
		return math.Pow((x+0.055)/1.055, 2.4)
	}
	root := func(x float64) float64 {
		if x > 216.0/24389 {
			return math.Cbrt(x)
		}
		return (24389.0/27*x + 16) / 116
	}
	red, green, blue := linear(r), linear(g), linear(b)
	x := root((0.4124*red + 0.3576*green + 0.1805*blue) / 0.9505)
	y := root(0.2126*red + 0.7152*green + 0.0722*blue)
	z := root((0.0193*red + 0.1192*green + 0.9505*blue) / 1.089)
	return [3]float64{116*y - 16, 500 * (x - y), 200 * (y - z)}
}
