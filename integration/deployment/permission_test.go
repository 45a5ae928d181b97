// Copyright The Parti Authors
// SPDX-License-Identifier: Apache-2.0

package deployment

import (
	"context"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/parti-go/parti"
	"github.com/parti-go/parti/internal/control"
	"github.com/parti-go/parti/kv"
	"github.com/parti-go/parti/observe"
	"github.com/parti-go/parti/strategy"
)

// The permissions of docs/deployment.md. Keep them the same.

func bucketsOf(b parti.KVBuckets) []string {
	return []string{b.StableID, b.Election, b.Heartbeat, b.Assignment}
}

func workerMayPublish(b parti.KVBuckets) []string {
	subjects := []string{"$JS.API.INFO", "parti.refresh." + b.Assignment}
	for _, bucket := range bucketsOf(b) {
		subjects = append(subjects,
			"$JS.API.STREAM.INFO.KV_"+bucket,
			"$JS.API.STREAM.MSG.GET.KV_"+bucket,
			"$JS.API.DIRECT.GET.KV_"+bucket,
			"$JS.API.CONSUMER.CREATE.KV_"+bucket+".>",
			"$JS.API.CONSUMER.MSG.NEXT.KV_"+bucket+".*",
			"$KV."+bucket+".*",
		)
	}
	return subjects
}

// journalMayPublish is what a worker needs on top of that for the journal.
func journalMayPublish(b parti.KVBuckets) string { return "$KV." + b.Assignment + ".journal.*" }

// controlMaySubscribe is what a worker needs on top of that to be asked from outside, and operatorMayPublish is what who asks
// needs, beside an inbox.
func controlMaySubscribe(b parti.KVBuckets) string { return "parti.control." + b.Assignment + ".*" }
func operatorMayPublish(b parti.KVBuckets) string  { return "parti.control." + b.Assignment + ".*" }

// creatorMayPublish is what a worker needs on top of that to make the buckets itself.
func creatorMayPublish(b parti.KVBuckets) (subjects []string) {
	for _, bucket := range bucketsOf(b) {
		subjects = append(subjects, "$JS.API.STREAM.CREATE.KV_"+bucket)
	}
	return subjects
}

func workerMaySubscribe(b parti.KVBuckets) []string {
	return []string{"_INBOX.>", "parti.refresh." + b.Assignment}
}

func observerMayPublish(b parti.KVBuckets) (subjects []string) {
	for _, bucket := range bucketsOf(b) {
		subjects = append(subjects,
			"$JS.API.STREAM.INFO.KV_"+bucket,
			"$JS.API.DIRECT.GET.KV_"+bucket,
			"$JS.API.DIRECT.GET.KV_"+bucket+".>",
			"$JS.API.CONSUMER.CREATE.KV_"+bucket+".>",
			"$JS.API.CONSUMER.MSG.NEXT.KV_"+bucket+".*",
			"$JS.API.CONSUMER.DELETE.KV_"+bucket+".*",
		)
	}
	return subjects
}

// user may publish and subscribe to these subjects, and answer what it is asked.
func user(name string, publish, subscribe []string) *server.User {
	return &server.User{Username: name, Password: name, Permissions: &server.Permissions{
		Publish:   &server.SubjectPermission{Allow: publish},
		Subscribe: &server.SubjectPermission{Allow: subscribe},
		Response:  &server.ResponsePermission{MaxMsgs: -1, Expires: 2 * time.Minute},
	}}
}

// serve runs a server with JetStream until the end of the test.
func serve(t *testing.T, change func(o *server.Options)) *server.Server {
	t.Helper()
	o := &server.Options{ServerName: t.Name(), JetStream: true, StoreDir: t.TempDir(), DontListen: true, NoSigs: true, NoLog: true}
	change(o)
	s, err := server.NewServer(o)
	require.NoError(t, err)
	s.Start()
	t.Cleanup(func() { s.Shutdown(); s.WaitForShutdown() })
	require.True(t, s.ReadyForConnections(10*time.Second))
	return s
}

// connectTo connects with the options that leases need and these.
func connectTo(t *testing.T, url string, opts ...nats.Option) *nats.Conn {
	t.Helper()
	nc, err := nats.Connect(url, append(parti.ConnectOptions(), opts...)...)
	require.NoError(t, err)
	t.Cleanup(nc.Close)
	return nc
}

