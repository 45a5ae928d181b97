// Copyright The Parti Authors
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"bytes"
	"context"
	"slices"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/parti-go/parti"
	"github.com/parti-go/parti/internal/control"
	"github.com/parti-go/parti/source"
)

func (f *fleet) worker(t *testing.T, id string) workerView {
	t.Helper()
	workers := decode[[]workerView](t, f.ok(t, "workers", "--json"))
	at := slices.IndexFunc(workers, func(w workerView) bool { return w.Worker == id })
	require.GreaterOrEqual(t, at, 0, "%s in %v", id, workers)
	return workers[at]
}

func TestWorkersAreAskedFromOutside(t *testing.T) {
	f := own(t)
	var n atomic.Int64
	n.Store(6)
	list := parti.SourceFunc(func(ctx context.Context) ([]parti.Partition, error) {
		return source.Numbered("p", int(n.Load())).ListPartitions(ctx)
	})
	managers, err := f.start(quick("", 3), 3, list)
	require.NoError(t, err)

	require.Equal(t, "worker-1 is cordoned\nworker-2 is cordoned\n", f.ok(t, "cordon", "worker-1", "worker-2"))
	require.True(t, f.worker(t, "worker-1").Cordoned)
	require.Equal(t, "worker-1 is not cordoned any more\n", f.ok(t, "uncordon", "worker-1"))
	require.False(t, f.worker(t, "worker-1").Cordoned)
	require.True(t, f.worker(t, "worker-2").Cordoned)
	r := decode[asked](t, f.ok(t, "uncordon", "worker-2", "--json"))
	require.Equal(t, asked{Worker: "worker-2", Action: "uncordon", Session: f.worker(t, "worker-2").Session, Done: true, Left: r.Left}, r)

	n.Store(7)
	require.Contains(t, f.ok(t, "refresh"), "has listed the partitions again")
	require.Len(t, decode[listing](t, f.ok(t, "partitions", "--json")).Partitions, 7, "the leader has planned for it")
	n.Store(8)
	require.Contains(t, f.ok(t, "refresh", "--worker", "worker-2"), "worker-2 has made the leader list the partitions again")
	require.Len(t, decode[listing](t, f.ok(t, "partitions", "--json")).Partitions, 8)

	got := f.cli(t, "drain", "worker-2", "--session", "1")
	require.Equal(t, exitFailed, got.code)
	require.Contains(t, got.stderr, control.ErrSession.Error())
	require.True(t, f.worker(t, "worker-2").Live)

	at := slices.IndexFunc(managers, func(m *parti.Manager) bool { return m.WorkerID() == "worker-2" })
	require.Equal(t, "worker-2 has left\n", f.ok(t, "drain", "worker-2"))
	list8 := decode[listing](t, f.ok(t, "partitions", "--json"))
	require.Len(t, list8.Partitions, 8)
	for _, p := range list8.Partitions {
		require.Contains(t, []string{"worker-0", "worker-1"}, p.Owner)
	}
	select {
	case <-managers[at].Done():
		require.NoError(t, managers[at].Err())
	case <-time.After(15 * time.Second):
		t.Fatal("the worker has said that it leaves, and has not ended")
	}
}

func TestWhoeverDoesNotAnswerIsNamed(t *testing.T) {
	f := orders(t)
	got := f.cli(t, "-g", "orders", "drain", "worker-9", "--json")
	require.Equal(t, exitFailed, got.code)
	require.Contains(t, got.stderr, "worker-9")
	require.Equal(t, "parti: no worker worker-9 lives in orders (live: worker-0, worker-1, worker-2)\n", got.stderr)
	require.Contains(t, decode[asked](t, got.stdout).Error, "worker-9")

	got = f.cli(t, "-g", "nobody", "cordon", "worker-0")
	require.Equal(t, exitFailed, got.code)
	require.Contains(t, got.stderr, "parti-nobody-assignment")
}

func TestOneWorkerThatIsMissingKeepsNothingFromTheOthers(t *testing.T) {
	f := own(t)
	_, err := f.start(quick("", 1), 1, source.Numbered("p", 2))
	require.NoError(t, err)
	got := f.cli(t, "cordon", "worker-8", "worker-0", "worker-9")
	require.Equal(t, exitFailed, got.code)
	require.Equal(t, "worker-0 is cordoned\n", got.stdout)
	require.Equal(t, "parti: no worker worker-8 lives in the group without a name (live: worker-0)\n"+
		"no worker worker-9 lives in the group without a name (live: worker-0)\n", got.stderr)
	require.True(t, f.worker(t, "worker-0").Cordoned)
}

func TestARefreshReachesLeadersThatTakeNoRequestsOfTheirOwn(t *testing.T) {
	f := own(t)
	f.options = []parti.Option{parti.WithoutRemoteControl()}
	_, err := f.start(quick("", 1), 1, source.Numbered("p", 2))
	require.NoError(t, err)
	require.Equal(t, "the leader has listed the partitions again\n", f.ok(t, "refresh"))
}

func TestProgressIsOneLineForEachStep(t *testing.T) {
	var errs bytes.Buffer
	p := &progress{a: &app{stderr: &errs}}
	for _, now := range []control.Progress{{Left: 3}, {Left: 3}, {Left: 1}, {Left: 1, Leaving: true}} {
		p.show("worker-1", now)
	}
	p.end()
	require.Equal(t, "worker-1: 3 partitions left\nworker-1: 1 partition left\nworker-1: leaving\n", errs.String())
}

func TestADrainIsWaitedForLongerThanOtherAnswers(t *testing.T) {
	for _, c := range []struct {
		args []string
		want time.Duration
	}{
		{[]string{"drain", "worker-0"}, drainWait},
		{[]string{"drain", "worker-0", "--timeout", "2s"}, 2 * time.Second},
		{[]string{"--timeout", "3s", "drain", "worker-0"}, 3 * time.Second},
	} {
		a := &app{stdout: &sink{}, stderr: &sink{}}
		_, err := a.application().Parse(append([]string{"-s", "nats://127.0.0.1:1"}, c.args...))
		require.NoError(t, err)
		require.Error(t, a.work(t.Context()))
		require.Equal(t, c.want, a.connection.timeout)
	}
}
