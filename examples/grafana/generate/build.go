package main

import (
	"fmt"

	"github.com/grafana/grafana-foundation-sdk/go/cog"
	"github.com/grafana/grafana-foundation-sdk/go/cog/variants"
	"github.com/grafana/grafana-foundation-sdk/go/common"
	"github.com/grafana/grafana-foundation-sdk/go/dashboard"
	"github.com/grafana/grafana-foundation-sdk/go/prometheus"
	"github.com/grafana/grafana-foundation-sdk/go/stat"
	"github.com/grafana/grafana-foundation-sdk/go/table"
	"github.com/grafana/grafana-foundation-sdk/go/timeseries"
)

// page is a dashboard: its name is that of its file and, after "foreshock-", its UID.
type page struct {
	name, title, about string
	variables          []variable // beside the data sources
	rows               []row
}

// row is a headline and the panels beneath it.
type row struct {
	title  string
	panels []panel
}

// variable is one that the values of a label fill.
type variable struct {
	name, title, label string
	of                 string // a selector
	all                bool   // may be several, and all at first
}

// source is the data source that answers a panel.
type source string

const (
	// scores has what Foreshock writes back: Prometheus, or Foreshock itself.
	scores source = "datasource"
	// health has what is scraped from Foreshock: Prometheus alone.
	health source = "health"
)

// panel is one of the kinds below. Width is in Grafana's 24ths, height in its rows.
type panel struct {
	kind          kind
	title, about  string
	source        source
	unit          string
	width, height uint32
	queries       []query
	limit         float64 // a line, or where a number turns from good to bad; 0 is none
	low           bool    // below the limit is bad, not above
	whole         bool    // a count: no decimals, from 0
	empty         string  // said instead of no data
}

type kind int

const (
	graph  kind = iota
	number      // the last value
	list        // a table, a row a series, as it is now
)

// query is PromQL; legend is a template over labels. band fills down to the query before it.
type query struct {
	expr, legend string
	band         bool
}

// Colours that the colour-blind can tell apart (Okabe and Ito), as in Foreshock's pictures.
const (
	blue, skyBlue, orange, vermilion, green = "#0072b2", "#56b4e9", "#e69f00", "#d55e00", "#009e73"
)

func (p page) build() (dashboard.Dashboard, error) {
	b := dashboard.NewDashboardBuilder(p.title).Uid("foreshock-"+p.name).Description(p.about).
		Tags([]string{"foreshock"}).Time("now-3h", "now").Refresh("30s").Tooltip(dashboard.DashboardCursorSyncCrosshair).
		Link(dashboard.NewDashboardLinkBuilder("Foreshock").Type(dashboard.DashboardLinkTypeDashboards).
			Tags([]string{"foreshock"}).AsDropdown(true).IncludeVars(true).KeepTime(true)).
		Annotation(dashboard.NewAnnotationQueryBuilder().Name("Incidents").Datasource(scores.ref()).IconColor(vermilion).
			Target(prometheus.NewDataqueryBuilder().Expr(`foreshock_incident == 1`).LegendFormat("{{title}}").RefId("A")))
	for _, v := range p.dataSources() {
		b.WithVariable(v)
	}
	for _, v := range p.variables {
		b.WithVariable(v.build())
	}
	for _, r := range p.rows {
		b.WithRow(dashboard.NewRowBuilder(r.title))
		for _, one := range r.panels {
			b.WithPanel(one.build())
		}
	}
	return b.Build()
}

// dataSources are the variables of those that the page asks.
func (p page) dataSources() []cog.Builder[dashboard.VariableModel] {
	all := []cog.Builder[dashboard.VariableModel]{
		dashboard.NewDatasourceVariableBuilder(string(scores)).Label("Scores from").Type("prometheus").
			Description("The Prometheus that Foreshock writes back to, or Foreshock itself."),
	}
	for _, r := range p.rows {
		for _, one := range r.panels {
			if one.source == health {
				return append(all, dashboard.NewDatasourceVariableBuilder(string(health)).Label("Health from").Type("prometheus").
					Description("The Prometheus that scrapes Foreshock.").Regex("/^(?!Foreshock)/"))
			}
		}
	}
	return all
}

func (s source) ref() common.DataSourceRef {
	return common.DataSourceRef{Type: cog.ToPtr("prometheus"), Uid: cog.ToPtr("${" + string(s) + "}")}
}

func (v variable) build() *dashboard.QueryVariableBuilder {
	b := dashboard.NewQueryVariableBuilder(v.name).Label(v.title).Datasource(scores.ref()).
		Query(dashboard.StringOrMap{String: cog.ToPtr(fmt.Sprintf("label_values(%s, %s)", v.of, v.label))}).
		Refresh(dashboard.VariableRefreshOnTimeRangeChanged).Sort(dashboard.VariableSortNaturalAsc)
	if v.all {
		b.Multi(true).IncludeAll(true).AllValue(".*"). // what has no such label, too
								Current(dashboard.VariableOption{
				Text: dashboard.StringOrArrayOfString{String: cog.ToPtr("All")}, Value: dashboard.StringOrArrayOfString{String: cog.ToPtr("$__all")},
			})
	}
	return b
}

