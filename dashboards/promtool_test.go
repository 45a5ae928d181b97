// Copyright The Parti Authors
// SPDX-License-Identifier: Apache-2.0

package dashboards_test

import (
	"context"
	"testing"
	"time"

	"github.com/prometheus/common/promslog"
	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/promql"
	"github.com/prometheus/prometheus/promql/parser"
	"github.com/prometheus/prometheus/promql/promqltest"
	"github.com/prometheus/prometheus/rules"
	"github.com/stretchr/testify/require"
)

// firing is one alert that fires at one moment.
type firing struct {
	name        string
	labels      map[string]string
	annotations map[string]string
}

// alerts evaluates alerts.yaml at each scrape, with the rules engine of Prometheus and the loader of "promtool test rules". It
// returns what fires after each one. promtool itself asks for named alerts at named moments; here none may fire unasked.
func alerts(t *testing.T, input string, scrapes int) (fire [][]firing) {
	t.Helper()
	engine := load(t, input)
	manager := rules.NewManager(&rules.ManagerOptions{
		QueryFunc:    rules.EngineQueryFunc(engine.QueryEngine(), engine.Storage()),
		AppendableV2: engine.Storage(),
		Context:      t.Context(),
		NotifyFunc:   func(context.Context, string, ...*rules.Alert) {},
		Logger:       promslog.NewNopLogger(),
		Parser:       parser.NewParser(parser.Options{}),
	})
	groups, errs := manager.LoadGroups(every, labels.EmptyLabels(), "", nil, false, "alerts.yaml")
	require.Empty(t, errs)
	for _, group := range groups {
		for _, rule := range group.Rules() {
			rule.(*rules.AlertingRule).SetRestored(true)
		}
	}
	for n := range scrapes {
		at := time.Unix(0, 0).UTC().Add(time.Duration(n) * every)
		var now []firing
		engine.WithSamplesTill(at, func(err error) {
			require.NoError(t, err)
			for _, group := range groups {
				group.Eval(engine.Context(), at)
				for _, rule := range group.Rules() {
					require.NoError(t, rule.LastError(), "%s after %s", rule.Name(), time.Duration(n)*every)
					for _, alert := range rule.(*rules.AlertingRule).ActiveAlerts() {
						if alert.State == rules.StateFiring {
							now = append(now, firing{rule.Name(), alert.Labels.Map(), alert.Annotations.Map()})
						}
					}
				}
			}
		})
		fire = append(fire, now)
	}
	return fire
}

// load reads what was scraped.
func load(t *testing.T, input string) *promqltest.LazyLoader {
	t.Helper()
	engine, err := promqltest.NewLazyLoader(input, promqltest.LazyLoaderOpts{EnableAtModifier: true, EnableNegativeOffset: true})
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, engine.Close()) })
	engine.SubqueryInterval = every
	return engine
}

// ask asks a question at a moment.
func ask(t *testing.T, engine *promqltest.LazyLoader, question string, at time.Time) promql.Vector {
	t.Helper()
	query, err := engine.QueryEngine().NewInstantQuery(engine.Context(), engine.Queryable(), nil, question, at)
	require.NoError(t, err, question)
	defer query.Close()
	answer, err := query.Exec(engine.Context()).Vector()
	require.NoError(t, err, question)
	return answer
}
