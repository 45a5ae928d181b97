// Package fsm is the worker's state machine. It is written down once, as a table of transitions; the running machine,
// the diagrams, the tables in the docs and the tests are made from it. looplab/fsm runs it, without callbacks: a step is
// made first, and what follows from it is the caller's business.
package fsm

//go:generate go run ./internal/gen
