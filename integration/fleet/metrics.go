// Copyright The Parti Authors
// SPDX-License-Identifier: Apache-2.0

package fleet

import (
	"go.opentelemetry.io/otel/metric"

	"github.com/parti-go/parti"
)

// Options gives the process more options of its Manager.
func Options(options ...parti.Option) With {
	return func(s *Spec) { s.Options = append(s.Options[:len(s.Options):len(s.Options)], options...) }
}

// Metrics has the process measure with a provider.
func Metrics(p metric.MeterProvider) With { return Options(parti.WithMeterProvider(p)) }

// Config is the configuration of the fleet.
func (f *Fleet) Config() parti.Config { return f.base.Config }