// targets are the panel's queries as Grafana has them.
func (p panel) targets() []cog.Builder[variants.Dataquery] {
	var all []cog.Builder[variants.Dataquery]
	for i, q := range p.queries {
		b := prometheus.NewDataqueryBuilder().Expr(q.expr).LegendFormat(q.legend).RefId(string(rune('A' + i))).Datasource(p.source.ref())
		if p.kind == list {
			b.Instant().Format(prometheus.PromQueryFormatTable)
		} else {
			b.Range()
		}
		all = append(all, b)
	}
	return all
}

func (p panel) build() cog.Builder[dashboard.Panel] {
	switch p.kind {
	case number:
		return p.number()
	case list:
		return p.list()
	}
	return p.graph()
}

func (p panel) graph() *timeseries.PanelBuilder {
	b := timeseries.NewPanelBuilder().Title(p.title).Description(p.about).Datasource(p.source.ref()).Targets(p.targets()).
		Span(p.width).Height(p.height).Unit(p.unit).LineWidth(1).NoValue(p.empty).
		ColorScheme(dashboard.NewFieldColorBuilder().Mode(dashboard.FieldColorModeIdPaletteClassicByName)).
		Legend(common.NewVizLegendOptionsBuilder().DisplayMode(common.LegendDisplayModeList).Placement(common.LegendPlacementBottom).ShowLegend(true)).
		Tooltip(common.NewVizTooltipOptionsBuilder().Mode(common.TooltipDisplayModeMulti).Sort(common.SortOrderDescending))
	if p.whole {
		b.Decimals(0).Min(0)
	}
	if p.limit != 0 {
		b.Thresholds(p.thresholds()).ThresholdsStyle(common.NewGraphThresholdsStyleConfigBuilder().Mode(common.GraphThresholdsStyleModeDashed))
	}
	for i, q := range p.queries {
		if q.band {
			b.OverrideByQuery(string(rune('A'+i-1)), fixed(skyBlue))
			b.OverrideByQuery(string(rune('A'+i)), append(fixed(skyBlue), dashboard.DynamicConfigValue{Id: "custom.fillBelowTo", Value: p.queries[i-1].legend}))
		}
	}
	return b
}

// fixed draws a line of a band: thin, in one colour.
func fixed(colour string) []dashboard.DynamicConfigValue {
	return []dashboard.DynamicConfigValue{
		{Id: "color", Value: map[string]any{"mode": "fixed", "fixedColor": colour}},
		{Id: "custom.lineWidth", Value: 0},
		{Id: "custom.fillOpacity", Value: 20},
	}
}

func (p panel) number() *stat.PanelBuilder {
	b := stat.NewPanelBuilder().Title(p.title).Description(p.about).Datasource(p.source.ref()).Targets(p.targets()).
		Span(p.width).Height(p.height).Unit(p.unit).NoValue(p.empty).Thresholds(p.thresholds()).
		ReduceOptions(common.NewReduceDataOptionsBuilder().Calcs([]string{"lastNotNull"})).
		GraphMode(common.BigValueGraphModeArea).ColorMode(common.BigValueColorModeValue)
	if p.whole {
		b.Decimals(0)
	}
	return b
}

func (p panel) list() *table.PanelBuilder {
	hidden := map[string]any{"Time": true, "__name__": true}
	return table.NewPanelBuilder().Title(p.title).Description(p.about).Datasource(p.source.ref()).Targets(p.targets()).
		Span(p.width).Height(p.height).NoValue(p.empty).Thresholds(p.thresholds()).
		OverrideByName("Value", []dashboard.DynamicConfigValue{
			{Id: "unit", Value: p.unit},
			{Id: "displayName", Value: p.queries[0].legend},
			{Id: "custom.cellOptions", Value: map[string]any{"type": "color-text"}},
		}).
		OverrideByName("for", []dashboard.DynamicConfigValue{{Id: "links", Value: []map[string]any{{
			"title": "Look at ${__value.text}",
			"url":   "/d/foreshock-series?var-datasource=${datasource}&var-metric=${__value.text}&${__url_time_range}",
		}}}}).
		Footer(common.NewTableFooterOptionsBuilder().Reducer([]string{})).
		WithTransformation(dashboard.DataTransformerConfig{Id: "organize", Options: map[string]any{"excludeByName": hidden}}).
		SortBy([]cog.Builder[common.TableSortByFieldState]{common.NewTableSortByFieldStateBuilder().DisplayName(p.queries[0].legend).Desc(!p.low)})
}

// thresholds turn what is good from green to vermilion, or back where low is bad.
func (p panel) thresholds() *dashboard.ThresholdsConfigBuilder {
	first, then := green, vermilion
	if p.low {
		first, then = then, first
	}
	steps := []dashboard.Threshold{{Color: first}}
	if p.limit != 0 {
		steps = append(steps, dashboard.Threshold{Value: cog.ToPtr(p.limit), Color: then})
	} else {
		steps[0].Color = blue
	}
	return dashboard.NewThresholdsConfigBuilder().Mode(dashboard.ThresholdsModeAbsolute).Steps(steps)
}
