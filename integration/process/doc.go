// Copyright The Parti Authors
// SPDX-License-Identifier: Apache-2.0

// Package process tests fleets in real time and on real sockets. Servers and workers are processes of their own. The operating
// system kills them, pauses them, cuts them off and lets them run out of space.
//
// The tests take minutes, so they are behind a build tag:
//
//	go test -tags=process ./integration/process/...
//
// The checker of the fleets in virtual time judges them as well. Some things cannot be judged in real time: if messages of a
// stream are missing because the server that was read from died, nothing is concluded from the missing ones.
package process
