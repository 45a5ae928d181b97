// Copyright The Parti Authors
// SPDX-License-Identifier: Apache-2.0

package parti

import (
	"log/slog"

	"github.com/nats-io/nats.go"
	"go.opentelemetry.io/otel"
	"go.opentelemetry.io/otel/metric"

	"github.com/parti-go/parti/actors"
	"github.com/parti-go/parti/kv"
)

// Option is a setting of a Manager that is not part of its Config.
type Option func(*options)

type options struct {
	hooks    Hooks
	logger   *slog.Logger
	handling actors.Handling
	meters   metric.MeterProvider
	recorder *Recorder
	alone    bool    // nobody outside may ask for anything
	handlers int     // how many were given
	wrong    []error // what is wrong with them
}

// WithHooks sets the hooks. Without this option the Manager calls no hooks.
func WithHooks(h Hooks) Option { return func(o *options) { o.hooks = h } }

// WithLogger sets the logger. The default, and nil, is slog.Default().
func WithLogger(l *slog.Logger) Option { return func(o *options) { o.logger = l } }

// WithMeterProvider sets the provider of the worker's metrics, see docs/metrics.md. The default, also for nil, is
// OpenTelemetry's global provider at the time when the Manager is created. Parti exports nothing by itself. It contains the
// panics of a provider. A provider that blocks delays nothing: Parti drops what it cannot measure in time.
//
// No attribute names a worker. If one process runs several workers of one group, give each worker its own provider, whose
// resource has its own service.instance.id.
func WithMeterProvider(p metric.MeterProvider) Option { return func(o *options) { o.meters = p } }

// WithoutRemoteControl makes the worker ignore requests from outside. Without this option, every client with permission to
// publish on parti.control.<assignment bucket>.<worker> can drain, cordon and uncordon this worker, and make the leader
// list the source again; see docs/deployment.md.
func WithoutRemoteControl() Option { return func(o *options) { o.alone = true } }

func applyOptions(opts []Option) options {
	o := options{handling: actors.Handling{RestartFirst: defaultRestartFirst, RestartMost: defaultRestartMost}}
	for _, set := range opts {
		if set != nil {
			set(&o)
		}
	}
	if o.logger == nil {
		o.logger = slog.Default()
	}
	if o.meters == nil {
		o.meters = otel.GetMeterProvider()
	}
	return o
}

// ConnectOptions returns the options that leases need on a NATS connection: unlimited reconnects, a short reconnect wait,
// no reconnect buffer, short pings. If a connection lacks some of them, NewManager logs a warning that names each.
func ConnectOptions() []nats.Option { return kv.ConnectOptions() }
