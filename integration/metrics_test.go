// Copyright The Parti Authors
// SPDX-License-Identifier: Apache-2.0

package integration

import (
	"context"
	"errors"
	"fmt"
	"math"
	"os"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/metric"
	"go.opentelemetry.io/otel/metric/embedded"
	sdk "go.opentelemetry.io/otel/sdk/metric"
	"go.opentelemetry.io/otel/sdk/metric/metricdata"

	"github.com/parti-go/parti"
	"github.com/parti-go/parti/integration/fleet"
	"github.com/parti-go/parti/integration/link"
	"github.com/parti-go/parti/internal/bubble"
	"github.com/parti-go/parti/strategy"
)

// gauge is one process that is measured.
type gauge struct {
	*fleet.Process
	reader *sdk.ManualReader
}

func measured(f *fleet.Fleet, with ...fleet.With) *gauge {
	g := &gauge{reader: sdk.NewManualReader()}
	g.Process = f.Make(append(with, fleet.Metrics(sdk.NewMeterProvider(sdk.WithReader(g.reader))))...)
	return g
}

func beginMeasured(f *fleet.Fleet, gauges ...*gauge) {
	for _, g := range gauges {
		g.Start()
	}
	f.Settle(f.Config().ColdStartWindow + 10*time.Second)
}

func (g *gauge) collect(t *testing.T) map[string]metricdata.Metrics {
	t.Helper()
	<-time.After(time.Millisecond) // what was measured in this instant is handed over
	var all metricdata.ResourceMetrics
	require.NoError(t, g.reader.Collect(context.Background(), &all))
	found := map[string]metricdata.Metrics{}
	for _, scope := range all.ScopeMetrics {
		for _, m := range scope.Metrics {
			found[m.Name] = m
		}
	}
	return found
}

// value of the series with that attribute, "" for no other attribute than the group; false if there is none.
func (g *gauge) value(t *testing.T, name, label string) (float64, bool) {
	t.Helper()
	for _, p := range points(g.collect(t)[name]) {
		if p.attribute == label {
			return p.value, true
		}
	}
	return 0, false
}

func (g *gauge) is(t *testing.T, want float64, name, label string) {
	t.Helper()
	got, there := g.value(t, name, label)
	require.True(t, there, "%s: %s{%s} is missing", g.Name, name, label)
	require.Equal(t, want, got, "%s: %s{%s}", g.Name, name, label)
}

func (g *gauge) histogram(t *testing.T, name string) metricdata.HistogramDataPoint[float64] {
	t.Helper()
	if h, is := g.collect(t)[name].Data.(metricdata.Histogram[float64]); is && len(h.DataPoints) > 0 {
		return h.DataPoints[0]
	}
	return metricdata.HistogramDataPoint[float64]{}
}

type point struct {
	attribute string
	value     float64 // of a histogram its count
	set       attribute.Set
}

func points(m metricdata.Metrics) (list []point) {
	add := func(set attribute.Set, value float64) {
		var other []string
		for _, a := range set.ToSlice() {
			if a.Key != "parti.group" {
				other = append(other, a.Value.AsString())
			}
		}
		list = append(list, point{strings.Join(other, ","), value, set})
	}
	switch d := m.Data.(type) {
	case metricdata.Sum[int64]:
		for _, p := range d.DataPoints {
			add(p.Attributes, float64(p.Value))
		}
	case metricdata.Gauge[int64]:
		for _, p := range d.DataPoints {
			add(p.Attributes, float64(p.Value))
		}
	case metricdata.Gauge[float64]:
		for _, p := range d.DataPoints {
			add(p.Attributes, p.Value)
		}
	case metricdata.Histogram[float64]:
		for _, p := range d.DataPoints {
			add(p.Attributes, float64(p.Count))
		}
	}
	return list
}

func kindOf(m metricdata.Metrics) string {
	switch d := m.Data.(type) {
	case metricdata.Sum[int64]:
		if d.IsMonotonic {
			return "counter"
		}
		return "up-down counter"
	case metricdata.Histogram[float64]:
		return "histogram"
	}
	return "gauge"
}

