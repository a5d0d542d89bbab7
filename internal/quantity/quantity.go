// Package quantity writes measured values for people: three significant digits, in the
// unit that the metric's name ends in, as Prometheus's naming has it
// (https://prometheus.io/docs/practices/naming: base units, in the plural, as a suffix).
package quantity

import (
	"math"
	"strconv"
	"strings"
)

// Statistics are the suffixes of what the detector makes of a histogram, in words; their
// unit is that of the histogram.
var Statistics = map[string]string{"_mean": "mean ", "_p50": "median ", "_p99": "p99 "}

// Of writes a value of a series, given by its metric's name or as name{labels}, as a
// person would say it. What counts (_total) is known by its rate: of bytes so many a
// second, of seconds a share of the time.
func Of(series string, v float64) string { return digits(3).of(series, v) }

// Finely is Of with a digit more, for who looks into it.
func Finely(series string, v float64) string { return digits(4).of(series, v) }

// Number writes v with three significant digits, and no exponent where there is a
// reasonable way without.
func Number(v float64) string { return digits(3).number(v) }

// digits are how many of a number are significant.
type digits int

func (d digits) of(series string, v float64) string {
	metric, _, _ := strings.Cut(series, "{")
	for suffix := range Statistics {
		metric = strings.TrimSuffix(metric, suffix)
	}
	metric, counts := strings.CutSuffix(metric, "_total")
	switch {
	case math.IsNaN(v) || math.IsInf(v, 0):
		return d.number(v)
	case strings.HasSuffix(metric, "_timestamp_seconds"):
		return d.number(v)
	case strings.HasSuffix(metric, "_seconds") && counts:
		return d.number(v)
	case strings.HasSuffix(metric, "_seconds"):
		return d.span(v)
	case strings.HasSuffix(metric, "_bytes") && counts:
		return d.size(v) + "/s"
	case strings.HasSuffix(metric, "_bytes"):
		return d.size(v)
	case strings.HasSuffix(metric, "_ratio"):
		return d.number(100*v) + " %"
	case strings.HasSuffix(metric, "_percent"):
		return d.number(v) + " %"
	case strings.HasSuffix(metric, "_celsius"):
		return d.number(v) + " °C"
	case counts:
		return d.count(v) + "/s"
	}
	return d.count(v)
}

func (d digits) number(v float64) string {
	short := strconv.FormatFloat(v, 'g', int(d), 64)
	if a := math.Abs(v); a >= 1e-6 && a < 1e15 {
		rounded, _ := strconv.ParseFloat(short, 64) // what FormatFloat wrote can be read
		return strconv.FormatFloat(rounded, 'f', -1, 64)
	}
	return short
}

// count writes v with a decimal prefix from ten thousand on.
func (d digits) count(v float64) string {
	if a := math.Abs(v); a < 1e4 || a >= 1e18 {
		return d.number(v)
	}
	return d.scaled(v, 1000, "", "k", "M", "G", "T", "P")
}

// size writes so many bytes.
func (d digits) size(v float64) string {
	return d.scaled(v, 1024, " B", " KiB", " MiB", " GiB", " TiB", " PiB")
}

// scaled writes v in the largest unit that, rounded, leaves something before the point;
// each is step of the one before.
func (d digits) scaled(v, step float64, units ...string) string {
	k, rounded := 0, 1-math.Pow10(-int(d))/2 // 999.5 of 1000 are written 1000
	for ; math.Abs(v) >= step*rounded && k < len(units)-1; k++ {
		v /= step
	}
	return d.number(v) + units[k]
}

// span writes so many seconds.
func (d digits) span(v float64) string {
	switch a := math.Abs(v); {
	case v == 0:
		return "0 s"
	case a < 1e-3:
		return d.number(v*1e6) + " µs"
	case a < 1:
		return d.number(v*1e3) + " ms"
	case a < 120:
		return d.number(v) + " s"
	case a < 2*3600:
		return d.number(v/60) + " min"
	case a < 2*86400:
		return d.number(v/3600) + " h"
	}
	return d.number(v/86400) + " d"
}
