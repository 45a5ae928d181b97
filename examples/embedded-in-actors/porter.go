// Copyright The Parti Authors
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"github.com/asynkron/protoactor-go/actor"

	"github.com/parti-go/parti"
)

// porter is the user's actor for one partition, here a room. The tree spawns one for each room that the worker owns, and
// stops it when the room has to be let go. The room is let go when its porter has terminated.
type porter struct {
	o    *parti.Ownership
	tell func(message any) // the supervisor
}

// note is what a porter has to say.
type note struct {
	o    *parti.Ownership
	text string
}

func porters(tell func(message any)) func(*parti.Ownership) *actor.Props {
	return func(o *parti.Ownership) *actor.Props {
		return actor.PropsFromProducer(func() actor.Actor { return &porter{o, tell} })
	}
}

// Receive implements actor.Actor. A porter that panics is spawned anew after a pause, with the same Ownership.
func (p *porter) Receive(ctx actor.Context) {
	switch ctx.Message().(type) {
	case *actor.Started:
		p.tell(&note{p.o, "opened"})
	case *actor.Stopped:
		p.tell(&note{p.o, "closed"})
	}
}