func TestAGroupThatStartsMeasuresWhatEachWorkerIsAndHas(t *testing.T) {
	bubble.Run(t, func(t *testing.T, s *bubble.Server) {
		f := fleet.New(t, s, 30)
		a, b, c := measured(f), measured(f), measured(f)
		beginMeasured(f, a, b, c)
		owned, leaders := 0.0, 0.0
		for _, g := range []*gauge{a, b, c} {
			g.is(t, 1, "parti.worker.state", "Stable")
			g.is(t, 0, "parti.worker.state", "Emergency")
			require.Len(t, points(g.collect(t)["parti.worker.state"]), 9)
			g.is(t, 1, "parti.term", "")
			g.is(t, float64(slices.Max(f.Checker.Versions())), "parti.plan.version", "")
			g.is(t, 0, "parti.wait", "")
			has, _ := g.value(t, "parti.partition.owned", "")
			require.Equal(t, float64(len(g.Manager.Assignment().Partitions)), has)
			owned += has
			leads, _ := g.value(t, "parti.leader", "")
			leaders += leads
			left, _ := g.value(t, "parti.lease.remaining", "session")
			require.InDelta(t, 3.5, left, 1.1, "three quarters of HeartbeatTTL, less up to HeartbeatInterval")
			_, there := g.value(t, "parti.lease.remaining", "leadership")
			require.Equal(t, leads == 1, there, "only a leader holds the lease on leadership")
			_, there = g.value(t, "parti.partition.unowned", "")
			require.Equal(t, leads == 1, there, "only a leader knows that")
			require.Positive(t, g.histogram(t, "parti.heartbeat.duration").Count)
		}
		require.Equal(t, 30.0, owned)
		require.Equal(t, 1.0, leaders)
		leader := leading(t, a, b, c)
		leader.is(t, 0, "parti.partition.unowned", "")
		require.Positive(t, leader.histogram(t, "parti.plan.duration").Count)
		require.Zero(t, leader.histogram(t, "parti.ownerless.duration").Count, "nothing had an owner before")
		_, there := leader.value(t, "parti.plan.moves", "")
		require.False(t, there, "nothing has moved")
	})
}

func leading(t *testing.T, gauges ...*gauge) *gauge {
	t.Helper()
	i := slices.IndexFunc(gauges, func(g *gauge) bool { return g.Manager.IsLeader() })
	require.GreaterOrEqual(t, i, 0, "nobody leads")
	return gauges[i]
}

// following returns one that does not lead.
func following(t *testing.T, gauges ...*gauge) *gauge {
	t.Helper()
	i := slices.IndexFunc(gauges, func(g *gauge) bool { return !g.Manager.IsLeader() })
	require.GreaterOrEqual(t, i, 0)
	return gauges[i]
}

func TestACrashIsMeasuredAsOwnerlessSinceTheLastHeartbeat(t *testing.T) {
	bubble.Run(t, func(t *testing.T, s *bubble.Server) {
		f := fleet.New(t, s, 30)
		a, b, c := measured(f), measured(f), measured(f)
		beginMeasured(f, a, b, c)
		leader, victim := leading(t, a, b, c), following(t, a, b, c)
		had := uint64(len(victim.Manager.Assignment().Partitions))
		victim.Crash()
		f.Settle(20 * time.Second)
		h := leader.histogram(t, "parti.ownerless.duration")
		require.Equal(t, had, h.Count)
		ttl := f.Config().HeartbeatTTL.Seconds()
		require.InDelta(t, ttl+1, h.Sum/float64(h.Count), 1.1, "HeartbeatTTL, and what the server and a plan take")
		leader.is(t, float64(had), "parti.plan.moves", "")
		require.Zero(t, leader.histogram(t, "parti.handoff.duration").Count, "nobody was asked to let go")
		leader.is(t, 0, "parti.partition.unowned", "")
	})
}

// TestALeaseThatIsNearlyLostIsMeasuredWithEachRenewal: the gauge shows the moment of a scrape, and between two of them a lease
// can be as good as lost and renewed again.
func TestALeaseThatIsNearlyLostIsMeasuredWithEachRenewal(t *testing.T) {
	bubble.Run(t, func(t *testing.T, s *bubble.Server) {
		f := fleet.New(t, s, 30)
		a, b := measured(f), measured(f)
		beginMeasured(f, a, b)
		below := func(g *gauge, part float64) (n uint64) {
			h := g.histogram(t, "parti.lease.slack")
			for i, count := range h.BucketCounts {
				if i < len(h.Bounds) && h.Bounds[i] <= part {
					n += count
				}
			}
			return n
		}
		<-time.After(time.Minute)
		require.InDelta(t, (4.5-2)/4.5, median(a.histogram(t, "parti.lease.slack")), 0.1, "a heartbeat is renewed after HeartbeatInterval")
		require.Zero(t, below(a, 0.4))
		beats := 0
		a.Link.Fail(func(subject string) link.Fault {
			if !strings.HasPrefix(subject, "$KV."+f.Config().KVBuckets.Heartbeat+".") {
				return link.None
			}
			if beats++; beats%2 == 1 {
				return link.Lost
			}
			return link.None
		})
		<-time.After(time.Minute)
		require.Greater(t, below(a, 0.2), uint64(5))
		require.Equal(t, parti.StateStable, a.Manager.State(), "it was never lost")
		require.Zero(t, below(b, 0.4))
		a.Link.Heal()
	})
}

