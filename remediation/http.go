package remediation

import (
	"crypto/sha256"
	"crypto/subtle"
	"errors"
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

// Guard lets through to h who may act: whoever has the webhook's token, as for a decision
// about a plan.
func (r *Remediation) Guard(h http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		if r.authorized(w, req) {
			h.ServeHTTP(w, req)
		}
	})
}

// authorize returns 200, 401, or 403 where nobody can be let in. Where there is a
// token it is demanded of everybody: a certificate good for sending samples is not
// a permission to act.
func (r *Remediation) authorize(req *http.Request) int {
	switch s := r.settings.Load(); {
	case s.hasToken:
		sum := sha256.Sum256([]byte(tokenOf(req)))
		if subtle.ConstantTimeCompare(sum[:], s.token[:]) == 1 {
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

// tokenHeader has the token where Authorization has a password that --web.config.file
// demands: a request has one Authorization.
const tokenHeader = "X-Foreshock-Token"

// tokenOf is the token that a request brings, or "".
func tokenOf(req *http.Request) string {
	if token := req.Header.Get(tokenHeader); token != "" {
		return token
	}
	if scheme, token, _ := strings.Cut(req.Header.Get("Authorization"), " "); strings.EqualFold(scheme, "Bearer") {
		return token
	}
	return ""
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