func as(t *testing.T, s *server.Server, user string) jetstream.JetStream {
	t.Helper()
	js, err := jetstream.New(connectTo(t, "", nats.InProcessServer(s), nats.UserInfo(user, user)))
	require.NoError(t, err)
	return js
}

// unanswered is how long a worker waits for an answer that does not come: OperationTimeout. What takes less did not wait.
var unanswered = parti.DefaultConfig().OperationTimeout

// pair is the configuration of a group of two in real time.
func pair() parti.Config {
	return parti.Config{
		HeartbeatInterval: 300 * time.Millisecond, HeartbeatTTL: 2 * time.Second, LeaderTTL: time.Second,
		WorkerIDTTL: 3 * time.Second, ColdStartWindow: time.Second, PlannedScaleWindow: 500 * time.Millisecond,
		RebalanceCooldown: 500 * time.Millisecond, ExpectedWorkers: 2,
	}
}

// owned counts the live owners of each partition.
type owned struct {
	mu     sync.Mutex
	owners map[string]int
}

func (o *owned) worker(t *testing.T, cfg parti.Config, js jetstream.JetStream) *parti.Manager {
	t.Helper()
	m, err := parti.NewManager(cfg, js, parti.StaticSource(parti.Partition{Keys: []string{"a"}}, parti.Partition{Keys: []string{"b"}}),
		strategy.NewRoundRobin(), parti.WithHooks(parti.Hooks{
			OnAssignmentChanged: func(_ context.Context, added, removed []parti.Partition) error {
				o.mu.Lock()
				defer o.mu.Unlock()
				for _, p := range added {
					o.owners[p.ID()]++
				}
				for _, p := range removed {
					o.owners[p.ID()]--
				}
				return nil
			},
		}))
	require.NoError(t, err)
	return m
}

// divides runs a group of two workers, each on a connection of its own, and sees that it divides the work, that it
// lists its source anew, and that who stays takes over from who leaves.
func divides(t *testing.T, cfg parti.Config, connect func() jetstream.JetStream) {
	t.Helper()
	o := &owned{owners: map[string]int{}}
	workers := []*parti.Manager{o.worker(t, cfg, connect()), o.worker(t, cfg, connect())}
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	var starts sync.WaitGroup
	for _, m := range workers {
		starts.Go(func() { require.NoError(t, m.Start(ctx)) })
	}
	starts.Wait()
	o.mu.Lock()
	require.Equal(t, map[string]int{"a": 1, "b": 1}, o.owners)
	o.mu.Unlock()
	for _, m := range workers {
		require.Len(t, m.Assignment().Partitions, 1)
		require.NoError(t, m.RefreshPartitions(ctx))
	}
	require.NoError(t, workers[0].Stop(ctx))
	require.Eventually(t, func() bool { return len(workers[1].Assignment().Partitions) == 2 }, 10*time.Second, 5*time.Millisecond)
	require.NoError(t, workers[1].Stop(ctx))
}

func TestAFleetRunsWithTheDocumentedPermissions(t *testing.T) {
	b := parti.DefaultConfig().KVBuckets
	for name, publish := range map[string][]string{
		"buckets made by an operator": append(workerMayPublish(b), journalMayPublish(b)),
		"buckets made by the workers": slices.Concat(workerMayPublish(b), []string{journalMayPublish(b)}, creatorMayPublish(b)),
		"no journal by an operator":   workerMayPublish(b),
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := serve(t, func(o *server.Options) {
				subscribe := append(workerMaySubscribe(b), controlMaySubscribe(b))
				o.Users = []*server.User{{Username: "operator", Password: "operator"}, user("worker", publish, subscribe)}
			})
			if strings.Contains(name, "operator") {
				createBuckets(t, as(t, s, "operator"), b)
			}
			var mu sync.Mutex
			var denials []error
			divides(t, pair(), func() jetstream.JetStream {
				nc := connectTo(t, "", nats.InProcessServer(s), nats.UserInfo("worker", "worker"),
					nats.ErrorHandler(func(_ *nats.Conn, _ *nats.Subscription, err error) {
						mu.Lock()
						defer mu.Unlock()
						denials = append(denials, err)
					}))
				js, err := jetstream.New(nc)
				require.NoError(t, err)
				return js
			})
			mu.Lock()
			defer mu.Unlock()
			buckets, err := as(t, s, "operator").KeyValue(t.Context(), b.Assignment)
			require.NoError(t, err)
			keys, err := buckets.ListKeysFiltered(t.Context(), "journal.*")
			require.NoError(t, err)
			_, kept := <-keys.Keys()
			require.Equal(t, !strings.Contains(name, "no journal"), kept)
			if kept {
				require.Empty(t, denials)
				return
			}
			require.LessOrEqual(t, len(denials), 4, "each leader tries it out once: %v", denials)
			for _, err := range denials {
				require.ErrorContains(t, err, `"$KV.`+b.Assignment+`.journal.1"`)
			}
		})
	}
}

