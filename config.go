package parti

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"maps"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/goccy/go-yaml"

	"github.com/parti-go/parti/kv"
)

// Config holds everything that can be set about a worker. Its zero value, after ApplyDefaults, is DefaultConfig. All
// workers of a group should have the same, except PreferredID, StateDir, Standby, Capacity, Labels and Cordoned. In YAML the fields are
// written in lower camel case (workerIDPrefix, heartbeatTTL, kvBuckets.stableID) and durations as in Go ("30s").
type Config struct {
	// WorkerIDPrefix, WorkerIDMin and WorkerIDMax span the stable IDs, "worker-0" to "worker-99" by default: at most so
	// many workers take part at once. WorkerIDMax 0 means 99 (for a single ID take any number but 0 twice).
	WorkerIDPrefix string `yaml:"workerIDPrefix"`
	WorkerIDMin    int    `yaml:"workerIDMin"`
	WorkerIDMax    int    `yaml:"workerIDMax"`
	// WorkerIDTTL is how long an ID stays taken after its worker vanished; renewed every third of it. Default 30s.
	WorkerIDTTL time.Duration `yaml:"workerIDTTL"`
	// HeartbeatInterval is the time between two signs of life. Less than three quarters of HeartbeatTTL. Default 2s.
	HeartbeatInterval time.Duration `yaml:"heartbeatInterval"`
	// HeartbeatTTL is how long after its last sign of life a worker counts as dead. It trusts itself for three quarters
	// of that; the last quarter is what its handlers have to return. Default 6s.
	HeartbeatTTL time.Duration `yaml:"heartbeatTTL"`
	// LeaderTTL is how long after its last renewal a leader is replaced; renewed every third of it. Default 3s.
	LeaderTTL time.Duration `yaml:"leaderTTL"`
	// ColdStartWindow is how long the first leader of a group, or of one that restarts, waits for workers before it
	// plans; if everyone of the last plan is back, less. Default 30s.
	ColdStartWindow time.Duration `yaml:"coldStartWindow"`
	// PlannedScaleWindow is how long changes are collected after a worker joined or left cleanly. Not longer than
	// ColdStartWindow. Default 10s.
	PlannedScaleWindow time.Duration `yaml:"plannedScaleWindow"`
	// EmergencyGracePeriod is how long a worker whose heartbeat expired may come back before its partitions are given
	// away. Default 0: at once.
	EmergencyGracePeriod time.Duration `yaml:"emergencyGracePeriod"`
	// RestartDetectionRatio: when a leader that has just joined finds fewer than this part of the last plan's members
	// alive, the group is restarting and gets ColdStartWindow. A leader that was there before never sees a restart.
	// In (0, 1], default 0.5.
	RestartDetectionRatio float64 `yaml:"restartDetectionRatio"`
	// MassLossRatio: when more than this part of the members, and more than two, expire within one HeartbeatInterval,
	// the store is suspected and they get one more HeartbeatTTL to come back. In (0, 1], default 0.2.
	MassLossRatio float64 `yaml:"massLossRatio"`
	// RebalanceCooldown separates planned rebalances. Default 10s.
	RebalanceCooldown time.Duration `yaml:"rebalanceCooldown"`
	// FlapBackoff bounds how long a worker that fails again and again is given nothing. Each expired heartbeat and each
	// session that ended in a panic counts against the worker's ID, and against the worker that comes in its place. After
	// the second failure within ten minutes it waits for twice PlannedScaleWindow, then for twice as long each time, up to
	// FlapBackoff. The leader and the worker report ErrFlapping. Default 5m; 0 in what DefaultConfig or LoadConfig returned
	// turns it off.
	FlapBackoff time.Duration `yaml:"flapBackoff"`
	// ExpectedWorkers closes a cold-start, restart or planned window as soon as exactly so many workers live. Default 0:
	// windows run their time.
	ExpectedWorkers int `yaml:"expectedWorkers"`
	// HandoffTimeout is how long a worker may take to let go of a partition, or to take one up, and how long a hook may
	// last, before OnError is told and everything else goes on without it. Default 30s.
	HandoffTimeout time.Duration `yaml:"handoffTimeout"`
	// OperationTimeout bounds each operation on the store, each call of the source and each of the strategy. Default 10s.
	OperationTimeout time.Duration `yaml:"operationTimeout"`
	// ElectionTimeout bounds one campaign, and is how long a worker goes without a leader before OnError is told.
	// Default 5s.
	ElectionTimeout time.Duration `yaml:"electionTimeout"`
	// StartupTimeout bounds the way from Start to the first assignment. More than ColdStartWindow + ElectionTimeout.
	// Default 60s.
	StartupTimeout time.Duration `yaml:"startupTimeout"`
	// ShutdownTimeout bounds a clean leave, the hooks included. Default 10s.
	ShutdownTimeout time.Duration `yaml:"shutdownTimeout"`
	// OnStoreLoss is what a worker does when its leases run out because the store does not answer: "fence" gives
	// everything up before anybody else can take over; "keep-serving" goes on with what it has, reports Degraded, and
	// leaves it to the epochs to keep two owners apart. Default "fence".
	OnStoreLoss string `yaml:"onStoreLoss"`
	// Group names the group, and with it its buckets: "parti-<group>-stableid" and so on, where KVBuckets does not name
	// them. Up to 47 letters, digits, '-' and '_'. Give each application its own: workers with the same buckets are one
	// group and divide one list of partitions. To change the group of a configuration that has one, clear the names in
	// KVBuckets as well. Default "": the buckets are named "parti-stableid" and so on.
	Group string `yaml:"group"`
	// KVBuckets says which buckets are the group's and how they are stored: workers with the same buckets are one group.
	KVBuckets KVBuckets `yaml:"kvBuckets"`
	// PreferredID is the ID to claim. Default "": the one of the process before, if StateDir tells it, or the lowest that is
	// free.
	PreferredID string `yaml:"preferredID"`
	// PreferredIDWait is how long a worker waits for the ID it prefers, which is PreferredID or the one it had last, before
	// it takes another. A session that crashed is over when its heartbeat has expired and its claim is older than
	// HeartbeatTTL; the ID is free then. Default HeartbeatTTL + 1s.
	PreferredIDWait time.Duration `yaml:"preferredIDWait"`
	// StateDir is a directory of this worker alone, on a local file system. A process that is started again there after a
	// crash goes on under the same ID at once, instead of waiting until what the dead process left in the store has
	// expired, and nothing moves. The directory is created (0700) where it is missing. What cannot be used is ErrStateDir,
	// and one that another worker uses is ErrStateDirInUse. Default "": off.
	StateDir string `yaml:"stateDir"`
	// Standby makes a worker that finds no ID free wait for one without limit, instead of failing with ErrNoFreeID after
	// StartupTimeout. Default false.
	Standby bool `yaml:"standby"`
	// RelistInterval is after how long the leader lists its source again, counted from the last listing. For sources that
	// cannot say when their list has changed, and as a second line for those that can (see WatchedSource). Default 0: never.
	RelistInterval time.Duration `yaml:"relistInterval"`
	// SourceShrinkConfirmations is how many listings in a row have to lack the same partitions before they are taken away,
	// where they are more than half of the list. The leader asks once a second, and reports ErrSourceShrunk; each
	// RefreshPartitions is a listing too. A list of a higher version (see VersionedSource) needs none. 1 takes every list as it
	// is, at once. At least 1, default 3.
	SourceShrinkConfirmations int `yaml:"sourceShrinkConfirmations"`
	// Capacity is this worker's share of the load in relation to the others'. A worker that is restarted with another one
	// is planned for after PlannedScaleWindow. At least 1, default 100.
	Capacity int64 `yaml:"capacity"`
	// Labels describe this worker to the strategy. Default none.
	Labels map[string]string `yaml:"labels"`
	// Cordoned makes this worker take part without being given anything new: it keeps what its ID has. Restarted without
	// it, or after Manager.Uncordon, it gets its share again. Where every worker is cordoned, none counts as such. Default
	// false.
	Cordoned bool `yaml:"cordoned"`
	// Assignment says when the leader plans anew and what it heeds.
	Assignment AssignmentConfig `yaml:"assignment"`
}

