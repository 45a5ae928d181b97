// Copyright The Parti Authors
// SPDX-License-Identifier: Apache-2.0

package parti

import (
	"errors"
	"math"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/goccy/go-yaml"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestDefaultsAreWhatTheDocumentationSays(t *testing.T) {
	want := Config{
		WorkerIDPrefix: "worker", WorkerIDMin: 0, WorkerIDMax: 99, WorkerIDTTL: 30 * time.Second,
		HeartbeatInterval: 2 * time.Second, HeartbeatTTL: 6 * time.Second, LeaderTTL: 3 * time.Second,
		ColdStartWindow: 30 * time.Second, PlannedScaleWindow: 10 * time.Second, EmergencyGracePeriod: 0,
		RestartDetectionRatio: 0.5, MassLossRatio: 0.2, RebalanceCooldown: 10 * time.Second, FlapBackoff: 5 * time.Minute, ExpectedWorkers: 0,
		HandoffTimeout: 30 * time.Second, OperationTimeout: 10 * time.Second, ElectionTimeout: 5 * time.Second,
		StartupTimeout: 60 * time.Second, ShutdownTimeout: 10 * time.Second, OnStoreLoss: "fence",
		KVBuckets: KVBuckets{
			StableID: "parti-stableid", Election: "parti-election", Heartbeat: "parti-heartbeat",
			Assignment: "parti-assignment", Storage: "file", Replicas: 1,
		},
		PreferredID: "", PreferredIDWait: 7 * time.Second, StateDir: "", Standby: false, SourceShrinkConfirmations: 3,
		Capacity: 100, Labels: nil, Cordoned: false,
		Assignment: AssignmentConfig{MinRebalanceThreshold: 0.15, HomeRetention: 10 * time.Minute},
	}
	assert.Equal(t, want, DefaultConfig())
	require.NoError(t, want.Validate())
	assert.Empty(t, want.warnings())
}

func TestClusteredConfigOutlivesAFailoverOfTheStore(t *testing.T) {
	c := ClusteredConfig()
	require.NoError(t, c.Validate())
	assert.Empty(t, c.warnings())
	retry := 2 * time.Second // until the answer to the next attempt, on a busy machine
	assert.Greater(t, c.HeartbeatTTL*3/4-c.HeartbeatInterval, failover+retry, "what is left to a worker of its heartbeat")
	assert.Greater(t, c.WorkerIDTTL*3/4-c.WorkerIDTTL/3, failover+retry, "what is left to a worker of its claim")
	assert.Equal(t, 3*time.Second, c.HeartbeatInterval)
	assert.Equal(t, 20*time.Second, c.HeartbeatTTL)
	assert.Equal(t, 12*time.Second, c.LeaderTTL)
	assert.Equal(t, 3, c.KVBuckets.Replicas)
}

func TestShortLeasesOnAReplicatedStoreDrawAWarning(t *testing.T) {
	c := DefaultConfig()
	c.KVBuckets.Replicas = 3
	warnings := strings.Join(c.warnings(), "\n")
	assert.Contains(t, warnings, "HeartbeatTTL is 6s")
	assert.Contains(t, warnings, "LeaderTTL is 3s")
	assert.NotContains(t, warnings, "WorkerIDTTL")
	assert.Contains(t, warnings, "ClusteredConfig")

	// Three quarters of 15 s less 4 s are 7.25 s: the entry outlives an election of 9 s, the worker's trust in it does not.
	c = ClusteredConfig()
	c.HeartbeatInterval, c.HeartbeatTTL = 4*time.Second, 15*time.Second
	require.Len(t, c.warnings(), 1)
	assert.Contains(t, c.warnings()[0], "HeartbeatTTL is 15s: when the store stops taking writes, the trust in a heartbeat can run out after 7.25s")
	c = ClusteredConfig()
	c.WorkerIDTTL = 21 * time.Second
	require.Len(t, c.warnings(), 1)
	assert.Contains(t, c.warnings()[0], "WorkerIDTTL is 21s")
}

func TestApplyDefaultsKeepsWhatIsSet(t *testing.T) {
	c := changed(t)
	before := c
	c.ApplyDefaults()
	assert.Equal(t, before, c)
}

