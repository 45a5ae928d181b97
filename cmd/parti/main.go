// Copyright The Parti Authors
// SPDX-License-Identifier: Apache-2.0

// Parti looks at groups of workers on a NATS server, and tells them what to do. It also works as a plugin of the nats
// command: nats plugins register parti $(which parti). docs/cli.md describes each command.
package main

import (
	"context"
	"os"
	"os/signal"
	"syscall"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	code := run(ctx, os.Args[1:], os.Stdout, os.Stderr)
	stop()
	os.Exit(code)
}
