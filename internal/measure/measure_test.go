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

// BenchmarkMeasuring is what measuring costs. "Heartbeat" and "Grant" are what the worker waits for: Grant is one of the
// thousand partitions of a takeover, which a leader measures at once. "…/exported" is what the goroutine of the meter does with it.
// "global" is the provider of OpenTelemetry while none is set.
func BenchmarkMeasuring(b *testing.B) {
	grants := Moved{Ownerless: make([]time.Duration, 1000), Moves: 1000}
	for _, one := range []struct {
		name string
		p    metric.MeterProvider
	}{
		{"none", nil},
		{"noop", noop.NewMeterProvider()},
		{"global", otel.GetMeterProvider()},
		{"sdk", sdk.NewMeterProvider(sdk.WithReader(sdk.NewManualReader()))},
	} {
		m := Begin(config(one.p))
		b.Run(one.name+"/heartbeat", func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				m.Heartbeat(time.Millisecond, "")
				m.Renewed(0.5)
			}
		})
		b.Run(one.name+"/grant", func(b *testing.B) {
			b.ReportAllocs()
			for n := 0; b.Loop(); n++ {
				if n%len(grants.Ownerless) == 0 {
					m.Moved(grants)
				}
			}
		})
		m.Close(nil)
		if m != nil {
			benchmarkExport(b, one.name, m, grants)
		}
	}
}

func benchmarkExport(b *testing.B, name string, m *Meter, grants Moved) {
	i := newInstruments(m)
	defer i.end()
	b.Run(name+"/heartbeat/exported", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			i.record(heartbeatDuration, time.Millisecond, "")
			i.put(leaseSlack, 0.5, "")
		}
	})
	b.Run(name+"/grant/exported", func(b *testing.B) {
		b.ReportAllocs()
		for n := 0; b.Loop(); n++ {
			if n%len(grants.Ownerless) == 0 {
				i.moved(grants)
			}
		}
	})
}