// AssignmentConfig says when the leader plans anew and what it heeds.
type AssignmentConfig struct {
	// MinRebalanceThreshold is how much fuller than need be changed weights may make the fullest worker before partitions
	// move because of it: a part of the least load that any plan could give the fullest. Weights are compared when the
	// source is listed; workers that join or go always lead to a plan, for which the weights count as they are. In
	// (0, 1], default 0.15.
	MinRebalanceThreshold float64 `yaml:"minRebalanceThreshold"`
	// HomeRetention is how long the leader remembers what a worker had that crashed or left: when that ID is back within
	// it, strategies that implement [strategy.Homing] give it the same again, as far as balance needs it to get anything.
	// A new leader does not know what the one before remembered. Default 10m.
	HomeRetention time.Duration `yaml:"homeRetention"`
}

// KVBuckets names the four buckets of a group and says how they are stored. A name overrides the one that [Config.Group]
// leads to. In a group with a name, the default names of a group without one count as not set, so that Group may be set
// in what DefaultConfig returned.
type KVBuckets struct {
	StableID   string `yaml:"stableID"`   // default "parti-stableid", or "parti-<group>-stableid"
	Election   string `yaml:"election"`   // default "parti-election", or "parti-<group>-election"
	Heartbeat  string `yaml:"heartbeat"`  // default "parti-heartbeat", or "parti-<group>-heartbeat"
	Assignment string `yaml:"assignment"` // default "parti-assignment", or "parti-<group>-assignment"
	// Storage is "file" or "memory". Default "file".
	Storage string `yaml:"storage"`
	// Replicas is the number of copies of each bucket: 1, 3 or 5. A bucket that has more is used as it is. Default 1.
	Replicas int `yaml:"replicas"`
}

