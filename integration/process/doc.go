// Copyright The Parti Authors
// SPDX-License-Identifier: Apache-2.0

// Package process tests fleets in real time, on real sockets, with what an operating system can do to a process: servers
// and workers are processes of their own that are killed, paused, cut off and run out of space.
//
// Its tests take minutes and so are behind a build tag:
//
//	go test -tags=process ./integration/process/...
//
// They are judged by the same checker as the fleets in virtual time. What it cannot judge in real time is left out: where
// the streams' messages were read with a gap, because the server that was read from died, nothing is concluded from what
// is missing.
package process
