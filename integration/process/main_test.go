// Copyright The Parti Authors
// SPDX-License-Identifier: Apache-2.0

//go:build process

package process

import (
	"fmt"
	"io"
	"os"
	"testing"
	"time"

	"github.com/nats-io/nats-server/v2/server"
)

// serverVariable names the configuration file of the server that this binary is to be, instead of running tests.
const serverVariable = "PARTITEST_PROCESS_SERVER"

func TestMain(m *testing.M) {
	if file := os.Getenv(serverVariable); file != "" {
		if err := serve(file); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		return
	}
	if setup := os.Getenv(readerVariable); setup != "" {
		if err := readStreams(setup); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		return
	}
	code := m.Run()
	if binaries != "" {
		_ = os.RemoveAll(binaries)
	}
	os.Exit(code)
}

// serve runs a server until a signal ends it, or until the tests' end closes standard input.
func serve(file string) error {
	opts, err := server.ProcessConfigFile(file)
	if err != nil {
		return err
	}
	s, err := server.NewServer(opts)
	if err != nil {
		return err
	}
	s.ConfigureLogger()
	s.Start()
	go func() {
		_, _ = io.Copy(io.Discard, os.Stdin)
		os.Exit(1)
	}()
	s.WaitForShutdown()
	return nil
}

// eventually waits until the condition holds, and returns how long that took.
func eventually(t testing.TB, within time.Duration, what string, condition func() bool) time.Duration {
	t.Helper()
	began := time.Now()
	for !condition() {
		if time.Since(began) >= within {
			t.Fatalf("after %s still not: %s", within, what)
		}
		<-time.After(poll)
	}
	return time.Since(began)
}

// poll is the time between two looks at a condition.
const poll = 20 * time.Millisecond
