// Copyright The Parti Authors
// SPDX-License-Identifier: Apache-2.0

package sim

import (
	"bytes"
	"encoding/hex"
	"fmt"
	"regexp"
	"slices"
	"strings"

	"github.com/parti-go/parti/internal/store/model"
)

// A golden script is a life that is kept because it once broke a promise:
//
//	a sentence or two that say what must be true
//
//	the blocks of the script, each in a line of its own: its bytes, and what they say
//	----
//	what happens in that life
//
// See [Golden] and [ParseGolden].

// String tells a script: a line for each block.
func (s Script) String() string {
	var text strings.Builder
	for n := range s.blocks() {
		b := s.block(n)
		fmt.Fprintf(&text, "%-*s # %s\n", Block, hex.EncodeToString(bytes.TrimRight(b, "\x00")), words(n, b))
	}
	return text.String()
}

func words(n int, b []byte) string {
	weather := ""
	if kind := int(at(b, 1)) % len(weathers); kind != 0 {
		weather = fmt.Sprintf("; weather %d of kind %d", at(b, 2), kind)
	}
	switch {
	case n == 0:
		return "begin" + weather
	case at(b, 1) == PointMark:
		return fmt.Sprintf("+%s point: number %d from here on of %q is %d",
			pause(at(b, 0)), int(at(b, 4))<<8|int(at(b, 5)), names[int(at(b, 3))%choices], at(b, 6))
	}
	return fmt.Sprintf("+%s %s%s", pause(at(b, 0)), faults[int(at(b, 3))%len(faults)].name, weather)
}

// names are those of the small choices.
var names = [choices]string{
	model.Fate: "fate of a request", model.Way: "way of a message", model.Commit: "commit", model.Late: "lateness of a marker",
	model.Overtaken: "marker over a renewal", model.Behind: "lag of a replica", model.Sight: "sight of a feed", model.Notice: "notice of a feed",
	model.Remains: "rest of what was under way", model.Choices: "spread of a client",
}

// storyMost is how many lines a story has, its last ones, and storyWidth how many bytes of each.
const (
	storyMost  = 60
	storyWidth = 160
)

var storied = regexp.MustCompile(`^\S+ (step: |[^:]+: (begin session|lead in|yield|rejoin|write version|give everything|end))`)

// Story lives a life and tells the steps, and what mattered: sessions, terms, plans, and what was broken.
func Story(s Script, prepare ...func(*Fleet)) string {
	var lines []string
	f := Live(s, append(prepare, Traced(func(line string) {
		if storied.MatchString(line) {
			lines = append(lines, line[:min(len(line), storyWidth)])
		}
	}))...)
	for _, b := range f.Broken[:min(len(f.Broken), 3)] {
		lines = append(lines, "BROKEN "+b)
	}
	if more := len(lines) - storyMost; more > 0 {
		lines = append([]string{fmt.Sprintf("(%d lines before)", more)}, lines[more:]...)
	}
	return strings.Join(lines, "\n") + "\n"
}

// Golden writes a golden script.
func Golden(prose string, s Script, prepare ...func(*Fleet)) string {
	return strings.TrimSpace(prose) + "\n\n" + s.String() + "----\n" + Story(s, prepare...)
}

// ParseGolden reads a golden script.
func ParseGolden(text string) (prose string, s Script, err error) {
	above, _, _ := strings.Cut(text, "\n----\n")
	prose, blocks, ok := strings.Cut(above, "\n\n")
	if !ok {
		return "", nil, fmt.Errorf("golden script: found %d lines above ----, allowed: prose, an empty line, and blocks", strings.Count(above, "\n"))
	}
	for line := range strings.Lines(blocks) {
		digits, _, _ := strings.Cut(line, "#")
		b, err := hex.DecodeString(strings.TrimSpace(digits))
		if err != nil || len(b) > Block {
			return "", nil, fmt.Errorf("golden script: block %q, allowed: up to %d bytes in hexadecimal digits", strings.TrimSpace(line), Block)
		}
		b = append(b, make([]byte, Block-len(b))...)
		if len(s) > 0 && b[1] != PointMark {
			if b[3], err = number(line); err != nil {
				return "", nil, err
			}
		}
		s = append(s, b...)
	}
	return prose, s, nil
}

// number is that of the fault that a line of a step names: the name counts, because the list of faults grows.
func number(line string) (byte, error) {
	_, words, _ := strings.Cut(line, "#")
	words, _, _ = strings.Cut(strings.TrimSpace(words), ";")
	_, name, _ := strings.Cut(words, " ")
	n := slices.IndexFunc(faults, func(f fault) bool { return f.name == name })
	if n < 0 {
		return 0, fmt.Errorf("golden script: step %q, allowed: the name of a fault", name)
	}
	return byte(n), nil
}
