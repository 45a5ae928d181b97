// Copyright The Parti Authors
// SPDX-License-Identifier: Apache-2.0

package consume

import (
	"context"
	"testing"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
	"github.com/stretchr/testify/require"

	"github.com/parti-go/parti"
)

func TestTheConstructorsRefuseWhatIsWrongAndSayWhatIsAllowed(t *testing.T) {
	onStage(t, func(t *testing.T, st *stage) {
		handle := func(context.Context, *parti.Ownership, Message) error { return nil }
		transform := func(context.Context, *parti.Ownership, Message) ([]*nats.Msg, error) { return nil, nil }
		out := Output{Stream: "OUT", Position: func(p parti.Partition) string { return "pos." + p.ID() }}
		for name, c := range map[string]struct {
			change func(*Config)
			want   error
			says   string
		}{
			"no stream":   {func(c *Config) { c.Stream = "" }, parti.ErrInvalidConfig, `Stream is "", allowed: the name of a stream`},
			"dot":         {func(c *Config) { c.Stream = "a.b" }, parti.ErrInvalidConfig, "Stream"},
			"no subject":  {func(c *Config) { c.Subject = nil }, parti.ErrNilArgument, "Config.Subject is nil"},
			"mode":        {func(c *Config) { c.Mode = 7 }, parti.ErrInvalidConfig, "Mode is Mode(7)"},
			"bucket":      {func(c *Config) { c.Checkpoints = "a b" }, parti.ErrInvalidConfig, "Checkpoints"},
			"stream name": {func(c *Config) { c.Stream = "ä" }, parti.ErrInvalidConfig, `Checkpoints is "ä-positions"`},
			"durable":     {func(c *Config) { c.Durable = "a_b" }, parti.ErrInvalidConfig, "Durable"},
			"every":       {func(c *Config) { c.Every = -1 }, parti.ErrInvalidConfig, "Every is -1, allowed: 1 to 1000000"},
			"interval":    {func(c *Config) { c.Interval = 1 }, parti.ErrInvalidConfig, "Interval is 1ns, allowed: 1ms or more"},
			"first":       {func(c *Config) { c.Retry.First = -1 }, parti.ErrInvalidConfig, "Retry.First"},
			"most":        {func(c *Config) { c.Retry = Retry{First: time.Second, Most: time.Millisecond} }, parti.ErrInvalidConfig, "Retry.Most is 1ms, allowed: Retry.First (1s) or more"},
			"attempts":    {func(c *Config) { c.Retry.Attempts = -1 }, parti.ErrInvalidConfig, "Retry.Attempts"},
		} {
			cfg := config()
			c.change(&cfg)
			_, err := Stream(st.js, cfg, handle)
			require.ErrorIs(t, err, c.want, name)
			require.ErrorContains(t, err, c.says, name)
		}
		_, err := Stream(nil, config(), handle)
		require.ErrorIs(t, err, parti.ErrNilArgument)
		_, err = Stream(st.js, config(), nil)
		require.ErrorIs(t, err, parti.ErrNilArgument)
		_, err = Pipeline(st.js, config(), out, nil)
		require.ErrorIs(t, err, parti.ErrNilArgument)
		_, err = Pipeline(st.js, config(), Output{Stream: "OUT"}, transform)
		require.ErrorIs(t, err, parti.ErrNilArgument)
		_, err = Pipeline(st.js, config(), Output{Position: out.Position}, transform)
		require.ErrorIs(t, err, parti.ErrInvalidConfig)
		cfg := config()
		cfg.Mode = Durable
		_, err = Pipeline(st.js, cfg, out, transform)
		require.ErrorContains(t, err, "Mode is Durable, allowed: Checkpoint")
		cfg = config()
		cfg.Every = 1000
		_, err = Pipeline(st.js, cfg, out, transform)
		require.ErrorContains(t, err, "Every is 1000, allowed: 1 to 999")
	})
}

