// Copyright The Parti Authors
// SPDX-License-Identifier: Apache-2.0

package parti

import "time"

// ClusteredConfig returns a configuration for a replicated store, which takes no writes for 4 to 9 seconds when one of its
// servers fails: three replicas, and leases that are long enough for every worker to keep its partitions meanwhile. When the
// store goes away a worker is left with at least 12 seconds of trust (three quarters of HeartbeatTTL, less
// HeartbeatInterval). The leader may be replaced, which moves nothing. The price is that the partitions of a crashed worker
// have an owner again after 17 to 20.4 seconds.
func ClusteredConfig() Config {
	c := Config{
		HeartbeatInterval: 3 * time.Second, HeartbeatTTL: 20 * time.Second, LeaderTTL: 12 * time.Second,
		WorkerIDTTL: 60 * time.Second, ElectionTimeout: 15 * time.Second, StartupTimeout: 90 * time.Second,
	}
	c.KVBuckets.Replicas = 3
	c.ApplyDefaults()
	return c
}

// FastConfig returns a configuration for workers and a store without replicas in one rack, where seconds matter. In a
// group of six, every partition of a crashed worker has an owner again after 2.4 seconds at most, and a worker that joins has
// its share after 2.1 seconds. The price is 2.6 writes per worker and second, three times those of DefaultConfig, and that
// workers give up their partitions, and take them back, when they or the store stand still for half a second to a second.
func FastConfig() Config {
	c := Config{
		HeartbeatInterval: 500 * time.Millisecond, HeartbeatTTL: 2 * time.Second, LeaderTTL: 2 * time.Second,
		WorkerIDTTL: 10 * time.Second, ElectionTimeout: 3 * time.Second, OperationTimeout: 5 * time.Second,
		ColdStartWindow: 5 * time.Second, PlannedScaleWindow: 2 * time.Second, RebalanceCooldown: 2 * time.Second,
		FlapBackoff: time.Minute, HandoffTimeout: 10 * time.Second, StartupTimeout: 20 * time.Second,
	}
	c.ApplyDefaults()
	return c
}

// WideAreaConfig returns a configuration for round trips of 100 ms and outages of seconds between workers and store. A store or
// a network that is away for 10 seconds ends no session and moves nothing. The price is that the partitions of a
// crashed worker have an owner again after 25 to 30.4 seconds.
func WideAreaConfig() Config {
	c := Config{
		HeartbeatInterval: 5 * time.Second, HeartbeatTTL: 30 * time.Second, LeaderTTL: 15 * time.Second,
		WorkerIDTTL: 90 * time.Second, ElectionTimeout: 20 * time.Second, OperationTimeout: 15 * time.Second,
		ColdStartWindow: 60 * time.Second, PlannedScaleWindow: 30 * time.Second, RebalanceCooldown: 30 * time.Second,
		HandoffTimeout: 60 * time.Second, StartupTimeout: 2 * time.Minute, ShutdownTimeout: 20 * time.Second,
	}
	c.ApplyDefaults()
	return c
}
