// Copyright The Parti Authors
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"runtime/debug"
	"slices"
	"strings"
	"time"

	"github.com/choria-io/fisk"
	"github.com/nats-io/nats.go"
)

// The exit codes. The command check has codes of its own, those that monitoring systems expect.
const (
	exitFine   = 0
	exitFailed = 1 // the command could not do what it was asked for
	exitUsage  = 2 // the command line is wrong
)

// app is one run of the command.
type app struct {
	stdout, stderr io.Writer
	terminal       bool // stdout is one
	colours        bool // stdout shows them

	// work is what the command on the command line does.
	work       func(ctx context.Context) error
	connection connection
	group      group
	json       bool
}

// commands add themselves to the application, in the order of the help text.
func (a *app) commands() []func(*fisk.Application) {
	return []func(*fisk.Application){
		a.ls, a.info, a.workers, a.partitions, a.owner, a.history, a.explain, a.whatif, a.watch, a.check, a.report, // look
		a.refresh, a.cordon, a.uncordon, a.drain, // ask
		a.init, a.verify, // prepare
		a.replay, a.fsm,
	}
}

// exit ends the command with a code. Its error, if there is one, is told.
type exit struct {
	code int
	err  error
}

func (e exit) Error() string {
	if e.err == nil {
		return fmt.Sprintf("exit code %d", e.code)
	}
	return e.err.Error()
}

func (e exit) Unwrap() error { return e.err }

// run runs the command line and returns the exit code. It ends early when ctx does.
func run(ctx context.Context, args []string, stdout, stderr io.Writer) (code int) {
	a := &app{stdout: stdout, stderr: stderr, terminal: isTerminal(stdout)}
	a.colours = a.terminal && wantsColours()
	cli := a.application()
	defer func() { // help and the like end here
		switch ended := recover().(type) {
		case nil:
		case terminated:
			code = int(ended)
		default:
			panic(ended)
		}
	}()
	if _, err := cli.Parse(args); err != nil {
		fmt.Fprintf(stderr, "parti: %v; see parti --help\n", err)
		return usage(args)
	}
	if a.work == nil { // the help text was shown
		return usage(args)
	}
	err := a.work(ctx)
	var asked exit
	switch {
	case err == nil:
		return exitFine
	case errors.As(err, &asked):
		if asked.err != nil {
			fmt.Fprintf(stderr, "parti: %s\n", printable(asked.err))
		}
		return asked.code
	}
	fmt.Fprintf(stderr, "parti: %s\n", printable(err))
	return exitFailed
}

// printable is the text of an error, which may have several lines.
func printable(err error) string {
	if errors.Is(err, nats.ErrNoResponders) { // requests to workers have their own answer to that
		err = fmt.Errorf("%w; the server has no JetStream, or not in this JetStream domain: see --js-domain and --js-api-prefix", err)
	}
	lines := strings.Split(err.Error(), "\n")
	for i := range lines {
		lines[i] = clean(lines[i])
	}
	return strings.Join(lines, "\n")
}

// usage is the exit code of a wrong command line. For monitoring systems 2 would mean that the group is in trouble.
func usage(args []string) int {
	if slices.Contains(args, "check") {
		return int(unknown)
	}
	return exitUsage
}

// terminated is the panic with which the parser's help, version and completion end.
type terminated int

// application describes the command line.
func (a *app) application() *fisk.Application {
	fisk.EnableFileExpansion = false // an argument that begins with @ is no file
	cli := fisk.New("parti", "Look at groups of Parti workers, and send them requests")
	cli.HelpFlag.Short('h')
	cli.UsageWriter(a.stdout).ErrorWriter(a.stderr).Version(version())
	cli.Terminate(func(code int) { panic(terminated(code)) })
	a.connection.flags(cli)
	a.group.flags(cli)
	cli.Flag("json", "Write JSON instead of a table").UnNegatableBoolVar(&a.json)
	for _, add := range a.commands() {
		add(cli)
	}
	return cli
}

// do says what a command does.
func (a *app) do(cmd *fisk.CmdClause, work func(ctx context.Context) error) {
	cmd.Action(func(*fisk.ParseContext) error {
		a.work = work
		return nil
	})
}

// bounded is the time that a command may take to get what it needs from the server.
func (a *app) bounded(ctx context.Context) (context.Context, context.CancelFunc) {
	return context.WithTimeoutCause(ctx, a.connection.timeout,
		fmt.Errorf("no answer within --timeout %s: %w", a.connection.timeout.Round(time.Millisecond), context.DeadlineExceeded))
}

func version() string {
	if info, ok := debug.ReadBuildInfo(); ok && info.Main.Version != "" {
		return info.Main.Version
	}
	return "unknown"
}