// median is the upper bound of the bucket in the middle.
func median(h metricdata.HistogramDataPoint[float64]) float64 {
	n := uint64(0)
	for i, count := range h.BucketCounts {
		if n += count; 2*n >= h.Count && i < len(h.Bounds) {
			return h.Bounds[i]
		}
	}
	return math.Inf(1)
}

func TestTheCrashOfALeaderIsMeasuredByItsSuccessor(t *testing.T) {
	bubble.Run(t, func(t *testing.T, s *bubble.Server) {
		f := fleet.New(t, s, 30)
		a, b, c := measured(f), measured(f), measured(f)
		beginMeasured(f, a, b, c)
		old := leading(t, a, b, c)
		had := uint64(len(old.Manager.Assignment().Partitions))
		old.Crash()
		f.Settle(30 * time.Second)
		next := a
		for _, g := range []*gauge{a, b, c} {
			if g != old && g.Manager.IsLeader() {
				next = g
			}
		}
		h := next.histogram(t, "parti.ownerless.duration")
		require.Equal(t, had, h.Count)
		require.GreaterOrEqual(t, h.Sum/float64(h.Count), (f.Config().HeartbeatTTL - f.Config().HeartbeatInterval).Seconds(), "the newest heartbeat may be that old")
		next.is(t, 2, "parti.term", "")
		next.is(t, 1, "parti.leader", "")
	})
}

func TestADrainIsMeasuredAsHandoffs(t *testing.T) {
	bubble.Run(t, func(t *testing.T, s *bubble.Server) {
		f := fleet.New(t, s, 30)
		slow := fleet.SlowHandler(2 * time.Second)
		a, b, c := measured(f, slow), measured(f, slow), measured(f, slow)
		beginMeasured(f, a, b, c)
		leader, leaves := leading(t, a, b, c), following(t, a, b, c)
		had := uint64(len(leaves.Manager.Assignment().Partitions))
		done := make(chan error, 1)
		go func() { done <- leaves.Drain(t.Context()) }()
		f.Wait(30*time.Second, "the leader waits for the worker that leaves", func() bool {
			pending, _ := leader.value(t, "parti.handoff.pending", "")
			return pending == float64(had)
		})
		require.NoError(t, <-done)
		f.Settle(20 * time.Second)
		h := leader.histogram(t, "parti.handoff.duration")
		require.Equal(t, had, h.Count)
		require.InDelta(t, 2, h.Sum/float64(h.Count), 0.2, "as long as the hook takes")
		o := leader.histogram(t, "parti.ownerless.duration")
		require.Equal(t, had, o.Count)
		require.Less(t, o.Sum/float64(o.Count), 0.5, "granted as soon as it was let go")
		leader.is(t, float64(had), "parti.plan.moves", "")
		leader.is(t, 0, "parti.handoff.pending", "")
		require.Empty(t, leaves.collect(t)["parti.worker.state"].Name, "a worker that has ended shows no gauges")
	})
}

func TestHandlersThatFailAreMeasured(t *testing.T) {
	bubble.Run(t, func(t *testing.T, s *bubble.Server) {
		f := fleet.New(t, s, 10)
		var failed atomic.Int64
		g := measured(f, fleet.Runs(func(ctx context.Context, o *parti.Ownership) error {
			if failed.Add(1) <= 3 {
				return errors.New("on purpose")
			}
			<-ctx.Done()
			return nil
		}))
		beginMeasured(f, g)
		f.Wait(10*time.Second, "the handlers have been begun again", func() bool { return failed.Load() == 13 })
		g.is(t, 3, "parti.handler.restarts", "")
		g.is(t, 3, "parti.error", "ErrHandlerFailed")
	})
}

func TestAStoreThatIsAwayIsMeasured(t *testing.T) {
	bubble.Run(t, func(t *testing.T, s *bubble.Server) {
		f := fleet.New(t, s, 10, fleet.Config(func(c *parti.Config) { c.OnStoreLoss = parti.OnStoreLossKeepServing }))
		a, b := measured(f), measured(f)
		beginMeasured(f, a, b)
		for _, g := range []*gauge{a, b} {
			g.Link.Fail(nobodyTakes)
		}
		<-time.After(time.Minute)
		for _, g := range []*gauge{a, b} {
			waits, _ := g.value(t, "parti.wait", "")
			require.Positive(t, waits)
			require.Equal(t, float64(len(g.Manager.Status().Waits)), waits)
			_, there := g.value(t, "parti.lease.remaining", "session")
			require.False(t, there, "it holds no lease any more")
			failures, _ := g.value(t, "parti.heartbeat.duration", "kv.ErrNotDone")
			require.Positive(t, failures)
			once, _ := g.value(t, "parti.error", "ErrNoJetStream")
			require.Positive(t, once)
			g.Link.Heal()
		}
		f.Settle(time.Minute)
		a.is(t, 0, "parti.wait", "")
	})
}

