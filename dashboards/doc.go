// Copyright The Parti Authors
// SPDX-License-Identifier: Apache-2.0

// Package dashboards makes the dashboard that operators copy into Grafana, parti.json. Its tests hold that and the alerts for
// Prometheus, alerts.yaml, to what simulated fleets measure.
package dashboards

//go:generate go run ./generate
