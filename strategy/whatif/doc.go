// Package whatif says what a change would cost before anybody makes it: which partitions move, how even the loads get, and
// how long partitions are without an owner. It is pure.
//
// [Ask] answers for a group as it is now: a [Fleet], which package observe fills in from what a group has stored, and a
// [Change]. It plans as the leader of a group does. First comes what has no owner, in a plan that moves nothing else, and
// then, where that leaves the loads uneven or workers join, a plan that may move what somebody holds.
//
// [Simulate] plays a made-up history of a group, step by step, with a strategy of choice.
package whatif
