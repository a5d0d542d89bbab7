package table

import (
	"fmt"
	"math"
	"strconv"
	"time"
)

// clock reads the timestamps of one file, which are all of one kind; the first
// decides which.
type clock struct{ kind kind }

type kind uint8

const (
	unknown kind = iota
	calendar
	seconds
	milliseconds
)

func (k kind) String() string {
	return [...]string{"unknown", "dates", "Unix seconds", "Unix milliseconds"}[k]
}

// Numbers from 10¹¹ on are milliseconds: as such the least is March 1973, while as
// seconds it is the year 5138. From 10¹⁴ on they are finer than milliseconds.
const (
	leastMilliseconds = 1e11
	leastMicroseconds = 1e14
)

// earliest is 0001-01-01T00:00:00Z, before which RFC 3339 has no way to write a time.
const earliest = -62135596800000

// layouts are RFC 3339 and what spreadsheets and database shells print instead; a
// time without a zone is UTC.
var layouts = []string{time.RFC3339Nano, "2006-01-02 15:04:05Z07:00", "2006-01-02T15:04:05", "2006-01-02 15:04:05"}

// read returns the time that text stands for, in ms since the epoch.
func (c *clock) read(text string) (int64, error) {
	ms, kind, err := parseTime(text)
	if err != nil {
		return 0, err
	}
	if c.kind == unknown {
		c.kind = kind
	}
	if (c.kind == calendar) != (kind == calendar) {
		return 0, fmt.Errorf("timestamp %q: the file began with %s; write all timestamps alike", text, c.kind)
	}
	if c.kind == seconds {
		ms *= 1000
	}
	if ms >= leastMicroseconds || ms < earliest {
		return 0, fmt.Errorf("timestamp %q: as %s not within the years 1 to 5138; want seconds or milliseconds, all alike", text, c.kind)
	}
	return int64(math.Round(ms)), nil
}

// parseTime returns the number that text is and what it seems to count, or the
// milliseconds of a date.
func parseTime(text string) (float64, kind, error) {
	if v, err := strconv.ParseFloat(text, 64); err == nil {
		switch size := math.Abs(v); {
		case size < leastMilliseconds:
			return v, seconds, nil
		case size < leastMicroseconds:
			return v, milliseconds, nil
		}
		return 0, unknown, fmt.Errorf("timestamp %q: neither seconds nor milliseconds; divide micro- or nanoseconds until it is", text)
	}
	for _, layout := range layouts {
		if at, err := time.Parse(layout, text); err == nil {
			return float64(at.UnixMilli()), calendar, nil
		}
	}
	return 0, unknown, fmt.Errorf("timestamp %q: want RFC 3339, such as 2026-03-01T12:00:00Z, or Unix seconds or milliseconds", text)
}
