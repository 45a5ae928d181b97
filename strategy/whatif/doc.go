// Copyright The Parti Authors
// SPDX-License-Identifier: Apache-2.0

// Package whatif predicts what a change costs before you make it: which partitions move, how even the loads become, and how
// long partitions are without an owner. It is pure.
//
// [Ask] answers for a group as it is now. It takes a [Fleet], which package observe fills in from the group's records, and
// a [Change]. It plans as the leader of a group does. The first plan places partitions without an owner, and moves nothing
// else. If the loads are then uneven, or workers join, a second plan may move partitions that have an owner.
//
// [Simulate] plays an invented history of a group, step by step, with a strategy of your choice.
package whatif
