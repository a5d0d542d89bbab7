// Package grafana writes links to the dashboards of examples/grafana, which people find by
// UIDs that stay. It asks no Grafana anything: whether the dashboards are there it does not
// know.
package grafana

import (
	"net/url"
	"strconv"
	"strings"

	"github.com/foreshock/foreshock"
)

const (
	overview = "foreshock-overview"
	explorer = "foreshock-series"

	// maxValue is the longest label value that fits into a link, in bytes: three times as
	// many when escaped, of the 8 KiB that a proxy takes.
	maxValue = 1 << 10
)

// Grafana is where people reach one. Nil is nowhere: its links are "".
type Grafana struct{ base *url.URL }

// At is the Grafana at an absolute http or https URL; nil where address is none. A query of
// the address, such as orgId=2, is part of every link.
func At(address string) *Grafana {
	u, err := url.Parse(address)
	if err != nil || u.Host == "" || (u.Scheme != "http" && u.Scheme != "https") {
		return nil
	}
	u.User = nil // not for everyone who reads alerts
	return &Grafana{u}
}

// Overview is the overview around the time of the incident.
func (g *Grafana) Overview(in *foreshock.Incident) string {
	return g.link(overview, in, nil)
}

// Series is the series explorer of a member around the time of the incident. A group is its
// loudest series, since the explorer shows metrics. "" where there is none.
func (g *Grafana) Series(in *foreshock.Incident, m *foreshock.Member) string {
	s := m.Series
	if s.IsGroup() {
		s = m.Loudest.Series
	}
	if s == nil || s.Name() == "" || len(s.Name()) > maxValue {
		return ""
	}
	chosen := url.Values{"var-metric": {s.Name()}}
	if instance := s.Labels.Get("instance"); instance != "" && len(instance) <= maxValue {
		chosen.Set("var-instance", instance)
	}
	return g.link(explorer, in, chosen)
}

// Lead is the series explorer of who leads the incident, or the overview where that has none.
func (g *Grafana) Lead(in *foreshock.Incident) string {
	if lead := in.Lead(); lead != nil {
		if link := g.Series(in, lead); link != "" {
			return link
		}
	}
	return g.Overview(in)
}

// link is the dashboard with the variables chosen. What goes on is shown up to now.
func (g *Grafana) link(dashboard string, in *foreshock.Incident, chosen url.Values) string {
	if g == nil {
		return ""
	}
	from, to := in.Around()
	until := strconv.FormatInt(to, 10)
	if in.EndsAt == 0 {
		until = "now"
	}
	u := g.base.JoinPath("d", dashboard)
	query := u.Query()
	query.Set("from", strconv.FormatInt(from, 10))
	query.Set("to", until)
	for name, values := range chosen {
		query[name] = values
	}
	u.RawQuery = strings.ReplaceAll(query.Encode(), "+", "%20") // read alike by all that read links
	u.Fragment = ""
	return u.String()
}
