package emitter

import (
	"cmp"
	"errors"
	"fmt"
	"maps"
	"math"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/prometheus/common/model"
	"github.com/prometheus/prometheus/model/labels"

	"github.com/foreshock/foreshock"
	"github.com/foreshock/foreshock/incident/extent"
	"github.com/foreshock/foreshock/internal/annotation"
	"github.com/foreshock/foreshock/internal/grafana"
	"github.com/foreshock/foreshock/internal/quantity"
	"github.com/foreshock/foreshock/rules"
)

const (
	outlierAlert = "ForeshockIncident"
	breachAlert  = "ForeshockForecast"
	absenceAlert = "ForeshockAbsence"
	limitAlert   = "ForeshockLimit"

	// describedMembers is how many members the description lists: what fits on a
	// telephone. maxSeriesText cuts one line of it.
	describedMembers = 10
	maxSeriesText    = 200
)

// composer writes what an alert says of an incident. It is plain data and safe for
// concurrent use.
type composer struct {
	rules    *rules.Set
	external labels.Labels
	console  *url.URL // nil where there is no link to give
	grafana  *grafana.Grafana
}

// newComposer returns a composer for o, of which Rules, ExternalLabels, ExternalURL and
// GrafanaURL count. Its links begin with the URLs, as long as those are absolute http(s) URLs;
// Alertmanager refuses a whole batch for one bad link.
func newComposer(o Options) *composer {
	c := &composer{rules: cmp.Or(o.Rules, &rules.Set{}), external: o.ExternalLabels, grafana: grafana.At(o.GrafanaURL)}
	if u, err := url.Parse(o.ExternalURL); err == nil && u.Host != "" && (u.Scheme == "http" || u.Scheme == "https") {
		u.User = nil // not for everyone who reads alerts
		c.console = u
	}
	return c
}

// labels are the identity of the incident's alert: alertname and rule, what the rule
// adds, and what the members have in common. They hold no values. A rule's own severity
// is what it says; else it is that of the incident when it is first told.
func (c *composer) labels(i *foreshock.Incident) labels.Labels {
	added := map[string]string{severityLabel: cmp.Or(i.Severity, extent.Severity(i))}
	ruleLabels, _ := c.rules.Text(i.Rule)
	maps.Copy(added, ruleLabels)
	added[labels.AlertName] = outlierAlert
	switch i.Kind {
	case foreshock.Breach:
		added[labels.AlertName] = breachAlert
	case foreshock.Absence:
		added[labels.AlertName] = absenceAlert
	case foreshock.Crossing:
		added[labels.AlertName] = limitAlert
	}
	if i.Rule != "" {
		added[foreshock.RuleLabel] = i.Rule
	}
	b := labels.NewBuilder(i.Labels)
	b.Del(model.MetricNameLabel)
	if i.Labels.Get(foreshock.RuleLabel) == i.Rule {
		b.Del(foreshock.RuleLabel) // of an expression: not to be said twice, as exported_rule
	}
	var sorted []labels.Label
	for _, name := range slices.Sorted(maps.Keys(added)) {
		sorted = append(sorted, labels.Label{Name: name, Value: added[name]})
	}
	setOver(b, sorted)
	return b.Labels()
}

