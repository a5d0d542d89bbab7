package emitter

import (
	"fmt"
	"time"

	"github.com/prometheus/common/model"
	"github.com/prometheus/prometheus/model/labels"

	"github.com/foreshock/foreshock"
)

// family is one emitted metric. A source series has up to one series in each of the
// first ten, or if it is a group one in the eleventh; an incident has one in the last.
type family uint8

const (
	scoreFamily family = iota
	expectedFamily
	expectedLowerFamily
	expectedUpperFamily
	forecastFamily
	forecastLowerFamily
	forecastUpperFamily
	timeToThresholdFamily
	forecastScaleFamily
	forecastErrorFamily
	groupScoreFamily
	incidentFamily

	sourceFamilies = incidentFamily
	families       = incidentFamily + 1
)

var familyHelp = [families]string{
	scoreFamily:           "How anomalous the series named by the label for is: 0 while warming up, up to 1 normal, above 1 anomalous.",
	expectedFamily:        "What the series was expected to be, as scored: a rate per second where it is a counter.",
	expectedLowerFamily:   "Lower end of the interval the series was expected in 95 times out of 100.",
	expectedUpperFamily:   "Upper end of the interval the series was expected in 95 times out of 100.",
	forecastFamily:        "What the series is foreseen to be after the horizon.",
	forecastLowerFamily:   "Lower end of the forecast's interval.",
	forecastUpperFamily:   "Upper end of the forecast's interval.",
	timeToThresholdFamily: "Seconds until the series is foreseen to cross its rule's limit; absent when it is not.",
	forecastScaleFamily:   "What to scale by: the series, or what it will not be above nine times in ten after the rule's scale_horizon, whichever is greater.",
	forecastErrorFamily:   "How far the forecasts to scale by were off of late, beside how far off the present value was: above 1 they are worth less than that.",
	groupScoreFamily:      "How anomalous the series of one place are together that the rule watches: up to 1 normal, above 1 anomalous.",
	incidentFamily:        "1 while the incident is firing.",
}

var familyNames = map[Names][families]string{
	ForeshockNames: {
		scoreFamily:           foreshock.ScoreMetric,
		expectedFamily:        foreshock.ExpectedMetric,
		expectedLowerFamily:   foreshock.ExpectedLowerMetric,
		expectedUpperFamily:   foreshock.ExpectedUpperMetric,
		forecastFamily:        foreshock.ForecastMetric,
		forecastLowerFamily:   foreshock.ForecastLowerMetric,
		forecastUpperFamily:   foreshock.ForecastUpperMetric,
		timeToThresholdFamily: foreshock.TimeToThresholdMetric,
		forecastScaleFamily:   foreshock.ForecastScaleMetric,
		forecastErrorFamily:   foreshock.ForecastErrorMetric,
		groupScoreFamily:      foreshock.GroupScoreMetric,
		incidentFamily:        foreshock.IncidentMetric,
	},
	VMAnomalyNames: {
		scoreFamily:           "anomaly_score",
		expectedFamily:        "yhat",
		expectedLowerFamily:   "yhat_lower",
		expectedUpperFamily:   "yhat_upper",
		forecastFamily:        "yhat",
		forecastLowerFamily:   "yhat_lower",
		forecastUpperFamily:   "yhat_upper",
		timeToThresholdFamily: foreshock.TimeToThresholdMetric,
		forecastScaleFamily:   foreshock.ForecastScaleMetric,
		forecastErrorFamily:   foreshock.ForecastErrorMetric,
		incidentFamily:        foreshock.IncidentMetric,
	},
}

// Labels of emitted series, of alerts, and of our own metrics.
const (
	horizonLabel     = "horizon"
	incidentLabel    = "incident"
	stateLabel       = "state"
	titleLabel       = "title"
	severityLabel    = "severity"
	destinationLabel = "destination"

	exportedPrefix = "exported_"
)

// scoreOf is the family of the score of s. vmanomaly has no groups: under its names the
// score of one is that of the series foreshock_group, where its dashboards see it.
func (n Names) scoreOf(s *foreshock.Series) family {
	if s.IsGroup() && n != VMAnomalyNames {
		return groupScoreFamily
	}
	return scoreFamily
}

// sourceLabels are the labels of the series that f has for a source series. The
// horizon of a forecast is a label, or as vmanomaly has it a part of the name
// (yhat_24h).
func (n Names) sourceLabels(f family, source labels.Labels, horizon time.Duration) labels.Labels {
	name := familyNames[n][f]
	if f == groupScoreFamily {
		return n.labels(name, source, nil) // it is for no metric
	}
	added := []labels.Label{{Name: foreshock.ForLabel, Value: source.Get(model.MetricNameLabel)}}
	if f >= forecastFamily && f <= forecastUpperFamily {
		if n == VMAnomalyNames {
			name += "_" + horizonText(horizon)
		} else {
			added = append(added, labels.Label{Name: horizonLabel, Value: horizonText(horizon)})
		}
	}
	return n.labels(name, source, added)
}

// incidentLabels are the labels of an incident's series. They live as long as the
// incident is firing, which bounds how many there are. What is said of it there stays: with
// each number that changes it would be another series.
func (n Names) incidentLabels(i *foreshock.Incident) labels.Labels {
	added := []labels.Label{
		{Name: incidentLabel, Value: i.ID},
		{Name: stateLabel, Value: foreshock.Firing.String()},
		{Name: titleLabel, Value: title(i)},
	}
	of := i.Labels
	if i.Rule != "" {
		added = append(added, labels.Label{Name: foreshock.RuleLabel, Value: i.Rule})
		if of.Get(foreshock.RuleLabel) == i.Rule {
			of = labels.NewBuilder(of).Del(foreshock.RuleLabel).Labels() // not to be said twice, as exported_rule
		}
	}
	return n.labels(familyNames[n][incidentFamily], of, added)
}

func (n Names) labels(name string, source labels.Labels, added []labels.Label) labels.Labels {
	if n == VMAnomalyNames {
		added = append(added, labels.Label{Name: foreshock.ModelLabel, Value: foreshock.ModelValue})
	}
	b := labels.NewBuilder(source)
	b.Set(model.MetricNameLabel, name)
	setOver(b, added)
	return b.Labels()
}

// setOver sets the labels. One that is in their way is kept as exported_…, however
// often that takes, as Prometheus does when it scrapes.
func setOver(b *labels.Builder, added []labels.Label) {
	for _, l := range added {
		if old := b.Get(l.Name); old != "" {
			free := exportedPrefix + l.Name
			for b.Get(free) != "" {
				free = exportedPrefix + free
			}
			b.Set(free, old)
		}
		b.Set(l.Name, l.Value)
	}
}

// horizonText writes d in the largest of hours, minutes and seconds that divides
// it: 24h, 90m.
func horizonText(d time.Duration) string {
	switch {
	case d%time.Hour == 0:
		return fmt.Sprintf("%dh", d/time.Hour)
	case d%time.Minute == 0:
		return fmt.Sprintf("%dm", d/time.Minute)
	default:
		return fmt.Sprintf("%ds", d/time.Second)
	}
}
