// Copyright The Parti Authors
// SPDX-License-Identifier: Apache-2.0

package parti

import "time"

// Config holds everything that can be set about a worker. Its zero value, after ApplyDefaults, is DefaultConfig. All
// workers of a group should have the same values, except PreferredID, StateDir, Standby, Capacity, Labels and Cordoned.
//
// [LoadConfig] reads it from YAML and from the environment: the tags name the key and the variable. Durations are written
// as in Go ("30s"). The table in docs/configuration.md is made from the comments here: each ends with the default and
// what is allowed.
type Config struct {
	// WorkerIDPrefix is what the workers' IDs begin with: worker-0, worker-1 and so on.
	// Default: worker. Allowed: 1 to 64 letters, digits, - and _.
	WorkerIDPrefix string `yaml:"workerIDPrefix" env:"WORKER_ID_PREFIX"`
	// WorkerIDMin is the lowest number of an ID.
	// Default: 0. Allowed: 0 or more.
	WorkerIDMin int `yaml:"workerIDMin" env:"WORKER_ID_MIN"`
	// WorkerIDMax is the highest number of an ID. WorkerIDMin and WorkerIDMax limit how many workers can take part at the
	// same time. 0 means the default; for a single ID, set both to the same number above 0.
	// Default: 99. Allowed: WorkerIDMin or more, and at most 100,000 IDs in all.
	WorkerIDMax int `yaml:"workerIDMax" env:"WORKER_ID_MAX"`
	// WorkerIDTTL is how long an ID stays taken after its worker has crashed. A worker renews its claim every third of it.
	// Default: 30s. Allowed: whole seconds, 1s to 1000h.
	WorkerIDTTL time.Duration `yaml:"workerIDTTL" env:"WORKER_ID_TTL"`
	// HeartbeatInterval is the time between two heartbeats of a worker.
	// Default: 2s. Allowed: 1ms or more, less than three quarters of HeartbeatTTL.
	HeartbeatInterval time.Duration `yaml:"heartbeatInterval" env:"HEARTBEAT_INTERVAL"`
	// HeartbeatTTL is how long after its last heartbeat a worker counts as dead. A worker trusts itself for three quarters
	// of it; its handlers have the last quarter to return.
	// Default: 6s. Allowed: whole seconds, 1s to 1000h.
	HeartbeatTTL time.Duration `yaml:"heartbeatTTL" env:"HEARTBEAT_TTL"`
	// LeaderTTL is how long after its last renewal a leader is replaced. A leader renews every third of it.
	// Default: 3s. Allowed: whole seconds, 1s to 1000h.
	LeaderTTL time.Duration `yaml:"leaderTTL" env:"LEADER_TTL"`
	// ColdStartWindow is how long the leader of a group that starts, or restarts, waits for workers before it plans. It
	// plans earlier if every worker of the last plan is back.
	// Default: 30s. Allowed: PlannedScaleWindow to 1000h.
	ColdStartWindow time.Duration `yaml:"coldStartWindow" env:"COLD_START_WINDOW"`
	// PlannedScaleWindow is how long the leader collects changes after a worker joined or left cleanly.
	// Default: 10s. Allowed: 1ms to ColdStartWindow.
	PlannedScaleWindow time.Duration `yaml:"plannedScaleWindow" env:"PLANNED_SCALE_WINDOW"`
	// EmergencyGracePeriod is how long a worker may come back after its heartbeat has expired, before its partitions go to
	// other workers.
	// Default: 0s. Allowed: 0s (at once) to 1000h.
	EmergencyGracePeriod time.Duration `yaml:"emergencyGracePeriod" env:"EMERGENCY_GRACE_PERIOD"`
	// RestartDetectionRatio tells a restart of the group from a crash. A leader that has just joined and finds a smaller
	// part of the last plan's members alive takes that for a restart, and waits for ColdStartWindow. A leader that was
	// there before never does.
	// Default: 0.5. Allowed: more than 0, at most 1.
	RestartDetectionRatio float64 `yaml:"restartDetectionRatio" env:"RESTART_DETECTION_RATIO"`
	// MassLossRatio tells a failure of the store from crashes. When more than this part of the members, and more than two,
	// expire within one HeartbeatInterval, they get one more HeartbeatTTL to come back.
	// Default: 0.2. Allowed: more than 0, at most 1.
	MassLossRatio float64 `yaml:"massLossRatio" env:"MASS_LOSS_RATIO"`
	// RebalanceCooldown is the least time between two planned rebalances. Partitions without an owner do not wait for it.
	// Default: 10s. Allowed: 1ms to 1000h.
	RebalanceCooldown time.Duration `yaml:"rebalanceCooldown" env:"REBALANCE_COOLDOWN"`
	// FlapBackoff is the longest time for which a worker that fails again and again gets no partitions. Each expired
	// heartbeat and each session that ended in a panic counts against the worker's ID, and against the worker that comes
	// in its place. After the second failure within ten minutes the worker waits for twice PlannedScaleWindow, and for
	// twice as long after each further one, up to FlapBackoff. The leader and the worker report ErrFlapping. 0 turns this
	// off, in a file, in the environment, and in a Config that DefaultConfig or LoadConfig returned.
	// Default: 5m. Allowed: 0s (off) to 1000h.
	FlapBackoff time.Duration `yaml:"flapBackoff" env:"FLAP_BACKOFF"`
	// ExpectedWorkers is the usual number of workers. A window closes early as soon as exactly so many workers are alive.
	// Default: 0. Allowed: 0 (unknown: windows run their time) to the number of IDs.
	ExpectedWorkers int `yaml:"expectedWorkers" env:"EXPECTED_WORKERS"`
	// HandoffTimeout is how long a worker may take to let go of a partition or to take one up, and how long a hook may run.
	// After that OnError gets an error, and everything else goes on.
	// Default: 30s. Allowed: 1ms to 1000h.
	HandoffTimeout time.Duration `yaml:"handoffTimeout" env:"HANDOFF_TIMEOUT"`
	// OperationTimeout limits each operation on the store, each call of the source and each call of the strategy.
	// Default: 10s. Allowed: 1ms to 1000h.
	OperationTimeout time.Duration `yaml:"operationTimeout" env:"OPERATION_TIMEOUT"`
	// ElectionTimeout limits one attempt to become the leader. It is also how long a worker sees no leader before OnError
	// gets ErrNoLeader.
	// Default: 5s. Allowed: 1ms to 1000h.
	ElectionTimeout time.Duration `yaml:"electionTimeout" env:"ELECTION_TIMEOUT"`
	// StartupTimeout limits the time from Start to the first assignment.
	// Default: 1m. Allowed: more than ColdStartWindow + ElectionTimeout, at most 1000h.
	StartupTimeout time.Duration `yaml:"startupTimeout" env:"STARTUP_TIMEOUT"`
	// ShutdownTimeout limits a clean stop, its hooks and handlers included.
	// Default: 10s. Allowed: 1ms to 1000h.
	ShutdownTimeout time.Duration `yaml:"shutdownTimeout" env:"SHUTDOWN_TIMEOUT"`
	// OnStoreLoss is what a worker does when the store has not answered for so long that its leases run out. "fence" gives
	// up all partitions before another worker can take them over. "keep-serving" goes on with the present partitions and
	// reports Degraded; then only the epochs keep two owners of a partition apart.
	// Default: fence. Allowed: fence or keep-serving.
	OnStoreLoss string `yaml:"onStoreLoss" env:"ON_STORE_LOSS"`
	// Group names the group, and with it its buckets: parti-<group>-stableid and so on, where KVBuckets does not name
	// them. Give each application its own group: workers with the same buckets are one group and divide one list of
	// partitions. To change the group of a Config that has one, clear the names in KVBuckets as well.
	// Default: none. Allowed: none, or 1 to 47 letters, digits, - and _.
	Group string `yaml:"group" env:"GROUP"`
	// KVBuckets names the group's buckets and says how they are stored.
	KVBuckets KVBuckets `yaml:"kvBuckets" env:"KV_BUCKETS"`
	// PreferredID is the ID that the worker claims if it can. Without one it claims the ID of the process before, which it
	// finds in StateDir, or else the lowest free ID.
	// Default: none. Allowed: none, or an ID of the range, such as worker-7.
	PreferredID string `yaml:"preferredID" env:"PREFERRED_ID"`
	// PreferredIDWait is how long a worker waits for the ID it prefers (PreferredID, or the ID it had last) before it
	// claims a different one. After a crash that ID is free when the heartbeat has expired and the claim is older than
	// HeartbeatTTL.
	// Default: HeartbeatTTL + 1s. Allowed: 1ns to 1000h.
	PreferredIDWait time.Duration `yaml:"preferredIDWait" env:"PREFERRED_ID_WAIT"`
	// StateDir is a directory of this worker alone, on a local file system. A process that starts there after a crash has
	// the same ID at once and no partition moves; without StateDir it waits until the entries of the dead process have
	// expired. A missing directory is created (0700). Errors wrap ErrStateDir, and ErrStateDirInUse if another worker
	// uses the directory.
	// Default: none. Allowed: none (off), or a path.
	StateDir string `yaml:"stateDir" env:"STATE_DIR"`
	// Standby makes a worker wait without limit while no ID is free. Without it, Start fails with ErrNoFreeID after
	// StartupTimeout.
	// Default: false. Allowed: true or false.
	Standby bool `yaml:"standby" env:"STANDBY"`
	// RelistInterval is how long after a listing the leader lists its source again. It serves sources that cannot tell when
	// their list has changed, and is a second line for sources that can (see WatchedSource).
	// Default: 0s. Allowed: 0s (never), or 1s to 1000h.
	RelistInterval time.Duration `yaml:"relistInterval" env:"RELIST_INTERVAL"`
	// SourceShrinkConfirmations is how many listings in a row must lack the same partitions before the leader takes them
	// away, if they are more than half of the list. The leader lists once a second meanwhile and reports ErrSourceShrunk.
	// A listing that follows the one before within a second does not count, whoever asked for it. A list of a higher version
	// (see VersionedSource) needs no confirmation. With 1 the leader accepts each list at once.
	// Default: 3. Allowed: 1 to 100.
	SourceShrinkConfirmations int `yaml:"sourceShrinkConfirmations" env:"SOURCE_SHRINK_CONFIRMATIONS"`
	// Capacity is this worker's share of the load, relative to the capacities of the other workers. The leader plans for a
	// worker that restarts with another capacity after PlannedScaleWindow.
	// Default: 100. Allowed: 1 to 2^40.
	Capacity int64 `yaml:"capacity" env:"CAPACITY"`
	// Labels describe this worker to the strategy. In the environment: zone=eu-1,disk=ssd.
	// Default: none. Allowed: at most 32, names of 1 to 256 bytes, values of at most 256, in UTF-8.
	Labels map[string]string `yaml:"labels" env:"LABELS"`
	// Cordoned makes this worker take part without new partitions: it keeps those that its ID has. After a restart without
	// it, or Manager.Uncordon, the worker gets its share again. If every worker is cordoned, none counts as cordoned.
	// Default: false. Allowed: true or false.
	Cordoned bool `yaml:"cordoned" env:"CORDONED"`
	// Assignment sets what the leader considers in a plan.
	Assignment AssignmentConfig `yaml:"assignment" env:"ASSIGNMENT"`
}

