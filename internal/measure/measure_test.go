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
		m.Heartbeat(time.Second, "")
		m.Close(nil)
	}
}

func BenchmarkMeasuring(b *testing.B) {
	for name, p := range map[string]metric.MeterProvider{"none": nil, "global": otel.GetMeterProvider(), "sdk": sdk.NewMeterProvider(sdk.WithReader(sdk.NewManualReader()))} {
		b.Run(name, func(b *testing.B) {
			m := Begin(config(p))
			b.ReportAllocs()
			for b.Loop() {
				m.Heartbeat(time.Millisecond, "")
			}
			m.Close(nil)
		})
	}
}