func TestStreamsThatWouldLoseMessagesAreRefused(t *testing.T) {
	in := func(change func(*jetstream.StreamConfig)) *jetstream.StreamInfo {
		c := jetstream.StreamConfig{Name: "S", Subjects: []string{"s.>"}, AllowAtomicPublish: true}
		change(&c)
		return &jetstream.StreamInfo{Config: c}
	}
	for _, r := range []jetstream.RetentionPolicy{jetstream.WorkQueuePolicy, jetstream.InterestPolicy} {
		err := fitCheckpoint(in(func(c *jetstream.StreamConfig) { c.Retention = r }))
		require.ErrorIs(t, err, ErrStream)
		require.ErrorContains(t, err, "Mode Durable")
	}
	require.NoError(t, fitCheckpoint(in(func(c *jetstream.StreamConfig) { c.MaxAge = time.Hour })))
	for says, change := range map[string]func(*jetstream.StreamConfig){
		"AllowAtomicPublish false": func(c *jetstream.StreamConfig) { c.AllowAtomicPublish = false },
		"Retention Interest":       func(c *jetstream.StreamConfig) { c.Retention = jetstream.InterestPolicy },
		"MaxAge 1h0m0s":            func(c *jetstream.StreamConfig) { c.MaxAge = time.Hour },
		"Discard DiscardOld":       func(c *jetstream.StreamConfig) { c.MaxMsgs = 10 },
		"DiscardNewPerSubject":     func(c *jetstream.StreamConfig) { c.DiscardNewPerSubject = true },
		"NoAck":                    func(c *jetstream.StreamConfig) { c.NoAck = true },
		"Sealed":                   func(c *jetstream.StreamConfig) { c.Sealed = true },
		"Mirror M":                 func(c *jetstream.StreamConfig) { c.Mirror = &jetstream.StreamSource{Name: "M"} },
		"AllowMsgCounter":          func(c *jetstream.StreamConfig) { c.AllowMsgCounter = true },
		"SubjectTransform":         func(c *jetstream.StreamConfig) { c.SubjectTransform = &jetstream.SubjectTransformConfig{Source: "s.*"} },
		`position has the subject`: func(c *jetstream.StreamConfig) { c.Subjects = []string{"s.a", "s.b.*"} },
	} {
		err := fitOutput(in(change).Config, "s.p")
		require.ErrorIs(t, err, ErrStream, says)
		require.ErrorContains(t, err, says)
	}
	for _, change := range []func(*jetstream.StreamConfig){
		func(*jetstream.StreamConfig) {},
		func(c *jetstream.StreamConfig) { c.MaxAge, c.AllowMsgTTL = time.Hour, true },
		func(c *jetstream.StreamConfig) { c.MaxBytes, c.Discard = 10, jetstream.DiscardNew },
		func(c *jetstream.StreamConfig) { c.MaxMsgsPerSubject = 1 },
		func(c *jetstream.StreamConfig) {
			c.SubjectTransform = &jetstream.SubjectTransformConfig{Source: "s.x.*"}
		},
	} {
		require.NoError(t, fitOutput(in(change).Config, "s.p"))
	}
	require.ErrorContains(t, matches(in(func(*jetstream.StreamConfig) {}).Config, "t.x"), `Config.Subject is "t.x"`)
	require.NoError(t, matches(in(func(*jetstream.StreamConfig) {}).Config, "*.x"))
}

func TestFiltersCoverAndOverlap(t *testing.T) {
	for _, c := range []struct {
		a, b            string
		covers, overlap bool
	}{
		{"a", "a", true, true},
		{"a", "b", false, false},
		{"a.*", "a.b", true, true},
		{"a.b", "a.*", false, true},
		{"a.>", "a", false, false},
		{"a.>", "a.b.c", true, true},
		{"a.*", "a.>", false, true},
		{">", "a.b", true, true},
		{"a.*.c", "a.b.*", false, true},
		{"a.b", "a.b.c", false, false},
		{"a.b.c", "a.b", false, false},
		{"*", ">", false, true},
	} {
		require.Equal(t, c.covers, covers(c.a, c.b), "%s covers %s", c.a, c.b)
		require.Equal(t, c.overlap, overlap(c.a, c.b), "%s overlaps %s", c.a, c.b)
		require.Equal(t, c.overlap, overlap(c.b, c.a), "%s overlaps %s", c.b, c.a)
	}
	for subject, ok := range map[string]bool{"a": true, "a.*.b": true, ">": true, "a.>": true, "": false, "a..b": false, ">.a": false, "a b": false, ".a": false} {
		require.Equal(t, ok, filter(subject), subject)
	}
}

func TestKeysOfDifferentPartitionsDiffer(t *testing.T) {
	seen := map[string]string{}
	for _, id := range []string{"a", "a.b", "a_b", "a=b", "a=3Db", "ä", "a/b", "A", "a.b-c"} {
		key := keyOf(id)
		require.Regexp(t, `^[-_=.a-zA-Z0-9]+$`, key)
		require.Empty(t, seen[key], "%s and %s", seen[key], id)
		seen[key] = id
	}
}

func TestSequencesAreReadFromBothForms(t *testing.T) {
	for reply, want := range map[string][2]uint64{
		"$JS.ACK.S.C.1.22.3.1700000000.0":          {22, 3},
		"$JS.ACK.hub.hash.S.C.1.22.3.1700000000.0": {22, 3},
		"$JS.ACK._.hash.S.C.1.22.3.1700000000.0.x": {22, 3},
	} {
		stream, consumer, ok := sequences(reply)
		require.True(t, ok)
		require.Equal(t, want, [2]uint64{stream, consumer}, reply)
	}
	for _, reply := range []string{"", "_INBOX.x", "$JS.ACK.S", "$JS.ACK.S.C.1.x.3.1.0"} {
		_, _, ok := sequences(reply)
		require.False(t, ok, reply)
	}
}

func TestAStreamThatWasRestoredFromAnOlderCopyIsAnotherOne(t *testing.T) {
	made := time.Now()
	info := &jetstream.StreamInfo{Config: jetstream.StreamConfig{Name: "IN"}, Created: made, State: jetstream.StreamState{LastSeq: 9}}
	require.NoError(t, same(info, made, 9))
	require.ErrorIs(t, same(info, made, 10), ErrStreamChanged)
	require.ErrorIs(t, same(info, made.Add(1), 1), ErrStreamChanged)
}
