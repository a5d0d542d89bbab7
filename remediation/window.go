package remediation

import (
	"fmt"
	"slices"
	"strings"
	"time"
	_ "time/tzdata" // a container without zone files must not act at another hour
)

// ChangeWindow is a time of the week in which remedies may act.
type ChangeWindow struct {
	// Days are monday to sunday; none means every day. A window past midnight belongs
	// to the day on which it begins.
	Days []string `yaml:"days,omitempty"`

	// From is when it begins, as 09:00.
	From string `yaml:"from"`

	// To is when it ends, as 17:30; 24:00 is the end of the day. Before from it means
	// that time of the next day.
	To string `yaml:"to"`

	// Zone is an IANA time zone, such as Europe/Berlin. Required, since a host's own
	// zone is seldom what people mean: UTC is one.
	Zone string `yaml:"zone"`
}

// window is a ChangeWindow made ready. Its times are minutes since midnight.
type window struct {
	days     [7]bool // by time.Weekday
	from, to int
	zone     *time.Location
}

const day = 24 * 60 // minutes

// build reads the window, or says what is wrong, by the path.
func (c ChangeWindow) build(path string) (window, error) {
	w := window{}
	if len(c.Days) == 0 {
		for i := range w.days {
			w.days[i] = true
		}
	}
	for i, name := range c.Days {
		d := slices.IndexFunc(weekdays, func(one string) bool { return strings.EqualFold(one, name) })
		if d < 0 {
			return w, fmt.Errorf("%s.days[%d]: must be a day from monday to sunday, got %q", path, i, name)
		}
		w.days[d] = true
	}
	var err error
	if w.from, err = minutes(c.From); err != nil {
		return w, fmt.Errorf("%s.from: %w", path, err)
	}
	if w.to, err = minutes(c.To); err != nil {
		return w, fmt.Errorf("%s.to: %w", path, err)
	}
	if w.from == w.to || w.from == day {
		return w, fmt.Errorf("%s.to: must differ from from, which may not be 24:00; a whole day is from 00:00 to 24:00", path)
	}
	if c.Zone == "" || c.Zone == "Local" {
		return w, fmt.Errorf("%s.zone: must name a time zone, such as Europe/Berlin or UTC, got %q", path, c.Zone)
	}
	if w.zone, err = time.LoadLocation(c.Zone); err != nil {
		return w, fmt.Errorf("%s.zone: must name a time zone, such as Europe/Berlin or UTC: %w", path, err)
	}
	return w, nil
}

var weekdays = []string{"sunday", "monday", "tuesday", "wednesday", "thursday", "friday", "saturday"}

// minutes reads a time of day.
func minutes(s string) (int, error) {
	if s == "24:00" {
		return day, nil
	}
	t, err := time.Parse("15:04", s)
	if err != nil || len(s) != len("15:04") {
		return 0, fmt.Errorf("must be a time of day from 00:00 to 24:00, got %q", s)
	}
	return t.Hour()*60 + t.Minute(), nil
}

// contains reports whether t is within the window, the beginning included and the end not.
// It reads the clock on the wall there: in the hour that summer time repeats, both count.
func (w window) contains(t time.Time) bool {
	t = t.In(w.zone)
	now := t.Hour()*60 + t.Minute()
	today := w.days[t.Weekday()]
	yesterday := w.days[(t.Weekday()+6)%7]
	if w.from < w.to {
		return today && now >= w.from && now < w.to
	}
	return today && now >= w.from || yesterday && now < w.to
}
