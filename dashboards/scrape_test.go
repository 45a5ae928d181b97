// Copyright The Parti Authors
// SPDX-License-Identifier: Apache-2.0

package dashboards_test

import (
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	dto "github.com/prometheus/client_model/go"
	"github.com/stretchr/testify/require"
	exporter "go.opentelemetry.io/otel/exporters/prometheus"
	"go.opentelemetry.io/otel/sdk/metric"
	"go.opentelemetry.io/otel/sdk/resource"

	"github.com/parti-go/parti/integration/fleet"
)

// every is the interval of the scrapes, and of the looks at the alerts.
const every = 15 * time.Second

// pod is one process that Prometheus scrapes under an address.
type pod struct {
	*fleet.Process
	address  string
	registry *prometheus.Registry
	down     bool // nobody answers at the address
}

// prometheusOf is what Prometheus would have of a fleet: it scrapes each process with the first scrape at the beginning.
type prometheusOf struct {
	t     *testing.T
	fleet *fleet.Fleet
	ended chan struct{}
	work  sync.WaitGroup

	mu     sync.Mutex
	pods   []*pod
	values map[string][]string // of each series, in the notation of promtool
	labels map[string]map[string]string
	n      int // scrapes
}

// scrape begins to scrape the processes of a fleet.
func scrape(t *testing.T, f *fleet.Fleet) *prometheusOf {
	p := &prometheusOf{
		t: t, fleet: f, ended: make(chan struct{}), values: map[string][]string{}, labels: map[string]map[string]string{},
	}
	p.work.Go(func() {
		tick := time.NewTicker(every)
		defer tick.Stop()
		for {
			p.look()
			select {
			case <-tick.C:
			case <-p.ended:
				return
			}
		}
	})
	return p
}

// end ends it, before the fleet ends.
func (p *prometheusOf) end() {
	close(p.ended)
	p.work.Wait()
}

// start begins a process that is scraped under that address.
func (p *prometheusOf) start(address string, with ...fleet.With) *pod {
	registry := prometheus.NewRegistry()
	reader, err := exporter.New(exporter.WithRegisterer(registry), exporter.WithoutTargetInfo())
	require.NoError(p.t, err)
	provider := metric.NewMeterProvider(metric.WithReader(reader), metric.WithResource(resource.Empty()))
	one := &pod{address: address, registry: registry, Process: p.fleet.Make(append(with, fleet.Metrics(provider))...)}
	p.mu.Lock()
	p.pods = append(p.pods, one)
	p.mu.Unlock()
	one.Start()
	return one
}

// crash ends a process; its address answers no more.
func (p *prometheusOf) crash(one *pod) {
	p.mu.Lock()
	one.down = true
	p.mu.Unlock()
	one.Crash()
}

// stop ends a process cleanly.
func (p *prometheusOf) stop(one *pod) {
	require.NoError(p.t, one.Stop())
	p.mu.Lock()
	one.down = true
	p.mu.Unlock()
}

// look is one scrape of all.
func (p *prometheusOf) look() {
	p.mu.Lock()
	defer p.mu.Unlock()
	seen := map[string]bool{}
	for _, one := range p.pods {
		if one.down || one.Frozen() {
			continue
		}
		families, err := one.registry.Gather()
		if err != nil {
			p.t.Errorf("scrape %s: %v", one.address, err)
			continue
		}
		for _, family := range families {
			for _, m := range family.GetMetric() {
				samples(family, m, func(name string, value float64, more ...string) {
					seen[p.keep(one.address, name, value, m, more...)] = true
				})
			}
		}
	}
	p.n++
	for key, values := range p.values {
		switch {
		case seen[key]:
		case values[len(values)-1] == "_" || values[len(values)-1] == "stale":
			p.values[key] = append(values, "_")
		default:
			p.values[key] = append(values, "stale")
		}
	}
}

// keep notes a sample of this scrape, and returns of which series.
func (p *prometheusOf) keep(address, name string, value float64, m *dto.Metric, more ...string) (key string) {
	labels := map[string]string{"__name__": name, "job": "orders", "instance": address}
	for _, l := range m.GetLabel() {
		if l.GetValue() != "" { // no label at all
			labels[l.GetName()] = l.GetValue()
		}
	}
	for i := 0; i < len(more); i += 2 {
		labels[more[i]] = more[i+1]
	}
	var pairs []string
	for _, label := range slices.Sorted(maps.Keys(labels)) {
		if label != "__name__" {
			pairs = append(pairs, fmt.Sprintf("%s=%q", label, labels[label]))
		}
	}
	key = name + "{" + strings.Join(pairs, ",") + "}"
	if p.values[key] == nil {
		p.values[key] = slices.Repeat([]string{"_"}, p.n)
		p.labels[key] = labels
	}
	p.values[key] = append(p.values[key], strconv.FormatFloat(value, 'f', -1, 64))
	return key
}

// samples are those of one metric as Prometheus stores them.
func samples(family *dto.MetricFamily, m *dto.Metric, each func(name string, value float64, more ...string)) {
	name := family.GetName()
	switch {
	case m.GetGauge() != nil:
		each(name, m.GetGauge().GetValue())
	case m.GetCounter() != nil:
		each(name, m.GetCounter().GetValue())
	case m.GetHistogram() != nil:
		h := m.GetHistogram()
		for _, b := range h.GetBucket() {
			each(name+"_bucket", float64(b.GetCumulativeCount()), "le", strconv.FormatFloat(b.GetUpperBound(), 'g', -1, 64))
		}
		each(name+"_bucket", float64(h.GetSampleCount()), "le", "+Inf")
		each(name+"_count", float64(h.GetSampleCount()))
		each(name+"_sum", h.GetSampleSum())
	}
}

// input is what was scraped, as promtool reads it.
func (p *prometheusOf) input() string {
	var b strings.Builder
	fmt.Fprintf(&b, "load %s\n", every)
	for _, key := range slices.Sorted(maps.Keys(p.values)) {
		fmt.Fprintf(&b, "  %s %s\n", key, strings.Join(p.values[key], " "))
	}
	return b.String()
}
