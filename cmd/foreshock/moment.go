package main

import (
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/prometheus/common/model"
)

// momentOf is the time that text names to someone who types it at now.
func momentOf(flag, text string, now time.Time) (time.Time, error) {
	now = now.UTC()
	if at, err := time.Parse(time.RFC3339Nano, text); err == nil {
		return at, nil
	}
	if s, err := strconv.ParseFloat(text, 64); err == nil && s > 0 && s < 253402300800 { // the year 10000
		return time.UnixMilli(int64(s * 1000)).UTC(), nil
	}
	if text == "now" {
		return now, nil
	}
	// A minus says that it is over; without one it is just as long ago.
	if ago, err := model.ParseDuration(strings.TrimPrefix(text, "-")); err == nil {
		return now.Add(-time.Duration(ago)), nil
	}
	for _, layout := range []string{"15:04", "15:04:05"} {
		clock, err := time.Parse(layout, text)
		if err != nil {
			continue
		}
		at := time.Date(now.Year(), now.Month(), now.Day(), clock.Hour(), clock.Minute(), clock.Second(), 0, time.UTC)
		if at.After(now) {
			at = at.AddDate(0, 0, -1)
		}
		return at, nil
	}
	return time.Time{}, fmt.Errorf("%s %s: want RFC 3339 (2026-03-01T03:00:00Z), seconds since 1970, a time of day in UTC (03:00) or how long ago (90m)", flag, text)
}

// joinMoments writes --from -30m as --from=-30m: else the minus would begin a flag.
func joinMoments(args []string) []string {
	var joined []string
	for i := 0; i < len(args); i++ {
		if (args[i] == "--from" || args[i] == "--to") && i+1 < len(args) && strings.HasPrefix(args[i+1], "-") {
			joined = append(joined, args[i]+"="+args[i+1])
			i++
			continue
		}
		joined = append(joined, args[i])
	}
	return joined
}