func TestAGroupNamesItsBuckets(t *testing.T) {
	named := KVBuckets{
		StableID: "parti-orders-stableid", Election: "parti-orders-election", Heartbeat: "parti-orders-heartbeat",
		Assignment: "parti-orders-assignment", Storage: "file", Replicas: 1,
	}
	c := Config{Group: "orders"}
	c.ApplyDefaults()
	assert.Equal(t, named, c.KVBuckets)
	require.NoError(t, c.Validate())

	c = DefaultConfig()
	c.Group = "orders"
	c.ApplyDefaults()
	assert.Equal(t, named, c.KVBuckets, "set in what DefaultConfig returned")

	c = DefaultConfig()
	c.Group, c.FlapBackoff = "orders", 0
	c.ApplyDefaults()
	assert.Zero(t, c.FlapBackoff, "a group does not make a default of what was turned off")

	c, err := LoadConfig(strings.NewReader("group: orders\nkvBuckets: {election: mine}"))
	require.NoError(t, err)
	named.Election = "mine"
	assert.Equal(t, named, c.KVBuckets, "a name of one's own overrides it")

	c = Config{Group: strings.Repeat("g", 47)}
	c.ApplyDefaults()
	require.NoError(t, c.Validate(), "the longest group has buckets of allowed names")
}

func TestAFlapBackoffOfZeroIsNoDefault(t *testing.T) {
	c := DefaultConfig()
	c.FlapBackoff = 0
	c.ApplyDefaults()
	assert.Zero(t, c.FlapBackoff, "it turns damping off")
	c, err := LoadConfig(strings.NewReader("flapBackoff: 0s"))
	require.NoError(t, err)
	assert.Zero(t, c.FlapBackoff)
	c = Config{HeartbeatTTL: 7 * time.Second}
	c.ApplyDefaults()
	assert.Equal(t, 5*time.Minute, c.FlapBackoff)
}

func TestApplyDefaultsTakesACopyOfTheLabels(t *testing.T) {
	labels := map[string]string{"zone": "a"}
	c := Config{Labels: labels}
	c.ApplyDefaults()
	labels["zone"] = "b"
	assert.Equal(t, "a", c.Labels["zone"])
}

// changed returns a valid configuration in which no field has its default.
func changed(t *testing.T) Config {
	t.Helper()
	c := Config{
		WorkerIDPrefix: "node", WorkerIDMin: 3, WorkerIDMax: 12, WorkerIDTTL: 31 * time.Second,
		HeartbeatInterval: 1500 * time.Millisecond, HeartbeatTTL: 7 * time.Second, LeaderTTL: 4 * time.Second,
		ColdStartWindow: 33 * time.Second, PlannedScaleWindow: 11 * time.Second, EmergencyGracePeriod: 1250 * time.Millisecond,
		RestartDetectionRatio: 0.25, MassLossRatio: 1, RebalanceCooldown: 12 * time.Second, FlapBackoff: 6 * time.Minute, ExpectedWorkers: 5,
		HandoffTimeout: 90 * time.Second, OperationTimeout: 9 * time.Second, ElectionTimeout: 6 * time.Second,
		StartupTimeout: 2 * time.Minute, ShutdownTimeout: 15 * time.Second, OnStoreLoss: OnStoreLossKeepServing,
		Group:       "orders",
		KVBuckets:   KVBuckets{StableID: "a", Election: "b", Heartbeat: "c", Assignment: "d", Storage: "memory", Replicas: 5},
		PreferredID: "node-7", PreferredIDWait: 5 * time.Second, StateDir: "/var/lib/node", Standby: true, RelistInterval: 5 * time.Minute,
		SourceShrinkConfirmations: 7, Capacity: 250, Labels: map[string]string{"zone": "eu-1", "odd: key": "# \"value\""},
		Cordoned: true, Assignment: AssignmentConfig{MinRebalanceThreshold: 0.5, HomeRetention: time.Hour},
	}
	require.NoError(t, c.Validate())
	defaults := DefaultConfig()
	differs(t, "", reflect.ValueOf(c), reflect.ValueOf(defaults))
	return c
}

