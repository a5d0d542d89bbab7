package rules

import (
	"fmt"
	"strconv"
	"strings"
)

// Confidence is the share of values that an interval is to hold. Its zero value is the
// default.
type Confidence float64

// defaultConfidence is the share where a rule does not say. Beyond the bounds an interval
// says nothing, or is made of values that never came.
const (
	defaultConfidence  = 0.95
	leastConfidence    = 0.5
	greatestConfidence = 0.999
)

// Share is the share of values, from 0.5 to 0.999.
func (c Confidence) Share() float64 {
	if c == 0 {
		return defaultConfidence
	}
	return float64(c)
}

// UnmarshalText parses 0.9 and 90%.
func (c *Confidence) UnmarshalText(text []byte) error {
	number, percent := strings.CutSuffix(strings.TrimSpace(string(text)), "%")
	x, err := strconv.ParseFloat(strings.TrimSpace(number), 64)
	if err != nil {
		return fmt.Errorf("want a share such as 0.9 or 90%%, got %q", text)
	}
	if percent {
		x /= 100
	}
	if !(x >= leastConfidence && x <= greatestConfidence) {
		return fmt.Errorf("must be from %g to %g, got %q", leastConfidence, greatestConfidence, text)
	}
	*c = Confidence(x)
	return nil
}

// MarshalText is the share as it is written in a rule.
func (c Confidence) MarshalText() ([]byte, error) {
	return strconv.AppendFloat(nil, c.Share(), 'g', -1, 64), nil
}
