// Copyright The Parti Authors
// SPDX-License-Identifier: Apache-2.0

// Package dashboards makes parti.json, the dashboard that operators copy into Grafana. Its tests check the dashboard, and the
// alerts for Prometheus in alerts.yaml, against what simulated fleets measure.
package dashboards

//go:generate go run ./generate
