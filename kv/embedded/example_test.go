// Copyright The Parti Authors
// SPDX-License-Identifier: Apache-2.0

package embedded_test

import (
	"fmt"
	"os"

	"github.com/parti-go/parti"
	"github.com/parti-go/parti/kv/embedded"
)

// A server for one process, and for others on the same machine, that keeps its streams.
func ExampleStart() {
	dir, err := os.MkdirTemp("", "example")
	if err != nil {
		fmt.Println(err)
		return
	}
	defer os.RemoveAll(dir)
	server, err := embedded.Start(embedded.WithPort(embedded.RandomPort), embedded.WithStoreDir(dir), embedded.WithDomain("edge"))
	if err != nil {
		fmt.Println(err)
		return
	}
	defer server.Shutdown()
	nc, err := server.Connect(parti.ConnectOptions()...) // without a socket; others dial server.URL()
	if err != nil {
		fmt.Println(err)
		return
	}
	defer nc.Close()
	fmt.Println(nc.IsConnected(), server.URL() != "", server.NATS().JetStreamEnabled())
	// Output: true true true
}
