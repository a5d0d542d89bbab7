package remediation

import (
	"crypto/sha256"
	"crypto/subtle"
	"errors"
	"fmt"
	"io"
	"mime"
	"net/http"
	"strings"

	"github.com/foreshock/foreshock"
	"github.com/foreshock/foreshock/internal/api"
)

// authorized answers the request itself where it may not go on.
func (r *Remediation) authorized(w http.ResponseWriter, req *http.Request) bool {
	status := r.authorize(req)
	if status == http.StatusOK {
		return true
	}
	r.metrics.unauthorized.Inc()
	reason := "a token is needed"
	if status == http.StatusForbidden {
		reason = "closed until remediation.webhook_token is set"
	} else {
		w.Header().Set("WWW-Authenticate", `Bearer realm="foreshock"`)
	}
	api.Refuse(w, status, reason)
	return false
}

// authorize returns 200, 401, or 403 where nobody can be let in. Where there is a
// token it is demanded of everybody: a certificate good for sending samples is not
// a permission to act.
func (r *Remediation) authorize(req *http.Request) int {
	switch s := r.settings.Load(); {
	case s.hasToken:
		scheme, token, _ := strings.Cut(req.Header.Get("Authorization"), " ")
		sum := sha256.Sum256([]byte(token))
		if strings.EqualFold(scheme, "Bearer") && subtle.ConstantTimeCompare(sum[:], s.token[:]) == 1 {
			return http.StatusOK
		}
		return http.StatusUnauthorized
	case r.verifiedClients && req.TLS != nil && len(req.TLS.VerifiedChains) > 0:
		return http.StatusOK
	case r.verifiedClients:
		return http.StatusUnauthorized
	}
	return http.StatusForbidden
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

func (r *Remediation) answer(w http.ResponseWriter, data any) {
	if err := api.Answer(w, data); err != nil {
		r.logger.Error("request not answered", "err", err)
	}
}
