package emitter

import (
	"cmp"
	"fmt"
	"math"
	"strconv"
	"strings"
	"time"
	"unicode"

	"github.com/foreshock/foreshock"
	"github.com/foreshock/foreshock/internal/quantity"
)

// maxWord is how many bytes of one name a summary has room for: it names at most two
// places and two metrics.
const maxWord = 64

// words is text from labels, fit for a line that a person reads: what would break the
// line, hide in it or turn it around is written as in Go, and it is cut to so many bytes.
func words(s string, most int) string {
	var b strings.Builder
	for _, r := range strings.ToValidUTF8(s, "\uFFFD") {
		written := string(r)
		if !unicode.IsPrint(r) {
			written = strings.Trim(strconv.QuoteRuneToASCII(r), "'")
		}
		if b.Len()+len(written) > most {
			return b.String() + "…"
		}
		b.WriteString(written)
	}
	return b.String()
}

// subject names a series as a person would: where it is and what it measures, without the
// unit, which the value has. A name that says where it is already says so once.
func subject(place string, s *foreshock.Series) string {
	return owned(place, " ", s)
}

// owner is the same with the place as what owns it.
func owner(place string, s *foreshock.Series) string {
	return owned(place, "'s ", s)
}

func owned(place, joint string, s *foreshock.Series) string {
	what := measure(s)
	if place == "" {
		return what
	}
	for _, said := range []string{place + " ", "node "} {
		what = strings.TrimPrefix(what, said)
	}
	return place + joint + what
}

// unitSuffixes end a metric's name by its unit, as Prometheus's naming has it.
var unitSuffixes = []string{"_seconds", "_bytes", "_ratio", "_percent", "_celsius"}

// measure is the metric of a series in words, or the series where it has no name.
func measure(s *foreshock.Series) string {
	name := s.Name()
	if name == "" {
		return words(s.String(), 2*maxWord)
	}
	before := ""
	for suffix, word := range quantity.Statistics {
		if bare, ok := strings.CutSuffix(name, suffix); ok && bare != "" {
			name, before = bare, word
			break
		}
	}
	bare := strings.TrimSuffix(name, "_total")
	for _, suffix := range unitSuffixes {
		bare = strings.TrimSuffix(bare, suffix)
	}
	return before + words(strings.Join(strings.FieldsFunc(cmp.Or(bare, name), isJoint), " "), maxWord)
}

func isJoint(r rune) bool { return r == '_' || r == ':' }

// change says how far off a value is from what is normal for its series: as a multiple
// where there is something to multiply.
func change(s *foreshock.Series, v float64, b foreshock.Band) string {
	in := func(v float64) string { return quantity.Of(s.Name(), v) }
	at := in(v)
	if !b.Known() {
		return "at " + at
	}
	normal := (b.Lower + b.Upper) / 2
	// Of a band wider than four times its middle the middle says little.
	if times := v / normal; normal > 0 && v >= 0 && b.Upper-b.Lower <= 4*normal {
		switch {
		case v == 0:
			return fmt.Sprintf("at %s, normally %s", at, in(normal))
		case times >= 1000:
			return fmt.Sprintf("over 1000× normal (%s)", at)
		case times >= 9.5:
			return fmt.Sprintf("%.0f× normal (%s)", times, at)
		case times >= 1.5:
			return fmt.Sprintf("%s× normal (%s)", strconv.FormatFloat(math.Round(10*times)/10, 'f', -1, 64), at)
		case times <= 2./3:
			return fmt.Sprintf("at %s %% of normal (%s)", quantity.Number(math.Max(math.Round(100*times), 1)), at)
		}
	}
	return fmt.Sprintf("at %s, normally %s to %s", at, in(b.Lower), in(b.Upper))
}

// since says from when on, and until when where it is over, in UTC: with the day where
// that is not the day of now.
func since(i *foreshock.Incident, onset int64) string {
	from, now := foreshock.Time(onset), foreshock.Time(i.Updated)
	format := "15:04 UTC"
	if i.Updated != 0 && now.Sub(from) >= 24*time.Hour {
		format = "2 Jan 15:04 UTC"
	}
	if i.State == foreshock.Resolved && i.EndsAt > onset {
		return fmt.Sprintf("from %s to %s", from.Format(strings.TrimSuffix(format, " UTC")), foreshock.Time(i.EndsAt).Format(format))
	}
	return "since " + from.Format(format)
}

// ago is a stretch of time in words, of whole minutes or hours.
func ago(d time.Duration) string {
	if d < 90*time.Minute {
		return fmt.Sprintf("%.0f min", d.Minutes())
	}
	return quantity.Number(math.Round(2*d.Hours())/2) + " h"
}

// nouns are what the places of extent.PlaceLabels are called, with the word that puts
// series there.
var nouns = map[string]struct{ where, one, many string }{
	"pod": {"in", "pod", "pods"}, "node": {"on", "node", "nodes"}, "nodename": {"on", "node", "nodes"},
	"instance": {"on", "instance", "instances"}, "host": {"on", "host", "hosts"}, "service": {"in", "service", "services"},
	"svc": {"in", "service", "services"}, "app": {"in", "app", "apps"}, "job": {"in", "job", "jobs"},
}
