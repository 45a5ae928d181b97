// Copyright The Parti Authors
// SPDX-License-Identifier: Apache-2.0

package parti

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/parti-go/parti/kv"
)

// ConfigError names a field whose value is not allowed. It wraps ErrInvalidConfig.
type ConfigError struct {
	Field   string
	Value   any
	Allowed string
	// Variable is the environment variable that set the field; empty if none did.
	Variable string
}

// Error implements error.
func (e *ConfigError) Error() string {
	value := fmt.Sprint(e.Value)
	if s, ok := e.Value.(string); ok {
		value = strconv.Quote(s)
	}
	field := e.Field
	if e.Variable != "" {
		field += " (from " + e.Variable + ")"
	}
	return fmt.Sprintf("%v: %s is %s, allowed: %s", ErrInvalidConfig, field, value, e.Allowed)
}

// Unwrap makes errors.Is find ErrInvalidConfig.
func (e *ConfigError) Unwrap() error { return ErrInvalidConfig }

// Validate reports all invalid fields. It joins one *ConfigError for each.
func (c Config) Validate() error { return c.validate(nil) }

// validate is Validate for a Config some of whose fields come from variables.
func (c Config) validate(from map[string]string) error {
	v := validation{from: from}
	c.validateIDs(&v)
	c.validateTimes(&v)
	c.validateGroup(&v)
	return errors.Join(v.errs...)
}

type validation struct {
	from map[string]string // the variable of each field that the environment has set
	errs []error
}

// check notes a field whose value is not allowed.
func (v *validation) check(ok bool, field string, value any, allowed string, args ...any) {
	if !ok {
		v.errs = append(v.errs, &ConfigError{field, value, fmt.Sprintf(allowed, args...), v.from[field]})
	}
}

const (
	maxName   = 64
	maxGroup  = maxName - len(bucketPrefix+"-assignment")
	maxLabels = 32
	maxLabel  = 256
	maxIDs    = 100_000

	maxConfirmations = 100
	maxTime          = 1000 * time.Hour // and no sum of two overflows
)

func (c Config) validateIDs(v *validation) {
	v.check(isName(c.WorkerIDPrefix), "WorkerIDPrefix", c.WorkerIDPrefix, "1 to %d letters, digits, '-' and '_'", maxName)
	v.check(c.WorkerIDMin >= 0, "WorkerIDMin", c.WorkerIDMin, "0 or more")
	v.check(c.WorkerIDMax >= c.WorkerIDMin, "WorkerIDMax", c.WorkerIDMax, "WorkerIDMin (%d) or more", c.WorkerIDMin)
	v.check(c.WorkerIDMax-c.WorkerIDMin < maxIDs, "WorkerIDMax", c.WorkerIDMax, "a range of at most %d IDs", maxIDs)
	if c.PreferredID != "" {
		_, ok := kv.Config{IDPrefix: c.WorkerIDPrefix, IDMin: c.WorkerIDMin, IDMax: c.WorkerIDMax}.ParseID(c.PreferredID)
		v.check(ok, "PreferredID", c.PreferredID, "%s-%d to %s-%d", c.WorkerIDPrefix, c.WorkerIDMin, c.WorkerIDPrefix, c.WorkerIDMax)
	}
	ids := max(0, c.WorkerIDMax-c.WorkerIDMin+1) // a range that is wrong has an error of its own
	v.check(c.ExpectedWorkers >= 0 && c.ExpectedWorkers <= ids, "ExpectedWorkers", c.ExpectedWorkers,
		"0 (unknown) to the number of IDs, %d", ids)
	v.check(c.Capacity >= 1 && c.Capacity <= 1<<40, "Capacity", c.Capacity, "1 to %d", int64(1)<<40)
	v.check(c.SourceShrinkConfirmations >= 1 && c.SourceShrinkConfirmations <= maxConfirmations, "SourceShrinkConfirmations",
		c.SourceShrinkConfirmations, "1 to %d", maxConfirmations)
	v.check(len(c.Labels) <= maxLabels, "Labels", len(c.Labels), "at most %d labels", maxLabels)
	for _, key := range slices.Sorted(maps.Keys(c.Labels)) {
		value := c.Labels[key]
		ok := key != "" && len(key) <= maxLabel && len(value) <= maxLabel && utf8.ValidString(key+value)
		v.check(ok, "Labels", key+"="+value, "names of 1 to %d bytes, values of at most %d, in UTF-8", maxLabel, maxLabel)
	}
}

