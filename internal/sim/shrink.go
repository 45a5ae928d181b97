// Copyright The Parti Authors
// SPDX-License-Identifier: Apache-2.0

package sim

import (
	"bytes"
	"regexp"
	"slices"
	"time"
)

// Shrink looks for the simplest script that breaks the same promise as s does, and lives at most so many lives for it. It returns s
// where that breaks none.
func Shrink(s Script, lives int, prepare ...func(*Fleet)) Script {
	k := &shrinker{lives: lives, prepare: prepare}
	first := k.live(s)
	if first == nil || len(first.Broken) == 0 {
		return s
	}
	k.promise = promise(first.Broken[0])
	k.best = s.until(first.block)
	k.try(calmed(k.best))
	k.settle(func() {
		k.blocks(blank)
		k.blocks(skip)
		k.blocks(cut)
		k.weathers()
	})
	k.settle(k.bytes)
	k.points()
	k.settle(func() {
		k.blocks(skip)
		k.blocks(cut)
		k.bytes()
	})
	return k.best
}

// settle repeats something until it changes nothing.
func (k *shrinker) settle(do func()) {
	for before := Script(nil); k.lives > 0 && !bytes.Equal(before, k.best); {
		before = k.best
		do()
	}
}

// promise is what a sentence says is broken, whoever broke it and when.
func promise(broken string) string { return particulars.ReplaceAllString(broken, "N") }

var particulars = regexp.MustCompile(`[0-9][0-9:.]*[a-zµ]*`)

// until returns the script up to and with a block.
func (s Script) until(block int) Script { return slices.Clone(s[:min((block+1)*Block, len(s))]) }

type shrinker struct {
	best    Script
	promise string
	lives   int // that may still be lived
	prepare []func(*Fleet)
}

func (k *shrinker) live(s Script, prepare ...func(*Fleet)) *Fleet {
	if k.lives == 0 {
		return nil
	}
	k.lives--
	return Live(s, append(slices.Clone(k.prepare), prepare...)...)
}

// try takes a script for the best one if it breaks the promise.
func (k *shrinker) try(s Script) bool {
	s = bytes.TrimRight(s, "\x00")
	if bytes.Equal(s, k.best) {
		return false
	}
	f := k.live(s)
	if f == nil || len(f.Broken) == 0 || promise(f.Broken[0]) != k.promise {
		return false
	}
	k.best = s.until(f.block)
	return true
}

// blocks tries to do without blocks: all but the first, then a half of them, a quarter, and so on down to single ones.
func (k *shrinker) blocks(without func(s Script, first, n int) Script) {
	for n := k.best.blocks() - 1; n > 0; n /= 2 {
		for first := k.best.blocks() - n; first > 0; first = min(first-n, k.best.blocks()-n) {
			k.try(without(k.best, first, n))
		}
	}
}

// calmed is a script without weather.
func calmed(s Script) Script {
	s = slices.Clone(s)
	for n := range s.blocks() {
		if b := s.block(n); at(b, 1) != PointMark && len(b) > 1 {
			clear(b[1:min(3, len(b))])
		}
	}
	return s
}

// lasting is the first byte whose pause is at least so long.
func lasting(d time.Duration) byte {
	for b := range 255 {
		if pause(byte(b)) >= d {
			return byte(b)
		}
	}
	return 255
}

// blank makes nothing happen in the time of some blocks.
func blank(s Script, first, n int) Script {
	s = slices.Clone(s)
	for block := first; block < first+n; block++ {
		if b := s.block(block); len(b) > 1 {
			clear(b[1:])
		}
	}
	return s
}

// skip cuts blocks out, and leaves their time to what follows, as far as one pause can be as long.
func skip(s Script, first, n int) Script {
	d := time.Duration(0)
	for block := first; block < first+n; block++ {
		d += pause(at(s.block(block), 0))
	}
	s = cut(s, first, n)
	if b := s.block(first); len(b) > 0 {
		b[0] = lasting(d + pause(b[0]))
	}
	return s
}

// cut cuts blocks and their time out.
func cut(s Script, first, n int) Script {
	return slices.Concat(s[:min(first*Block, len(s))], s[min((first+n)*Block, len(s)):])
}

// weathers tries to do without the weather of each step.
func (k *shrinker) weathers() {
	for n := k.best.blocks() - 1; n >= 0; n-- {
		if calm := k.best.calm(n); calm != nil {
			k.try(calm)
		}
	}
}

// calm is the script without the weather of one block; nil where that has none.
func (s Script) calm(n int) Script {
	if b := s.block(n); at(b, 1) == 0 || at(b, 1) == PointMark {
		return nil
	}
	s = slices.Clone(s)
	b := s.block(n)
	clear(b[1:min(3, len(b))])
	return s
}

// pointsMost is the most points that one block is replaced by.
const pointsMost = 200

// points puts the choices that the weather of a step made in its place, and then as few of them as possible.
func (k *shrinker) points() {
	for n := k.best.blocks() - 1; n >= 0; n-- {
		calm := k.best.calm(n)
		if calm == nil {
			continue
		}
		points, before := k.made(n), max(n, 1)*Block
		if len(points) == 0 || len(points) > pointsMost*Block || before > len(calm) {
			continue
		}
		if n > 0 { // they begin to count before the step, so its pause goes with them
			points[0], calm[before] = calm[before], 0
		}
		if !k.try(slices.Concat(calm[:before], points, calm[before:])) {
			continue
		}
		first := max(n, 1)
		for size, left := len(points)/Block, len(points)/Block; size > 0; size /= 2 {
			for at := first + left - size; at >= first; at = min(at, first+left) - size {
				if blocks := k.best.blocks(); k.try(skip(k.best, at, size)) {
					left -= blocks - k.best.blocks()
				}
			}
		}
	}
}

// made returns the choices that are not zero between a block and the next one, as points.
func (k *shrinker) made(block int) (points Script) {
	var seen [choices]int
	k.live(k.best, func(f *Fleet) {
		f.choose.noted = func(kind int, value byte) {
			if f.block != block {
				return
			}
			if n := seen[kind]; value != 0 && n < 1<<16 {
				points = append(points, 0, PointMark, 0, byte(kind), byte(n>>8), byte(n), value)
				points = append(points, make([]byte, Block-7)...)
			}
			seen[kind]++
		}
	})
	return points
}

// bytes tries lower values of each byte.
func (k *shrinker) bytes() {
	for i := len(k.best) - 1; i >= 0; i-- {
		for _, lower := range []func(byte) byte{
			func(byte) byte { return 0 },
			func(b byte) byte { return b / 2 },
			func(b byte) byte { return b - b/4 - 1 },
			func(b byte) byte { return b - 1 },
		} {
			for i < len(k.best) && k.best[i] > 0 && !k.mark(i) {
				s := slices.Clone(k.best)
				s[i] = lower(s[i])
				if !k.try(s) {
					break
				}
			}
		}
	}
}

// mark says that a byte makes its block a point.
func (k *shrinker) mark(i int) bool { return i%Block == 1 && k.best[i] == PointMark }
