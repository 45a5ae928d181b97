// Copyright The Parti Authors
// SPDX-License-Identifier: Apache-2.0

package dashboards

import (
	"encoding/json"
	"strings"

	"github.com/grafana/grafana-foundation-sdk/go/common"
	"github.com/grafana/grafana-foundation-sdk/go/dashboard"
)

// The variables of the board choose a Prometheus, and of what it has scraped the jobs, groups and workers to look at.
const (
	datasource = "${datasource}"
	chosen     = `job=~"$job", parti_group=~"$group"`
	ofWorkers  = chosen + `, instance=~"$instance"`
)

// JSON returns the board as Grafana imports it.
func JSON() ([]byte, error) {
	board, err := Board()
	if err != nil {
		return nil, err
	}
	text, err := json.MarshalIndent(board, "", "  ")
	return append(text, '\n'), err
}

// Board returns the board, in the form that every Grafana imports. Its successor needs a recent one.
func Board() (dashboard.Dashboard, error) { //nolint:staticcheck // the form is meant, see above
	b := dashboard.NewDashboardBuilder("Parti"). //nolint:staticcheck // the form is meant, see above
							Uid("parti").
							Description("Groups of workers that divide partitions with Parti.").
							Tags([]string{"parti"}).
							Time("now-1h", "now").
							Refresh("30s").
							Timezone(common.TimeZoneBrowser).
							Tooltip(dashboard.DashboardCursorSyncCrosshair).
							WithVariable(dashboard.NewDatasourceVariableBuilder("datasource").Label("Prometheus").Type("prometheus")).
							WithVariable(choice("job", "Job", `label_values(parti_leader, job)`)).
							WithVariable(choice("group", "Group", `label_values(parti_leader{job=~"$job"}, parti_group)`)).
							WithVariable(choice("instance", "Worker", `label_values(parti_leader{job=~"$job", parti_group=~"$group"}, instance)`))
	id := uint32(0)
	for _, r := range rows() {
		id++
		b = b.WithRow(dashboard.NewRowBuilder(r.title).Id(id))
		for _, p := range r.panels {
			id++
			b = b.WithPanel(p.build(id))
		}
	}
	return b.Build()
}

// choice is a variable with the values that a query finds. Several of them, or all, can be chosen.
func choice(name, label, query string) *dashboard.QueryVariableBuilder {
	prometheus, uid, all := "prometheus", datasource, ".+"
	return dashboard.NewQueryVariableBuilder(name).
		Label(label).
		Datasource(common.DataSourceRef{Type: &prometheus, Uid: &uid}).
		Query(dashboard.StringOrMap{String: &query}).
		Definition(query).
		Refresh(dashboard.VariableRefreshOnTimeRangeChanged).
		Sort(dashboard.VariableSortAlphabeticalAsc).
		Multi(true).IncludeAll(true).AllValue(all).
		Current(dashboard.VariableOption{
			Text:  dashboard.StringOrArrayOfString{ArrayOfString: []string{"All"}},
			Value: dashboard.StringOrArrayOfString{ArrayOfString: []string{"$__all"}},
		})
}

// row is one row of the board.
type row struct {
	title  string
	panels []panel
}

// rows are what the board shows, what matters most first.
func rows() []row {
	return []row{
		{"Group", group()},
		{"Workers", workers()},
		{"Handoffs", handoffs()},
		{"Errors, waits and handlers", troubles()},
	}
}

// series puts the labels of a choice into a query: %g for those of the group, %w for those of its workers, and %W for those
// beside other labels.
func series(query string) string {
	return strings.NewReplacer("%g", "{"+chosen+"}", "%w", "{"+ofWorkers+"}", "%W", ofWorkers).Replace(query)
}
