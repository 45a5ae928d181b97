// Copyright The Parti Authors
// SPDX-License-Identifier: Apache-2.0

// Command pictures makes the pictures of the page in the README: a simulated fleet on an eventful day, light and dark. And it makes
// that of the playground.
//
//	cd web/browsertest && go run ./pictures -to ../../docs/pictures
//
// The letters are those of the machine that runs it; they look as intended where the font Inter is installed.
package main

import (
	"bytes"
	"cmp"
	"context"
	"flag"
	"fmt"
	"image"
	"image/color"
	"image/png"
	"maps"
	"math"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"

	"github.com/parti-go/parti/web/browsertest"
)

// largest is how large a file may be, so that a README stays quick to open.
const largest = 200 << 10

func main() {
	to := flag.String("to", "docs/pictures", "folder for the pictures")
	only := flag.String("only", "", "the one picture to make, such as playground.png")
	flag.Parse()
	if err := run(*to, *only); err != nil {
		fmt.Fprintln(os.Stderr, "pictures:", err)
		os.Exit(1)
	}
}

var pictures = map[string]func(*browsertest.Browser) ([]byte, error){
	"page-light.png": func(b *browsertest.Browser) ([]byte, error) { return take(b, false) },
	"page-dark.png":  func(b *browsertest.Browser) ([]byte, error) { return take(b, true) },
	"playground.png": playground,
}

func run(to, only string) error {
	browser, err := browsertest.StartBrowser(context.Background())
	if err != nil {
		return err
	}
	defer browser.Close()
	if err := os.MkdirAll(to, 0o755); err != nil {
		return err
	}
	for name, take := range pictures {
		if only != "" && name != only {
			continue
		}
		picture, err := take(browser)
		if err != nil {
			return err
		}
		if len(picture) > largest {
			return fmt.Errorf("%s has %d bytes, allowed: %d", name, len(picture), largest)
		}
		if err := os.WriteFile(filepath.Join(to, name), picture, 0o644); err != nil {
			return err
		}
		fmt.Printf("%s: %d KB\n", filepath.Join(to, name), len(picture)>>10)
	}
	return nil
}

// take opens the page and pictures what is seen of it, without the footer.
func take(browser *browsertest.Browser, dark bool) ([]byte, error) {
	server := httptest.NewServer(browsertest.Scene())
	defer server.Close()
	defer server.CloseClientConnections()
	tab, end, err := browser.Open(browsertest.Look{Width: 1280, Height: 1086, Scale: 1.5, Dark: dark, Calm: true}, server.URL)
	if err != nil {
		return nil, err
	}
	defer end()
	err = tab.Until(`document.documentElement.dataset.drawn && document.querySelector("#machine .state") && document.querySelector("#timeline time") &&
		!document.querySelector("#handoffs").textContent.includes("0 s")`)
	if err != nil {
		return nil, err
	}
	shot, err := tab.Shot()
	if err != nil {
		return nil, err
	}
	return pack(shot)
}

// playground opens the playground, and pictures it when one worker is frozen and its partitions have moved, one is cut off, and one
// was just killed.
func playground(browser *browsertest.Browser) ([]byte, error) {
	dir, err := os.MkdirTemp("", "parti-playground-")
	if err != nil {
		return nil, err
	}
	defer func() { _ = os.RemoveAll(dir) }() // what is left is in the folder for temporary files
	if err := browsertest.BuildPlayground(context.Background(), dir); err != nil {
		return nil, err
	}
	server := httptest.NewServer(http.FileServer(http.Dir(dir)))
	defer server.Close()
	tab, end, err := browser.Open(browsertest.Look{Width: 1280, Height: 1130, Scale: 1.5, Calm: true}, server.URL+"/#10x100,freeze")
	if err != nil {
		return nil, err
	}
	defer end()
	if err := tab.Until(`document.documentElement.dataset.drawn && document.querySelector("#machine .state")`); err != nil {
		return nil, err
	}
	_, err = browsertest.Ask[string](tab, `(() => {
		document.querySelector("#pause").click();
		const well = [...document.querySelectorAll("#fleet tr")].filter((line) => !line.querySelector(".marks").textContent);
		parti.advance(7500, 5000);
		parti.act("cut", well[5].dataset.process);
		parti.advance(3600, 5000);
		return parti.act("kill", well[2].dataset.process) + parti.advance(200, 5000);
	})()`)
	if err == nil {
		err = tab.Until(`document.querySelectorAll("#log [data-kind=done]").length > 2`)
	}
	if err != nil {
		return nil, err
	}
	shot, err := tab.Shot()
	if err != nil {
		return nil, err
	}
	return pack(shot)
}

// pack writes a picture anew with 256 colours: a third of the size, and nobody sees a difference.
func pack(shot []byte) ([]byte, error) {
	picture, err := png.Decode(bytes.NewReader(shot))
	if err != nil {
		return nil, err
	}
	area := picture.Bounds()
	uses := map[color.RGBA]int{}
	for y := area.Min.Y; y < area.Max.Y; y++ {
		for x := area.Min.X; x < area.Max.X; x++ {
			uses[color.RGBAModel.Convert(picture.At(x, y)).(color.RGBA)]++
		}
	}
	palette := choose(uses)
	packed := image.NewPaletted(area, palette)
	nearest := map[color.RGBA]uint8{}
	for c := range uses {
		nearest[c] = uint8(palette.Index(c))
	}
	for y := area.Min.Y; y < area.Max.Y; y++ {
		for x := area.Min.X; x < area.Max.X; x++ {
			packed.SetColorIndex(x, y, nearest[color.RGBAModel.Convert(picture.At(x, y)).(color.RGBA)])
		}
	}
	var out bytes.Buffer
	err = (&png.Encoder{CompressionLevel: png.BestCompression}).Encode(&out, packed)
	return out.Bytes(), err
}

// choose takes the colours that are used most, and then those that are least like any that was taken: a single dot keeps its own.
func choose(uses map[color.RGBA]int) color.Palette {
	left := slices.SortedFunc(maps.Keys(uses), func(a, b color.RGBA) int {
		return cmp.Or(uses[b]-uses[a], int(a.R)-int(b.R), int(a.G)-int(b.G), int(a.B)-int(b.B))
	})
	var palette color.Palette
	distance := make([]int, len(left))
	for i := range distance {
		distance[i] = math.MaxInt
	}
	for len(palette) < min(256, len(left)) {
		next := len(palette)
		if next >= 160 {
			next = slices.Index(distance, slices.Max(distance))
		}
		palette = append(palette, left[next])
		for i, c := range left {
			distance[i] = min(distance[i], apart(c, left[next]))
		}
	}
	return palette
}

func apart(a, b color.RGBA) int {
	r, g, bl := int(a.R)-int(b.R), int(a.G)-int(b.G), int(a.B)-int(b.B)
	return r*r + g*g + bl*bl
}