// What a worker can do when the store does not answer.
const (
	// OnStoreLossFence gives everything up when the leases run out.
	OnStoreLossFence = "fence"
	// OnStoreLossKeepServing keeps the partitions beyond that, with the epochs as the only guard.
	OnStoreLossKeepServing = "keep-serving"
)

// DefaultConfig returns the defaults, for a store without replicas.
func DefaultConfig() Config {
	var c Config
	c.ApplyDefaults()
	return c
}

// ClusteredConfig returns the defaults for a replicated store, which stops taking writes for 4 to 9 seconds when one of
// its servers fails: three replicas, and leases long enough that nobody gives anything up meanwhile. When the store goes
// away a worker is left with at least 12 seconds of trust (three quarters of HeartbeatTTL, less HeartbeatInterval). The
// leader may be replaced, which moves nothing.
func ClusteredConfig() Config {
	c := Config{
		HeartbeatInterval: 3 * time.Second, HeartbeatTTL: 20 * time.Second, LeaderTTL: 12 * time.Second,
		WorkerIDTTL: 60 * time.Second, ElectionTimeout: 15 * time.Second, StartupTimeout: 90 * time.Second,
	}
	c.KVBuckets.Replicas = 3
	c.ApplyDefaults()
	return c
}

// ApplyDefaults fills in what is zero and has a default. FlapBackoff stays 0 where everything else is set, as in what
// DefaultConfig returned. WorkerIDMin, EmergencyGracePeriod, ExpectedWorkers, RelistInterval,
// PreferredID, StateDir, Standby, Labels and Cordoned mean something as they are.
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

// regroup names buckets after the group that bear the names of a group without one: they come from DefaultConfig, which did
// not know of it.
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

