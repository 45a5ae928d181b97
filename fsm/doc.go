// Copyright The Parti Authors
// SPDX-License-Identifier: Apache-2.0

// Package fsm is the worker's state machine. It exists once, as a table of transitions. The running machine, the diagrams,
// the tables in the docs and the tests are generated from the table. looplab/fsm runs it without callbacks: the machine
// makes a step, and the caller then acts on it.
package fsm

//go:generate go run ./internal/gen