// differs fails for each field that is equal in both, so that a new field cannot be forgotten in changed.
func differs(t *testing.T, path string, a, b reflect.Value) {
	t.Helper()
	for i := range a.NumField() {
		name := path + a.Type().Field(i).Name
		if a.Field(i).Kind() == reflect.Struct {
			differs(t, name+".", a.Field(i), b.Field(i))
		} else if reflect.DeepEqual(a.Field(i).Interface(), b.Field(i).Interface()) {
			t.Errorf("%s has its default value in this test", name)
		}
	}
}

func TestEveryFieldSurvivesYAML(t *testing.T) {
	for name, want := range map[string]Config{
		"changed": changed(t), "defaults": DefaultConfig(), "fast": FastConfig(), "clustered": ClusteredConfig(), "wide area": WideAreaConfig(),
	} {
		t.Run(name, func(t *testing.T) {
			text, err := yaml.Marshal(want)
			require.NoError(t, err)
			got, err := LoadConfig(strings.NewReader(string(text)))
			require.NoError(t, err, "%s", text)
			if len(want.Labels) == 0 {
				want.Labels = map[string]string{}
			}
			assert.Equal(t, want, got)
		})
	}
}

func TestEveryFieldHasALowerCamelCaseKeyAndGoDurations(t *testing.T) {
	got, err := LoadConfig(strings.NewReader(everyKey))
	require.NoError(t, err)
	assert.Equal(t, changed(t), got)
}

const everyKey = `
workerIDPrefix: node
workerIDMin: 3
workerIDMax: 12
workerIDTTL: 31s
heartbeatInterval: 1.5s
heartbeatTTL: 7s
leaderTTL: 4s
coldStartWindow: 33s
plannedScaleWindow: 11s
emergencyGracePeriod: 1s250ms
restartDetectionRatio: 0.25
massLossRatio: 1
rebalanceCooldown: 12s
flapBackoff: 6m
expectedWorkers: 5
handoffTimeout: 1m30s
operationTimeout: 9s
electionTimeout: 6s
startupTimeout: 2m
shutdownTimeout: 15s
onStoreLoss: keep-serving
group: orders
kvBuckets:
  stableID: a
  election: b
  heartbeat: c
  assignment: d
  storage: memory
  replicas: 5
preferredID: node-7
preferredIDWait: 5s
stateDir: /var/lib/node
standby: true
relistInterval: 5m
sourceShrinkConfirmations: 7
capacity: 250
labels:
  zone: eu-1
  "odd: key": '# "value"'
cordoned: true
assignment:
  minRebalanceThreshold: 0.5
  homeRetention: 1h
`

func TestEmptyYAMLIsTheDefault(t *testing.T) {
	for _, text := range []string{"", "\n", "# nothing\n", "kvBuckets:\n", "workerIDMax: 0\n"} {
		got, err := LoadConfig(strings.NewReader(text))
		require.NoError(t, err, "%q", text)
		assert.Equal(t, DefaultConfig(), got, "%q", text)
	}
}

func TestWhatIsWrongWithAFileIsNamed(t *testing.T) {
	for _, c := range []struct{ name, text, names string }{
		{"unknown key", "group: a\nheartbeatIntervall: 2s", `line 2: unknown field "heartbeatIntervall"`},
		{"unknown key below", "kvBuckets:\n  stable: x", `"stable"`},
		{"key in the wrong case", "heartbeatttl: 6s", `"heartbeatttl"`},
		{"key twice", "capacity: 1\ncapacity: 2", `"capacity"`},
		{"duration without a unit", "heartbeatInterval: 2", "HeartbeatInterval"},
		{"duration with an unknown unit", "\nheartbeatInterval: 2days", `line 2: invalid configuration: HeartbeatInterval is "2days", allowed: a duration`},
		{"duration below", "assignment:\n  homeRetention: long", `line 2: invalid configuration: Assignment.HomeRetention is "long", allowed: a duration`},
		{"text for a number", "workerIDMax: many", "WorkerIDMax"},
		{"two documents", "capacity: 1\n---\ncapacity: 2", "more than one"},
		{"no mapping", "- 1", "sequence"},
		{"value out of range", "leaderTTL: 2500ms", "LeaderTTL is 2.5s"},
	} {
		t.Run(c.name, func(t *testing.T) {
			got, err := LoadConfig(strings.NewReader(c.text))
			require.ErrorIs(t, err, ErrInvalidConfig)
			assert.ErrorContains(t, err, c.names)
			assert.Zero(t, got)
		})
	}
}

