// Copyright The Parti Authors
// SPDX-License-Identifier: Apache-2.0

package measure

import (
	"context"
	"time"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/metric"
)

// instruments are the instruments that the provider has made. An instrument that it could not make measures nothing.
type instruments struct {
	meter      *Meter
	group      attribute.KeyValue
	counters   map[string]metric.Int64Counter
	histograms map[string]metric.Float64Histogram
	shown      map[string]metric.Int64Observable
	lease      metric.Float64Observable
	taken      metric.Registration                 // of the callback
	sets       map[string]metric.MeasurementOption // by error; see with
}

func newInstruments(m *Meter) *instruments {
	i := &instruments{
		meter: m, group: attribute.String(attributeGroup, m.cfg.Group), counters: map[string]metric.Int64Counter{},
		histograms: map[string]metric.Float64Histogram{}, shown: map[string]metric.Int64Observable{},
		sets: map[string]metric.MeasurementOption{},
	}
	m.contain(func() { i.make(m.cfg.Provider.Meter(Scope)) })
	return i
}

// make makes the instruments, and registers the gauges.
func (i *instruments) make(meter metric.Meter) {
	var gauges []metric.Observable
	for _, what := range Instruments() {
		i.meter.contain(func() {
			observable, err := i.makeOne(meter, what)
			if err != nil {
				i.meter.cfg.Logger.Warn("an instrument could not be made; its metric is missing", "instrument", what.Name, "error", err)
			} else if observable != nil {
				gauges = append(gauges, observable)
			}
		})
	}
	taken, err := meter.RegisterCallback(func(ctx context.Context, o metric.Observer) error { return i.meter.observe(ctx, o, i) }, gauges...)
	if err != nil {
		i.meter.cfg.Logger.Warn("the gauges could not be registered; their metrics are missing", "error", err)
		return
	}
	i.taken = taken
}

// makeOne makes one instrument. It returns the instrument if the provider reads it, and nil if it is written to.
func (i *instruments) makeOne(meter metric.Meter, what Instrument) (metric.Observable, error) {
	unit, description := metric.WithUnit(what.Unit), metric.WithDescription(what.Description)
	switch {
	case what.Kind == Counter:
		made, err := meter.Int64Counter(what.Name, unit, description)
		if err == nil {
			i.counters[what.Name] = made
		}
		return nil, err
	case what.Kind == Histogram:
		made, err := meter.Float64Histogram(what.Name, unit, description, metric.WithExplicitBucketBoundaries(boundaries(what.Name)...))
		if err == nil {
			i.histograms[what.Name] = made
		}
		return nil, err
	case what.Name == leaseRemaining:
		made, err := meter.Float64ObservableGauge(what.Name, unit, description)
		if err == nil {
			i.lease = made
		}
		return made, err
	case what.Kind == UpDownCounter:
		made, err := meter.Int64ObservableUpDownCounter(what.Name, unit, description)
		if err == nil {
			i.shown[what.Name] = made
		}
		return made, err
	default:
		made, err := meter.Int64ObservableGauge(what.Name, unit, description)
		if err == nil {
			i.shown[what.Name] = made
		}
		return made, err
	}
}

// end unregisters the gauges.
func (i *instruments) end() {
	if i.taken != nil {
		i.meter.contain(func() {
			if err := i.taken.Unregister(); err != nil {
				i.meter.cfg.Logger.Warn("the gauges of a worker that has ended could not be removed", "error", err)
			}
		})
	}
}

// with returns the attributes for the group, and for an error if there is one. A set of attributes costs more to make than to
// record, so each is kept; there are no more of them than names of sentinels. Only the goroutine of the meter calls it.
func (i *instruments) with(failure string) metric.MeasurementOption {
	if known, is := i.sets[failure]; is {
		return known
	}
	attributes := []attribute.KeyValue{i.group}
	if failure != "" {
		attributes = append(attributes, attribute.String(attributeError, failure))
	}
	i.sets[failure] = metric.WithAttributeSet(attribute.NewSet(attributes...))
	return i.sets[failure]
}

func (i *instruments) record(name string, took time.Duration, failure string) {
	i.put(name, took.Seconds(), failure)
}

func (i *instruments) put(name string, value float64, failure string) {
	if h := i.histograms[name]; h != nil {
		h.Record(context.Background(), value, i.with(failure))
	}
}

func (i *instruments) moved(what Moved) {
	for _, took := range what.Handoffs {
		i.record(handoffDuration, took, "")
	}
	for _, took := range what.Ownerless {
		i.record(ownerlessDuration, took, "")
	}
	if what.Moves > 0 {
		i.add(planMoves, int64(what.Moves), "")
	}
}

func (i *instruments) add(name string, n int64, failure string) {
	if c := i.counters[name]; c != nil {
		c.Add(context.Background(), n, i.with(failure))
	}
}

func (i *instruments) show(o metric.Observer, name string, value int64, more ...attribute.KeyValue) {
	if shown := i.shown[name]; shown != nil {
		o.ObserveInt64(shown, value, metric.WithAttributes(append(more, i.group)...))
	}
}

func (i *instruments) showLease(o metric.Observer, lease string, left time.Duration) {
	if i.lease != nil && left > 0 {
		o.ObserveFloat64(i.lease, left.Seconds(), metric.WithAttributes(i.group, attribute.String(attributeLease, lease)))
	}
}
