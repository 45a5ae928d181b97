// Copyright The Parti Authors
// SPDX-License-Identifier: Apache-2.0

package parti

import (
	"maps"
	"reflect"
	"time"
)

// DefaultConfig returns the defaults: for workers and a store without replicas in one data center. See FastConfig,
// ClusteredConfig and WideAreaConfig for other places.
func DefaultConfig() Config {
	var c Config
	c.ApplyDefaults()
	return c
}

// ApplyDefaults sets each field that is zero and has another default. In WorkerIDMin, EmergencyGracePeriod, ExpectedWorkers,
// RelistInterval, PreferredID, StateDir, Standby, Labels and Cordoned the zero value is a setting. FlapBackoff stays 0 if
// every other field is set, as in what DefaultConfig returned.
func (c *Config) ApplyDefaults() {
	c.regroup()
	before := *c
	defer func() {
		if !reflect.DeepEqual(*c, before) { // something was not set, so this was not either
			set(&c.FlapBackoff, defaultFlapBackoff)
		}
	}()
	set(&c.WorkerIDPrefix, "worker")
	set(&c.WorkerIDMax, 99)
	set(&c.WorkerIDTTL, 30*time.Second)
	set(&c.HeartbeatInterval, 2*time.Second)
	set(&c.HeartbeatTTL, 6*time.Second)
	set(&c.PreferredIDWait, min(c.HeartbeatTTL+time.Second, maxTime))
	set(&c.LeaderTTL, 3*time.Second)
	set(&c.ColdStartWindow, 30*time.Second)
	set(&c.PlannedScaleWindow, 10*time.Second)
	set(&c.RestartDetectionRatio, 0.5)
	set(&c.MassLossRatio, 0.2)
	set(&c.RebalanceCooldown, 10*time.Second)
	set(&c.HandoffTimeout, 30*time.Second)
	set(&c.OperationTimeout, 10*time.Second)
	set(&c.ElectionTimeout, 5*time.Second)
	set(&c.StartupTimeout, 60*time.Second)
	set(&c.ShutdownTimeout, 10*time.Second)
	set(&c.OnStoreLoss, OnStoreLossFence)
	set(&c.KVBuckets.StableID, c.bucket("stableid"))
	set(&c.KVBuckets.Election, c.bucket("election"))
	set(&c.KVBuckets.Heartbeat, c.bucket("heartbeat"))
	set(&c.KVBuckets.Assignment, c.bucket("assignment"))
	set(&c.KVBuckets.Storage, "file")
	set(&c.KVBuckets.Replicas, 1)
	set(&c.SourceShrinkConfirmations, 3)
	set(&c.Capacity, 100)
	set(&c.Assignment.MinRebalanceThreshold, 0.15)
	set(&c.Assignment.HomeRetention, 10*time.Minute)
	c.Labels = maps.Clone(c.Labels)
}

const (
	defaultFlapBackoff = 5 * time.Minute
	bucketPrefix       = "parti-"
)

// bucket is the default name of a bucket.
func (c *Config) bucket(kind string) string {
	if c.Group != "" {
		kind = c.Group + "-" + kind
	}
	return bucketPrefix + kind
}

// regroup renames buckets that have the default names of a group without a name: those come from DefaultConfig, which did
// not know the group.
func (c *Config) regroup() {
	for kind, name := range map[string]*string{
		"stableid": &c.KVBuckets.StableID, "election": &c.KVBuckets.Election,
		"heartbeat": &c.KVBuckets.Heartbeat, "assignment": &c.KVBuckets.Assignment,
	} {
		if *name == bucketPrefix+kind {
			*name = c.bucket(kind)
		}
	}
}

func set[T comparable](field *T, value T) {
	var zero T
	if *field == zero {
		*field = value
	}
}