func TestAWorkerThatMayNotBeAskedFromOutsideGoesOnAndSaysSoOnce(t *testing.T) {
	b := parti.DefaultConfig().KVBuckets
	publish := slices.Concat(workerMayPublish(b), []string{journalMayPublish(b)}, creatorMayPublish(b))
	s := serve(t, func(o *server.Options) {
		o.Users = []*server.User{user("worker", publish, workerMaySubscribe(b)), user("asker", []string{operatorMayPublish(b)}, []string{"_INBOX.>"})}
	})
	var denials atomic.Int64
	nc := connectTo(t, "", nats.InProcessServer(s), nats.UserInfo("worker", "worker"), nats.ErrorHandler(func(_ *nats.Conn, _ *nats.Subscription, err error) {
		if assert.ErrorContains(t, err, "parti.control."+b.Assignment+".worker-0") {
			denials.Add(1)
		}
	}))
	js, err := jetstream.New(nc)
	require.NoError(t, err)
	cfg, log := pair(), &lockedBuffer{}
	cfg.ExpectedWorkers = 1
	m, err := parti.NewManager(cfg, js, parti.StaticSource(parti.Partition{Keys: []string{"a"}}), strategy.NewRoundRobin(),
		parti.WithLogger(slog.New(slog.NewTextHandler(log, nil))))
	require.NoError(t, err)
	require.NoError(t, m.Start(t.Context()))
	err = control.Ask(t.Context(), as(t, s, "asker").Conn(), b.Assignment, m.WorkerID(), control.Request{Action: control.Drain}, nil)
	require.ErrorIs(t, err, control.ErrNobody)
	require.Len(t, m.Assignment().Partitions, 1)
	require.NoError(t, m.Stop(t.Context()))
	require.Equal(t, int64(1), denials.Load())
	said := log.String()
	require.Equal(t, 1, strings.Count(said, "cannot receive remote requests"), said)
	require.Contains(t, said, `may not subscribe to \"parti.control.`+b.Assignment+`.worker-0\"`)
}

// lockedBuffer is a buffer for several writers.
type lockedBuffer struct {
	mu   sync.Mutex
	text strings.Builder
}

func (b *lockedBuffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.text.Write(p)
}

func (b *lockedBuffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.text.String()
}

func TestAnOperatorNeedsNoMoreThanIsDocumentedToAskAWorker(t *testing.T) {
	b := parti.DefaultConfig().KVBuckets
	publish := slices.Concat(workerMayPublish(b), []string{journalMayPublish(b)}, creatorMayPublish(b))
	s := serve(t, func(o *server.Options) {
		o.Users = []*server.User{
			user("worker", publish, append(workerMaySubscribe(b), controlMaySubscribe(b))),
			user("asker", []string{operatorMayPublish(b)}, []string{"_INBOX.>"}),
			user("no publish", []string{"other"}, []string{"_INBOX.>"}),
			user("no subscribe", []string{operatorMayPublish(b)}, []string{"other"}),
		}
	})
	cfg := pair()
	cfg.ExpectedWorkers = 1
	worker := as(t, s, "worker")
	m := (&owned{owners: map[string]int{}}).worker(t, cfg, worker)
	require.NoError(t, m.Start(t.Context()))
	id := m.WorkerID()
	ask := func(user string, r control.Request) error {
		ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
		defer cancel()
		return control.Ask(ctx, as(t, s, user).Conn(), b.Assignment, id, r, nil)
	}
	for user, subject := range map[string]string{"no publish": "parti.control." + b.Assignment + "." + id, "no subscribe": "_INBOX."} {
		began := time.Now()
		err := ask(user, control.Request{Action: control.Drain})
		require.ErrorIs(t, err, control.ErrDenied)
		require.ErrorContains(t, err, subject)
		require.Less(t, time.Since(began), unanswered)
	}
	require.False(t, m.Status().Draining)
	for _, action := range []control.Action{control.Hello, control.Cordon, control.Uncordon, control.Refresh} {
		require.NoError(t, ask("asker", control.Request{Action: action}), action)
	}
	require.ErrorIs(t, ask("asker", control.Request{Action: control.Drain, Within: 3 * time.Second}), control.ErrIncomplete, "after more than one answer")
	<-m.Done()
	require.NoError(t, worker.Conn().LastError())
}