// annotations are what people read: a summary, the members and the numbers, and what
// the rule adds, whose templates see $labels, $value, $externalLabels and
// $externalURL as those of Prometheus's alerting rules do. Of a group the value is that of
// its loudest series, since the group's own is a score and no more. A template that fails is
// sent as written; the errors say which did.
func (c *composer) annotations(i *foreshock.Incident, identity labels.Labels) (labels.Labels, error) {
	lead := i.Lead()
	texts := map[string]string{"incident": i.ID, "console": c.link(i.ID), "dashboard_url": c.grafana.Lead(i)}
	if lead != nil {
		texts["summary"] = summary(i, lead)
		texts["description"] = describe(i)
		said := saying(lead)
		texts["value"] = quantity.Number(said.Value)
		texts["score"] = quantity.Number(lead.Peak)
		if said.Band.Known() {
			texts["expected"] = fmt.Sprintf("%s to %s", quantity.Number(said.Band.Lower), quantity.Number(said.Band.Upper))
		}
		switch i.Kind {
		case foreshock.Breach:
			texts["limit"] = quantity.Number(lead.Limit)
			texts["eta"] = arrivalText(lead.Arrival)
		case foreshock.Crossing:
			texts["limit"] = quantity.Number(lead.Limit)
			delete(texts, "score") // it has nothing to do with it
		case foreshock.Absence:
			delete(texts, "value") // nobody knows it
			delete(texts, "score")
		}
	}
	texts["evidence"] = evidenceText(i.Evidence)
	texts["cause"] = likely(i.Causes)
	texts["changes"] = changesText(i)
	texts["remedy"] = remediesText(i.Remedies)

	var errs []error
	ruleLabels, ruleAnnotations := c.rules.Text(i.Rule)
	if now := extent.Severity(i); ruleLabels[severityLabel] == "" && now != identity.Get(severityLabel) {
		texts["severity_now"] = now // the label stays, or it were another alert
	}
	if ruleAnnotations["summary"] != "" && lead != nil && i.Kind != foreshock.Absence {
		texts["description"] = texts["summary"] + "\n" + texts["description"] // which the rule's own says otherwise
	}
	for _, name := range slices.Sorted(maps.Keys(ruleAnnotations)) {
		expanded, err := c.expand(ruleAnnotations[name], i, lead, identity)
		if err != nil {
			errs = append(errs, fmt.Errorf("rule %s, annotation %s: %w", i.Rule, name, err))
			expanded = ruleAnnotations[name]
		}
		if i.Kind == foreshock.Absence && (name == "summary" || name == "description") {
			continue // it is written for a value that is odd, not for none
		}
		texts[name] = expanded
	}
	maps.DeleteFunc(texts, func(_, v string) bool { return v == "" })
	for name, t := range texts {
		texts[name] = strings.ToValidUTF8(t, "\uFFFD")
	}
	return labels.FromMap(texts), errors.Join(errs...)
}

func (c *composer) expand(t string, i *foreshock.Incident, lead *foreshock.Member, identity labels.Labels) (string, error) {
	parsed, err := annotation.Parse(t)
	if err != nil {
		return "", err
	}
	data := annotation.Data{
		Labels: map[string]string{}, ExternalLabels: c.external.Map(), Value: math.NaN(), Now: foreshock.Time(i.Updated),
	}
	if lead != nil {
		data.Labels, data.Value = lead.Series.Labels.Map(), saying(lead).Value
	}
	maps.Copy(data.Labels, identity.Map())
	if c.console != nil {
		data.ExternalURL = c.console.String()
	}
	return parsed.Execute(data)
}

// home is where the console is, or "".
func (c *composer) home() string {
	if c.console == nil {
		return ""
	}
	return c.console.String()
}

// link is where the console shows the incident, or "".
func (c *composer) link(id string) string {
	if c.console == nil {
		return ""
	}
	u := *c.console
	u.Fragment = "incident=" + id
	if u.Path == "" {
		u.Path = "/"
	}
	return u.String()
}

// summary is one line for a tired person: what, where, how far off, since when. The
// likely cause, once it is known, has an annotation of its own.
func summary(i *foreshock.Incident, lead *foreshock.Member) string {
	who, m := subject(place(lead), lead.Series), lead
	switch i.Kind {
	case foreshock.Absence:
		if n := len(i.Members) + i.Dropped; n > 1 {
			return fmt.Sprintf("%s; and %d more", unheard(lead), n-1)
		}
		return unheard(lead)
	case foreshock.Breach:
		return fmt.Sprintf("%s at %s, will reach %s in %s, %s%s",
			who, quantity.Of(m.Series.Name(), m.Value), quantity.Of(m.Series.Name(), m.Limit), etaText(m.ETA), since(i, m.Onset), others(i))
	case foreshock.Crossing:
		return fmt.Sprintf("%s is %s, %s%s",
			who, beyond(m), since(i, m.Onset), others(i))
	}
	return story(i, lead)
}

