package rules

import (
	"errors"
	"fmt"
	"math"
	"strconv"
	"strings"
)

// Range is the values a series can have, bounds included.
type Range struct {
	Lower, Upper float64
}

// Contains reports whether x lies within the range; a nil range contains everything.
func (r *Range) Contains(x float64) bool { return r == nil || x >= r.Lower && x <= r.Upper }

// Clip is x, or the bound that it is beyond; NaN stays.
func (r *Range) Clip(x float64) float64 {
	switch {
	case r == nil:
		return x
	case x < r.Lower:
		return r.Lower
	case x > r.Upper:
		return r.Upper
	}
	return x
}

// UnmarshalYAML parses [lower, upper], of which one may be infinite.
func (r *Range) UnmarshalYAML(unmarshal func(any) error) error {
	var bounds []bound
	if err := unmarshal(&bounds); err != nil {
		return err
	}
	if len(bounds) != 2 {
		return fmt.Errorf("want [lower, upper], got %d values", len(bounds))
	}
	lower, upper := float64(bounds[0]), float64(bounds[1])
	switch {
	case math.IsInf(lower, -1) && math.IsInf(upper, 1):
		return errors.New("a range without bounds says nothing; leave it out")
	case !(lower < upper):
		return fmt.Errorf("want a lower bound below the upper one, got [%g, %g]", lower, upper)
	}
	*r = Range{lower, upper}
	return nil
}

// bound is an end of a range: a number, which may be infinite, as a range may have one
// end only.
type bound float64

// UnmarshalText parses a number, as YAML writes infinity too.
func (b *bound) UnmarshalText(text []byte) error {
	x, err := strconv.ParseFloat(strings.Replace(string(text), ".inf", "inf", 1), 64)
	if err != nil || math.IsNaN(x) {
		return fmt.Errorf("want a number, .inf or -.inf, got %q", text)
	}
	*b = bound(x)
	return nil
}

// MarshalYAML is the range as it is written.
func (r Range) MarshalYAML() (any, error) { return []float64{r.Lower, r.Upper}, nil }