// createBuckets makes the buckets as an operator does who follows docs/deployment.md.
func createBuckets(t *testing.T, js jetstream.JetStream, b parti.KVBuckets) {
	t.Helper()
	for _, bucket := range bucketsOf(b) {
		_, err := js.CreateStream(t.Context(), jetstream.StreamConfig{
			Name: "KV_" + bucket, Subjects: []string{"$KV." + bucket + ".>"}, Storage: jetstream.FileStorage, Replicas: 1,
			MaxMsgsPerSubject: 1, Discard: jetstream.DiscardNew, AllowRollup: true, DenyDelete: true, AllowDirect: true,
			AllowMsgTTL: true, SubjectDeleteMarkerTTL: time.Hour, AllowAtomicPublish: bucket == b.Assignment,
			FirstSeq: uint64(time.Now().UnixMilli()),
		})
		require.NoError(t, err)
	}
}

func TestAWorkerThatLacksAPermissionIsToldWhichAndDoesNotHang(t *testing.T) {
	b := parti.DefaultConfig().KVBuckets
	publish, subscribe := workerMayPublish(b), workerMaySubscribe(b)
	s := serve(t, func(o *server.Options) {
		o.Users = []*server.User{{Username: "operator", Password: "operator"}}
		for _, subject := range publish {
			o.Users = append(o.Users, user("no publish "+subject, without(publish, subject), subscribe))
		}
		for _, subject := range subscribe {
			o.Users = append(o.Users, user("no subscribe "+subject, publish, without(subscribe, subject)))
		}
		o.Users = append(o.Users, user("none", []string{"other"}, []string{"other"}))
	})
	createBuckets(t, as(t, s, "operator"), b)
	refused := func(t *testing.T, name string) error {
		began := time.Now()
		err := (&owned{owners: map[string]int{}}).worker(t, pair(), as(t, s, name)).Start(t.Context())
		require.ErrorIs(t, err, kv.ErrPermission)
		require.ErrorContains(t, err, "parti verify --as worker")
		require.Less(t, time.Since(began), unanswered)
		return err
	}
	for _, subject := range publish {
		if strings.Contains(subject, "KV_"+b.StableID) && !strings.Contains(subject, "INFO") && !strings.Contains(subject, "DIRECT") {
			continue // not needed by every start, so not tried out beforehand
		}
		t.Run("no publish "+subject, func(t *testing.T) {
			require.ErrorContains(t, refused(t, "no publish "+subject), `publish to "`+strings.TrimRight(subject, ".>*"))
		})
	}
	for _, subject := range subscribe {
		t.Run("no subscribe "+subject, func(t *testing.T) {
			require.ErrorContains(t, refused(t, "no subscribe "+subject), `subscribe to "`+strings.TrimRight(subject, "*"), "as an operator grants it")
		})
	}
	t.Run("none at all", func(t *testing.T) {
		err := refused(t, "none")
		require.Equal(t, len(publish)-3, strings.Count(err.Error(), "publish to"), "each that is tried out is named: %v", err)
	})
}

func without(list []string, one string) []string {
	return slices.DeleteFunc(slices.Clone(list), func(s string) bool { return s == one })
}

func TestAWorkerThatMayNotCreateAMissingBucketIsToldSo(t *testing.T) {
	b := parti.DefaultConfig().KVBuckets
	s := serve(t, func(o *server.Options) {
		o.Users = []*server.User{user("worker", workerMayPublish(b), workerMaySubscribe(b))}
	})
	err := (&owned{owners: map[string]int{}}).worker(t, pair(), as(t, s, "worker")).Start(t.Context())
	require.ErrorIs(t, err, kv.ErrPermission)
	require.ErrorContains(t, err, `open bucket "`+b.StableID+`"`)
	require.ErrorContains(t, err, "$JS.API.STREAM.CREATE.KV_"+b.StableID)
}

