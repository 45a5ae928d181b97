// Copyright The Parti Authors
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"fmt"

	"github.com/choria-io/fisk"

	"github.com/parti-go/parti/fsm"
)

// fsm adds the command that draws the state machine of a worker.
func (a *app) fsm(parent *fisk.Application) {
	var format string
	var compact bool
	cmd := parent.Command("fsm", "Draw the states of a worker")
	cmd.Flag("format", "mermaid, dot (for Graphviz) or svg").Default("mermaid").EnumVar(&format, "mermaid", "dot", "svg")
	cmd.Flag("compact", "Leave the arrows to Shutdown out").UnNegatableBoolVar(&compact)
	a.do(cmd, func(context.Context) error {
		var opts []fsm.Option
		if compact {
			opts = append(opts, fsm.Compact())
		}
		draw := map[string]func(...fsm.Option) string{"mermaid": fsm.Mermaid, "dot": fsm.DOT, "svg": fsm.SVG}[format]
		if a.json {
			return a.write(struct {
				Format  string `json:"format"`
				Drawing string `json:"drawing"`
			}{format, draw(opts...)})
		}
		_, err := fmt.Fprint(a.stdout, draw(opts...))
		return err
	})
}