// LoadConfig reads one YAML document, applies the defaults and validates. An empty one is DefaultConfig. A key that is no
// field, a key twice, a duration without a unit and a second document are errors that name the place; all errors of the
// content wrap ErrInvalidConfig.
func LoadConfig(r io.Reader) (Config, error) {
	text, err := io.ReadAll(r)
	if err != nil {
		return Config{}, fmt.Errorf("read configuration: %w", err)
	}
	var c Config
	d := yaml.NewDecoder(bytes.NewReader(text), yaml.Strict())
	if err := d.Decode(&c); err != nil && !errors.Is(err, io.EOF) {
		return Config{}, fmt.Errorf("%w: %w", ErrInvalidConfig, err)
	}
	if err := d.Decode(new(any)); !errors.Is(err, io.EOF) {
		return Config{}, fmt.Errorf("%w: more than one YAML document, allowed: one", ErrInvalidConfig)
	}
	c.ApplyDefaults()
	var written struct {
		FlapBackoff *time.Duration `yaml:"flapBackoff"`
	}
	_ = yaml.Unmarshal(text, &written) // it was decoded above
	if written.FlapBackoff != nil {
		c.FlapBackoff = *written.FlapBackoff // 0, too, is what somebody wants
	} else {
		set(&c.FlapBackoff, defaultFlapBackoff)
	}
	if err := c.Validate(); err != nil {
		return Config{}, err
	}
	return c, nil
}

// ConfigError names a field that is out of range. It wraps ErrInvalidConfig.
type ConfigError struct {
	Field   string
	Value   any
	Allowed string
}

// Error implements error.
func (e *ConfigError) Error() string {
	value := fmt.Sprint(e.Value)
	if s, ok := e.Value.(string); ok {
		value = strconv.Quote(s)
	}
	return fmt.Sprintf("%v: %s is %s, allowed: %s", ErrInvalidConfig, e.Field, value, e.Allowed)
}

// Unwrap makes errors.Is find ErrInvalidConfig.
func (e *ConfigError) Unwrap() error { return ErrInvalidConfig }

// Validate reports everything that is wrong, joined: each a *ConfigError.
func (c Config) Validate() error {
	var v validation
	c.validateIDs(&v)
	c.validateTimes(&v)
	c.validateGroup(&v)
	return errors.Join(v.errs...)
}

type validation struct{ errs []error }

// check notes a field whose value is not allowed.
func (v *validation) check(ok bool, field string, value any, allowed string, args ...any) {
	if !ok {
		v.errs = append(v.errs, &ConfigError{field, value, fmt.Sprintf(allowed, args...)})
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
	v.check(c.ExpectedWorkers >= 0 && c.ExpectedWorkers <= c.WorkerIDMax-c.WorkerIDMin+1, "ExpectedWorkers", c.ExpectedWorkers,
		"0 (unknown) to the number of IDs, %d", c.WorkerIDMax-c.WorkerIDMin+1)
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
		"less than three quarters of HeartbeatTTL (%s), for which a worker trusts itself", c.HeartbeatTTL-c.HeartbeatTTL/4)
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
	v.check(c.Group == "" || isName(c.Group) && len(c.Group) <= maxGroup, "Group", c.Group,
		"none, or 1 to %d letters, digits, '-' and '_'", maxGroup)
	seen := map[string]string{}
	for _, f := range []struct{ field, name string }{
		{"KVBuckets.StableID", b.StableID},
		{"KVBuckets.Election", b.Election},
		{"KVBuckets.Heartbeat", b.Heartbeat},
		{"KVBuckets.Assignment", b.Assignment},
	} {
		v.check(isName(f.name), f.field, f.name, "1 to %d letters, digits, '-' and '_'", maxName)
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
			w = append(w, fmt.Sprintf("config: %s is %s: %s may be left with %s when the store goes away; a replicated one takes no writes "+
				"for up to %s when a server fails; use ClusteredConfig", field, ttl, what, left, failover))
		}
	}
	trusted := func(ttl time.Duration) time.Duration { return ttl - ttl/4 }
	warn("WorkerIDTTL", c.WorkerIDTTL, trusted(c.WorkerIDTTL)-c.WorkerIDTTL/3, "the trust in a claim")
	warn("HeartbeatTTL", c.HeartbeatTTL, trusted(c.HeartbeatTTL)-c.HeartbeatInterval, "the trust in a heartbeat")
	// Less is asked of a leader, who is replaced without anything being moved.
	warn("LeaderTTL", c.LeaderTTL, c.LeaderTTL, "the leader")
	return w
}