func TestAnObserverReadsAndCannotWrite(t *testing.T) {
	b := parti.DefaultConfig().KVBuckets
	s := serve(t, func(o *server.Options) {
		o.Users = []*server.User{{Username: "operator", Password: "operator"}, user("observer", observerMayPublish(b), []string{"_INBOX.>"})}
	})
	operator, observer := as(t, s, "operator"), as(t, s, "observer")
	createBuckets(t, operator, b)
	for _, bucket := range bucketsOf(b) {
		_, err := operator.Publish(t.Context(), "$KV."+bucket+".worker-0", []byte("value"))
		require.NoError(t, err)
		values, err := observer.KeyValue(t.Context(), bucket)
		require.NoError(t, err)
		entry, err := values.Get(t.Context(), "worker-0")
		require.NoError(t, err)
		require.Equal(t, "value", string(entry.Value()))
		watcher, err := values.WatchAll(t.Context())
		require.NoError(t, err)
		require.Equal(t, "worker-0", (<-watcher.Updates()).Key())
		require.NoError(t, watcher.Stop())
		consumer, err := observer.OrderedConsumer(t.Context(), "KV_"+bucket, jetstream.OrderedConsumerConfig{})
		require.NoError(t, err)
		m, err := consumer.Next(jetstream.FetchMaxWait(10 * time.Second))
		require.NoError(t, err)
		require.Equal(t, "value", string(m.Data()))
		for _, subject := range []string{"$KV." + bucket + ".worker-0", "$JS.API.STREAM.PURGE.KV_" + bucket, "$JS.API.STREAM.DELETE.KV_" + bucket} {
			require.NoError(t, observer.Conn().Publish(subject, nil))
			require.NoError(t, observer.Conn().Flush())
			require.ErrorIs(t, observer.Conn().LastError(), nats.ErrPermissionViolation)
			require.ErrorContains(t, observer.Conn().LastError(), subject)
		}
		entry, err = values.Get(t.Context(), "worker-0")
		require.NoError(t, err)
		require.Equal(t, "value", string(entry.Value()))
	}
}

func TestAnObserverOfAFleetNeedsNoMoreThanIsDocumented(t *testing.T) {
	b := parti.DefaultConfig().KVBuckets
	needed := slices.DeleteFunc(observerMayPublish(b), func(s string) bool { // the others are for tools that go by the buckets
		return strings.Contains(s, ".DELETE.") || strings.Contains(s, b.Election) || strings.Contains(s, "DIRECT.GET") && strings.HasSuffix(s, ">")
	})
	s := serve(t, func(o *server.Options) {
		o.Users = []*server.User{{Username: "operator", Password: "operator"}, user("observer", observerMayPublish(b), []string{"_INBOX.>"})}
		for _, subject := range needed {
			o.Users = append(o.Users, user("no "+subject, without(observerMayPublish(b), subject), []string{"_INBOX.>"}))
		}
	})
	m := (&owned{owners: map[string]int{}}).worker(t, pair(), as(t, s, "operator"))
	cfg := pair()
	require.NoError(t, m.Start(t.Context()))
	js := as(t, s, "observer")
	o, err := observe.Open(t.Context(), js, cfg)
	require.NoError(t, err)
	require.Eventually(t, func() bool {
		owner, err := o.Owner("a")
		return err == nil && owner.Worker == m.WorkerID()
	}, 10*time.Second, 5*time.Millisecond)
	changes, err := o.History(t.Context(), observe.Query{Partition: "a"})
	require.NoError(t, err)
	require.Len(t, changes, 1)
	require.NoError(t, o.Close())
	require.NoError(t, js.Conn().LastError())
	for _, subject := range needed {
		began := time.Now()
		_, err := observe.Open(t.Context(), as(t, s, "no "+subject), cfg)
		require.ErrorIs(t, err, kv.ErrPermission, subject)
		require.ErrorContains(t, err, strings.TrimRight(subject, ".>*"))
		require.Less(t, time.Since(began), unanswered)
	}
	require.NoError(t, m.Stop(t.Context()))
}
