package emitter

import (
	"fmt"
	"time"

	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/notifier"

	"github.com/foreshock/foreshock"
	"github.com/foreshock/foreshock/incident/extent"
)

// blindName is the alert that Foreshock sees nothing. It is about Foreshock itself, so
// it goes by no rule and belongs to no incident.
const blindName = "ForeshockBlind"

// blindAlert is the one alert of blindness on its way to Alertmanager, in the rhythm of
// the others. Its zero value is that of one who sees.
type blindAlert struct {
	blindness foreshock.Blindness // the latest that was told
	endedAt   time.Time           // by our clock; zero while blind
	nextAt    time.Time           // when to tell it again
}

// due is what must be told now, or nil. What nobody could be told in time is not told
// once it is over.
func (b *blindAlert) due(now time.Time, is foreshock.Blindness, reachable bool) *notifier.Alert {
	switch told := b.blindness.Blind(); {
	case !reachable:
		return nil
	case is.Blind() && (!told || !b.endedAt.IsZero() || !is.Since.Equal(b.blindness.Since)):
		*b = blindAlert{blindness: is}
	case !told:
		return nil
	case !is.Blind() && b.endedAt.IsZero():
		b.endedAt, b.nextAt = now, now
	case !is.Blind() && now.Sub(b.endedAt) > resolvedRetention:
		*b = blindAlert{}
		return nil
	}
	if b.nextAt.After(now) {
		return nil
	}
	b.nextAt = now.Add(resendDelay)
	n := &notifier.Alert{
		Labels: labels.FromStrings(labels.AlertName, blindName, severityLabel, extent.Warning),
		Annotations: labels.FromStrings(
			"summary", fmt.Sprintf("Foreshock is blind since %s: %s", b.blindness.Since.UTC().Format("15:04:05 UTC"), b.blindness.Why),
			"description", "Nothing is judged and no remedy runs. Incidents that were open stay so. See the remote_write of Prometheus: prometheus_remote_storage_samples_pending, prometheus_remote_storage_samples_failed_total.",
		),
		StartsAt: b.blindness.Since,
		EndsAt:   now.Add(firingFor),
	}
	if !b.endedAt.IsZero() {
		n.EndsAt = b.endedAt
	}
	return n
}

func (b *blindAlert) state() string {
	if b.endedAt.IsZero() {
		return "firing"
	}
	return "resolved"
}