// TestAnErrorAboutAFileShowsNoSecretOfIt: an error gets into logs, and a file may hold more than the settings of Parti.
func TestAnErrorAboutAFileShowsNoSecretOfIt(t *testing.T) {
	for _, text := range []string{
		"group: a\nnatsURL: nats://user:secret@host\n",
		"password: secret\nheartbeatTTL: 7\n",
		"password: secret\nheartbeatTTL: long\n",
		"# secret\nheartbeatTTL: 7 # secret\n",
		"nats://user:secret@host",
		"{nats://user:secret@host}",
		"nats://user:secret@host: a\nnats://user:secret@host: b\n",
		"password: *secret\n",
		"<<: *secret\n",
		"heartbeatTTL: *secret\n",
		"password: >secret\n",
		"password: |secret\n",
		"password: |se\"cr\"et\n",
		"password: \"secret\\q\"\n",
		"password: 'secret\n",
		"password: {secret\n",
		"password: @secret\n",
		"password: secret: secret\n",
		"password: secret\n\theartbeatTTL: 7s\n",
		"capacity: 1secret\n",
		"labels: {a: b}\nlabels: secret\n",
		"%YAML secret\n",
		"capacity: 1\n---\npassword: secret\n",
	} {
		_, err := LoadConfig(strings.NewReader(text))
		require.ErrorIs(t, err, ErrInvalidConfig, "%q", text)
		for e := err; e != nil; e = errors.Unwrap(e) {
			assert.NotContains(t, e.Error(), "secret", "%q", text)
			assert.NotContains(t, e.Error(), `se"cr`, "%q", text)
		}
	}
}

func TestAReaderThatFailsIsNoInvalidConfiguration(t *testing.T) {
	broken := errors.New("disk on fire")
	_, err := LoadConfig(failing{broken})
	require.ErrorIs(t, err, broken)
	assert.NotErrorIs(t, err, ErrInvalidConfig)
}

type failing struct{ err error }

func (f failing) Read([]byte) (int, error) { return 0, f.err }

func TestARangeThatIsWrongBlamesNothingElse(t *testing.T) {
	c := DefaultConfig()
	c.WorkerIDMax = -3
	require.ErrorContains(t, c.Validate(), "WorkerIDMax is -3")
	require.NotContains(t, c.Validate().Error(), "ExpectedWorkers")
}

