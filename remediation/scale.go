package remediation

import (
	"errors"
	"fmt"
	"math"
	"strconv"
	"time"
)

// ScaleConfig makes an action scale ahead of what a forecast rule with scale_horizon
// foresees. The alert of that rule plans it: the plan's value is as many as serve what is
// foreseen for the alert's series, within bounds that no rule and no label can lift. The
// series must say how much is demanded, which scaling does not change. A second rule, whose
// limit is crossed downwards, scales back in the same way.
type ScaleConfig struct {
	// Per is how much of the series' value one replica, or whatever is counted, serves.
	// Above 0. Required.
	Per float64 `yaml:"per"`

	// Min is the least there ever are. From 0.
	Min int `yaml:"min"`

	// Max is the most there ever are. Up to 10000. Required.
	Max int `yaml:"max"`

	// MaxError is up to which foreshock_forecast_error_ratio a forecast is believed: the
	// error of such forecasts of late beside that of who takes the present for the future.
	// Above it, and while it is not known, nothing is scaled. Above 0, up to 1.
	MaxError float64 `yaml:"max_error"`
}

// DefaultScaleConfig is what an action that scales starts from.
func DefaultScaleConfig() ScaleConfig { return ScaleConfig{Min: 1, MaxError: 1} }

// UnmarshalYAML decodes over the defaults.
func (c *ScaleConfig) UnmarshalYAML(unmarshal func(any) error) error {
	type plain ScaleConfig
	*c = DefaultScaleConfig()
	return unmarshal((*plain)(c))
}

// highestScale bounds how many anything may be scaled to.
const highestScale = 10_000

func (c *ScaleConfig) validate(path string) error {
	if c == nil {
		return nil
	}
	var errs []error
	if !(c.Per > 0) || math.IsInf(c.Per, 0) { // NaN is not above 0
		errs = append(errs, fmt.Errorf("%s.per: must be a number above 0, got %v", path, c.Per))
	}
	if c.Min < 0 || c.Min > highestScale {
		errs = append(errs, fmt.Errorf("%s.min: must be from 0 to %d, got %d", path, highestScale, c.Min))
	}
	if c.Max < max(c.Min, 1) || c.Max > highestScale {
		errs = append(errs, fmt.Errorf("%s.max: must be from min, and at least 1, to %d, got %d", path, highestScale, c.Max))
	}
	if !(c.MaxError > 0 && c.MaxError <= 1) {
		errs = append(errs, fmt.Errorf("%s.max_error: must be above 0 and at most 1, got %v", path, c.MaxError))
	}
	return errors.Join(errs...)
}

// Demand is what is foreseen for the one series of an incident's alert, as the series
// foreshock_forecast_scale and foreshock_forecast_error_ratio have it.
type Demand struct {
	Value float64   // of the series, or of its future where that is more
	Error float64   // NaN while it is not known
	At    time.Time // of the sample it was said of
}

// staleDemand is how old what is foreseen may be: as long as Prometheus takes a value for
// current.
const staleDemand = 5 * time.Minute

// value is how many are to be for what is foreseen, or a *refusal.
func (c *ScaleConfig) value(d Demand, now time.Time) (string, error) {
	switch {
	case math.IsNaN(d.Error):
		return "", &refusal{refusedForecast, "it is not known yet how far off forecasts are"}
	case d.Error > c.MaxError:
		return "", &refusal{refusedForecast, fmt.Sprintf("forecasts were off %.2f times as far as the present value is, above max_error %v", d.Error, c.MaxError)}
	case now.Sub(d.At).Abs() > staleDemand:
		return "", &refusal{refusedForecast, fmt.Sprintf("the latest forecast is of %s", d.At.UTC().Format(time.RFC3339))}
	case math.IsNaN(d.Value):
		return "", &refusal{refusedForecast, "what is foreseen is no number"}
	}
	n := math.Ceil(d.Value / c.Per)
	return strconv.Itoa(int(min(max(n, float64(c.Min)), float64(c.Max)))), nil // the bounds are exact, and so is what lies between
}

// contains reports whether the value of a plan is within the bounds.
func (c *ScaleConfig) contains(value string) bool {
	n, err := strconv.Atoi(value)
	return err == nil && n >= c.Min && n <= c.Max
}

// valueFor is how many the action is to scale to for the alert's incident; "" where it does
// not scale.
func (s *settings) valueFor(action, incident string, demand func(string) (Demand, error), now time.Time) (string, error) {
	c := s.actions[action].scale
	if c == nil {
		return "", nil
	}
	if incident == "" {
		return "", &refusal{refusedForecast, "the alert is of no incident of Foreshock's, so that nothing is foreseen"}
	}
	d, err := demand(incident)
	if err != nil {
		return "", &refusal{refusedForecast, clip(err.Error(), maxReason)}
	}
	return c.value(d, now)
}

// forecastIsBelieved refuses to scale by a forecast that has turned out to be wrong since.
// What is taken back goes by none.
func forecastIsBelieved(q *question) error {
	if q.entry.RollbackOf != "" {
		return nil
	}
	_, err := q.settings.valueFor(q.entry.Plan.Action, q.entry.Incident, q.demand, q.now.wall)
	return err
}
