package emitter

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/notifier"

	"github.com/foreshock/foreshock"
)

// remedyName is the alert that a person must look after a remedy. It is about what
// Foreshock did, so it goes by no rule for series and belongs to no incident.
const remedyName = "ForeshockRemedyFailed"

// describedRemedies are as many as a person looks at.
const describedRemedies = 5

// remediesText says in a line each what was done about an incident, the latest first.
func remediesText(all []foreshock.Remedy) string {
	var lines []string
	for _, r := range slices.Backward(all[max(len(all)-describedRemedies, 0):]) {
		lines = append(lines, remedyPlace(r.Action, r.Target)+": "+r.Text)
	}
	return strings.Join(lines, "\n")
}

// remedyPlace is an action and what it was pointed at.
func remedyPlace(action, target string) string {
	if target == "" {
		return action
	}
	return action + " on " + words(target, maxWord)
}

// troubles are the alerts about remedies on their way to Alertmanager, by what
// identifies them and in the rhythm of the others. They end when they are not listed any
// more.
type troubles map[string]*troubleAlert

type troubleAlert struct {
	trouble foreshock.Trouble
	labels  labels.Labels
	endedAt time.Time // by our clock; zero while it lasts
	nextAt  time.Time // when to tell it again
}

// due are those that must be told now, of those there are, oldest first; link leads to an
// incident. What nobody could be told in time is not told once it is over.
func (t troubles) due(now time.Time, are []foreshock.Trouble, reachable bool, link func(string) string) (all []*notifier.Alert) {
	if !reachable {
		return nil
	}
	listed := map[string]bool{}
	for _, is := range slices.Backward(are) {
		ls := troubleLabels(is)
		key := string(ls.Bytes(nil))
		if listed[key] {
			continue // the newest speaks for all
		}
		listed[key] = true
		if a := t[key]; a == nil || a.trouble != is || !a.endedAt.IsZero() {
			t[key] = &troubleAlert{trouble: is, labels: ls}
		}
	}
	for _, key := range slices.Sorted(maps.Keys(t)) {
		a := t[key]
		switch {
		case !listed[key] && a.endedAt.IsZero():
			a.endedAt, a.nextAt = now, now
		case !a.endedAt.IsZero() && now.Sub(a.endedAt) > resolvedRetention:
			delete(t, key)
			continue
		}
		if a.nextAt.After(now) {
			continue
		}
		a.nextAt = now.Add(resendDelay)
		all = append(all, a.notification(now, link))
	}
	return all
}

// troubleLabels are the identity of the alert.
func troubleLabels(t foreshock.Trouble) labels.Labels {
	ls := map[string]string{
		labels.AlertName: remedyName, severityLabel: defaultSeverity,
		foreshock.RuleLabel: t.Rule, "action": t.Action,
	}
	if t.Target != "" {
		ls["target"] = t.Target
	}
	return labels.FromMap(ls)
}

func (a *troubleAlert) notification(now time.Time, link func(string) string) *notifier.Alert {
	t := a.trouble
	annotations := map[string]string{
		"summary":     fmt.Sprintf("Remedy %s: %s", remedyPlace(t.Action, t.Target), strings.ToValidUTF8(t.Text, "\uFFFD")),
		"description": "A person must look: Foreshock does nothing more about this alert. See foreshock_remediation_outcomes_total and GET /api/v1/remediations.",
	}
	n := &notifier.Alert{Labels: a.labels, StartsAt: t.Since, EndsAt: now.Add(firingFor)}
	if t.Incident != "" {
		annotations["incident"] = t.Incident
		n.GeneratorURL = link(t.Incident)
	}
	n.Annotations = labels.FromMap(annotations)
	if !a.endedAt.IsZero() {
		n.EndsAt = a.endedAt
	}
	return n
}

// resend makes all of them due at once.
func (t troubles) resend() {
	for _, a := range t {
		a.nextAt = time.Time{}
	}
}