// describe lists the first members, one a line, and groups before those of which they are.
func describe(i *foreshock.Incident) string {
	var b strings.Builder
	members := slices.Clone(i.Members)
	slices.SortStableFunc(members, func(a, b foreshock.Member) int { return cmp.Compare(min(b.Of, 1), min(a.Of, 1)) })
	for _, m := range members[:min(describedMembers, len(members))] {
		if i.Kind == foreshock.Absence {
			b.WriteString(unheard(&m))
			if m.EndedAt != 0 {
				fmt.Fprintf(&b, ", heard again %s", foreshock.Time(m.EndedAt).Format("15:04:05"))
			}
			b.WriteByte('\n')
			continue
		}
		fmt.Fprintf(&b, "%s %s: ", foreshock.Time(m.Onset).Format("15:04:05"), shorten(m.Series.String()))
		if i.Kind == foreshock.Crossing {
			b.WriteString(beyond(&m))
		} else {
			fmt.Fprintf(&b, "%s, score %s", observed(&m), quantity.Number(m.Peak))
		}
		if i.Kind == foreshock.Breach {
			fmt.Fprintf(&b, ", reaches %s in %s", quantity.Of(m.Series.Name(), m.Limit), etaText(m.ETA))
		}
		if m.EndedAt != 0 {
			fmt.Fprintf(&b, ", ended %s", foreshock.Time(m.EndedAt).Format("15:04:05"))
		}
		b.WriteByte('\n')
	}
	if more := len(i.Members) + i.Dropped - describedMembers; more > 0 {
		fmt.Fprintf(&b, "and %d more\n", more)
	}
	return strings.TrimSuffix(b.String(), "\n")
}

// what names a series by its metric and where it is.
func what(s *foreshock.Series) string {
	name := words(cmp.Or(s.Name(), s.String()), maxSeriesText)
	if place := where(s); place != "" {
		return name + " on " + place
	}
	return name
}

// where is the place of a series, or "".
func where(s *foreshock.Series) string {
	return words(extent.PlaceOf(s).Value, maxWord)
}

// observed is what the series, or those of the group, were found at.
func observed(m *foreshock.Member) string {
	if m.Of == 0 {
		return quantity.Of(m.Series.Name(), m.Value) + expectation(m.Series, m.Band)
	}
	return fmt.Sprintf("%d of %d series%s", m.Odd, m.Of, loudest(m))
}

// beyond is where the series was found, and which limit that is beyond.
func beyond(m *foreshock.Member) string {
	side := "below"
	if m.Above {
		side = "above"
	}
	return fmt.Sprintf("%s, %s its limit %s", quantity.Of(m.Series.Name(), m.Value), side, quantity.Of(m.Series.Name(), m.Limit))
}

func expectation(s *foreshock.Series, b foreshock.Band) string {
	if !b.Known() {
		return ""
	}
	return fmt.Sprintf(", expected %s to %s", quantity.Of(s.Name(), b.Lower), quantity.Of(s.Name(), b.Upper))
}

// arrivalText is an ETA with its interval, where that is not the same to a reader.
func arrivalText(a foreshock.Arrival) string {
	eta, soonest := etaText(a.ETA), etaText(a.Soonest)
	switch {
	case a.Latest < 0:
		return fmt.Sprintf("%s (%s, or never)", eta, soonest)
	case etaText(a.Latest) == soonest:
		return eta
	}
	return fmt.Sprintf("%s (%s to %s)", eta, soonest, etaText(a.Latest))
}

func etaText(d time.Duration) string {
	switch {
	case d < time.Minute:
		return "less than a minute"
	case d >= 24*time.Hour:
		d = d.Round(time.Hour)
	default:
		d = d.Round(time.Minute)
	}
	return model.Duration(d).String()
}

func shorten(s string) string {
	if len(s) <= maxSeriesText {
		return s
	}
	return strings.ToValidUTF8(s[:maxSeriesText], "") + "…"
}
