// Copyright The Parti Authors
// SPDX-License-Identifier: Apache-2.0

package sim

import (
	"time"

	"github.com/parti-go/parti/internal/store/model"
)

// Script is everything that chance decides in a life, in bytes: blocks of [Block] bytes. The first one says how the life begins, and
// each of the others is a step:
//
//	byte 0     how much time passes before it
//	byte 1     the weather from then on, or [PointMark]
//	byte 2     which weather of that kind
//	byte 3 on  what is drawn in the step: what happens, to whom, how much
//
// Zero is everywhere what a healthy fleet on a healthy store does, and so is whatever comes after the last byte. So a script becomes
// simpler where a block is cut out or a byte becomes lower, and the other blocks go on to mean what they meant: no choice of one
// step depends on how many choices were made in another.
//
// The weather is chance in small things: how long a message is under way, what becomes of a request, how a client spreads its
// attempts. A point says what one such choice is, without any other.
type Script []byte

const (
	// Block is the length of a block.
	Block = 16
	// PointMark marks a point: bytes 3 to 6 say which choice (see [model.Choice]; [model.Choices] for those of the clients), which one
	// of these from then on in two bytes, and what it is.
	PointMark = 0xff
	// choices is how many choices of small choices there are: the store's, and the clients' spreads.
	choices = model.Choices + 1
	// stepsMost is how many steps of a script count, and faultsMost how long they may last.
	stepsMost  = 256
	faultsMost = 20 * time.Minute
)

// block returns the block number n, without the zeros at its end that a script may leave out.
func (s Script) block(n int) []byte {
	first := min(n*Block, len(s))
	return s[first:min(first+Block, len(s))]
}

// blocks is how many blocks there are.
func (s Script) blocks() int { return min((len(s)+Block-1)/Block, 1+stepsMost) }

func at(b []byte, n int) byte {
	if n < len(b) {
		return b[n]
	}
	return 0
}

// pause is how much time passes before a step: up to six seconds in small parts, and up to 38 in larger ones.
func pause(b byte) time.Duration {
	const fine = 32 * time.Millisecond
	if b < 192 {
		return time.Duration(b) * fine
	}
	return 191*fine + time.Duration(b-191)*500*time.Millisecond
}

// faultsLast is how long the faults of a seed last.
const faultsLast = 6 * time.Minute

// Expand returns the script of a seed: minutes of faults in any weather.
func Expand(seed uint64) Script {
	r := model.NewRandom(seed, model.Odds{})
	s := make(Script, 0, 100*Block)
	add := func() []byte {
		for range Block {
			s = append(s, byte(r.Uint64()>>33))
		}
		return s[len(s)-Block:]
	}
	add()
	for d := time.Duration(0); d < faultsLast; {
		b := add()
		b[0] %= 220
		b[1] %= byte(len(weathers))
		d += pause(b[0])
	}
	return s
}

// weathers are the odds of each kind of weather, out of 65,536, that a small choice is not zero.
var weathers = [...][choices]uint32{
	{},
	odds(1<<13, 0, 0),
	odds(1<<13, 1<<10, 1<<9),
	odds(1<<13, 1<<10, 1<<9),
	odds(1<<15, 1<<12, 1<<10),
}

// odds returns those of the fates, of what feeds see, and of the rest. Clients always spread their attempts.
func odds(rest, fate, sight uint32) (o [choices]uint32) {
	for k := range o {
		o[k] = rest
	}
	o[model.Fate], o[model.Sight], o[model.Choices] = fate, sight, 1<<16
	return o
}

// chooser makes the choices of a life.
type chooser struct {
	step   []byte // what is left of the block of the step that is being made
	odds   *[choices]uint32
	state  [choices]uint64 // of each kind, so that one choice more of one kind changes none of another
	points []point
	// noted, if not nil, is told each small choice.
	noted func(kind int, value byte)
}

// point is one small choice that is to be made otherwise.
type point struct {
	kind, after int
	value       byte
}

func newChooser() *chooser { return &chooser{odds: &weathers[0]} }

// begin takes up a block: from now on there is its weather, and what is drawn until end is drawn from it.
func (c *chooser) begin(block []byte) {
	if at(block, 1) == PointMark {
		c.points = append(c.points, point{int(at(block, 3)) % choices, int(at(block, 4))<<8 | int(at(block, 5)), at(block, 6)})
		return
	}
	kind := int(at(block, 1)) % len(weathers)
	c.odds = &weathers[kind]
	for k := range c.state {
		c.state[k] = uint64(k)<<16 | uint64(kind)<<8 | uint64(at(block, 2))
		c.chance(k)
	}
	c.step = block[min(3, len(block)):]
	if c.step == nil {
		c.step = []byte{}
	}
}

func (c *chooser) end() { c.step = nil }

// clear makes every choice from now on benign.
func (c *chooser) clear() { *c = chooser{odds: &weathers[0], noted: c.noted} }

// scaled makes a number below n of a byte.
func scaled(b byte, n int) int {
	if n <= 256 {
		return int(b) % n
	}
	return int(b) * (n - 1) / 255
}

// small makes a small choice.
func (c *chooser) small(kind, n int) int {
	if n < 2 {
		return 0
	}
	b := byte(0)
	if c.odds != &weathers[0] {
		if r := c.chance(kind); uint32(r>>48) < c.odds[kind] {
			b = byte(1 + uint32(r)%uint32(min(n, 256)-1))
		}
	}
	for i := 0; i < len(c.points); i++ {
		p := &c.points[i]
		if p.kind != kind {
			continue
		}
		if p.after > 0 {
			p.after--
			continue
		}
		b = p.value
		c.points = append(c.points[:i], c.points[i+1:]...)
		i--
	}
	if c.noted != nil {
		c.noted(kind, b)
	}
	return scaled(b, n)
}

// chance is the generator splitmix64.
func (c *chooser) chance(kind int) uint64 {
	c.state[kind] += 0x9e3779b97f4a7c15
	z := c.state[kind]
	z = (z ^ z>>30) * 0xbf58476d1ce4e5b9
	z = (z ^ z>>27) * 0x94d049bb133111eb
	return z ^ z>>31
}

// draw returns a number below n: from the block of a step, and otherwise by chance.
func (c *chooser) draw(n int) int {
	if c.step == nil {
		return c.small(model.Choices, n)
	}
	if n < 2 {
		return 0
	}
	b := at(c.step, 0)
	c.step = c.step[min(1, len(c.step)):]
	return scaled(b, n)
}

// Draw makes a choice of the store.
func (c *chooser) Draw(k model.Choice, n int) int { return c.small(int(k), n) }