func TestValidateNamesTheFieldTheValueAndWhatIsAllowed(t *testing.T) {
	type change = func(c *Config)
	for _, test := range []struct {
		field  string
		change change
		text   string
	}{
		{"WorkerIDPrefix", func(c *Config) { c.WorkerIDPrefix = "a.b" }, `is "a.b", allowed: 1 to 64 letters`},
		{"WorkerIDPrefix", func(c *Config) { c.WorkerIDPrefix = strings.Repeat("x", 65) }, "1 to 64 letters"},
		{"WorkerIDPrefix", func(c *Config) { c.WorkerIDPrefix = "ü" }, "letters"},
		{"WorkerIDMin", func(c *Config) { c.WorkerIDMin = -1 }, "is -1, allowed: 0 or more"},
		{"WorkerIDMax", func(c *Config) { c.WorkerIDMin, c.WorkerIDMax = 5, 4 }, "is 4, allowed: WorkerIDMin (5) or more"},
		{"WorkerIDMax", func(c *Config) { c.WorkerIDMax = 100_000 }, "a range of at most 100000 IDs"},
		{"PreferredID", func(c *Config) { c.PreferredID = "worker-100" }, `is "worker-100", allowed: worker-0 to worker-99`},
		{"PreferredID", func(c *Config) { c.PreferredID = "worker-07" }, "worker-0 to worker-99"},
		{"PreferredID", func(c *Config) { c.PreferredID = "node-7" }, "worker-0 to worker-99"},
		{"PreferredIDWait", func(c *Config) { c.PreferredIDWait = -1 }, "is -1ns, allowed: 1ns to"},
		{"RelistInterval", func(c *Config) { c.RelistInterval = time.Millisecond }, "is 1ms, allowed: 0 (never), or 1s to 1000h"},
		{"RelistInterval", func(c *Config) { c.RelistInterval = -time.Second }, "is -1s, allowed: 0 (never)"},
		{"SourceShrinkConfirmations", func(c *Config) { c.SourceShrinkConfirmations = -1 }, "is -1, allowed: 1 to 100"},
		{"SourceShrinkConfirmations", func(c *Config) { c.SourceShrinkConfirmations = 101 }, "is 101, allowed: 1 to 100"},
		{"ExpectedWorkers", func(c *Config) { c.ExpectedWorkers = 101 }, "the number of IDs, 100"},
		{"ExpectedWorkers", func(c *Config) { c.ExpectedWorkers = -1 }, "is -1"},
		{"Capacity", func(c *Config) { c.Capacity = -1 }, "is -1, allowed: 1 to"},
		{"Capacity", func(c *Config) { c.Capacity = math.MaxInt64 }, "allowed: 1 to"},
		{"Labels", func(c *Config) { c.Labels = map[string]string{"": "x"} }, `is "=x"`},
		{"Labels", func(c *Config) { c.Labels = map[string]string{"k": strings.Repeat("x", 257)} }, "at most 256"},
		{"Labels", func(c *Config) { c.Labels = map[string]string{"k": "\xff"} }, "UTF-8"},
		{"Labels", func(c *Config) { c.Labels = manyLabels(33) }, "is 33, allowed: at most 32 labels"},
		{"WorkerIDTTL", func(c *Config) { c.WorkerIDTTL = 500 * time.Millisecond }, "is 500ms, allowed: whole seconds"},
		{"HeartbeatTTL", func(c *Config) { c.HeartbeatTTL = 6500 * time.Millisecond }, "is 6.5s, allowed: whole seconds"},
		{"LeaderTTL", func(c *Config) { c.LeaderTTL = -time.Second }, "is -1s"},
		{"HeartbeatInterval", func(c *Config) { c.HeartbeatInterval = 4500 * time.Millisecond }, "is 4.5s, allowed: less than three quarters of HeartbeatTTL (4.5s)"},
		{"HeartbeatInterval", func(c *Config) { c.HeartbeatInterval = 2 }, "is 2ns, allowed: 1ms to"},
		{"ColdStartWindow", func(c *Config) { c.ColdStartWindow = 9 * time.Second }, "is 9s, allowed: PlannedScaleWindow (10s) or more"},
		{"PlannedScaleWindow", func(c *Config) { c.PlannedScaleWindow = -1 }, "is -1ns"},
		{"EmergencyGracePeriod", func(c *Config) { c.EmergencyGracePeriod = -time.Second }, "is -1s, allowed: 0s to"},
		{"RestartDetectionRatio", func(c *Config) { c.RestartDetectionRatio = 1.01 }, "is 1.01, allowed: more than 0, at most 1"},
		{"RestartDetectionRatio", func(c *Config) { c.RestartDetectionRatio = math.NaN() }, "is NaN"},
		{"MassLossRatio", func(c *Config) { c.MassLossRatio = -0.2 }, "is -0.2"},
		{"Assignment.MinRebalanceThreshold", func(c *Config) { c.Assignment.MinRebalanceThreshold = -0.1 }, "is -0.1, allowed: more than 0, at most 1"},
		{"Assignment.HomeRetention", func(c *Config) { c.Assignment.HomeRetention = -1 }, "is -1ns, allowed: 1ms to"},
		{"RebalanceCooldown", func(c *Config) { c.RebalanceCooldown = -1 }, "is -1ns"},
		{"HandoffTimeout", func(c *Config) { c.HandoffTimeout = -1 }, "is -1ns"},
		{"OperationTimeout", func(c *Config) { c.OperationTimeout = -1 }, "is -1ns"},
		{"ElectionTimeout", func(c *Config) { c.ElectionTimeout = -1 }, "is -1ns"},
		{"ShutdownTimeout", func(c *Config) { c.ShutdownTimeout = -1 }, "is -1ns"},
		{"StartupTimeout", func(c *Config) { c.StartupTimeout = 35 * time.Second }, "is 35s, allowed: more than ColdStartWindow + ElectionTimeout (35s)"},
		{"HandoffTimeout", func(c *Config) { c.HandoffTimeout = math.MaxInt64 }, "1ms to 1000h0m0s"},
		{"OnStoreLoss", func(c *Config) { c.OnStoreLoss = "panic" }, `is "panic", allowed: "fence" or "keep-serving"`},
		{"Group", func(c *Config) { c.Group = "a.b" }, `is "a.b", allowed: none, or 1 to 47 letters`},
		{"Group", func(c *Config) { c.Group = strings.Repeat("x", 48) }, "1 to 47 letters"},
		{"KVBuckets.StableID", func(c *Config) { c.KVBuckets.StableID = "a b" }, `is "a b"`},
		{"KVBuckets.Election", func(c *Config) { c.KVBuckets.Election = "a.b" }, `is "a.b"`},
		{"KVBuckets.Heartbeat", func(c *Config) { c.KVBuckets.Heartbeat = "parti-stableid" }, "a name other than that of KVBuckets.StableID"},
		{"KVBuckets.Assignment", func(c *Config) { c.KVBuckets.Assignment = "*" }, `is "*"`},
		{"KVBuckets.Storage", func(c *Config) { c.KVBuckets.Storage = "disk" }, `is "disk", allowed: "file" or "memory"`},
		{"KVBuckets.Replicas", func(c *Config) { c.KVBuckets.Replicas = 2 }, "is 2, allowed: 1, 3 or 5"},
	} {
		t.Run(test.field+" "+test.text, func(t *testing.T) {
			c := DefaultConfig()
			test.change(&c)
			err := c.Validate()
			require.ErrorIs(t, err, ErrInvalidConfig)
			var field *ConfigError
			require.ErrorAs(t, err, &field)
			assert.Equal(t, test.field, field.Field)
			assert.ErrorContains(t, err, test.field+" ")
			assert.ErrorContains(t, err, test.text)
		})
	}
}

