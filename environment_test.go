// Copyright The Parti Authors
// SPDX-License-Identifier: Apache-2.0

package parti

import (
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// everyVariable says in the environment what everyKey says in a file.
const everyVariable = `
PARTI_WORKER_ID_PREFIX=node
PARTI_WORKER_ID_MIN=3
PARTI_WORKER_ID_MAX=12
PARTI_WORKER_ID_TTL=31s
PARTI_HEARTBEAT_INTERVAL=1.5s
PARTI_HEARTBEAT_TTL=7s
PARTI_LEADER_TTL=4s
PARTI_COLD_START_WINDOW=33s
PARTI_PLANNED_SCALE_WINDOW=11s
PARTI_EMERGENCY_GRACE_PERIOD=1s250ms
PARTI_RESTART_DETECTION_RATIO=0.25
PARTI_MASS_LOSS_RATIO=1
PARTI_REBALANCE_COOLDOWN=12s
PARTI_FLAP_BACKOFF=6m
PARTI_EXPECTED_WORKERS=5
PARTI_HANDOFF_TIMEOUT=1m30s
PARTI_OPERATION_TIMEOUT=9s
PARTI_ELECTION_TIMEOUT=6s
PARTI_STARTUP_TIMEOUT=2m
PARTI_SHUTDOWN_TIMEOUT=15s
PARTI_ON_STORE_LOSS=keep-serving
PARTI_GROUP=orders
PARTI_KV_BUCKETS_STABLE_ID=a
PARTI_KV_BUCKETS_ELECTION=b
PARTI_KV_BUCKETS_HEARTBEAT=c
PARTI_KV_BUCKETS_ASSIGNMENT=d
PARTI_KV_BUCKETS_STORAGE=memory
PARTI_KV_BUCKETS_REPLICAS=5
PARTI_PREFERRED_ID=node-7
PARTI_PREFERRED_ID_WAIT=5s
PARTI_STATE_DIR=/var/lib/node
PARTI_STANDBY=true
PARTI_RELIST_INTERVAL=5m
PARTI_SOURCE_SHRINK_CONFIRMATIONS=7
PARTI_CAPACITY=250
PARTI_LABELS=zone=eu-1, odd: key=# "value"
PARTI_CORDONED=true
PARTI_ASSIGNMENT_MIN_REBALANCE_THRESHOLD=0.5
PARTI_ASSIGNMENT_HOME_RETENTION=1h
`

func variables() []string { return strings.Split(strings.TrimSpace(everyVariable), "\n") }

func TestEveryFieldHasAVariable(t *testing.T) {
	got, err := load(nil, variables())
	require.NoError(t, err)
	assert.Equal(t, changed(t), got)
	settings := new(Config).settings()
	require.Len(t, settings, len(variables()))
	for i, s := range settings {
		name, _, _ := strings.Cut(variables()[i], "=")
		assert.Equal(t, name, s.variable)
		assert.Equal(t, strings.ReplaceAll(strings.ToLower(s.key), ".", ""), strings.ToLower(strings.ReplaceAll(name[len(variablePrefix):], "_", "")))
	}
}

func TestLoadConfigReadsTheEnvironmentOfTheProcess(t *testing.T) {
	t.Setenv("PARTI_HEARTBEAT_TTL", "8s")
	c, err := LoadConfig(nil)
	require.NoError(t, err)
	assert.Equal(t, 8*time.Second, c.HeartbeatTTL)
}

func TestAnEnvironmentWithoutVariablesIsTheDefault(t *testing.T) {
	for _, environment := range [][]string{nil, {"HOME=/root", "PARTIES=3", "parti_group=x"}, {"PARTI_GROUP=", "PARTI_CAPACITY="}} {
		c, err := load(nil, environment)
		require.NoError(t, err)
		assert.Equal(t, DefaultConfig(), c)
	}
}

func TestTheEnvironmentWinsOverTheFile(t *testing.T) {
	file := "heartbeatTTL: 7s\nleaderTTL: 4s\nflapBackoff: 6m\nstandby: true\nlabels: {zone: a, disk: ssd}\n"
	c, err := load(strings.NewReader(file), []string{
		"PARTI_HEARTBEAT_TTL=9s", "PARTI_FLAP_BACKOFF=0", "PARTI_STANDBY=false", "PARTI_LABELS=zone=b",
	})
	require.NoError(t, err)
	assert.Equal(t, 9*time.Second, c.HeartbeatTTL)
	assert.Equal(t, 10*time.Second, c.PreferredIDWait, "a default follows the environment")
	assert.Equal(t, 4*time.Second, c.LeaderTTL, "the rest of the file holds")
	assert.Zero(t, c.FlapBackoff, "0 turns damping off here too")
	assert.False(t, c.Standby)
	assert.Equal(t, map[string]string{"zone": "b"}, c.Labels)
}

func TestAGroupOfTheEnvironmentHasBucketsOfItsOwn(t *testing.T) {
	file := "group: orders\nkvBuckets: {stableID: a, election: b, heartbeat: c, assignment: d}"
	c, err := load(strings.NewReader(file), []string{"PARTI_GROUP=invoices", "PARTI_KV_BUCKETS_ELECTION=mine"})
	require.NoError(t, err)
	assert.Equal(t, "invoices", c.Group)
	assert.Equal(t, "parti-invoices-stableid", c.KVBuckets.StableID)
	assert.Equal(t, "mine", c.KVBuckets.Election)
	c, err = load(strings.NewReader(file), []string{"PARTI_GROUP=orders"})
	require.NoError(t, err)
	assert.Equal(t, "a", c.KVBuckets.StableID, "the same group keeps the names of the file")
}

func TestWhatIsWrongWithTheEnvironmentIsNamed(t *testing.T) {
	for _, c := range []struct{ entry, text string }{
		{"PARTI_HEARTBEAT_TTTL=6s", "there is no setting for the environment variable PARTI_HEARTBEAT_TTTL, the nearest is PARTI_HEARTBEAT_TTL"},
		{"PARTI_HOME_RETENTION=1m", "the nearest is PARTI_ASSIGNMENT_HOME_RETENTION"},
		{"PARTI_KVBUCKETS_STORAGE=file", "the nearest is PARTI_KV_BUCKETS_STORAGE"},
		{"PARTI_GROUPS=x", "the nearest is PARTI_GROUP"},
		{"PARTI_GROUP_NAME=orders", "the nearest is PARTI_GROUP"},
		{"PARTI_ENV_GROUP=orders", "the nearest is PARTI_GROUP"}, // no link is called parti
		{"PARTI_HEARTBEAT_TTL=6", `HeartbeatTTL (from PARTI_HEARTBEAT_TTL) is "6", allowed: a duration with a unit`},
		{"PARTI_HEARTBEAT_TTL=6500ms", "HeartbeatTTL (from PARTI_HEARTBEAT_TTL) is 6.5s, allowed: whole seconds"},
		{"PARTI_WORKER_ID_MAX=many", `WorkerIDMax (from PARTI_WORKER_ID_MAX) is "many", allowed: a whole number`},
		{"PARTI_CAPACITY=1.5", `Capacity (from PARTI_CAPACITY) is "1.5", allowed: a whole number`},
		{"PARTI_MASS_LOSS_RATIO=20%", `MassLossRatio (from PARTI_MASS_LOSS_RATIO) is "20%", allowed: a number`},
		{"PARTI_STANDBY=yes", `Standby (from PARTI_STANDBY) is "yes", allowed: true or false`},
		{"PARTI_LABELS=zone", `Labels (from PARTI_LABELS) is "zone", allowed: labels as name=value`},
		{"PARTI_LABELS=a=1,a=2", "each name once"},
		{"PARTI_KV_BUCKETS_REPLICAS=2", "KVBuckets.Replicas (from PARTI_KV_BUCKETS_REPLICAS) is 2, allowed: 1, 3 or 5"},
		{"PARTI_ASSIGNMENT_HOME_RETENTION=-1s", "Assignment.HomeRetention (from PARTI_ASSIGNMENT_HOME_RETENTION) is -1s"},
	} {
		t.Run(c.entry, func(t *testing.T) {
			got, err := load(nil, []string{c.entry})
			require.ErrorIs(t, err, ErrInvalidConfig)
			assert.ErrorContains(t, err, c.text)
			assert.Zero(t, got)
		})
	}
}

func TestAFieldOfTheFileIsNotBlamedOnTheEnvironment(t *testing.T) {
	_, err := load(strings.NewReader("leaderTTL: 2500ms"), []string{"PARTI_HEARTBEAT_TTL=8s"})
	require.ErrorContains(t, err, "LeaderTTL is 2.5s")
	var field *ConfigError
	require.ErrorAs(t, err, &field)
	assert.Empty(t, field.Variable)
}

func TestEverythingWrongWithTheEnvironmentIsReportedAtOnceInOneOrder(t *testing.T) {
	_, err := load(nil, []string{"PARTI_STANDBY=maybe", "PARTI_OTHER=1", "PARTI_CAPACITY=x"})
	lines := strings.Split(err.Error(), "\n")
	require.Len(t, lines, 3)
	for i, name := range []string{"PARTI_CAPACITY", "PARTI_OTHER", "PARTI_STANDBY"} {
		assert.Contains(t, lines[i], name)
	}
}

func TestVariablesOfOthersAreLeftAlone(t *testing.T) {
	c, err := load(nil, []string{
		"PARTI_CONFIG=/etc/parti.yaml", "PARTI_SERVICE_HOST=10.0.0.2", "PARTI_PORT=tcp://10.0.0.2:80", "PARTI_PORT_80_TCP=tcp://10.0.0.2:80",
		"PARTI_NATS_SERVICE_HOST=10.0.0.1", "PARTI_NATS_SERVICE_PORT=4222",
		"PARTI_NATS_SERVICE_PORT_CLIENT=4222", "PARTI_NATS_PORT=tcp://10.0.0.1:4222", "PARTI_NATS_PORT_4222_TCP=tcp://10.0.0.1:4222",
		"PARTI_NATS_PORT_4222_TCP_PROTO=tcp", "PARTI_NATS_PORT_4222_TCP_PORT=4222", "PARTI_NATS_PORT_4222_TCP_ADDR=10.0.0.1",
	})
	require.NoError(t, err)
	assert.Equal(t, DefaultConfig(), c)
	c, err = load(nil, []string{ // docker run --link nats:parti --link nats:parti-nats
		"PARTI_NAME=/worker/parti", "PARTI_PORT=tcp://172.17.0.2:4222", "PARTI_PORT_4222_TCP=tcp://172.17.0.2:4222", "PARTI_ENV_NATS_VERSION=2.12.3",
		"PARTI_NATS_PORT_6222_TCP_START=tcp://172.17.0.2:6222", "PARTI_NATS_PORT_6222_TCP_END=tcp://172.17.0.2:6225",
		"PARTI_NATS_PORT_6222_TCP_PORT_END=6225", "PARTI_NATS_PORT_6222_TCP_PORT_START=6222", "PARTI_NATS_ENV_PATH=/bin", "PARTI_NATS_NAME=/worker/parti-nats",
	})
	require.NoError(t, err)
	assert.Equal(t, DefaultConfig(), c)
	for _, s := range c.settings() {
		assert.False(t, ofService.MatchString(s.variable), s.variable)
	}
}

func FuzzEnvironment(f *testing.F) {
	f.Add(everyVariable)
	f.Add("PARTI_LABELS=,\nPARTI_X\nPARTI_")
	f.Fuzz(func(t *testing.T, text string) {
		c, err := load(nil, strings.Split(text, "\n"))
		if err != nil {
			require.ErrorIs(t, err, ErrInvalidConfig)
			return
		}
		require.NoError(t, c.Validate())
	})
}
