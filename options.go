package parti

import (
	"log/slog"

	"github.com/nats-io/nats.go"
	"go.opentelemetry.io/otel"
	"go.opentelemetry.io/otel/metric"

	"github.com/parti-go/parti/actors"
	"github.com/parti-go/parti/kv"
)

// Option sets something of a Manager that is not configuration.
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

// WithHooks sets the hooks. Without it nothing is called.
func WithHooks(h Hooks) Option { return func(o *options) { o.hooks = h } }

// WithLogger sets the logger. The default, and nil, is slog.Default().
func WithLogger(l *slog.Logger) Option { return func(o *options) { o.logger = l } }

// WithMeterProvider sets what the worker measures with, see docs/metrics.md. The default, and nil, is the global one of
// OpenTelemetry when the Manager is made. Nothing is exported by itself. A provider that panics is contained, and one that
// blocks holds nothing up: what cannot be measured in time is dropped.
//
// No attribute names a worker. Give each of several workers of one group in one process a provider of its own, whose resource
// has a service.instance.id of its own.
func WithMeterProvider(p metric.MeterProvider) Option { return func(o *options) { o.meters = p } }

// WithoutRemoteControl has the worker take no requests from outside. Without this option whoever may publish on
// parti.control.<assignment bucket>.<worker> may drain this worker, cordon it, take that back, and have the source listed again;
// see docs/deployment.md.
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

// ConnectOptions are what leases need of a NATS connection: no finite reconnects, a short reconnect wait, no reconnect
// buffer, short pings. A connection without them draws a warning that names each when a Manager is made.
func ConnectOptions() []nats.Option { return kv.ConnectOptions() }