func (c Config) validateTimes(v *validation) {
	within := func(field string, d, least time.Duration) {
		v.check(d >= least && d <= maxTime, field, d, "%s to %s", least, maxTime)
	}
	ttl := func(field string, d time.Duration) {
		v.check(d >= time.Second && d <= maxTime && d%time.Second == 0, field, d,
			"whole seconds (the store counts in seconds), 1s to %s", maxTime)
	}
	ttl("WorkerIDTTL", c.WorkerIDTTL)
	ttl("HeartbeatTTL", c.HeartbeatTTL)
	ttl("LeaderTTL", c.LeaderTTL)
	within("HeartbeatInterval", c.HeartbeatInterval, time.Millisecond)
	v.check(c.HeartbeatInterval < c.HeartbeatTTL-c.HeartbeatTTL/4, "HeartbeatInterval", c.HeartbeatInterval,
		"less than three quarters of HeartbeatTTL (%s), because a heartbeat is trusted for that long", c.HeartbeatTTL-c.HeartbeatTTL/4)
	within("PlannedScaleWindow", c.PlannedScaleWindow, time.Millisecond)
	within("ColdStartWindow", c.ColdStartWindow, time.Millisecond)
	v.check(c.ColdStartWindow >= c.PlannedScaleWindow, "ColdStartWindow", c.ColdStartWindow, "PlannedScaleWindow (%s) or more", c.PlannedScaleWindow)
	within("EmergencyGracePeriod", c.EmergencyGracePeriod, 0)
	within("RebalanceCooldown", c.RebalanceCooldown, time.Millisecond)
	within("FlapBackoff", c.FlapBackoff, 0)
	within("HandoffTimeout", c.HandoffTimeout, time.Millisecond)
	within("OperationTimeout", c.OperationTimeout, time.Millisecond)
	within("ElectionTimeout", c.ElectionTimeout, time.Millisecond)
	within("StartupTimeout", c.StartupTimeout, time.Millisecond)
	within("PreferredIDWait", c.PreferredIDWait, time.Nanosecond)
	v.check(c.RelistInterval == 0 || c.RelistInterval >= time.Second && c.RelistInterval <= maxTime, "RelistInterval", c.RelistInterval,
		"0 (never), or 1s to %s", maxTime)
	within("ShutdownTimeout", c.ShutdownTimeout, time.Millisecond)
	v.check(c.StartupTimeout > c.ColdStartWindow+c.ElectionTimeout, "StartupTimeout", c.StartupTimeout,
		"more than ColdStartWindow + ElectionTimeout (%s)", c.ColdStartWindow+c.ElectionTimeout)
	ratio := func(field string, r float64) { v.check(r > 0 && r <= 1, field, r, "more than 0, at most 1") }
	ratio("RestartDetectionRatio", c.RestartDetectionRatio)
	ratio("MassLossRatio", c.MassLossRatio)
	ratio("Assignment.MinRebalanceThreshold", c.Assignment.MinRebalanceThreshold)
	within("Assignment.HomeRetention", c.Assignment.HomeRetention, time.Millisecond)
}

func (c Config) validateGroup(v *validation) {
	v.check(c.OnStoreLoss == OnStoreLossFence || c.OnStoreLoss == OnStoreLossKeepServing, "OnStoreLoss", c.OnStoreLoss,
		"%q or %q", OnStoreLossFence, OnStoreLossKeepServing)
	b := c.KVBuckets
	named := c.Group == "" || isName(c.Group) && len(c.Group) <= maxGroup
	v.check(named, "Group", c.Group, "none, or 1 to %d letters, digits, '-' and '_'", maxGroup)
	seen := map[string]string{}
	for _, f := range []struct{ field, name string }{
		{"KVBuckets.StableID", b.StableID},
		{"KVBuckets.Election", b.Election},
		{"KVBuckets.Heartbeat", b.Heartbeat},
		{"KVBuckets.Assignment", b.Assignment},
	} {
		// What is wrong with a name that comes from the group's is said of the group's.
		derived := !named && f.name == c.bucket(strings.ToLower(strings.TrimPrefix(f.field, "KVBuckets.")))
		v.check(isName(f.name) || derived, f.field, f.name, "1 to %d letters, digits, '-' and '_'", maxName)
		v.check(seen[f.name] == "", f.field, f.name, "a name other than that of %s", seen[f.name])
		seen[f.name] = f.field
	}
	v.check(b.Storage == "file" || b.Storage == "memory", "KVBuckets.Storage", b.Storage, `"file" or "memory"`)
	v.check(b.Replicas == 1 || b.Replicas == 3 || b.Replicas == 5, "KVBuckets.Replicas", b.Replicas, "1, 3 or 5")
}

func isName(s string) bool {
	return s != "" && len(s) <= maxName && !strings.ContainsFunc(s, func(r rune) bool {
		return (r < 'a' || r > 'z') && (r < 'A' || r > 'Z') && (r < '0' || r > '9') && r != '-' && r != '_'
	})
}

// failover is how long a replicated store takes no writes after one of its servers failed, at most, as long as the first
// vote elects a leader: the longest election timeout of nats-server (server/raft.go: maxElectionTimeoutDefault).
const failover = 9 * time.Second

// warnings name what is allowed and not wise.
func (c Config) warnings() []string {
	if c.KVBuckets.Replicas <= 1 {
		return nil
	}
	var w []string
	warn := func(field string, ttl, left time.Duration, what string) {
		if left <= failover {
			w = append(w, fmt.Sprintf("config: %s is %s: when the store stops taking writes, %s can run out after %s; a replicated store takes no "+
				"writes for up to %s when a server fails; use ClusteredConfig", field, ttl, what, left, failover))
		}
	}
	trusted := func(ttl time.Duration) time.Duration { return ttl - ttl/4 }
	warn("WorkerIDTTL", c.WorkerIDTTL, trusted(c.WorkerIDTTL)-c.WorkerIDTTL/3, "the trust in a claim")
	warn("HeartbeatTTL", c.HeartbeatTTL, trusted(c.HeartbeatTTL)-c.HeartbeatInterval, "the trust in a heartbeat")
	// Less is asked of a leader, who is replaced without anything being moved.
	warn("LeaderTTL", c.LeaderTTL, c.LeaderTTL, "the leader's lease")
	return w
}
