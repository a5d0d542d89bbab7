package console

import (
	"cmp"
	"net/url"
	"slices"
	"strconv"
	"strings"

	"github.com/prometheus/common/model"
	"github.com/prometheus/prometheus/model/labels"

	"github.com/foreshock/foreshock"
	"github.com/foreshock/foreshock/internal/grafana"
	"github.com/foreshock/foreshock/internal/record"
	"github.com/foreshock/foreshock/rules"
)

// Elsewhere is where else incidents are to be seen.
type Elsewhere struct {
	Alertmanagers []string         // URLs
	Grafana       *grafana.Grafana // with the dashboards of examples/grafana; nil is none
	Rules         *rules.Set       // those whose labels alerts have; nil is none
}

// mostAlertmanagers are linked to: all of a cluster have the same alerts.
const mostAlertmanagers = 3

func (c *console) elsewhere() Elsewhere {
	if c.Elsewhere == nil {
		return Elsewhere{}
	}
	return c.Elsewhere()
}

// ofTheAlert are labels that an alert sets itself, whatever its incident has under their names.
var ofTheAlert = []string{labels.AlertName, "severity", foreshock.RuleLabel, model.MetricNameLabel}

// links are where else the incident is to be seen.
func (c *console) links(in *foreshock.Incident) *record.Links {
	where := c.elsewhere()
	found := record.Links{Alertmanagers: []string{}, Grafana: where.Grafana.Overview(in)}
	if lead := in.Lead(); lead != nil {
		found.Series = where.Grafana.Series(in, lead)
	}
	for _, address := range where.Alertmanagers[:min(len(where.Alertmanagers), mostAlertmanagers)] {
		found.Alertmanagers = append(found.Alertmanagers, alertAt(address, in, where.Rules))
	}
	return &found
}

// alertAt is Alertmanager's page of the incident's alert. A label whose name an older
// Alertmanager cannot read, or that the alert or its rule has in another sense, is left out of
// the filter, which then finds more.
func alertAt(address string, in *foreshock.Incident, set *rules.Set) string {
	ofTheRule, _ := cmp.Or(set, &rules.Set{}).Text(in.Rule)
	filter := []string{`alertname=~"Foreshock.*"`}
	if in.Rule != "" {
		filter = append(filter, foreshock.RuleLabel+"="+strconv.Quote(in.Rule))
	}
	in.Labels.Range(func(l labels.Label) {
		if model.LegacyValidation.IsValidLabelName(l.Name) && !slices.Contains(ofTheAlert, l.Name) && ofTheRule[l.Name] == "" {
			filter = append(filter, l.Name+"="+strconv.Quote(l.Value))
		}
	})
	query := url.Values{"filter": {"{" + strings.Join(filter, ",") + "}"}}
	return strings.TrimSuffix(address, "/") + "/#/alerts?" + strings.ReplaceAll(query.Encode(), "+", "%20")
}
