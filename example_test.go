// Copyright The Parti Authors
// SPDX-License-Identifier: Apache-2.0

package parti_test

import (
	"context"
	"fmt"
	"log/slog"
	"strings"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/parti-go/parti"
	"github.com/parti-go/parti/kv/embedded"
	"github.com/parti-go/parti/strategy"
)

// store starts a server in this process and connects to it. Against a server of your own it is
// nats.Connect(url, parti.ConnectOptions()...) and jetstream.New.
func store() (js jetstream.JetStream, end func(), err error) {
	server, err := embedded.Start()
	if err != nil {
		return nil, nil, err
	}
	nc, err := server.Connect(parti.ConnectOptions()...)
	if err != nil {
		server.Shutdown()
		return nil, nil, err
	}
	end = func() {
		nc.Close()
		server.Shutdown()
	}
	js, err = jetstream.New(nc)
	return js, end, err
}

func names(partitions []parti.Partition) string {
	ids := make([]string, len(partitions))
	for i, p := range partitions {
		ids[i] = p.ID()
	}
	return strings.Join(ids, ", ")
}

// One worker from its start to its clean leave. It is alone and told so by ExpectedWorkers; otherwise it would wait for
// others for as long as ColdStartWindow.
func Example() {
	js, end, err := store()
	if err != nil {
		fmt.Println(err)
		return
	}
	defer end()
	cfg := parti.DefaultConfig()
	cfg.ExpectedWorkers = 1

	var worker *parti.Manager
	hooks := parti.Hooks{OnAssignmentChanged: func(_ context.Context, added, removed []parti.Partition) error {
		epochs := worker.Assignment().Epochs // of each partition: what to fence with
		for _, p := range added {
			fmt.Println("begin", p.ID(), "under an epoch:", epochs[p.ID()] > 0)
		}
		for _, p := range removed {
			fmt.Println("end", p.ID()) // when this hook has returned, another worker may begin
		}
		return nil
	}}
	source := parti.StaticSource(
		parti.Partition{Keys: []string{"orders", "eu"}},
		parti.Partition{Keys: []string{"orders", "us"}, Weight: 200},
	)
	worker, err = parti.NewManager(cfg, js, source, strategy.NewConsistentHash(),
		parti.WithHooks(hooks), parti.WithLogger(slog.New(slog.DiscardHandler)))
	if err != nil {
		fmt.Println(err)
		return
	}
	if err := worker.Start(context.Background()); err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(worker.WorkerID(), "has joined")
	if err := worker.Stop(context.Background()); err != nil {
		fmt.Println(err)
	}
	fmt.Println(worker.State())
	// Output:
	// begin orders.eu under an epoch: true
	// begin orders.us under an epoch: true
	// worker-0 has joined
	// end orders.eu
	// end orders.us
	// Shutdown
}

// A second worker joins: after the window for planned changes the first lets go of what the second is to have, and only
// when its hook has returned does the second begin.
func ExampleManager() {
	js, end, err := store()
	if err != nil {
		fmt.Println(err)
		return
	}
	defer end()
	cfg := parti.DefaultConfig()
	cfg.ColdStartWindow, cfg.PlannedScaleWindow = 100*time.Millisecond, 100*time.Millisecond // 30s and 10s by default
	cfg.RebalanceCooldown = time.Millisecond

	source := parti.StaticSource(
		parti.Partition{Keys: []string{"a"}}, parti.Partition{Keys: []string{"b"}},
		parti.Partition{Keys: []string{"c"}}, parti.Partition{Keys: []string{"d"}},
	)
	events := make(chan string, 16)
	join := func(name string) (*parti.Manager, error) {
		hooks := parti.Hooks{OnAssignmentChanged: func(_ context.Context, added, removed []parti.Partition) error {
			if len(removed) > 0 {
				events <- fmt.Sprint(name, " ends ", len(removed))
			}
			if len(added) > 0 {
				events <- fmt.Sprint(name, " begins ", len(added))
			}
			return nil
		}}
		m, err := parti.NewManager(cfg, js, source, strategy.NewRoundRobin(),
			parti.WithHooks(hooks), parti.WithLogger(slog.New(slog.DiscardHandler)))
		if err != nil {
			return nil, err
		}
		return m, m.Start(context.Background())
	}
	first, err := join("first")
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(<-events)
	second, err := join("second")
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(<-events)
	fmt.Println(<-events)
	fmt.Println(len(first.Assignment().Partitions), "and", len(second.Assignment().Partitions))
	for _, m := range []*parti.Manager{second, first} {
		if err := m.Stop(context.Background()); err != nil {
			fmt.Println(err)
		}
	}
	// Output:
	// first begins 4
	// first ends 2
	// second begins 2
	// 2 and 2
}

// A configuration file names what is not as by default. What is no field, and what cannot work, is refused.
func ExampleLoadConfig() {
	cfg, err := parti.LoadConfig(strings.NewReader(`
heartbeatInterval: 1s
heartbeatTTL: 4s
kvBuckets:
  replicas: 3
labels: {zone: eu-1}
`))
	fmt.Println(cfg.HeartbeatTTL, cfg.LeaderTTL, cfg.KVBuckets.Replicas, cfg.Labels["zone"], err)

	_, err = parti.LoadConfig(strings.NewReader("heartbeatTTL: 2500ms"))
	fmt.Println(err)
	// Output:
	// 4s 3s 3 eu-1 <nil>
	// invalid configuration: HeartbeatTTL is 2.5s, allowed: whole seconds (the store counts in seconds), 1s to 1000h0m0s
	// invalid configuration: HeartbeatInterval is 2s, allowed: less than three quarters of HeartbeatTTL (1.875s), because a heartbeat is trusted for that long
}

// Partitions that change: the source lists what there is now, and RefreshPartitions, on any worker, has the leader ask it
// again.
func ExampleSourceFunc() {
	tenants := []string{"acme", "globex"} // from a database, say
	source := parti.SourceFunc(func(context.Context) ([]parti.Partition, error) {
		var list []parti.Partition
		for _, tenant := range tenants {
			list = append(list, parti.Partition{Keys: []string{"tenant", tenant}})
		}
		return list, nil
	})
	list, err := source.ListPartitions(context.Background())
	fmt.Println(names(list), err)
	// Output: tenant.acme, tenant.globex <nil>
}
