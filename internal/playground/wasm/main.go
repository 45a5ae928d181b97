// Copyright The Parti Authors
// SPDX-License-Identifier: Apache-2.0

//go:build js && wasm

// The playground in WebAssembly. It gives the page one global object, parti, whose functions control the fleet.
package main

import (
	"syscall/js"
	"time"

	"github.com/parti-go/parti/internal/playground"
)

// slice is how much simulated time passes between two looks at how much real time there is left.
const slice = 100 * time.Millisecond

func main() {
	var stage *playground.Stage
	answer := func(err error) any {
		if err != nil {
			return err.Error()
		}
		return ""
	}
	functions := map[string]func(args []js.Value) any{
		// begin(start, workers, partitions, seed) begins anew, at a time in milliseconds since 1970.
		"begin": func(args []js.Value) any {
			fresh, err := playground.New(time.UnixMilli(int64(args[0].Float())), args[1].Int(), args[2].Int(), uint64(args[3].Int()))
			if err == nil {
				stage = fresh
			}
			return answer(err)
		},
		// advance(ms, budget) lets simulated time pass, for at most so many real milliseconds, and returns how much has passed.
		"advance": func(args []js.Value) any {
			wanted := time.Duration(args[0].Float() * float64(time.Millisecond))
			budget := time.Duration(args[1].Float() * float64(time.Millisecond))
			began, done := time.Now(), time.Duration(0)
			for done < wanted && time.Since(began) < budget {
				next := min(slice, wanted-done)
				stage.Advance(next)
				done += next
			}
			return done.Seconds() * 1000
		},
		"look":  func([]js.Value) any { return string(stage.Look()) },
		"act":   func(args []js.Value) any { return answer(stage.Do(args[0].String(), args[1].String())) },
		"scene": func(args []js.Value) any { return answer(stage.Scene(args[0].String())) },
	}
	object := js.Global().Get("Object").New()
	for name, do := range functions {
		object.Set(name, js.FuncOf(func(_ js.Value, args []js.Value) any { return do(args) }))
	}
	js.Global().Set("parti", object)
	select {} // the functions live as long as the page
}
