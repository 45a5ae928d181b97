// Copyright The Parti Authors
// SPDX-License-Identifier: Apache-2.0

// Package freeport finds free ports for tests whose servers must know their ports before they start.
package freeport

import (
	"fmt"
	"math/rand/v2"
	"net"
	"sync"
	"testing"
)

// taken are the ports that this process was given.
var taken sync.Map

// Take returns a port of the loopback address that is free, and was not given to anybody else in this process. It is below
// the range from which the system takes those of outgoing connections: so it stays free while a server is away.
func Take(t testing.TB) int {
	t.Helper()
	for range 1000 {
		port := 20000 + rand.IntN(10000)
		if _, used := taken.LoadOrStore(port, true); used {
			continue
		}
		if l, err := net.Listen("tcp", fmt.Sprintf("127.0.0.1:%d", port)); err == nil {
			_ = l.Close()
			return port
		}
	}
	t.Fatal("no free port")
	return 0
}
