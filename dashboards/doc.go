// Package dashboards makes the dashboard that operators copy into Grafana, parti.json, and tests it and the alerts for Prometheus,
// alerts.yaml, against what simulated fleets measure.
package dashboards

//go:generate go run ./generate
