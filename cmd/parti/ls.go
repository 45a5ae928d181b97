package main

import (
	"context"

	"github.com/choria-io/fisk"
)

// ls adds the command that lists the groups on the server.
func (a *app) ls(parent *fisk.Application) {
	cmd := parent.Command("ls", "List the groups on the server")
	a.do(cmd, func(ctx context.Context) error { return nil })
}