// TestTheDocumentListsEveryInstrument holds the table of docs/metrics.md to what a fleet measures, with unit, kind, attributes
// and description.
func TestTheDocumentListsEveryInstrument(t *testing.T) {
	text, err := os.ReadFile("../docs/metrics.md")
	require.NoError(t, err)
	var documented []string
	for line := range strings.Lines(string(text)) {
		if line = strings.TrimSpace(line); strings.HasPrefix(line, "| `parti.") {
			documented = append(documented, line)
		}
	}
	slices.Sort(documented)
	bubble.Run(t, func(t *testing.T, s *bubble.Server) {
		f := fleet.New(t, s, 30)
		var failed atomic.Int64
		fails := fleet.Runs(func(ctx context.Context, _ *parti.Ownership) error {
			if failed.Add(1) == 1 {
				return errors.New("on purpose")
			}
			<-ctx.Done()
			return nil
		})
		a, b, c := measured(f, fails), measured(f, fails), measured(f, fails)
		beginMeasured(f, a, b, c)
		f.Wait(10*time.Second, "the handler has been begun again", func() bool { return failed.Load() == 31 })
		require.NoError(t, following(t, a, b, c).Drain(t.Context()))
		f.Settle(20 * time.Second)
		found := map[string]string{}
		for _, g := range []*gauge{a, b, c} {
			tabulate(g.collect(t), found)
			g.Link.Fail(nobodyTakes) // heartbeats fail as well
		}
		<-time.After(4 * time.Second)
		for _, g := range []*gauge{a, b, c} {
			tabulate(g.collect(t), found)
			g.Link.Heal()
		}
		var rows []string
		for _, row := range found {
			rows = append(rows, row)
		}
		slices.Sort(rows)
		require.Equal(t, documented, rows)
		f.Settle(time.Minute)
	})
}

// tabulate makes a row of each instrument, with the attribute if any series has one.
func tabulate(all map[string]metricdata.Metrics, rows map[string]string) {
	for name, m := range all {
		label := ""
		for _, p := range points(m) {
			for _, kv := range p.set.ToSlice() {
				if kv.Key != "parti.group" {
					label = "`" + string(kv.Key) + "` "
				}
			}
		}
		if row := fmt.Sprintf("| `%s` | %s | `%s` | %s| %s |", name, kindOf(m), m.Unit, label, m.Description); len(row) > len(rows[name]) {
			rows[name] = row
		}
	}
}

func TestTheNumberOfSeriesDependsOnNeitherPartitionsNorWorkers(t *testing.T) {
	most := func(t *testing.T, workers, partitions int) (series int) {
		bubble.Run(t, func(t *testing.T, s *bubble.Server) {
			f := fleet.New(t, s, partitions)
			gauges := make([]*gauge, workers)
			for i := range gauges {
				gauges[i] = measured(f)
			}
			beginMeasured(f, gauges...)
			following(t, gauges...).Crash()
			f.Settle(20 * time.Second)
			for _, g := range gauges {
				n := 0
				for _, m := range g.collect(t) {
					n += len(points(m))
				}
				series = max(series, n)
			}
		})
		return series
	}
	few := most(t, 3, 10)
	require.Equal(t, few, most(t, 20, 200))
	require.Less(t, few, 30)
}

// hostile is a provider that panics or blocks, whatever it is asked.
type hostile struct {
	embedded.MeterProvider
	call func()
}

func (h hostile) Meter(string, ...metric.MeterOption) metric.Meter { h.call(); return nil }

func TestAProviderThatPanicsOrBlocksHurtsNoWorker(t *testing.T) {
	for name, call := range map[string]func(f *fleet.Fleet){
		"panics": func(*fleet.Fleet) { panic("on purpose") },
		"blocks": func(f *fleet.Fleet) { <-f.Closing() },
	} {
		t.Run(name, func(t *testing.T) {
			bubble.Run(t, func(t *testing.T, s *bubble.Server) {
				f := fleet.New(t, s, 10, fleet.Strategy(strategy.NewSticky()))
				procs := f.Begin(3, fleet.Metrics(hostile{call: func() { call(f) }}))
				procs[0].Crash()
				f.Settle(30 * time.Second)
				require.NoError(t, f.Followers()[0].Stop())
			})
		})
	}
}
