package rules

import (
	"fmt"
	"time"

	"github.com/prometheus/common/model"
)

// Absence is how long a series may go unheard while its target is heard: a duration,
// auto or off.
type Absence time.Duration

// AbsenceAuto, the default, leaves the wait to the detector, and with it whether the
// series is one that is missed at all; AbsenceOff misses none.
const (
	AbsenceAuto Absence = 0
	AbsenceOff  Absence = -1
)

// A series that is absent for less than a minute has missed a scrape; one that is for
// a week is forgotten before.
const (
	shortestAbsence = time.Minute
	longestAbsence  = 7 * 24 * time.Hour
)

// UnmarshalText parses a duration, auto and off.
func (a *Absence) UnmarshalText(text []byte) error {
	switch string(text) {
	case "auto":
		*a = AbsenceAuto
		return nil
	case "off":
		*a = AbsenceOff
		return nil
	}
	d, err := model.ParseDuration(string(text))
	if err != nil {
		return fmt.Errorf("want a duration, auto or off, got %q", text)
	}
	if within := time.Duration(d); within < shortestAbsence || within > longestAbsence {
		return fmt.Errorf("must be from %s to %s, got %s", model.Duration(shortestAbsence), model.Duration(longestAbsence), d)
	}
	*a = Absence(d)
	return nil
}

// MarshalText is the wait as it is written in a rule.
func (a Absence) MarshalText() ([]byte, error) { return []byte(a.String()), nil }

// String is the wait as it is written in a rule.
func (a Absence) String() string {
	switch a {
	case AbsenceAuto:
		return "auto"
	case AbsenceOff:
		return "off"
	}
	return model.Duration(a).String()
}
