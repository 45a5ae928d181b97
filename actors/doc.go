// Copyright The Parti Authors
// SPDX-License-Identifier: Apache-2.0

// Package actors is the actor tree of a worker: the manager, and under it the claimer, the heartbeat, the elector, the
// follower, the calculator and one actor for each owned partition.
//
// Programs use package parti, which gives the messages, events and values of this package their names there
// (parti.Leave is [Leave]) and makes the tree with parti.NewManager or parti.Props. [New], [Settings], [View], [Handling] and
// [Workbench] are what parti and partitest build on. They change with every release.
package actors
