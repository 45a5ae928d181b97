// Package whatif says what a change would cost before anybody makes it: which partitions move, how even the loads get, and
// how long partitions are without an owner. It is pure.
//
// [Simulate] plays a made-up history of a group, step by step, with a strategy of choice.
package whatif
