// Copyright The Parti Authors
// SPDX-License-Identifier: Apache-2.0

package dashboards

import (
	"github.com/grafana/grafana-foundation-sdk/go/cog"
	"github.com/grafana/grafana-foundation-sdk/go/common"
	"github.com/grafana/grafana-foundation-sdk/go/dashboard"
	"github.com/grafana/grafana-foundation-sdk/go/prometheus"
	"github.com/grafana/grafana-foundation-sdk/go/stat"
	"github.com/grafana/grafana-foundation-sdk/go/timeseries"
)

// panel is one panel: a number where it has thresholds, otherwise lines.
type panel struct {
	title, about string
	unit         string // "" for none
	width        uint32 // of 24
	queries      []query
	thresholds   []dashboard.Threshold
	steps        bool // a line keeps its value until the next one
	stacked      bool
}

// query is a question to Prometheus, see series, and what its lines are called.
type query struct{ ask, legend string }

const (
	numberHeight = 4
	linesHeight  = 8
)

func (p panel) build(id uint32) cog.Builder[dashboard.Panel] {
	if p.thresholds != nil {
		return p.number(id)
	}
	return p.lines(id)
}

// number is a panel that shows one number for each group, in the colour of its threshold.
func (p panel) number(id uint32) cog.Builder[dashboard.Panel] {
	b := stat.NewPanelBuilder().Id(id).Title(p.title).Description(p.about).Datasource(source()).
		Height(numberHeight).Span(p.width).
		ColorMode(common.BigValueColorModeBackground).
		GraphMode(common.BigValueGraphModeNone).
		Orientation(common.VizOrientationAuto).
		ReduceOptions(common.NewReduceDataOptionsBuilder().Calcs([]string{"lastNotNull"})).
		Thresholds(dashboard.NewThresholdsConfigBuilder().Mode(dashboard.ThresholdsModeAbsolute).Steps(p.thresholds)).
		NoValue("no data")
	if p.unit != "" {
		b = b.Unit(p.unit)
	}
	for _, target := range p.targets() {
		b = b.WithTarget(target)
	}
	return b
}

// lines is a panel that shows what became of values.
func (p panel) lines(id uint32) cog.Builder[dashboard.Panel] {
	b := timeseries.NewPanelBuilder().Id(id).Title(p.title).Description(p.about).Datasource(source()).
		Height(linesHeight).Span(p.width).
		Min(0).FillOpacity(0).LineWidth(1).ShowPoints(common.VisibilityModeNever).
		Legend(common.NewVizLegendOptionsBuilder().ShowLegend(true).
			DisplayMode(common.LegendDisplayModeList).
			Placement(common.LegendPlacementBottom))
	if p.unit != "" {
		b = b.Unit(p.unit)
	}
	if p.steps {
		b = b.LineInterpolation(common.LineInterpolationStepAfter)
	}
	if p.stacked {
		b = b.FillOpacity(40).Stacking(common.NewStackingConfigBuilder().Mode(common.StackingModeNormal))
	}
	for _, target := range p.targets() {
		b = b.WithTarget(target)
	}
	return b
}

func (p panel) targets() (list []*prometheus.DataqueryBuilder) {
	for i, q := range p.queries {
		list = append(list, prometheus.NewDataqueryBuilder().
			Datasource(source()).RefId(string(rune('A'+i))).Expr(series(q.ask)).LegendFormat(q.legend).Range())
	}
	return list
}

// source is the Prometheus that the variable of the board names.
func source() common.DataSourceRef {
	kind, uid := "prometheus", datasource
	return common.DataSourceRef{Type: &kind, Uid: &uid}
}