// AssignmentConfig sets what the leader considers in a plan.
type AssignmentConfig struct {
	// MinRebalanceThreshold is how far changed weights may raise the highest load above the best achievable one before the
	// leader rebalances: 0.15 is 15 %. The leader compares weights when it lists the source. A plan for another reason,
	// such as a new worker, always uses the present weights.
	// Default: 0.15. Allowed: more than 0, at most 1.
	MinRebalanceThreshold float64 `yaml:"minRebalanceThreshold" env:"MIN_REBALANCE_THRESHOLD"`
	// HomeRetention is how long the leader keeps a departed worker's partitions marked as that worker's, so that they
	// return to it if it comes back. Strategies that implement [strategy.Homing] use the marks, as far as balance allows.
	// A new leader does not have the marks of the one before.
	// Default: 10m. Allowed: 1ms to 1000h.
	HomeRetention time.Duration `yaml:"homeRetention" env:"HOME_RETENTION"`
}

// KVBuckets names the four buckets of a group and says how they are stored. A name here overrides the name that comes from
// [Config.Group]. In a group with a name, the default names of a group without one count as not set, so Group may be set
// in what DefaultConfig returned.
type KVBuckets struct {
	// StableID names the bucket of IDs.
	// Default: parti-stableid. Allowed: 1 to 64 letters, digits, - and _; no two buckets with the same name.
	StableID string `yaml:"stableID" env:"STABLE_ID"`
	// Election names the bucket of the lease on leadership.
	// Default: parti-election. Allowed: the same.
	Election string `yaml:"election" env:"ELECTION"`
	// Heartbeat names the bucket of heartbeats.
	// Default: parti-heartbeat. Allowed: the same.
	Heartbeat string `yaml:"heartbeat" env:"HEARTBEAT"`
	// Assignment names the bucket of assignments.
	// Default: parti-assignment. Allowed: the same.
	Assignment string `yaml:"assignment" env:"ASSIGNMENT"`
	// Storage says where the server keeps the buckets.
	// Default: file. Allowed: file or memory.
	Storage string `yaml:"storage" env:"STORAGE"`
	// Replicas is the number of copies of each bucket. A bucket that has more copies is used as it is.
	// Default: 1. Allowed: 1, 3 or 5.
	Replicas int `yaml:"replicas" env:"REPLICAS"`
}

// What a worker can do when the store does not answer.
const (
	// OnStoreLossFence gives everything up when the leases run out.
	OnStoreLossFence = "fence"
	// OnStoreLossKeepServing keeps the partitions beyond that, with the epochs as the only guard.
	OnStoreLossKeepServing = "keep-serving"
)
