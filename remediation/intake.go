package remediation

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"mime"
	"net/http"
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
	Version         string  `json:"version"`
	Alerts          []alert `json:"alerts"`
	TruncatedAlerts uint64  `json:"truncatedAlerts"`
}

type alert struct {
	Status   model.AlertStatus `json:"status"`
	Labels   map[string]string `json:"labels"`
	StartsAt time.Time         `json:"startsAt"`
	EndsAt   time.Time         `json:"endsAt"`
}

// decodeNotification reads a webhook's body, or says what is wrong with it.
func decodeNotification(body []byte, now time.Time) (notification, error) {
	var n notification
	if err := json.Unmarshal(body, &n); err != nil {
		return notification{}, err
	}
	if n.Version != notificationVersion {
		return notification{}, fmt.Errorf("version must be %q, got %.20q: is the receiver's payload customised?", notificationVersion, n.Version)
	}
	for i, a := range n.Alerts {
		if err := a.validate(now); err != nil {
			return notification{}, fmt.Errorf("alerts[%d].%w", i, err)
		}
	}
	return n, nil
}

func (a alert) validate(now time.Time) error {
	if a.Status != model.AlertFiring && a.Status != model.AlertResolved {
		return fmt.Errorf("status: must be firing or resolved, got %.20q", a.Status)
	}
	size := 0
	for name, value := range a.Labels {
		size += len(name) + len(value)
	}
	if size == 0 || size > maxLabels {
		return fmt.Errorf("labels: must be of 1 to %d bytes, got %d", maxLabels, size)
	}
	if a.StartsAt.Unix() <= 0 || a.StartsAt.After(now.Add(maxSkew)) {
		return fmt.Errorf("startsAt: must be after 1970 and not in the future, got %s", a.StartsAt.Format(time.RFC3339))
	}
	return nil
}

// Webhook takes Alertmanager's notifications. It answers 200 once all that follows
// from one is in the ledger, 5xx if that failed, so that Alertmanager tries again,
// and 4xx to what can never succeed.
func (r *Remediation) Webhook() http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		w.Header().Set("X-Content-Type-Options", "nosniff")
		if req.Method != http.MethodPost {
			w.Header().Set("Allow", http.MethodPost)
			api.Refuse(w, http.StatusMethodNotAllowed, "only POST")
			return
		}
		r.metrics.notifications.Inc()
		if !r.authorized(w, req) {
			return
		}
		body, ok := readJSON(w, req, maxNotification)
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
		if err := r.take(n); err != nil {
			r.logger.Error("Alertmanager's notification was not recorded", "err", err)
			api.Refuse(w, statusOf(err), "not recorded, try again")
			return
		}
		w.WriteHeader(http.StatusOK)
	})
}

// readJSON reads a JSON body, or answers the request itself. A browser cannot send
// that content type across origins unasked, so no page can act with a visitor's
// client certificate.
func readJSON(w http.ResponseWriter, req *http.Request, limit int64) ([]byte, bool) {
	if kind, _, err := mime.ParseMediaType(req.Header.Get("Content-Type")); err != nil || kind != "application/json" {
		api.Refuse(w, http.StatusUnsupportedMediaType, "content type must be application/json")
		return nil, false
	}
	body, err := io.ReadAll(http.MaxBytesReader(w, req.Body, limit))
	if large := (*http.MaxBytesError)(nil); errors.As(err, &large) {
		api.Refuse(w, http.StatusRequestEntityTooLarge, fmt.Sprintf("body must be at most %d bytes", limit))
		return nil, false
	}
	if err != nil {
		api.Refuse(w, http.StatusBadRequest, "body could not be read")
		return nil, false
	}
	return body, true
}

// statusOf is the answer for what we, not the client, failed at.
func statusOf(err error) int {
	if errors.Is(err, foreshock.ErrClosed) {
		return http.StatusServiceUnavailable
	}
	return http.StatusInternalServerError
}

// take records what follows from the notification. After an error a part may have
// been; the same notification again brings the rest.
func (r *Remediation) take(n notification) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.closed {
		return foreshock.ErrClosed
	}
	r.metrics.truncated.Add(float64(n.TruncatedAlerts))
	s := r.settings.Load()
	if s.config.Mode == Off {
		return nil
	}
	b := batch{
		settings: s, ledger: r.ledger, metrics: r.metrics, now: r.now(),
		changed: map[string]bool{}, planned: map[identity]bool{},
	}
	for _, a := range n.Alerts {
		r.metrics.alerts[a.Status].Inc()
		if a.Status == model.AlertFiring {
			b.firing(a)
		} else {
			b.resolved(a)
		}
	}
	err := r.ledger.record(b.entries...)
	r.signal()
	if err != nil {
		return err
	}
	for _, e := range b.entries {
		r.tell(e)
	}
	return nil
}
