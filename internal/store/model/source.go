// Copyright The Parti Authors
// SPDX-License-Identifier: Apache-2.0

package model

// Choice is what the model asks a source about.
type Choice int

// The choices. Number zero is always what a healthy server on a fast network does.
const (
	// Fate is what becomes of a request, see the fates.
	Fate Choice = iota
	// Way is how much of [Config.Jitter] is added to the time that a message is under way, in sixteenths.
	Way
	// Commit is how much of [Config.Commit] a replicated write takes, in sixteenths.
	Commit
	// Late is how much of [Config.Late] the marker of an expiry is late, in sixteenths.
	Late
	// Overtaken says, with 1, that the marker of an expiry overwrites what was written, or deleted, when the lifetime was over,
	// and what was written after that. When it does is drawn as Late.
	Overtaken
	// Behind is by how many writes the replica lags that answers a listing. A batch is one write.
	Behind
	// Sight is what becomes of a message that a feed should tell: 1 loses that message, 2 ends the feed.
	Sight
	// Notice is how much of its patience a follower needs to notice that its feed has ended, in sixteenths.
	Notice
	// Remains is what becomes of what is under way when a connection breaks or a leader changes: 1 lets it arrive all the same.
	Remains
	choices
)

// Choices is how many choices there are.
const Choices = int(choices)

// The fates of a request. One that only asks has the first three.
const (
	Answered    = iota // it arrives and is answered
	Unsent             // it is not sent, and the client knows
	RequestLost        // it does not arrive
	AnswerLost         // it is done, but the answer does not arrive
	Ghostly            // it arrives when its client has given up waiting
	fates
)

// Source makes the choices of a model.
type Source interface {
	// Draw returns a number from 0 to n-1. What is beyond is taken for n-1, and what is below for 0.
	Draw(c Choice, n int) int
}

// Benign is the source that always draws zero.
type Benign struct{}

// Draw returns 0.
func (Benign) Draw(Choice, int) int { return 0 }

// Random draws zero except with the odds that it was given, and then any other number. It repeats itself for a seed.
type Random struct {
	state uint64
	odds  [Choices]uint32
}

// Odds say how often, out of 65,536 times, each choice is not zero.
type Odds [Choices]uint16

// Even returns the same odds for every choice.
func Even(n uint16) (o Odds) {
	for c := range o {
		o[c] = n
	}
	return o
}

// NewRandom returns a source.
func NewRandom(seed uint64, odds Odds) *Random {
	r := &Random{state: seed}
	for c, n := range odds {
		r.odds[c] = uint32(n)
	}
	return r
}

// Draw makes a choice.
func (r *Random) Draw(c Choice, n int) int {
	if n < 2 || uint32(r.Uint64()>>48) >= r.odds[c] {
		return 0
	}
	return 1 + int((r.Uint64()>>33)%uint64(n-1))
}

// Uint64 is the generator splitmix64: one addition and one mix a number.
func (r *Random) Uint64() uint64 {
	r.state += 0x9e3779b97f4a7c15
	z := r.state
	z = (z ^ z>>30) * 0xbf58476d1ce4e5b9
	z = (z ^ z>>27) * 0x94d049bb133111eb
	return z ^ z>>31
}

// Script draws what it was told, choice by choice, and then zero.
type Script map[Choice][]int

// Draw returns the next number of the script for the choice.
func (s Script) Draw(c Choice, _ int) int {
	if len(s[c]) == 0 {
		return 0
	}
	n := s[c][0]
	s[c] = s[c][1:]
	return n
}
