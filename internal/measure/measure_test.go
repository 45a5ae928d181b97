// Copyright The Parti Authors
// SPDX-License-Identifier: Apache-2.0

package measure

import (
	"log/slog"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/otel"
	"go.opentelemetry.io/otel/metric"
	"go.opentelemetry.io/otel/metric/embedded"
	"go.opentelemetry.io/otel/metric/noop"
	sdk "go.opentelemetry.io/otel/sdk/metric"
	"go.opentelemetry.io/otel/sdk/metric/metricdata"
)

func config(p metric.MeterProvider) Config {
	return Config{Provider: p, Group: "g", States: []string{"Stable"}, Read: func() Reading { return Reading{} }, Logger: slog.New(slog.DiscardHandler)}
}

func TestAMeterThatIsClosedHandsOverWhatWaitsAndShowsNoGaugesAnyMore(t *testing.T) {
	reader := sdk.NewManualReader()
	m := Begin(config(sdk.NewMeterProvider(sdk.WithReader(reader))))
	for range 100 {
		m.Restarted()
	}
	m.Close(nil)
	m.Restarted() // nobody counts this
	var all metricdata.ResourceMetrics
	require.NoError(t, reader.Collect(t.Context(), &all))
	require.Len(t, all.ScopeMetrics, 1)
	require.Len(t, all.ScopeMetrics[0].Metrics, 1)
	require.Equal(t, int64(100), all.ScopeMetrics[0].Metrics[0].Data.(metricdata.Sum[int64]).DataPoints[0].Value)
}

type blocked struct {
	embedded.MeterProvider
	until chan struct{}
}

func (b blocked) Meter(string, ...metric.MeterOption) metric.Meter { <-b.until; return noop.Meter{} }

func TestAProviderThatBlocksHoldsUpNeitherMeasuringNorTheEnd(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		until := make(chan struct{})
		m := Begin(config(blocked{until: until}))
		began := time.Now()
		for range 2 * depth {
			m.Restarted()
		}
		giveUp := make(chan struct{})
		time.AfterFunc(time.Second, func() { close(giveUp) })
		m.Close(giveUp)
		require.Equal(t, time.Second, time.Since(began))
		close(until)
	})
}

func TestNothingIsMeasuredForNoProvider(t *testing.T) {
	for _, p := range []metric.MeterProvider{nil, noop.NewMeterProvider()} {
		m := Begin(config(p))
		require.Nil(t, m)
		require.Zero(t, testing.AllocsPerRun(100, func() {
			m.Heartbeat(time.Second, "")
			m.Renewed(0.5)
			m.Planned(time.Second)
			m.Restarted()
			m.Failed("ErrStuck")
			m.Moved(Moved{Moves: 1})
		}))
		m.Close(nil)
	}
}

// BenchmarkMeasuring is what a worker waits for when it measures: nothing for no provider, and the hand-over to the goroutine of the
// meter otherwise, whichever provider that has. A heartbeat makes two measurements, its time and the trust that was left. A plan
// that grants a thousand partitions makes one.
func BenchmarkMeasuring(b *testing.B) {
	taken := &Meter{queue: make(chan func(*instruments), depth), cfg: config(nil)}
	defer close(taken.queue)
	go func() {
		for range taken.queue { // as fast as it can, so that nothing is dropped
		}
	}()
	for _, one := range []struct {
		name  string
		meter *Meter
	}{
		{"none", Begin(config(nil))},
		{"noop", Begin(config(noop.NewMeterProvider()))},
		{"any", taken},
	} {
		b.Run(one.name+"/heartbeat", func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				one.meter.Heartbeat(time.Millisecond, "")
				one.meter.Renewed(0.5)
			}
		})
		b.Run(one.name+"/plan", func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				one.meter.Moved(thousand)
			}
		})
	}
}

var thousand = Moved{Ownerless: make([]time.Duration, 1000), Moves: 1000}

// BenchmarkExporting is what the goroutine of the meter does with what it is handed. "global" is the provider of OpenTelemetry while
// none is set, which does nothing.
func BenchmarkExporting(b *testing.B) {
	for _, one := range []struct {
		name string
		p    metric.MeterProvider
	}{
		{"global", otel.GetMeterProvider()},
		{"sdk", sdk.NewMeterProvider(sdk.WithReader(sdk.NewManualReader()))},
	} {
		m := Begin(config(one.p))
		i := newInstruments(m)
		b.Run(one.name+"/heartbeat", func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				i.record(heartbeatDuration, time.Millisecond, "")
				i.put(leaseSlack, 0.5, "")
			}
		})
		b.Run(one.name+"/plan", func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				i.moved(thousand)
			}
			b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N*len(thousand.Ownerless)), "ns/partition")
		})
		i.end()
		m.Close(nil)
	}
}
