// Copyright The Parti Authors
// SPDX-License-Identifier: Apache-2.0

package dashboards_test

import (
	"encoding/json"
	"flag"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

var keep = flag.String("keep", "", "write what was scraped and what fired into this folder, as files for promtool test rules")

// The file of "promtool test rules", as far as it is used here. It is YAML, which JSON is as well.
type (
	rulesTest struct {
		RuleFiles []string    `json:"rule_files"`
		Interval  string      `json:"evaluation_interval"`
		Tests     []groupTest `json:"tests"`
	}
	groupTest struct {
		Name     string        `json:"name"`
		Interval string        `json:"interval"`
		Input    []inputSeries `json:"input_series"`
		Alerts   []alertTest   `json:"alert_rule_test"`
	}
	inputSeries struct {
		Series string `json:"series"`
		Values string `json:"values"`
	}
	alertTest struct {
		At       string          `json:"eval_time"`
		Name     string          `json:"alertname"`
		Expected []expectedAlert `json:"exp_alerts"`
	}
	expectedAlert struct {
		Labels      map[string]string `json:"exp_labels"`
		Annotations map[string]string `json:"exp_annotations"`
	}
)

// write writes the life for promtool: the series, and each moment at which something begins or ceases to fire.
func (l *life) write(t *testing.T, path string) {
	t.Helper()
	rules, err := filepath.Abs("alerts.yaml")
	require.NoError(t, err)
	test := groupTest{Name: t.Name(), Interval: every.String()}
	for _, key := range slices.Sorted(maps.Keys(l.values)) {
		test.Input = append(test.Input, inputSeries{key, strings.Join(l.values[key], " ")})
	}
	for n, now := range l.fire {
		if n > 0 && n < len(l.fire)-1 && reflect.DeepEqual(now, l.fire[n-1]) {
			continue
		}
		for _, name := range alertNames(t) {
			one := alertTest{At: fmt.Sprint(time.Duration(n) * every), Name: name}
			for _, f := range now {
				if f.name == name {
					labels := maps.Clone(f.labels)
					delete(labels, "alertname")
					one.Expected = append(one.Expected, expectedAlert{labels, f.annotations})
				}
			}
			test.Alerts = append(test.Alerts, one)
		}
	}
	text, err := json.MarshalIndent(rulesTest{[]string{rules}, every.String(), []groupTest{test}}, "", " ")
	require.NoError(t, err)
	require.NoError(t, os.WriteFile(path, text, 0o600))
}
