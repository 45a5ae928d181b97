// Copyright The Parti Authors
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"testing"
	"testing/synctest"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
	"github.com/stretchr/testify/require"

	"github.com/parti-go/parti/internal/bubble"
	"github.com/parti-go/parti/internal/control"
)

// TestMain lets this binary be a worker, as the program itself is where it starts one.
func TestMain(m *testing.M) {
	if len(os.Args) > 1 && os.Args[1] == "-worker" {
		main()
		return
	}
	os.Exit(m.Run())
}

func TestNothingIsLostTwiceOrOutOfOrder(t *testing.T) {
	bubble.Run(t, func(t *testing.T, s *bubble.Server) {
		defer synctest.Wait() // the server is idle when it is stopped
		var out bytes.Buffer
		err := at(t.Context(), &out, s)
		t.Log("\n" + out.String())
		require.NoError(t, err)
		require.Regexp(t, `shipments processed \d{4,}, lost 0, twice 0, out of order 0`, out.String())
		require.Regexp(t, `ledger    processed \d{4,}, lost 0, twice 0, out of order 0`, out.String())
		for _, event := range []string{"three workers", "two more join", "one is killed", "one is drained", "the server restarts"} {
			require.Contains(t, out.String(), event)
		}
	})
}

// TestASecondSaleGoesOnWithTheNumbersOfTheFirst: a shop that began at 1 again would have its orders dropped as duplicates.
func TestASecondSaleGoesOnWithTheNumbersOfTheFirst(t *testing.T) {
	withServer(t, func(t *testing.T, js jetstream.JetStream) {
		for sale := 1; sale <= 2; sale++ {
			s, err := open(t.Context(), js)
			require.NoError(t, err)
			s.close() // after the first burst
			published, _, err := progress(t.Context(), js)
			require.NoError(t, err)
			require.Equal(t, 2*customers*sale, published)
			require.Equal(t, 2*sale, s.counts[7])
		}
	})
}

func TestTheLedgerRefusesLateWritersAndRepetitions(t *testing.T) {
	withServer(t, func(t *testing.T, js jetstream.JetStream) {
		before, err := openLedger(t.Context(), js)
		require.NoError(t, err)
		after, err := openLedger(t.Context(), js)
		require.NoError(t, err)
		first, second := []byte(`{"customer":1,"number":1}`), []byte(`{"customer":1,"number":2}`)
		require.NoError(t, before.enter(t.Context(), "1", 2, 10, first))
		require.NoError(t, after.enter(t.Context(), "1", 3, 10, first), "it is booked already")
		require.NoError(t, after.enter(t.Context(), "1", 3, 11, second))
		require.ErrorIs(t, before.enter(t.Context(), "1", 2, 12, second), errLate)
		booked, disorder, err := after.total(t.Context())
		require.NoError(t, err)
		require.Equal(t, 2, booked)
		require.Zero(t, disorder)
	})
}

// TestTheCountNoticesWhatIsWrong: a count that always adds up shows nothing.
func TestTheCountNoticesWhatIsWrong(t *testing.T) {
	withServer(t, func(t *testing.T, js jetstream.JetStream) {
		ship := func(customer, number int) {
			_, err := js.Publish(t.Context(), "shipments.1", fmt.Appendf(nil, `{"customer":%d,"number":%d}`, customer, number))
			require.NoError(t, err)
		}
		for _, shipment := range [][2]int{{1, 1}, {1, 2}, {1, 2}, {1, 4}, {2, 1}} {
			ship(shipment[0], shipment[1])
		}
		twice, unordered, err := review(t.Context(), js, 5)
		require.NoError(t, err)
		require.Equal(t, 1, twice)
		require.Equal(t, 1, unordered)
		var out bytes.Buffer
		require.ErrorContains(t, count(t.Context(), js, teller(&out)), "do not add up")
	})
}

func TestWhatTheCommandLineMayNotSay(t *testing.T) {
	for says, args := range map[string][]string{
		`unknown argument "x"`: {"x"},
		"more than one of":     {"-shop", "-worker"},
	} {
		require.ErrorContains(t, run(t.Context(), args, nil), says)
	}
	require.ErrorContains(t, run(t.Context(), []string{"-worker", "-nats", "nats://127.0.0.1:1"}, nil), "connect to nats://127.0.0.1:1")
	t.Setenv("NATS_URL", "nats://elsewhere")
	set, err := parse([]string{"-count"})
	require.NoError(t, err)
	require.Equal(t, "nats://elsewhere", set.url)
}

// withServer runs a test at a server that has the streams.
func TestAWorkerThatIsDrainedFromOutsideSaysSoAtTheEnd(t *testing.T) {
	withServer(t, func(t *testing.T, js jetstream.JetStream) {
		ctx, cancel := context.WithCancel(t.Context())
		said, ended := make(chan string, 1000), make(chan error, 2)
		say := func(format string, args ...any) { said <- fmt.Sprintf(format, args...) }
		await := func(text string) {
			t.Helper()
			for deadline := time.After(time.Minute); ; {
				select {
				case line := <-said:
					if line == text {
						return
					}
				case <-deadline:
					t.Fatalf("nobody has said %q", text)
				}
			}
		}
		for n := range 2 {
			go func() { ended <- work(ctx, js, say) }()
			await(fmt.Sprintf("worker-%d is ready, pid %d", n, os.Getpid()))
		}
		cfg := config()
		cfg.ApplyDefaults()
		require.NoError(t, control.Ask(t.Context(), js.Conn(), cfg.KVBuckets.Assignment, "worker-1", control.Request{Action: control.Drain}, func(control.Progress) {}))
		await("worker-1 was drained from outside and leaves")
		require.NoError(t, <-ended)
		cancel()
		require.NoError(t, <-ended)
	})
}

func withServer(t *testing.T, f func(*testing.T, jetstream.JetStream)) {
	t.Helper()
	bubble.Run(t, func(t *testing.T, s *bubble.Server) {
		nc, js, err := connect("", nats.InProcessServer(s))
		require.NoError(t, err)
		defer nc.Close()
		require.NoError(t, streams(t.Context(), js))
		f(t, js)
	})
}
