package foreshock

import (
	"slices"

	"github.com/prometheus/common/model"
	"github.com/prometheus/prometheus/model/labels"
)

// Names of the series Foreshock emits. The source's labels are kept; its metric
// name moves to the label ForLabel.
const (
	ScoreMetric           = "foreshock_anomaly_score"
	ExpectedMetric        = "foreshock_expected"
	ExpectedLowerMetric   = "foreshock_expected_lower"
	ExpectedUpperMetric   = "foreshock_expected_upper"
	ForecastMetric        = "foreshock_forecast"
	ForecastLowerMetric   = "foreshock_forecast_lower"
	ForecastUpperMetric   = "foreshock_forecast_upper"
	TimeToThresholdMetric = "foreshock_time_to_threshold_seconds"
	ForecastScaleMetric   = "foreshock_forecast_scale"
	ForecastErrorMetric   = "foreshock_forecast_error_ratio"
	IncidentMetric        = "foreshock_incident"

	// GroupScoreMetric is the score of a group, under the labels of its place and of
	// its rule.
	GroupScoreMetric = "foreshock_group_anomaly_score"

	ForLabel = "for"

	// RuleLabel is what the rule that selected an incident's lead is called in its
	// alert.
	RuleLabel = "rule"

	// ModelLabel="foreshock" marks every emitted series whose name is not one of
	// the above (the vmanomaly names), so that it is known when it comes back.
	ModelLabel = "model_alias"
	ModelValue = "foreshock"
)

var outputNames = []string{
	ScoreMetric, ExpectedMetric, ExpectedLowerMetric, ExpectedUpperMetric,
	ForecastMetric, ForecastLowerMetric, ForecastUpperMetric,
	TimeToThresholdMetric, ForecastScaleMetric, ForecastErrorMetric, IncidentMetric, GroupScoreMetric, GroupName, ExprName,
}

// OwnOutput reports whether ls is a series Foreshock emitted: scoring it again
// would feed the detector its own opinion.
func OwnOutput(ls labels.Labels) bool {
	return ls.Get(ModelLabel) == ModelValue || slices.Contains(outputNames, ls.Get(model.MetricNameLabel))
}