func manyLabels(n int) map[string]string {
	labels := map[string]string{}
	for i := range n {
		labels[strings.Repeat("x", i+1)] = ""
	}
	return labels
}

func TestValidateReportsEverythingAtOnce(t *testing.T) {
	c := DefaultConfig()
	c.Capacity, c.OnStoreLoss, c.LeaderTTL = -5, "no", time.Millisecond
	err := c.Validate()
	for _, field := range []string{"Capacity", "OnStoreLoss", "LeaderTTL"} {
		assert.ErrorContains(t, err, field)
	}
	assert.Equal(t, err.Error(), c.Validate().Error(), "the order is always the same")
}

func TestABadNameOfAGroupIsOneError(t *testing.T) {
	c := Config{Group: "my group"}
	c.ApplyDefaults()
	require.Equal(t, 1, strings.Count(c.Validate().Error(), "allowed"), "not one for each bucket as well: %v", c.Validate())
	c.KVBuckets.Election = "an election"
	require.Equal(t, 2, strings.Count(c.Validate().Error(), "allowed"), "a name that the user has given is an error of its own")
}

func TestTheZeroConfigIsRefusedUntilDefaulted(t *testing.T) {
	require.ErrorIs(t, Config{}.Validate(), ErrInvalidConfig)
}

func FuzzLoadConfig(f *testing.F) {
	f.Add(everyKey)
	f.Add("")
	f.Add("heartbeatTTL: 6s\nkvBuckets: {replicas: 3}")
	f.Add("a: &a [*a]")
	f.Add("capacity: 1\n---\n")
	f.Fuzz(func(t *testing.T, text string) {
		c, err := LoadConfig(strings.NewReader(text))
		if err != nil {
			if !errors.Is(err, ErrInvalidConfig) {
				t.Fatalf("a reader that does not fail gave %v", err)
			}
			return
		}
		written, err := yaml.Marshal(c)
		if err != nil {
			t.Fatal(err)
		}
		again, err := LoadConfig(strings.NewReader(string(written)))
		if err != nil {
			t.Fatalf("what was accepted is refused when written and read again: %v\n%s", err, written)
		}
		if len(c.Labels) == 0 {
			c.Labels, again.Labels = nil, nil
		}
		if !reflect.DeepEqual(c, again) {
			t.Fatalf("%+v\nwritten and read again is\n%+v", c, again)
		}
	})
}
