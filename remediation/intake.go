package remediation

import (
	"encoding/json"
	"fmt"
	"net/http"
	"regexp"
	"time"

	"github.com/prometheus/common/model"

	"github.com/foreshock/foreshock"
	"github.com/foreshock/foreshock/internal/api"
)

const (
	// maxNotification bounds the body of a webhook: Alertmanager's are a few KiB,
	// and max_alerts there keeps them so.
	maxNotification = 1 << 20

	// maxLabels bounds one alert's labels, names and values, in bytes: Prometheus's
	// own limits, where set, are far below.
	maxLabels = 16 << 10

	// maxSkew is how far another machine's clock may run ahead of ours. An alert
	// from further in the future would make its later episodes look old.
	maxSkew = 10 * time.Minute

	// notificationVersion is the only one there has ever been since Alertmanager 0.5.
	notificationVersion = "4"
)

// notification is the part of Alertmanager's webhook body that counts. Fields it
// has gained and will gain are skipped, and the group's own status is too: a group
// fires while any of its alerts does.
type notification struct {
	alerts    []alert
	truncated uint64 // left out by Alertmanager
	// invalid is why alerts were left out here, one for each: the others of the
	// notification are not to wait for a bad one, which is sent again and again.
	invalid []error
}

type alert struct {
	Status   model.AlertStatus `json:"status"`
	Labels   map[string]string `json:"labels"`
	StartsAt time.Time         `json:"startsAt"`
	EndsAt   time.Time         `json:"endsAt"`

	Annotations struct {
		Incident string `json:"incident"`
	} `json:"annotations"`
}

// incidentID is how Foreshock names an incident: see the emitter's annotations.
var incidentID = regexp.MustCompile(`^[0-9a-f]{12}$`)

// incident is the ID of the one that the alert says it is of; "" where it says none.
func (a alert) incident() string {
	if id := a.Annotations.Incident; incidentID.MatchString(id) {
		return id
	}
	return ""
}

// decodeNotification reads a webhook's body, or says why it is no notification.
func decodeNotification(body []byte, now time.Time) (notification, error) {
	var envelope struct {
		Version         string            `json:"version"`
		Alerts          []json.RawMessage `json:"alerts"`
		TruncatedAlerts uint64            `json:"truncatedAlerts"`
	}
	if err := json.Unmarshal(body, &envelope); err != nil {
		return notification{}, err
	}
	if envelope.Version != notificationVersion {
		return notification{}, fmt.Errorf("version must be %q, got %.20q: is the receiver's payload customised?", notificationVersion, envelope.Version)
	}
	n := notification{truncated: envelope.TruncatedAlerts}
	for i, text := range envelope.Alerts {
		a, err := decodeAlert(text, now)
		if err != nil {
			n.invalid = append(n.invalid, fmt.Errorf("alerts[%d]: %w", i, err))
			continue
		}
		n.alerts = append(n.alerts, a)
	}
	return n, nil
}

func decodeAlert(text []byte, now time.Time) (a alert, err error) {
	if err := json.Unmarshal(text, &a); err != nil {
		return alert{}, err
	}
	if a.Status != model.AlertFiring && a.Status != model.AlertResolved {
		return alert{}, fmt.Errorf("status: must be firing or resolved, got %.20q", a.Status)
	}
	size := 0
	for name, value := range a.Labels {
		size += len(name) + len(value)
	}
	if size == 0 || size > maxLabels {
		return alert{}, fmt.Errorf("labels: must be from 1 to %d bytes, got %d", maxLabels, size)
	}
	if a.StartsAt.Unix() <= 0 || a.StartsAt.After(now.Add(maxSkew)) {
		return alert{}, fmt.Errorf("startsAt: must be from 1970 to %s from now, got %s", maxSkew, a.StartsAt.Format(time.RFC3339))
	}
	return a, nil
}

// Webhook takes Alertmanager's notifications. It answers 200 once all that follows
// from one is in the ledger, 5xx if that failed, so that Alertmanager tries again,
// and 4xx to what can never succeed. Single alerts that are none are left out,
// counted and logged.
func (r *Remediation) Webhook() http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		w.Header().Set("X-Content-Type-Options", "nosniff")
		if req.Method != http.MethodPost {
			w.Header().Set("Allow", http.MethodPost)
			api.Refuse(w, http.StatusMethodNotAllowed, "only POST")
			return
		}
		r.metrics.notifications.Inc()
		if !r.authorized(w, req, r.sender) {
			return
		}
		body, ok := api.Body(w, req, maxNotification)
		if !ok {
			r.metrics.rejected.Inc()
			return
		}
		n, err := decodeNotification(body, r.now())
		if err != nil {
			r.metrics.rejected.Inc()
			api.Refuse(w, http.StatusBadRequest, err.Error())
			return
		}
		if len(n.invalid) > 0 {
			r.metrics.invalid.Add(float64(len(n.invalid)))
			r.logger.Warn("alerts left out of a notification", "alerts", len(n.invalid), "err", clip(n.invalid[0].Error(), maxReason))
		}
		if err := r.take(n); err != nil {
			r.logger.Error("notification not recorded", "err", err)
			api.Refuse(w, statusOf(err), "not recorded, try again")
			return
		}
		w.WriteHeader(http.StatusOK)
	})
}

// take records what follows from the notification. After an error a part may have
// been; the same notification again brings the rest.
func (r *Remediation) take(n notification) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.closed {
		return foreshock.ErrClosed
	}
	r.metrics.truncated.Add(float64(n.truncated))
	s := r.settings.Load()
	if s.config.Mode == Off {
		return nil
	}
	b := batch{
		settings: s, ledger: r.ledger, metrics: r.metrics, now: r.moment(), ask: r.question, demand: r.demand,
		changed: map[string]bool{}, planned: map[identity]bool{}, ended: map[identity]time.Time{},
	}
	for _, a := range n.alerts {
		r.metrics.alerts[a.Status].Inc()
		if a.Status == model.AlertFiring {
			b.firing(a)
		} else {
			b.resolved(a)
		}
	}
	err := r.ledger.ended(b.ended)
	if err == nil {
		err = r.ledger.record(b.entries...)
	}
	r.signal()
	if err != nil {
		return err
	}
	for _, e := range b.entries {
		r.tell(e)
	}
	return nil
}
